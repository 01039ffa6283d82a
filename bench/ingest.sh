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
case ${1:---help} in -h | --help) sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"; exit 0 ;; esac
terrane=$(realpath "$1")
rounds=${2:-5}
rows=${3:-1000000}
. scripts/mesh.sh
. bench/rounds.sh
. bench/product.sh
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
start_product "$terrane" "$work/sensors" sensors
measured=$mesh
answer=$work/answer
columns="id, sensor, at, day, value, quantity, price, ok, note"
"$psql" -qAt -c "CREATE TABLE public.readings AS SELECT $columns FROM input.readings"

fresh() { "$psql" -qAt -c "TRUNCATE public.readings, input.readings" -c CHECKPOINT; }
load() { # load NAME COMMAND...
    fresh
    round "$@"
    [ "$1" = copy ] || grep -q "\"rows\":$rows[,}]" "$work/answer"
}
copy() { "$psql" -qAt -c "\\copy public.readings ($columns) FROM '$work/rows.csv' WITH (FORMAT csv, HEADER)"; }
post() { # post FILE TYPE
    curl -sSf -H "authorization: Bearer $token" -H "content-type: $2" -H expect: -T "$work/$1" -X POST \
        "$base/input/readings?mode=append"
}
copy
post rows.csv text/csv >/dev/null
for _ in $(seq "$rounds"); do
    load copy copy
    load csv post rows.csv text/csv
    load csv+gzip post rows.csv.gz application/octet-stream
    load ndjson post rows.ndjson application/x-ndjson
    if [ -e "$work/rows.parquet" ]; then load parquet post rows.parquet application/vnd.apache.parquet; fi
done
same=$("$psql" -qAt -c "TRUNCATE public.readings" -c "\\copy public.readings ($columns) FROM '$work/rows.csv' WITH (FORMAT csv, HEADER)" \
    -c "SELECT count(*) FROM (SELECT $columns FROM public.readings EXCEPT ALL SELECT $columns FROM input.readings) AS differ")
echo "rows that differ from those of \\copy: $same"
ratios copy "$rows"
