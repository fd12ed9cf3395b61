#!/usr/bin/env bash
# Shows mailboxfs at work on a private mail server with two mailboxes. Leaves nothing behind but build/demo and
# the packages that it needed.
# usage: contrib/demo.sh                  a tour, then a shell inside the mount (without a terminal: the tour only)
#        contrib/demo.sh -- COMMAND…      runs COMMAND inside the mount and exits with its status
# MAILBOXFS: a mailboxfs that is built already (for the tests).
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
build=$top/build/demo
mailboxfs=${MAILBOXFS:-$build/src/main/mailboxfs}
export LC_ALL=C.UTF-8

command=()
case ${1-} in
  '') ;;
  --) shift; [ $# -gt 0 ] || { echo "usage: $0 [-- COMMAND…]" >&2; exit 2; }; command=("$@") ;;
  *) sed -n '2,6s/^# //p' "$0" >&2; [ "$1" = --help ] && exit 0; exit 2 ;;
esac

say() { printf '%s\n' "$*" >&2; }
quietly() {
  local log=$work/quiet.log
  "$@" >"$log" 2>&1 || { tail -n 30 "$log" >&2; say "$0: failed: $*"; exit 1; }
}

# Started by root, the mail server becomes nobody, who cannot enter a private directory (pam_tmpdir).
if [ "$(id -u)" -eq 0 ] && ! setpriv --reuid=65534 --regid=65534 --clear-groups test -x "${TMPDIR:-/tmp}"; then
  export TMPDIR=/tmp
fi
work=$(realpath "$(mktemp -d "${TMPDIR:-/tmp}/mailboxfs-demo-XXXXXX")")
server='' child=''
cleanup() {
  local status=$?
  trap - EXIT
  trap '' INT TERM HUP
  cd /
  [ -z "$child" ] || kill -TERM "$child" 2>/dev/null || true
  # An interactive shell ends on this one only.
  [ -z "$child" ] || kill -HUP "$child" 2>/dev/null || true
  if mountpoint -q "$work/mail"; then
    timeout 20 "$mailboxfs" unmount "$work/mail" 2>/dev/null || true
  fi
  # The mount of a daemon that has died is none to mountpoint; without a mount this does nothing.
  fusermount3 -q -u -z "$work/mail" 2>/dev/null || true
  if [ -n "$server" ]; then
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  # rsync -a has copied the directories' permissions, which lack write.
  [ ! -d "$work/backup" ] || chmod -R u+w "$work/backup"
  rm -rf --one-file-system "$work"
  exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# In the background, so that a signal to this script is heard at once; with the terminal and Ctrl-C as in the foreground.
interruptible() {
  env --default-signal=INT,QUIT "$@" <&0 &
  child=$!
  local status=0
  wait "$child" || status=$?
  child=''
  return "$status"
}

[ -e /dev/fuse ] || { say "$0: there is no /dev/fuse here; try: modprobe fuse"; exit 1; }
if [ -z "${MAILBOXFS-}" ]; then
  "$top/contrib/deps.sh" build demo
  say "building, which takes some minutes the first time…"
  [ -e "$build/build.ninja" ] ||
    quietly meson setup "$build" "$top" --buildtype=release -Doptimization=2 -Dunity=on -Dunity_size=1000 -Dtests=false -Dbenchmarks=false
  quietly ninja -C "$build" src/main/mailboxfs
fi
PATH=$(dirname "$mailboxfs"):$PATH

say "starting a private Dovecot and a token endpoint, and filling two mailboxes…"
mkfifo "$work/ready"
PYTHONPATH=$top/tests/integration PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m support.demo_server "$work" \
  >"$work/ready" 2>"$work/server.log" &
server=$!
read -r ready <"$work/ready" || true
[ "${ready-}" = ready ] || { cat "$work/server.log" >&2; say "$0: the mail server did not start"; exit 1; }

# Nothing of the person's own is read or written.
export XDG_RUNTIME_DIR=$work/run
mkdir -m 700 "$work/mail" "$XDG_RUNTIME_DIR"
cd "$work"
if [ ${#command[@]} -gt 0 ]; then
  mailboxfs mount -c config.json mail
  cd mail
  interruptible "${command[@]}" && exit 0 || exit $?
fi

show() {
  printf '\n\033[1m$ %s\033[0m\n' "$1"
  interruptible bash -o pipefail -c "$1" || { local status=$?; [ "$status" -eq 141 ] || exit "$status"; }
}
show 'mailboxfs mount -c config.json mail'
show 'ls mail mail/ada@example.org'
show 'find mail/sales@example.org -mindepth 1 -type d'
show 'ls -l mail/ada@example.org/INBOX | head -n 6'
show 'cat mail/ada@example.org/INBOX/*_Quarterly-report*.eml | sed 12q'
show 'grep -rl "plan, full resolution" mail/ada@example.org/Projects'
show 'find mail -size +10M -exec ls -lh {} +'
show 'time rsync -a mail/ backup/'
show 'du -sh --apparent-size backup; diff -r mail backup && echo identical'
show 'rsync -a --stats mail/ backup/ | grep transferred'
show 'mailboxfs status mail | head -n 12'
if [ -t 0 ] && [ -t 1 ]; then
  printf '\nThis shell is inside the mount; leave it with exit, and all of this is gone.\n'
  cd mail
  interruptible "${SHELL:-/bin/bash}" || true
fi
