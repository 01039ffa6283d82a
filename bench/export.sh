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
psql=$(command -v psql || ls /usr/lib/postgresql/*/bin/psql | tail -1)
work=$(mktemp -d)
chmod 755 "$work"
mesh=
finish() {
    if [ -n "$mesh" ]; then kill -INT "$mesh" 2>/dev/null && wait "$mesh" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap finish EXIT
export TERRANE_JWT_SECRET=a-secret-of-this-bench-with-more-than-32-bytes
unset DATABASE_URL
"$terrane" dev --port 0 --state "$work/state" >"$work/mesh.log" 2>&1 &
mesh=$!
base=
while [ -z "$base" ]; do
    kill -0 "$mesh" || { cat "$work/mesh.log"; exit 1; }
    sleep 0.2
    base=$(sed -n 's#^ *Marketplace *\(http://[^/]*\)/$#\1#p' "$work/mesh.log")
done
root=$(cat "$work/state/postgres.location" 2>/dev/null || echo "$work/state/postgres")
PGHOST=$(sed -n 5p "$root/data/postmaster.pid")
PGPASSWORD=$(cat "$work/state/postgres.password")
export PGHOST PGPASSWORD PGUSER=postgres PGDATABASE=terrane_cities
columns="id, name, country_code, place_kind, is_capital, admin1_code, admin2_code, population, latitude, longitude"
"$psql" -qAt -c "INSERT INTO output.cities SELECT id + n * 20000000, ${columns#id, } FROM output.cities, generate_series(1, 7) n" \
    -c "VACUUM ANALYZE output.cities" -c "SELECT count(*) || ' rows' FROM output.cities"
token=$("$terrane" token --role analyst)

# seconds, and processor seconds of the server and (where it is one) of terrane
now() { date +%s.%N; }
processor() { awk '{print ($14 + $15) / '"$(getconf CLK_TCK)"'}' "/proc/$1/stat"; }
round() { # round NAME COMMAND...
    local name=$1 start before
    shift
    before=$(processor "$mesh")
    start=$(now)
    "$@" >/dev/null
    echo "$name $(now) $start $(processor "$mesh") $before" | awk '{ print $1, $2 - $3, $4 - $5 }' >>"$work/figures"
}
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
python3 - "$work/figures" <<'PY'
import statistics
import sys

figures: dict[str, list[tuple[float, float]]] = {}
for line in open(sys.argv[1]):
    name, seconds, processor = line.split()
    figures.setdefault(name, []).append((float(seconds), float(processor)))
copy = statistics.median(seconds for seconds, _ in figures["copy"])
for name, rounds in figures.items():
    seconds = statistics.median(s for s, _ in rounds)
    ratios = [c / s for (s, _), (c, _) in zip(rounds, figures["copy"])]
    processor = statistics.median(p for _, p in rounds)
    print(f"{name:10} {seconds:6.2f} s  {copy / seconds:5.2f} x COPY (rounds {min(ratios):.2f} to {max(ratios):.2f})  terrane's processor {processor:5.2f} s")
PY
