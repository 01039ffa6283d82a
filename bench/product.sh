# Sourced after scripts/mesh.sh by benchmarks of one product: start_product TERRANE FOLDER ID starts it over an empty database, at
# $base, as process $mesh with the Postgres process $postmaster, which psql speaks to, and with a steward's $token;
# end_product ends it, and deletes its data.
start_product() {
    local address=
    mkdir -p "$work/state"
    : >"$work/log" # it is read before the product may have written to it
    "$1" product "$2" --listen 127.0.0.1:0 --state "$work/state" >>"$work/log" 2>&1 &
    mesh=$!
    for _ in $(seq 600); do
        address=$(sed -n 's#.*"listening".*"address":"\([^"]*\)".*#\1#p' "$work/log")
        if [ -n "$address" ] && curl -sf "http://$address/health/ready" >/dev/null; then break; fi
        kill -0 "$mesh" 2>/dev/null || { cat "$work/log"; return 1; }
        address=
        sleep 0.2
    done
    [ -n "$address" ] || { cat "$work/log"; return 1; }
    base="http://$address"
    token=$("$1" token --role steward)
    use_database "$3"
    postmaster=$(sed -n 1p "$(cat "$work/state/postgres.location" 2>/dev/null || echo "$work/state/postgres")/data/postmaster.pid")
}

end_product() {
    kill -INT "$mesh" && wait "$mesh" || true
    mesh=
    rm -rf "$work/state" "$work/rows"
}
