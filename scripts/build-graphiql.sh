#!/usr/bin/env bash
# Bundles GraphiQL into gateway/server/assets/graphiql/, where the result is committed: who compiles Terrane needs no
# Node, and who opens the page needs no CDN. Run it after changing a version or a file in scripts/graphiql/.
#
#   scripts/build-graphiql.sh            writes the files
#   scripts/build-graphiql.sh --check    builds beside them and fails when they differ
#
# Needs Node 20 or newer with npm.
set -euo pipefail
cd "$(dirname "$0")/.."

assets=gateway/server/assets/graphiql
work=target/graphiql
mkdir -p "$work"
find scripts/graphiql -maxdepth 1 -type f -exec cp {} "$work/" \;
# No install scripts: esbuild finds its binary without them.
(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && rm -rf out && mkdir out && node build.mjs out)

if [ "${1:-}" = --check ]; then
    for file in graphiql.js graphiql.css LICENSES.txt; do
        cmp "$work/out/$file" "$assets/$file"
    done
    echo "$assets is what its sources make"
else
    cp "$work"/out/* "$assets/"
fi
