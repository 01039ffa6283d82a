#!/usr/bin/env bash
# Open the pages of a real mesh in a real browser: test-pages.sh PATH_OF_TERRANE
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
binary=${1:?usage: test-pages.sh PATH_OF_TERRANE}
. scripts/mesh.sh
start_mesh "$binary"
npm ci --prefix tests/browser --silent --no-audit --no-fund
token() { "$binary" token --subject "$1" --role "$2"; }
REQUESTER=$(token eve reader) APPROVER=$(token grace@example.org reader) AUDITOR=$(token sue steward)
export REQUESTER APPROVER AUDITOR
BASE_URL="$base" node tests/browser/run.mjs
