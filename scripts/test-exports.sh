#!/usr/bin/env bash
# Opens the files of a running mesh in DuckDB, pandas and pyarrow, and compares types, rows and a checksum of each column
# with what the data port answers.
#
#   scripts/test-exports.sh TERRANE [DIRECTORY FOR THE TOOLS]     default: target/test-exports
#
# TERRANE is the program; a mesh of ./products is started with it, and ended. Needs python3 with venv and pip.
set -euo pipefail
cd "$(dirname "$0")/.."

PACKAGES=(duckdb==2.0.1 pandas==3.1.1 pyarrow==26.0.1)

[ $# -ge 1 ] || { echo "usage: scripts/test-exports.sh TERRANE [DIRECTORY]" >&2; exit 2; }
terrane=$(realpath "$1")
tools=${2:-target/test-exports}
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
token=$("$terrane" token --role analyst)
"$tools/venv/bin/python" scripts/test_exports.py "$terrane" "$base" "$token" "$work"
