#!/usr/bin/env bash
# bench.sh MODULE... runs the benchmarks of the modules in several rounds, and
# prints what benchstat makes of them and the ratios we promise.
#   BENCH=regexp       which benchmarks (all)
#   PACKAGES=patterns  of which packages of the first module (./... of all)
#   ROUNDS=n           how often (6, the fewest of which benchstat tells a range)
#   BENCHTIME=d        how long each, each time (0.3s)
set -euo pipefail
mkdir -p out
log=$PWD/out/bench.txt
: >"$log"
for ((round = 1; round <= ${ROUNDS:-6}; round++)); do
  echo "round $round" >&2
  for module; do
    # Word splitting is wanted: PACKAGES may be several.
    # shellcheck disable=SC2086
    (cd "$module" && go test -run '^$' -bench "${BENCH:-.}" -benchmem -benchtime "${BENCHTIME:-0.3s}" ${PACKAGES:-./...}) >>"$log" ||
      { tail -20 "$log" >&2; exit 1; }
  done
done
grep -q ^Benchmark "$log" || { echo 'no benchmark was run' >&2; exit 1; }
go tool -modfile=internal/tools/pinned/go.mod benchstat median="$log"
echo
find . -path '*/node_modules' -prune -o -path '*/testdata/ratios.txt' -print | sort | xargs awk -f scripts/ratios.awk "$log"
