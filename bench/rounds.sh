# Sourced by benchmarks that take commands turn by turn: round NAME COMMAND... writes the seconds that COMMAND took, and the
# processor seconds of process $measured meanwhile, to $work/figures; its output goes to $answer.
answer=/dev/null
processor() { awk '{print ($14 + $15) / '"$(getconf CLK_TCK)"'}' "/proc/$1/stat"; }
round() {
    local name=$1 start before end
    shift
    before=$(processor "$measured")
    start=$(date +%s.%N)
    "$@" >"$answer"
    end=$(date +%s.%N)
    echo "$name $end $start $(processor "$measured") $before" | awk '{ print $1, $2 - $3, $4 - $5 }' >>"$work/figures"
}

# ratios NAME [ROWS]: the median of each, and how it compares with NAME in the same rounds.
ratios() {
    python3 - "$work/figures" "$1" "${2:-0}" <<'PY'
import statistics
import sys

figures: dict[str, list[tuple[float, float]]] = {}
for line in open(sys.argv[1]):
    name, seconds, processor = line.split()
    figures.setdefault(name, []).append((float(seconds), float(processor)))
base, rows = sys.argv[2], int(sys.argv[3])
median = statistics.median(seconds for seconds, _ in figures[base])
for name, rounds in figures.items():
    seconds = statistics.median(s for s, _ in rounds)
    ratios = [c / s for (s, _), (c, _) in zip(rounds, figures[base])]
    processor = statistics.median(p for _, p in rounds)
    rate = f"  {rows / seconds:9.0f} rows/s" if rows else ""
    print(f"{name:10} {seconds:6.2f} s{rate}  {median / seconds:5.2f} x {base} (rounds {min(ratios):.2f} to {max(ratios):.2f})"
          f"  terrane's processor {processor:5.2f} s")
PY
}
