#!/bin/sh
# Builds the fuzz targets with clang, ASan and UBSan, and runs each for some time, all at once.
#
#   contrib/fuzz.sh [SECONDS]      default: 60 per target; 0: build only
#
# Inputs that break something are kept in build/fuzz/artifacts; new interesting ones in
# build/fuzz/corpus. Exit status: 0 if nothing was found.
set -eu

seconds=${1:-60}
case $seconds in
  '' | *[!0-9]*) echo "usage: $0 [SECONDS]" >&2; exit 2 ;;
esac
cd "$(dirname "$0")/.."
build=build/fuzz
targets='framer response mailbox_name names'

first_of() {
  for tool in "$@"; do
    if command -v "$tool" > /dev/null 2>&1; then echo "$tool"; return; fi
  done
  echo "$0: none of these is installed: $*" >&2
  exit 2
}

if [ ! -f "$build/build.ninja" ]; then
  CC=${CC:-$(first_of clang-14 clang)} CXX=${CXX:-$(first_of clang++-14 clang++)} meson setup "$build" \
    -Dunity=on -Dunity_size=1000 -Dfuzzers=true -Dbenchmarks=false -Db_sanitize=address,undefined -Db_lundef=false \
    -Ddebug=false -Doptimization=1 '-Dcpp_args=-gline-tables-only -fsanitize=fuzzer-no-link'
fi
programs=
for target in $targets; do programs="$programs tests/fuzz/fuzz_$target"; done
# shellcheck disable=SC2086  # One word per program.
ninja -C "$build" $programs
[ "$seconds" -ne 0 ] || exit 0

run() {
  mkdir -p "$build/corpus/$1" "$build/artifacts"
  if UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 nice -n 5 "$build/tests/fuzz/fuzz_$1" \
      -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=4096 -dict=tests/fuzz/imap.dict \
      -artifact_prefix="$build/artifacts/$1-" -print_final_stats=1 \
      "$build/corpus/$1" "tests/fuzz/corpus/$1" > "$build/$1.log" 2>&1; then
    echo "$1: nothing found ($(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$1.log") inputs)"
  else
    echo "$1: FOUND SOMETHING, see $build/$1.log and $build/artifacts/$1-*"
    return 1
  fi
}

pids=
for target in $targets; do
  run "$target" &
  pids="$pids $!"
done
status=0
for pid in $pids; do wait "$pid" || status=1; done
exit $status
