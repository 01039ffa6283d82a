#!/usr/bin/env bash
# Shows how fast rows come in, go through models to published output, and reach a subscriber as changes, and how that grows
# with their number; beside psql's \copy, dbt-postgres on the same models, and the bare SQL statements, all in the same server.
#
#   bench/pipeline.sh TERRANE [ROWS...]      default: 10000 100000 1000000; 10000000 takes some 20 minutes and 10 GB
#
# TERRANE is a release build. Each number of rows has a server and a product (bench/flow) of its own. Needs psql, curl, and python3
# with venv and pip; dbt is installed into target/pipeline (or $TOOLS), and left out where DBT=no.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:---help} in -h | --help) sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"; exit 0 ;; esac
terrane=$(realpath "$1")
shift
[ $# -gt 0 ] || set -- 10000 100000 1000000
. scripts/mesh.sh
. bench/product.sh
dbt=
if [ "${DBT:-yes}" != no ]; then
    # later ones need a parser that is no package of PyPI
    python_with "${TOOLS:-target/pipeline}" dbt-core==1.10.23 dbt-postgres==1.9.1
    dbt=$(dirname "$python")/dbt
fi
for rows in "$@"; do
    start_product "$terrane" bench/flow flow
    mkdir "$work/rows"
    python3 bench/pipeline.py --base "$base" --token "$token" --process "$mesh" --postmaster "$postmaster" --work "$work/rows" \
        --psql "$psql" --rows "$rows" ${dbt:+--dbt "$dbt"}
    end_product
done
