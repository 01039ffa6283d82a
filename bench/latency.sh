#!/usr/bin/env bash
# Shows how long an event takes from its POST until a subscriber has what it changed (p50, p99, at given rates), how many
# changes a second there are at most, and how both depend on the number of rows that are there already.
#
#   bench/latency.sh TERRANE [ROWS...]      default: 10000 1000000
#
# TERRANE is a release build. RATES (default: "10 100 1000") are events a second, SECONDS_EACH (default: 10) how long each is kept up.
# Needs psql, curl and python3.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:---help} in -h | --help) sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"; exit 0 ;; esac
terrane=$(realpath "$1")
shift
[ $# -gt 0 ] || set -- 10000 1000000
. scripts/mesh.sh
. bench/product.sh
for rows in "$@"; do
    start_product "$terrane" bench/flow flow
    mkdir "$work/rows"
    # shellcheck disable=SC2086  # several rates
    python3 bench/latency.py --base "$base" --token "$token" --work "$work/rows" --rows "$rows" --seconds "${SECONDS_EACH:-10}" \
        --process "$mesh" --postmaster "$postmaster" ${RATES:-10 100 1000}
    end_product
done
