#!/usr/bin/env bash
# api.sh MODFILE lists what in the exported API differs from the last tag. It is a
# report: before 1.0 no difference is a fault.
set -euo pipefail
apidiff=$(go tool -modfile="$1" -n apidiff)
if ! tag=$(git describe --tags --abbrev=0 2>/dev/null); then
  echo 'there is no tag yet: nothing to compare the API with'
  exit
fi
old=$(mktemp -d)
trap 'git worktree remove --force "$old"' EXIT
git worktree add --quiet --detach "$old" "$tag"
module=$(go list -m)
(cd "$old" && "$apidiff" -m -w "$old/api" "$module") 2>/dev/null
echo "the API since $tag:"
"$apidiff" -m "$old/api" "$module" 2>/dev/null
