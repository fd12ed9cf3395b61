#!/usr/bin/env python3
"""What clang-format and clang-tidy don't see. Sizes are told, not judged.

usage: check_style.py [SOURCE_ROOT]
"""

import re
import sys
from pathlib import Path

_LONG_SOURCE, _LONG_HEADER = 400, 150
_UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b[:(]|\bDISABLED_\w|GTEST_SKIP\(\);|SUCCEED\(\)|EXPECT_TRUE\(true\)")
_SLEEP = re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep|sleep)\s*\(")


def problems_of(text, is_header, is_test):
    """(line number, what is wrong) of one file."""
    for number, line in enumerate(text.splitlines(), 1):
        if line != line.rstrip():
            yield number, "space at the end of the line"
        if "\t" in line:
            yield number, "a tab"
        if _UNFINISHED.search(line):
            yield number, "unfinished work, or a test that cannot fail"
        if _SLEEP.search(line):
            yield number, "sleeping; wait for a condition with a deadline"
        if re.search(r"catch \(\.\.\.\) \{\s*\}", line):
            yield number, "an error is swallowed"
    if is_header and "#pragma once" not in text.split("\n", 1)[0] and not is_test:
        yield 1, "a header begins with #pragma once"
    if text and not text.endswith("\n"):
        yield text.count("\n") + 1, "no newline at the end"


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    problems, long_files = [], []
    for top in ("include", "src", "tests"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix not in (".h", ".cpp"):
                continue
            text, name = path.read_text(encoding="utf-8"), path.relative_to(root)
            problems += [
                f"{name}:{line}: {what}" for line, what in problems_of(text, path.suffix == ".h", top == "tests")
            ]
            lines = text.count("\n")
            if top != "tests" and lines > (_LONG_HEADER if path.suffix == ".h" else _LONG_SOURCE):
                long_files.append((lines, name))
    for lines, name in sorted(long_files, reverse=True):
        print(f"{name}: {lines} lines; does it still do one job?")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
