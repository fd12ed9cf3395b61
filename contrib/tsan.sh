#!/usr/bin/env bash
# Builds with clang's ThreadSanitizer and runs all tests, or those of the arguments, e.g. --suite threads.
# MAILBOXFS_BUILD_DIR: where to build (default build/tsan). MAILBOXFS_LINES=no: reports without lines, which saves a tenth
# of the build.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8 TSAN_OPTIONS='halt_on_error=1'

contrib/deps.sh build ci
compiler=clang++-14
if command -v ccache >/dev/null; then compiler="ccache $compiler"; fi
lines='-Dcpp_args=-gline-tables-only'
[ "${MAILBOXFS_LINES-}" != no ] || lines='-Ddebug=false'
# The memory layout of clang 14's TSan does not stand every kernel's address randomisation.
no_randomisation=(setarch "$(uname -m)" -R)
"${no_randomisation[@]}" true 2>/dev/null || no_randomisation=()
exec env CXX="$compiler" MAILBOXFS_BUILD_DIR="${MAILBOXFS_BUILD_DIR:-build/tsan}" \
  MAILBOXFS_MESON_ARGS='-Dbuildtype=debug -Db_lundef=false -Dbenchmarks=false -Db_sanitize=thread '"$lines" \
  "${no_randomisation[@]}" ./contrib/test.sh "$@"
