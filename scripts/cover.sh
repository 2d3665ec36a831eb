#!/usr/bin/env bash
# cover.sh PERCENT PACKAGE prints how many statements of a package its tests
# reach, and the code they don't. Fails below PERCENT.
set -euo pipefail
percent=$1 package=$2
mkdir -p out
profile=out/cover.out
go test -coverprofile="$profile" "$package"

# A line of a profile: module/file.go:line.column,line.column statements count
module=$(go list -m)
sed "1d;s|^$module/||" "$profile" | sort -t: -k1,1 -k2,2n | awk -F '[:., ]' -v percent="$percent" '
  { file = $1 "." $2; all += $7 }
  $8 == 0 { missed += $7; printf "not covered: %s:%s-%s\n", file, $3, $5 }
  END {
    if (all == 0) { print "no statements"; exit 1 }
    covered = 100 * (all - missed) / all
    printf "covered: %.2f %% of %d statements, wanted: %s %%\n", covered, all, percent
    exit covered < percent
  }'
