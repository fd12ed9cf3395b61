#!/usr/bin/env bash
# Readers behind a network that breaks at any byte (5 minutes), 200 kill -9 of the daemon, and random changes of a
# mailbox against a model (5 minutes). usage: contrib/chaos.sh [--seed N]     exit status 1 if anything was wrong
# MAILBOXFS_CHAOS_SECONDS, MAILBOXFS_CHAOS_KILLS, MAILBOXFS_MODEL_SECONDS: other lengths. MAILBOXFS_BUILD_DIR: where to
# build.
set -euo pipefail

seed=$((RANDOM * 32768 + RANDOM))
case "${1-}" in
  '') ;;
  --seed) seed=${2:?usage: contrib/chaos.sh [--seed N]} ;;
  *)
    echo 'usage: contrib/chaos.sh [--seed N]' >&2
    exit 2
    ;;
esac
top=$(cd "$(dirname "$0")/.." && pwd)
build=${MAILBOXFS_BUILD_DIR:-$top/build/demo}
"$top/contrib/deps.sh" build demo >&2
if [ ! -e "$build/build.ninja" ]; then
  meson setup "$build" "$top" --buildtype=release -Doptimization=2 -Dunity=on -Dunity_size=1000 \
    -Dtests=false -Dbenchmarks=false >&2
fi
ninja -C "$build" src/main/mailboxfs >&2

export MAILBOXFS_CHAOS_SECONDS=${MAILBOXFS_CHAOS_SECONDS:-300} MAILBOXFS_CHAOS_KILLS=${MAILBOXFS_CHAOS_KILLS:-200}
export MAILBOXFS_MODEL_SECONDS=${MAILBOXFS_MODEL_SECONDS:-300} LC_ALL=C.UTF-8
status=0
for name in chaos model; do
  /usr/bin/python3 -B "$top/tests/integration/test_$name.py" "$build/src/main/mailboxfs" --seed "$seed" || status=1
done
exit "$status"
