# A bare Debian 12 to prove things on; read by the scripts beside it and by tests/systemd/boot.
# shellcheck shell=bash

# The machine's own package sources serve the new root too, whatever mirror that is.
sources() {
  # shellcheck disable=SC2016
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk '$2 ~ /^bookworm/ && !seen[$0]++ {print "deb", $0}'
}

make_base() {
  local cache=$1 mirror
  mirror=$(sources | awk '$3 == "bookworm" {print $2; exit}')
  echo "== making a bare Debian 12 in $cache/base (once)"
  rm -rf "$cache/base.new"
  mkdir -p "$cache"
  debootstrap --variant=minbase bookworm "$cache/base.new" "$mirror" > "$cache/debootstrap.log" 2>&1 ||
    { tail "$cache/debootstrap.log" >&2; exit 1; }
  sources > "$cache/base.new/etc/apt/sources.list"
  # No service may start inside: there is no init.
  printf '#!/bin/sh\nexit 101\n' > "$cache/base.new/usr/sbin/policy-rc.d"
  chmod 755 "$cache/base.new/usr/sbin/policy-rc.d"
  # The root is thrown away: no need to wait for the disk after each of a thousand packages.
  printf 'force-unsafe-io\n' > "$cache/base.new/etc/dpkg/dpkg.cfg.d/unsafe-io"
  mv "$cache/base.new" "$cache/base"
}

# make_root CACHE ROOT: a fresh copy of CACHE/base, which is made if it is not there.
make_root() {
  [ -d "$1/base" ] || make_base "$1"
  rm -rf "$2"
  cp -a --reflink=auto "$1/base" "$2"
  cp -L /etc/resolv.conf "$2/etc/resolv.conf"
  cp /etc/hosts "$2/etc/hosts"
}
