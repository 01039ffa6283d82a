#!/bin/bash
# Runs once, when Postgres starts on an empty volume: one database for each product, owned by a login of its own.
# A login may create roles because a product makes its own least-privilege roles; it can't reach the other databases.
set -euo pipefail
for product in cities continents countries earthquakes geography; do
    psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
        --set product="$product" --set password="$PRODUCT_DB_PASSWORD" <<'SQL'
CREATE ROLE :"product" LOGIN CREATEROLE PASSWORD :'password';
CREATE DATABASE :"product" OWNER :"product";
REVOKE CONNECT ON DATABASE :"product" FROM PUBLIC;
SQL
done
