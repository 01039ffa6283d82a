#!/usr/bin/env bash
# Open the pages of a real mesh in a real browser: test-pages.sh PATH_OF_TERRANE
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
binary=${1:?usage: test-pages.sh PATH_OF_TERRANE}
. scripts/mesh.sh
start_mesh "$binary"
npm ci --prefix tests/browser --silent --no-audit --no-fund
BASE_URL="$base" node tests/browser/run.mjs
