#!/usr/bin/env bash
# Compares what Terrane's checks find with what the contract standard's own tool (`datacontract test`) finds in the same
# tables of a running mesh: as they are published, and again after rows were broken.
#
#   scripts/test-quality.sh TERRANE [DIRECTORY FOR THE TOOLS]     default: target/test-quality
#
# TERRANE is the program; a mesh of ./products is started with it, and ended. Needs python3 with venv and pip.
set -euo pipefail
cd "$(dirname "$0")/.."

PACKAGES=("datacontract-cli[postgres]==1.2.8")

[ $# -ge 1 ] || { echo "usage: scripts/test-quality.sh TERRANE [DIRECTORY]" >&2; exit 2; }
terrane=$(realpath "$1")
tools=${2:-target/test-quality}
mkdir -p "$tools"
tools=$(cd "$tools" && pwd)
if [ "$(cat "$tools/installed" 2>/dev/null)" != "${PACKAGES[*]}" ]; then
    rm -rf "$tools/venv"
    python3 -m venv "$tools/venv"
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check "${PACKAGES[@]}"
    echo "${PACKAGES[*]}" >"$tools/installed"
fi

work=$(mktemp -d)
mesh=
finish() {
    if [ -n "$mesh" ]; then kill "$mesh" 2>/dev/null && wait "$mesh" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap finish EXIT
export TERRANE_JWT_SECRET=a-secret-of-this-test-with-more-than-32-bytes
unset DATABASE_URL
: >"$work/mesh.log" # it is read before the mesh may have written to it
"$terrane" dev --port 0 --state "$work/state" >>"$work/mesh.log" 2>&1 &
mesh=$!
for _ in $(seq 600); do
    base=$(sed -n 's#^ *Marketplace *\(http://[^/]*\)/$#\1#p' "$work/mesh.log")
    [ -z "$base" ] || break
    kill -0 "$mesh" 2>/dev/null || { cat "$work/mesh.log"; exit 1; }
    sleep 0.2
done
[ -n "$base" ] || { cat "$work/mesh.log"; exit 1; }
token=$("$terrane" token --role steward)
PATH="$tools/venv/bin:$PATH" "$tools/venv/bin/python" scripts/test_quality.py "$base" "$token" "$work/state" "$work"
