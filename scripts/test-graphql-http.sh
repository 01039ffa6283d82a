#!/usr/bin/env bash
# Audit the endpoints of a real mesh as GraphQL over HTTP has it, the gateway's and a product's, and ask as real clients do:
# test-graphql-http.sh PATH_OF_TERRANE
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
binary=${1:?usage: test-graphql-http.sh PATH_OF_TERRANE}
state=$(mktemp -d)
chmod 755 "$state"
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
await() { # await PID PORT LOG
  for _ in $(seq 1 240); do
    curl --silent --fail --output /dev/null "http://127.0.0.1:$2/health/ready" && return 0
    kill -0 "$1" 2>/dev/null || break
    sleep 0.5
  done
  cat "$3"
  exit 1
}
port=$(free_port)
"$binary" dev --port "$port" --state "$state" >"$state/mesh.log" 2>&1 &
mesh=$!
gateway=
trap 'kill -INT $gateway "$mesh" 2>/dev/null || true; wait $gateway "$mesh" 2>/dev/null || true; rm -rf "$state"' EXIT
npm ci --prefix tests/http --silent --no-audit --no-fund --ignore-scripts
await "$mesh" "$port" "$state/mesh.log"
node tests/http/audit.mjs "http://127.0.0.1:$port/graphql" "http://127.0.0.1:$port/products/countries/graphql"

second=$(free_port)
cat >"$state/gateway.yaml" <<EOF
subgraphs: [{name: countries, url: "http://127.0.0.1:$port/products/countries/graphql"}]
batching: {enabled: true}
documents: {trusted: {path: tests/http/manifest.json, others: reject}}
EOF
"$binary" gateway --listen "127.0.0.1:$second" --config "$state/gateway.yaml" >"$state/gateway.log" 2>&1 &
gateway=$!
await "$gateway" "$second" "$state/gateway.log"
node tests/http/clients.mjs "http://127.0.0.1:$port/graphql" "http://127.0.0.1:$second/graphql" tests/http/manifest.json
