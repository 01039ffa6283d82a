#!/usr/bin/env bash
# Lints every product folder with the public command-line tools of the two standards, and prints one line per file.
#
#   scripts/lint-products.sh [DIRECTORY FOR THE TOOLS]        default: target/lint-products
#
# Needs python3 with venv and pip. The tools leave with 0 on warnings, so the verdict is read from their report:
# anything but "passed" fails.
set -euo pipefail
cd "$(dirname "$0")/.."

DATAPRODUCT=dataproduct-cli==0.3.2
DATACONTRACT=datacontract-cli==1.2.8

tools=${1:-target/lint-products}
mkdir -p "$tools"
tools=$(cd "$tools" && pwd)
if [ "$(cat "$tools/installed" 2>/dev/null)" != "$DATAPRODUCT $DATACONTRACT" ]; then
    rm -rf "$tools/venv"
    python3 -m venv "$tools/venv"
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check "$DATAPRODUCT" "$DATACONTRACT"
    echo "$DATAPRODUCT $DATACONTRACT" >"$tools/installed"
fi
# dataproduct lints the contracts it resolves with the datacontract that it finds on the PATH.
export PATH="$tools/venv/bin:$PATH"
report=$(mktemp)
trap 'rm -f "$report"' EXIT
failed=0
files=0

# Prints the verdict on file $1; the rest is the command, which writes its JSON report to $report.
lint() {
    local file=$1 output
    shift
    files=$((files + 1))
    : >"$report"
    output=$("$@" --output "$report" --output-format json 2>&1) || true
    python3 - "$file" "$report" <<'PY' && return
import json
import sys

file, path = sys.argv[1:]
try:
    with open(path, encoding="utf-8") as report:
        run = json.load(report)
except ValueError:
    sys.exit(f"FAIL {file}: the tool wrote no report")
checks = run["checks"]
bad = [check for check in checks if check["result"] != "passed"]
if run["result"] == "passed" and checks and not bad:
    print(f"ok   {file} ({len(checks)} checks)")
    sys.exit(0)
print(f"FAIL {file}: {run['result']}")
for check in bad:
    print(f"     {check['result']}: {check['name']}: {check.get('reason') or 'no reason given'}")
sys.exit(1)
PY
    failed=$((failed + 1))
    if [ ! -s "$report" ]; then printf '%s\n' "$output" | sed 's/^/     /'; fi
}

for descriptor in products/*/dataproduct.odps.yaml; do
    product=$(dirname "$descriptor")
    # References resolve from the working directory, so each product is linted from inside its own folder.
    pushd "$product" >/dev/null
    lint "$descriptor" dataproduct lint dataproduct.odps.yaml --local-references --all-errors
    for contract in contracts/*.odcs.yaml; do
        lint "$product/$contract" datacontract lint "$contract" --no-inline-references --all-errors
    done
    popd >/dev/null
done

if [ "$files" -eq 0 ]; then
    echo "no product found under products/" >&2
    exit 1
fi
if [ "$failed" -gt 0 ]; then
    echo "$failed of $files files failed" >&2
    exit 1
fi
echo "$files files passed"
