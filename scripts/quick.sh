#!/usr/bin/env bash
# quick.sh LINT MODULE... lints and tests the packages that differ from the branch
# $BASE (main) or from the last commit, those that depend on them, and those whose
# tests read the whole tree. Of a nested module only what changed in itself counts.
set -euo pipefail
lint=$1
shift
base=$(git merge-base HEAD "${BASE:-main}" 2>/dev/null || echo HEAD)
changed=$(git diff --name-only "$base" && git ls-files --others --exclude-standard)
[ -n "$changed" ] || { echo "nothing differs from ${base:0:12}"; exit; }
top=$PWD
failed=0
for module; do
  cd "$top/$module"
  # A changed file is of the package in its directory, or in the nearest above.
  directories=$(go list -test -f '{{.Dir}}|{{.ImportPath}}|{{join .Deps " "}}' ./... | awk -F'|' -v top="$top" '
    NR == FNR { files[top "/" $0]; next }
    $2 ~ /\.test$/ { dependencies[$1] = $3; next }
    $2 !~ / / { package[$1] = $2 }
    END {
      for (file in files) {
        directory = file
        while (sub(/\/[^\/]*$/, "", directory) && !(directory in package));
        if (directory in package) { changed[package[directory]]; wanted[directory] }
      }
      for (directory in dependencies) {
        n = split(dependencies[directory], needed, " ")
        for (i = 1; i <= n; i++) if (needed[i] in changed) wanted[directory]
      }
      for (directory in package) if (ENVIRON["PWD"] "/go.mod" in files) wanted[directory]
      for (directory in wanted) print "." substr(directory, length(ENVIRON["PWD"]) + 1)
    }' <(echo "$changed") -)
  [ "$module" = . ] && directories+=" ./internal/structure ./internal/tools/pages"
  directories=$(printf '%s\n' $directories | sort -u)
  [ -n "$directories" ] || continue
  echo "== $module:" $directories
  # Word splitting is wanted.
  # shellcheck disable=SC2086
  $lint $directories || failed=1
  # shellcheck disable=SC2086
  go test -short $directories || failed=1
done
exit $failed
