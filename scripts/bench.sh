#!/usr/bin/env bash
# bench.sh MODULE... runs the benchmarks of the modules in several rounds, and
# prints medians and the ratios we promise.
#   BENCH=regexp       which benchmarks (all)
#   PACKAGES=patterns  of which packages of the first module (./... of all)
#   ROUNDS=n           how often (5)
#   BENCHTIME=d        how long each, each time (0.3s)
set -euo pipefail
mkdir -p out
log=$PWD/out/bench.txt
: >"$log"
for ((round = 1; round <= ${ROUNDS:-5}; round++)); do
  echo "round $round" >&2
  for module; do
    # Word splitting is wanted: PACKAGES may be several.
    # shellcheck disable=SC2086
    (cd "$module" && go test -run '^$' -bench "${BENCH:-.}" -benchmem -benchtime "${BENCHTIME:-0.3s}" ${PACKAGES:-./...}) >>"$log" ||
      { tail -20 "$log" >&2; exit 1; }
  done
done
go run ./internal/ratios <"$log"
