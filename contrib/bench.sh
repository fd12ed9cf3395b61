#!/usr/bin/env bash
# How fast a mailbox is copied out of a mount, beside mbsync and beside what the link allows, over an emulated link (40 ms
# round trip, 200 Mbit/s): prints a table of ratios. usage: contrib/bench.sh [--short] [OPTION…]
# --short: 300 messages, once. Other options: tests/bench/bench.py --help. MAILBOXFS_BUILD_DIR: where to build.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
build=${MAILBOXFS_BUILD_DIR:-$top/build/bench}
options=()
if [ "${1-}" = --short ]; then
  shift
  options=(--messages 300 --runs 1)
fi
"$top/contrib/deps.sh" build bench >&2
if [ ! -e "$build/build.ninja" ]; then
  meson setup "$build" "$top" --buildtype=release -Doptimization=2 -Dunity=on -Dunity_size=1000 \
    -Dtests=false -Dbenchmarks=false >&2
fi
ninja -C "$build" src/main/mailboxfs >&2
"${CXX:-c++}" -std=c++20 -O2 -Wall -Wextra -Werror -o "$build/link_emulator" "$top/tests/bench/link_emulator.cpp"
exec env LC_ALL=C.UTF-8 /usr/bin/python3 -B "$top/tests/bench/bench.py" "$build/src/main/mailboxfs" \
  "$build/link_emulator" "${options[@]}" "$@"
