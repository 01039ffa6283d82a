#!/usr/bin/env bash
# Compares the error codes in the sources with their registry, docs/errors.md, in both directions.
#
#   scripts/check-error-codes.sh [--list]     --list prints the codes of the sources and where they are
#
# A code is a quoted text of capitals with an underscore anywhere in production code, or a single word where an error is
# made. What looks like a code and is none stands in NOT_CODES, or starts with TERRANE_, CARGO_, OTEL_ or
# OPENLINEAGE_: an environment.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C

registry=docs/errors.md
NOT_CODES='
CARGO_MANIFEST_DIR DATABASE_URL LC_ALL NO_COLOR XDG_CACHE_HOME
FRAGMENT_DEFINITION FRAGMENT_SPREAD INLINE_FRAGMENT VARIABLE_DEFINITION
PG_VERSION
'
MAKES='GraphqlError::new|Failure::new|Diagnostic::error|Diagnostic::warning|refused|HttpError::new|\.error|\.warning|\.set'

# Production code only: a `mod tests {` ends it, as do folders of tests and examples.
sources() {
    find src gateway runtime crates -name '*.rs' -not -path '*/target/*' -not -path '*/tests/*' -not -path '*/examples/*' \
        -not -name tests.rs -not -path 'crates/testkit/*' | sort
}
production() {
    awk '/^[ \t]*#\[cfg\(test\)\]/ { held = $0; if ((getline) <= 0) exit; if ($0 ~ /mod [a-z_]+ *\{/) exit; print held } { print }' "$1"
}
codes() {
    production "$1" | grep -oE '"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+"' || true
    # one word is a code only as an argument of what makes errors; the argument may be on the next line
    production "$1" | tr '\n' ' ' | grep -oE "($MAKES)\([^\"()]*(\"code\", *)?\"[A-Z]{4,}\"" | grep -oE '"[A-Z]+"' || true
}

found=$(mktemp)
trap 'rm -f "$found" "$found".*' EXIT
sources | while read -r file; do
    codes "$file" | tr -d '"' | sort -u | sed "s|\$| $file|"
done | grep -vE '^(TERRANE|CARGO|OTEL|OPENLINEAGE)_' >"$found"
for word in $NOT_CODES; do sed -i.bak "/^$word /d" "$found"; done

if [ "${1:-}" = --list ]; then
    sort "$found"
    exit
fi

cut -d' ' -f1 "$found" | sort -u >"$found.sources"
sed '/^## Retired/,$d' "$registry" | grep -oE '^\| `[A-Z][A-Z0-9_]+`' | tr -d '|` ' | sort >"$found.listed"
sort -u "$found.listed" >"$found.registry"

failed=0
for code in $(comm -23 "$found.sources" "$found.registry"); do
    echo "FAIL $code is not in $registry: $(grep "^$code " "$found" | cut -d' ' -f2 | tr '\n' ' ')" >&2
    failed=1
done
for code in $(comm -13 "$found.sources" "$found.registry"); do
    echo "FAIL $code is in $registry but nowhere in the sources: move it to \"Retired\"" >&2
    failed=1
done
for code in $(uniq -d "$found.listed"); do
    echo "FAIL $code is in $registry twice" >&2
    failed=1
done
[ "$(wc -l <"$found.sources")" -gt 100 ] || { echo "FAIL found too few codes: did the sources move?" >&2; failed=1; }
[ "$failed" -eq 0 ] || exit 1
echo "ok   $(wc -l <"$found.sources" | tr -d ' ') error codes, all in $registry"
