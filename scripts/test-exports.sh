#!/usr/bin/env bash
# Opens the files of a running mesh in DuckDB, pandas and pyarrow, and compares types, rows and a checksum of each column
# with what the data port answers.
#
#   scripts/test-exports.sh TERRANE [DIRECTORY FOR THE TOOLS]     default: target/test-exports
#
# TERRANE is the program; a mesh of ./products is started with it, and ended. Needs python3 with venv and pip.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -ge 1 ] || { echo "usage: scripts/test-exports.sh TERRANE [DIRECTORY]" >&2; exit 2; }
terrane=$(realpath "$1")
. scripts/mesh.sh
python_with "${2:-target/test-exports}" duckdb==2.0.1 pandas==3.1.1 pyarrow==26.0.1
start_mesh "$terrane"
token=$("$terrane" token --role analyst)
"$python" scripts/test_exports.py "$terrane" "$base" "$token" "$work"
