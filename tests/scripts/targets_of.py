#!/usr/bin/env python3
"""Prints the ninja targets that some tests need, one a line.

usage: targets_of.py BUILDDIR [--suite NAME]...     other options of `meson test` are ignored; no suite: nothing
"""

import json
import subprocess
import sys
from pathlib import Path


def main():
    build = Path(sys.argv[1]).resolve()
    words = sys.argv[2:]
    suites = {f"mailboxfs:{words[i + 1]}" for i, word in enumerate(words[:-1]) if word == "--suite"}
    described = subprocess.run(["meson", "introspect", "--tests", "--targets", build], capture_output=True, check=True)
    project = json.loads(described.stdout)
    files = {target["id"]: target["filename"] for target in project["targets"]}
    needed = {id for test in project["tests"] if suites & set(test["suite"]) for id in test["depends"]}
    for id in sorted(needed):
        for file in files[id]:
            print(Path(file).relative_to(build))


if __name__ == "__main__":
    main()
