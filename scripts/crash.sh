#!/usr/bin/env bash
# Kills processes again and again and counts what is lost: `tests/crash/`, with more crashes than a test run has time for.
#
#   scripts/crash.sh [KILLS]        default: 200 for each test
#
# Prints how many kills fell into a run, and into its publish; 200 of each kind take about an hour in a debug build.
#
# A product, its Postgres and, where there is a `nats-server` (Debian: nats-server), the broker are killed at random moments
# of intake, ingest, runs, publishing and delivery.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in -h | --help) sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"; exit 0 ;; esac

export TERRANE_CRASHES=${1:-200}
features=()
if command -v nats-server >/dev/null 2>&1; then
    features=(--features terrane-testkit/servers)
else
    echo "there is no nats-server: its test is left out" >&2
fi
exec cargo test --workspace --locked --test crash "${features[@]}" -- --nocapture --test-threads 1
