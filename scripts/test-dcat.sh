#!/usr/bin/env bash
# Checks what a running mesh says to other catalogs (DCAT as JSON-LD) by SHACL, with pyshacl:
#
#   scripts/test-dcat.sh TERRANE [DIRECTORY FOR THE TOOLS]     default: target/test-dcat
#
# TERRANE is the program; a mesh of ./products is started with it, and ended. Needs python3 with venv and pip.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -ge 1 ] || { echo "usage: scripts/test-dcat.sh TERRANE [DIRECTORY]" >&2; exit 2; }
terrane=$(realpath "$1")
. scripts/mesh.sh
python_with "${2:-target/test-dcat}" "pyshacl==0.40.1"
start_mesh "$terrane"
"$python" scripts/test_dcat.py "$base" schema/dcat.shacl.ttl
