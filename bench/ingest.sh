#!/usr/bin/env bash
# Compares how fast a million rows come in with psql's \copy of the same CSV file into a table with the same columns, over
# the same kind of connection (the server's socket), turn by turn in one run. Both go into an empty table.
#
#   bench/ingest.sh TERRANE [ROUNDS [ROWS]]      default: 5 rounds of 1000000 rows
#
# TERRANE is a release build. Prints the median of each and its ratio to \copy. Needs psql, curl and python3; Parquet is
# measured where python3 has pyarrow.
set -euo pipefail
cd "$(dirname "$0")/.."
terrane=$(realpath "$1")
rounds=${2:-5}
rows=${3:-1000000}
psql=$(command -v psql || ls /usr/lib/postgresql/*/bin/psql | tail -1)
work=$(mktemp -d)
chmod 755 "$work"
server=
finish() {
    if [ -n "$server" ]; then kill -INT "$server" 2>/dev/null && wait "$server" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap finish EXIT
export TERRANE_JWT_SECRET=a-secret-of-this-bench-with-more-than-32-bytes
unset DATABASE_URL
mkdir -p "$work/sensors/contracts"
cat >"$work/sensors/dataproduct.odps.yaml" <<'YAML'
apiVersion: v1.1.0
kind: DataProduct
id: sensors
name: Sensors
version: 1.0.0
status: active
team: {members: [{username: bench@example.org, role: owner}]}
inputPorts: [{name: readings, version: 1.0.0, contractId: readings}]
YAML
cat >"$work/sensors/contracts/readings.odcs.yaml" <<'YAML'
apiVersion: v3.2.0
kind: DataContract
id: readings
version: 1.0.0
status: active
schema:
  - name: readings
    logicalType: object
    properties:
      - {name: id, logicalType: integer, physicalType: bigint, required: true}
      - {name: sensor, logicalType: string, required: true}
      - {name: at, logicalType: timestamp, physicalType: timestamptz}
      - {name: day, logicalType: date}
      - {name: value, logicalType: number, physicalType: double precision}
      - {name: quantity, logicalType: integer}
      - {name: price, logicalType: number, physicalType: "numeric(12,2)"}
      - {name: ok, logicalType: boolean}
      - {name: note, logicalType: string}
YAML
echo "p, steward, port:input, write, allow" >"$work/sensors/policy.csv"
python3 - "$work" "$rows" <<'PY'
import csv
import json
import random
import sys

work, rows = sys.argv[1], int(sys.argv[2])
random.seed(1)
names = ["id", "sensor", "at", "day", "value", "quantity", "price", "ok", "note"]
with open(f"{work}/rows.csv", "w", newline="") as text, open(f"{work}/rows.ndjson", "w") as lines:
    out = csv.writer(text)
    out.writerow(names)
    for i in range(rows):
        day = f"20{i % 25:02}-{i % 12 + 1:02}-{i % 28 + 1:02}"
        row = [
            i,
            f"sensor-{i % 5000}",
            f"{day}T{i % 24:02}:{i % 60:02}:{i % 59:02}.{i % 1000:03}Z",
            day,
            round(random.gauss(20, 5), 6),
            random.randrange(10000),
            f"{random.randrange(10**8) / 100:.2f}",
            i % 3 != 0,
            None if i % 4 else 'a "note", with a comma',
        ]
        out.writerow("" if v is None else ("true" if v is True else "false" if v is False else v) for v in row)
        row[6] = float(row[6])
        lines.write(json.dumps(dict(zip(names, row))) + "\n")
try:
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    pq.write_table(pc.read_csv(f"{work}/rows.csv"), f"{work}/rows.parquet", compression="zstd")
except ImportError:
    print("python3 has no pyarrow: Parquet is not measured")
PY
gzip -1 -k "$work/rows.csv"
ls -l "$work"/rows.* | awk '{ print $5, $9 }'
"$terrane" product "$work/sensors" --listen 127.0.0.1:0 --state "$work/state" >"$work/log" 2>&1 &
server=$!
base=
while [ -z "$base" ]; do
    kill -0 "$server" || { cat "$work/log"; exit 1; }
    sleep 0.2
    base=$(sed -n 's#.*listening.*address=\(127[0-9.:]*\).*#\1#p;s#.*address=\(127[0-9.:]*\).*listening.*#\1#p' "$work/log" | tail -1)
done
base="http://$base"
until curl -sf "$base/health/ready" >/dev/null; do sleep 0.2; done
root=$(cat "$work/state/postgres.location" 2>/dev/null || echo "$work/state/postgres")
PGHOST=$(sed -n 5p "$root/data/postmaster.pid")
PGPASSWORD=$(cat "$work/state/postgres.password")
export PGHOST PGPASSWORD PGUSER=postgres PGDATABASE=terrane_sensors
columns="id, sensor, at, day, value, quantity, price, ok, note"
"$psql" -qAt -c "CREATE TABLE public.readings AS SELECT $columns FROM input.readings"
token=$("$terrane" token --role steward)

now() { date +%s.%N; }
processor() { awk '{print ($14 + $15) / '"$(getconf CLK_TCK)"'}' "/proc/$1/stat"; }
round() { # round NAME COMMAND...
    local name=$1 start before
    shift
    "$psql" -qAt -c "TRUNCATE public.readings, input.readings" -c CHECKPOINT
    before=$(processor "$server")
    start=$(now)
    "$@" >"$work/answer"
    echo "$name $(now) $start $(processor "$server") $before" >"$work/times"
    [ "$name" = copy ] || grep -q "\"rows\":$rows[,}]" "$work/answer"
    <"$work/times" awk '{ print $1, $2 - $3, $4 - $5 }' >>"$work/figures"
}
copy() { "$psql" -qAt -c "\\copy public.readings ($columns) FROM '$work/rows.csv' WITH (FORMAT csv, HEADER)"; }
post() { # post FILE TYPE
    curl -sSf -H "authorization: Bearer $token" -H "content-type: $2" -H expect: -T "$work/$1" -X POST \
        "$base/input/readings?mode=append"
}
copy
post rows.csv text/csv >/dev/null
for _ in $(seq "$rounds"); do
    round copy copy
    round csv post rows.csv text/csv
    round csv+gzip post rows.csv.gz application/octet-stream
    round ndjson post rows.ndjson application/x-ndjson
    if [ -e "$work/rows.parquet" ]; then round parquet post rows.parquet application/vnd.apache.parquet; fi
done
same=$("$psql" -qAt -c "TRUNCATE public.readings" -c "\\copy public.readings ($columns) FROM '$work/rows.csv' WITH (FORMAT csv, HEADER)" \
    -c "SELECT count(*) FROM (SELECT $columns FROM public.readings EXCEPT ALL SELECT $columns FROM input.readings) AS differ")
echo "rows that differ from those of \\copy: $same"
python3 - "$work/figures" "$rows" <<'PY'
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
    print(
        f"{name:10} {seconds:6.2f} s  {int(sys.argv[2]) / seconds:9.0f} rows/s  {copy / seconds:5.2f} x \\copy "
        f"(rounds {min(ratios):.2f} to {max(ratios):.2f})  terrane's processor {processor:5.2f} s"
    )
PY
