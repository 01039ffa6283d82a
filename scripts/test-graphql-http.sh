#!/usr/bin/env bash
# Audit the endpoints of a real mesh as GraphQL over HTTP has it, the gateway's and a product's: test-graphql-http.sh PATH_OF_TERRANE
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
binary=${1:?usage: test-graphql-http.sh PATH_OF_TERRANE}
state=$(mktemp -d)
chmod 755 "$state"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$binary" dev --port "$port" --state "$state" >"$state/mesh.log" 2>&1 &
mesh=$!
trap 'kill -INT "$mesh" 2>/dev/null || true; wait "$mesh" 2>/dev/null || true; rm -rf "$state"' EXIT
npm ci --prefix tests/http --silent --no-audit --no-fund --ignore-scripts
for _ in $(seq 1 240); do
  curl --silent --fail --output /dev/null "http://127.0.0.1:$port/health/ready" && break
  kill -0 "$mesh" 2>/dev/null || { cat "$state/mesh.log"; exit 1; }
  sleep 0.5
done
node tests/http/audit.mjs "http://127.0.0.1:$port/graphql" "http://127.0.0.1:$port/products/countries/graphql"
