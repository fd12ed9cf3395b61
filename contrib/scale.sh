#!/usr/bin/env bash
# 100,000 messages in one folder: the first listing, the second after a remount, and the daemon's memory.
# usage: contrib/scale.sh [MESSAGES]     exit status 1 if a bar is missed
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
build=${MAILBOXFS_BUILD_DIR:-$top/build/demo}
"$top/contrib/deps.sh" build demo >&2
if [ ! -e "$build/build.ninja" ]; then
  meson setup "$build" "$top" --buildtype=release -Doptimization=2 -Dunity=on -Dunity_size=1000 \
  -Dtests=false -Dbenchmarks=false >&2
fi
ninja -C "$build" src/main/mailboxfs >&2
exec /usr/bin/python3 -B "$top/tests/integration/scale.py" "$build/src/main/mailboxfs" "${1:-100000}"
