#!/usr/bin/env bash
# fuzz.sh MODULE... runs every fuzz target of the modules for $FUZZTIME (10s).
set -euo pipefail
ran=0
for module; do
  cd "$module"
  for package in $(go list ./...); do
    for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
      echo "== $package $target"
      go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-10s}" "$package"
      ran=$((ran + 1))
    done
  done
  cd "$OLDPWD"
done
echo "$ran fuzz targets"
