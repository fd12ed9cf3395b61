#!/usr/bin/env bash
# Installs the Debian packages that are missing; silent when there is nothing to do.
# usage: contrib/deps.sh [build] [demo] [bench] [test] [ci]      default: build
set -euo pipefail

packages_of() {
  case $1 in
    build) echo ca-certificates g++ meson ninja-build pkg-config libfuse3-dev fuse3 libcurl4-openssl-dev libssl-dev openssl \
      nlohmann-json3-dev libspdlog-dev libfmt-dev libsqlite3-dev zlib1g-dev libcli11-dev libutf8proc-dev libxxhash-dev ;;
    demo) echo dovecot-imapd python3 openssl rsync ;;
    bench) packages_of demo; echo isync ;;
    test) packages_of demo; echo libgtest-dev libgmock-dev libbenchmark-dev mandoc tar restic borgbackup notmuch attr procps \
      util-linux shellcheck ;;
    ci) packages_of test; echo clang-14 libclang-rt-14-dev clang-format-14 clang-tidy-14 git
      # For one suite, which says so where they are missing. A node that is not Debian's has its own npm.
      command -v npm >/dev/null || echo nodejs npm ;;
    *) echo "$0: unknown group: $1" >&2; return 2 ;;
  esac
}

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

missing=()
for group in "${@:-build}"; do
  list=$(packages_of "$group")
  for package in $list; do
    installed "$package" || missing+=("$package")
  done
done
# fusermount3 unmounts for ordinary users only what stands in this file; a bare system may lack it.
[ -e /etc/mtab ] || [ -L /etc/mtab ] || no_mtab=1
# Ordinary users abort a mount of theirs through this file system: systemd mounts it, a container may lack it.
connections=/sys/fs/fuse/connections
if [[ " $* " =~ \ (test|ci)\  ]] && [ -e /dev/fuse ] && ! mountpoint -q "$connections"; then no_fusectl=1; fi
# udev lets everybody mount; a container's /dev may not.
if [[ " $* " =~ \ (test|ci)\  ]] && [ -e /dev/fuse ] && [ "$(stat -c %a /dev/fuse)" != 666 ]; then no_mounts=1; fi
[ ${#missing[@]} -gt 0 ] || [ -n "${no_mtab-}${no_fusectl-}${no_mounts-}" ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null; then
    as_root=(sudo)
  elif [ ${#missing[@]} -gt 0 ] || [ -n "${no_mtab-}" ]; then
    echo "$0: run as root, or install sudo; missing: ${missing[*]}" >&2
    exit 1
  fi
fi
[ -z "${no_mtab-}" ] || "${as_root[@]}" ln -s ../proc/self/mounts /etc/mtab
[ -z "${no_mounts-}" ] || "${as_root[@]}" chmod 666 /dev/fuse || true
# A test says so if it misses it. A chroot may have no /sys; the directory is enough.
if [ -n "${no_fusectl-}" ] && "${as_root[@]}" mkdir -p "$connections"; then
  "${as_root[@]}" mount -t fusectl fusectl "$connections" || true
fi
[ ${#missing[@]} -gt 0 ] || exit 0
echo "installing ${missing[*]}" >&2

log=$(mktemp)
policy=/usr/sbin/policy-rc.d
made_policy=
finish() {
  [ -z "$made_policy" ] || "${as_root[@]}" rm -f "$policy"
  rm -f "$log"
}
trap finish EXIT
# Dovecot is wanted as a program, not as this machine's mail server, which it may have been before.
had_dovecot=
if installed dovecot-core; then had_dovecot=1; fi
if [ ! -e "$policy" ]; then
  made_policy=1
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod 755 "$policy"
fi
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >>"$log" 2>&1; }
if ! { apt update && apt install --no-install-recommends -y "${missing[@]}"; }; then
  tail -n 20 "$log" >&2
  echo "$0: the packages could not be installed" >&2
  exit 1
fi
if [ -z "$had_dovecot" ] && [[ " ${missing[*]} " == *" dovecot-imapd "* ]] && [ -d /run/systemd/system ]; then
  "${as_root[@]}" systemctl disable --quiet dovecot.service dovecot.socket 2>/dev/null || true
fi
