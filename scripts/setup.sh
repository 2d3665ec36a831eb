#!/usr/bin/env bash
# Installs from Debian's packages what the tests need and this machine lacks.
# `make test` calls it. Where everything is there it does nothing and says
# nothing. What it can't install it names; the tests that need it then skip, or
# fail where CI=true.
set -euo pipefail

missing=() # package names

# need 'PACKAGE...' PURPOSE COMMAND... notes the packages where COMMAND fails.
need() {
  local packages=$1 purpose=$2
  shift 2
  "$@" >/dev/null 2>&1 && return
  echo "setup: $packages missing: $purpose" >&2
  read -ra packages <<<"$packages"
  missing+=("${packages[@]}")
}

# have PROGRAM...: all are in the path, or among PostgreSQL's, which Debian keeps
# apart.
have() {
  local program
  for program; do
    command -v "$program" || compgen -G "/usr/lib/postgresql/*/bin/$program" || return
  done
}

compile_c() { echo '#include <stdlib.h>' | "${CC:-gcc}" -x c -E -; }
run_the_gem() { ruby -e 'require "gitlab/experiment"'; }

need 'gcc libc6-dev' 'the race detector' compile_c
need 'redis-server redis-tools' 'assignments kept in a real Redis' have redis-server redis-cli
need 'postgresql' 'the database of a real Unleash server' have initdb postgres
need 'nodejs npm' 'a real Unleash server' have node npm
need 'ruby ruby-gitlab-experiment' 'comparison with the Ruby gem' run_the_gem

[ ${#missing[@]} = 0 ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "setup: only root on a Debian machine installs packages; going on without: ${missing[*]}" >&2
  exit 0
fi

# No package may start a service: the tests start their own.
if [ ! -e /usr/sbin/policy-rc.d ]; then
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod +x /usr/sbin/policy-rc.d
fi
if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
  mkdir -p /etc/postgresql-common
  echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
fi

export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
apt-get update >"$log" 2>&1 || { tail -3 "$log" >&2; echo 'setup: apt-get update failed' >&2; }
for package in "${missing[@]}"; do
  if apt-get install -y --no-install-recommends "$package" >"$log" 2>&1 </dev/null; then
    echo "setup: installed $package" >&2
  else
    tail -3 "$log" >&2
    echo "setup: COULD NOT INSTALL $package" >&2
  fi
done
rm -f "$log"
