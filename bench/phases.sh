#!/usr/bin/env bash
# Counts the instructions of an operation in the gateway's executor, by phase.
#
#   bench/phases.sh TERRANE_BENCH [heavy|light]...      default: both
#
# TERRANE_BENCH is a release build of this crate. The figures are the differences of two runs under callgrind, so that
# composing, planning and the first operation are not in them; each phase is its function with all that it calls:
#   parse    read::answer::read         reads answers into the store
#   merge    targets::collect           collects representations, equal ones once
#            run::Run::copy             gives objects with equal representations equal values
#   project  respond::respond           writes the response
# The rest is building and sending requests, waiting for answers, and this benchmark's subgraphs and comparison. Needs
# valgrind.
set -euo pipefail
bench=$(realpath "$1")
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

count() { # count OPERATION TIMES: instructions by function
    valgrind --tool=callgrind --callgrind-out-file="$work/out" "$bench" execute "$1" --times "$2" 2>"$work/log" >"$work/bytes" ||
        { cat "$work/log"; return 1; }
    callgrind_annotate --inclusive=yes --threshold=100 "$work/out" 2>/dev/null >"$work/functions.$2"
}

[ $# -gt 0 ] || set -- heavy light
for operation in "$@"; do
    count "$operation" 200
    count "$operation" 400
    echo "$operation: $(cat "$work/bytes")"
    awk -v times=200 '
        function add(name) { sum[name, FILENAME] += figure }
        function of(name) { return (sum[name, ARGV[2]] - sum[name, ARGV[1]]) / times }
        { figure = $1; gsub(",", "", figure) }
        /PROGRAM TOTALS/ { add("all") }
        /terrane_execute::read::answer::read \[/ { add("parse") }
        /terrane_execute::targets::collect \[/ { add("merge") }
        /terrane_execute::run::Run::copy \[/ { add("merge") }
        /terrane_execute::respond::respond \[/ { add("project") }
        END {
            count = split("parse merge project all", names, " ")
            for (i = 1; i <= count; i++)
                printf "%-8s %8d instructions %6.1f %%\n", names[i], of(names[i]), 100 * of(names[i]) / of("all")
            # a phase that is not there was inlined into another function
            if (of("parse") <= 0 || of("merge") <= 0 || of("project") <= 0) exit 1
        }
    ' "$work/functions.200" "$work/functions.400"
done
