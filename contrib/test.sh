#!/usr/bin/env bash
# Builds and runs the whole test suite; the last line is "N passed, N failed, N skipped".
# MAILBOXFS_BUILD_DIR: where to build (default build/test). MAILBOXFS_MESON_ARGS: more options for meson setup.
# MAILBOXFS_BUILD_ONLY: build, but run nothing.
# Arguments are passed on to `meson test`, e.g. --suite unit.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
build=${MAILBOXFS_BUILD_DIR:-$top/build/test}
export LC_ALL=C.UTF-8
read -ra setup <<<"${MAILBOXFS_MESON_ARGS:-}"

"$top/contrib/deps.sh" build test
if [ ! -e "$build/build.ninja" ]; then
  # One translation unit a module: the headers are read once, which halves the time twice.
  meson setup "$build" "$top" -Dwerror=true -Dunity=on -Dunity_size=1000 "${setup[@]}"
elif [ ${#setup[@]} -gt 0 ]; then
  meson configure "$build" "${setup[@]}"
fi
# Only what the wanted tests need, if it is said which.
chosen=()
[ $# -eq 0 ] || mapfile -t chosen < <(/usr/bin/python3 "$top/tests/scripts/targets_of.py" "$build" "$@")
ninja -C "$build" "${chosen[@]}"
[ -z "${MAILBOXFS_BUILD_ONLY-}" ] || exit 0

log=$build/meson-logs/testlog.json
rm -f "$log" "${log%.json}.junit.xml"
status=0
# Many tests wait for a deadline most of the time.
meson test -C "$build" --no-rebuild --print-errorlogs --num-processes $((3 * $(nproc))) --timeout-multiplier 4 "$@" || status=$?
exec /usr/bin/python3 "$top/tests/scripts/summarise.py" "$log" "$status"
