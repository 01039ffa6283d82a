#!/usr/bin/env bash
# Compares what Terrane's checks find with what the contract standard's own tool (`datacontract test`) finds in the same
# tables of a running mesh: as they are published, and again after rows were broken.
#
#   scripts/test-quality.sh TERRANE [DIRECTORY FOR THE TOOLS]     default: target/test-quality
#
# TERRANE is the program; a mesh of ./products is started with it, and ended. Needs python3 with venv and pip.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -ge 1 ] || { echo "usage: scripts/test-quality.sh TERRANE [DIRECTORY]" >&2; exit 2; }
terrane=$(realpath "$1")
. scripts/mesh.sh
python_with "${2:-target/test-quality}" "datacontract-cli[postgres]==1.2.8"
start_mesh "$terrane"
token=$("$terrane" token --role steward)
PATH="$(dirname "$python"):$PATH" "$python" scripts/test_quality.py "$base" "$token" "$work/state" "$work"
