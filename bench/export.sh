#!/usr/bin/env bash
# Compares how fast a million rows leave as a file with psql's COPY TO STDOUT of the same rows in the same order, over the
# same kind of connection (the server's socket), turn by turn in one run.
#
#   bench/export.sh TERRANE [ROUNDS]      default: 5 rounds
#
# TERRANE is a release build. Prints the median of each, its processor time, and the ratios. Needs psql and curl.
set -euo pipefail
cd "$(dirname "$0")/.."
terrane=$(realpath "$1")
rounds=${2:-5}
. scripts/mesh.sh
. bench/rounds.sh
start_mesh "$terrane"
measured=$mesh
use_database cities
columns="id, name, country_code, place_kind, is_capital, admin1_code, admin2_code, population, latitude, longitude"
"$psql" -qAt -c "INSERT INTO output.cities SELECT id + n * 20000000, ${columns#id, } FROM output.cities, generate_series(1, 7) n" \
    -c "VACUUM ANALYZE output.cities" -c "SELECT count(*) || ' rows' FROM output.cities"
token=$("$terrane" token --role analyst)

file() { curl -sSf -H "authorization: Bearer $token" "$base/products/cities/output/cities.$1"; }
copy() { "$psql" -qAt -c "COPY (SELECT $columns FROM output.cities ORDER BY id) TO STDOUT (FORMAT csv)"; }
packed() { curl -sSf -H "accept-encoding: zstd" -H "authorization: Bearer $token" "$base/products/cities/output/cities.csv"; }
copy >/dev/null
file csv >/dev/null
for _ in $(seq "$rounds"); do
    round copy copy
    for format in csv ndjson json parquet arrow; do round "$format" file "$format"; done
    round csv+zstd packed
done
ratios copy
