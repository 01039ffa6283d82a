# Sourced by what needs a running mesh, or Python packages of its own. Ends what it started when the script ends.

# A folder for this run, deleted at its end.
work=$(mktemp -d)
chmod 755 "$work"
mesh=
end_mesh() {
    if [ -n "$mesh" ]; then kill -INT "$mesh" 2>/dev/null && wait "$mesh" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap end_mesh EXIT
export TERRANE_JWT_SECRET=a-secret-of-this-script-with-more-than-32-bytes
unset DATABASE_URL

# start_mesh TERRANE: a mesh of ./products, at $base, as process $mesh, with its state in $work/state.
start_mesh() {
    : >"$work/mesh.log" # it is read before the mesh may have written to it
    "$1" dev --port 0 --state "$work/state" >>"$work/mesh.log" 2>&1 &
    mesh=$!
    for _ in $(seq 600); do
        base=$(sed -n 's#^ *Marketplace *\(http://[^/]*\)/$#\1#p' "$work/mesh.log")
        [ -z "$base" ] || return 0
        kill -0 "$mesh" 2>/dev/null || break
        sleep 0.2
    done
    cat "$work/mesh.log"
    return 1
}

# use_database PRODUCT: psql speaks to the product's database in the mesh's embedded Postgres.
use_database() {
    local root
    root=$(cat "$work/state/postgres.location" 2>/dev/null || echo "$work/state/postgres")
    PGHOST=$(sed -n 5p "$root/data/postmaster.pid")
    PGPASSWORD=$(cat "$work/state/postgres.password")
    export PGHOST PGPASSWORD PGUSER=postgres PGDATABASE=terrane_$1
    psql=$(command -v psql || ls /usr/lib/postgresql/*/bin/psql | tail -1)
}

# python_with DIRECTORY PACKAGE...: an environment with the packages, at $python; kept in DIRECTORY for the next time.
python_with() {
    local tools
    mkdir -p "$1"
    tools=$(cd "$1" && pwd)
    shift
    if [ "$(cat "$tools/installed" 2>/dev/null)" != "$*" ]; then
        rm -rf "$tools/venv"
        python3 -m venv "$tools/venv"
        "$tools/venv/bin/pip" install --quiet --disable-pip-version-check "$@"
        echo "$*" >"$tools/installed"
    fi
    python=$tools/venv/bin/python
}
