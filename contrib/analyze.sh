#!/usr/bin/env bash
# Clang's static analyzer over the product, source by source: about 20 minutes on 2 cores, so it is not in .ci/run.
# Arguments: regular expressions of paths, to look at some sources only.
# MAILBOXFS_BUILD_DIR: where its list of compile commands is made (default build/analyze).
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
build=${MAILBOXFS_BUILD_DIR:-$top/build/analyze}
export LC_ALL=C.UTF-8

"$top/contrib/deps.sh" build test ci
[ -e "$build/build.ninja" ] || CXX=clang++-14 meson setup "$build" "$top" -Dbuildtype=debug -Dbenchmarks=false >/dev/null
status=0
run-clang-tidy-14 -quiet -j "$(nproc)" -p "$build" -checks='-*,clang-analyzer-*' "${@:-^$top/src/}" \
  >"$build/analyze.log" 2>&1 || status=$?
grep -E ': (error|warning): ' "$build/analyze.log" | sort -u || true
[ "$status" -eq 0 ] || echo "how it comes to that: $build/analyze.log"
exit "$status"
