#!/usr/bin/env bash
# Let real clients use a gateway before the products and two foreign subgraphs:
#   test-clients.sh PATH_OF_TERRANE PATH_OF_VISITS     the second is the example `visits` of the gateway's crate
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
usage="usage: test-clients.sh PATH_OF_TERRANE PATH_OF_VISITS"
terrane=${1:?$usage}
visits=${2:?$usage}
npm ci --prefix tests/clients --silent --no-audit --no-fund
node tests/clients/run.mjs "$terrane" "$visits"
