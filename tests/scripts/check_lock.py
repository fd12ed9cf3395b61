#!/usr/bin/env python3
"""npm's lock file names packages and digests, and no place to download from: that is whatever npm is set up for.

usage: check_lock.py PACKAGE-LOCK.JSON [--strip]     --strip removes the addresses that npm has written
"""

import json
import re
import sys
from pathlib import Path

# "funding" has the addresses of people.
_ADDRESSES = ("resolved", "funding")


def problems_of(text):
    """What is wrong with the file."""
    lock = json.loads(text)
    for name, package in lock["packages"].items():
        if name and not re.fullmatch(r"\d+\.\d+\.\d+(-[\w.]+)?", package.get("version", "")):
            yield f"{name}: no exact version"
        if name and not package.get("integrity", "").startswith("sha512-"):
            yield f"{name}: no SHA-512 digest"
        yield from (f"{name}: {key}" for key in _ADDRESSES if key in package)
    if len(lock["packages"]) < 2:
        yield "no packages"
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"\w:\\?/\\?/|registry|git\+|\bfile:|\blink\b", line):
            yield f"line {number}: an address: {line.strip()}"


def main():
    path = Path(sys.argv[1])
    if "--strip" in sys.argv:
        lock = json.loads(path.read_text(encoding="utf-8"))
        for package in lock["packages"].values():
            for key in _ADDRESSES:
                package.pop(key, None)
        path.write_text(json.dumps(lock, indent=2) + "\n", encoding="utf-8")
    problems = list(problems_of(path.read_text(encoding="utf-8")))
    for problem in problems:
        print(f"{path}: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
