#!/usr/bin/env bash
# Let people and machines sign in at a real provider of OpenID Connect, by HTTP and in a real browser:
#   test-sign-in.sh PATH_OF_TERRANE
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
terrane=${1:?usage: test-sign-in.sh PATH_OF_TERRANE}
npm ci --prefix tests/sign-in --silent --no-audit --no-fund
node tests/sign-in/run.mjs "$terrane"
