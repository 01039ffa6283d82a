#!/usr/bin/env bash
# Pulls from an object store that runs here: s3rver of npm, which keeps objects in files and knows one key. Needs Node.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=${TERRANE_TOOLS:-$(mktemp -d)}
[ -x "$tools/node_modules/.bin/s3rver" ] || npm install --silent --no-audit --no-fund --prefix "$tools" s3rver@3.7.1
TERRANE_S3_SERVER=$tools/node_modules/.bin/s3rver cargo test --workspace --locked --features "${TERRANE_FEATURES:-terrane-ingest/object-server}" --test objects
