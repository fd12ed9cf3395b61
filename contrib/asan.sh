#!/usr/bin/env bash
# Builds with clang's AddressSanitizer and UndefinedBehaviorSanitizer and runs all tests, or those of the arguments, e.g.
# --suite memory. MAILBOXFS_BUILD_DIR: where to build (default build/asan). MAILBOXFS_LINES=no: reports without lines,
# which saves a tenth of the build.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8 UBSAN_OPTIONS='halt_on_error=1:print_stacktrace=1'

contrib/deps.sh build ci
compiler=clang++-14
if command -v ccache >/dev/null; then compiler="ccache $compiler"; fi
lines='-Dcpp_args=-gline-tables-only'
[ "${MAILBOXFS_LINES-}" != no ] || lines='-Ddebug=false'
exec env CXX="$compiler" MAILBOXFS_BUILD_DIR="${MAILBOXFS_BUILD_DIR:-build/asan}" \
  MAILBOXFS_MESON_ARGS='-Dbuildtype=debug -Db_lundef=false -Dbenchmarks=false -Db_sanitize=address,undefined '"$lines" \
  ./contrib/test.sh "$@"
