#!/usr/bin/env python3
"""Prints "N passed, N failed, N skipped" for meson's logs; the exit status says whether all is well.

usage: summarise.py TESTLOG.JSON STATUS     STATUS is that of `meson test`; TESTLOG.JUNIT.XML is read, too
What is counted are meson's tests: a program with many cases is one. Meson counts it as passed whatever cases it has
skipped, so each of these is counted as one more that was skipped.
Where /dev/fuse exists, a mount test or a case of it that was skipped counts as failed: nobody would notice otherwise.
"""

import json
import os
import sys
import xml.etree.ElementTree
from pathlib import Path


def suites_of(name):
    """Meson's full name of a test is "project:suite+suite / test"."""
    return name.rpartition(" / ")[0].partition(":")[2].split("+")


def results_of(log):
    """(full name, result, last line of its output) of all tests."""
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else []:
        test = json.loads(line)
        yield test["name"], test["result"], (test.get("stdout") or "").strip().rpartition("\n")[2]


def skipped_cases(junit):
    """Full names of the cases that GoogleTest programs have skipped. Tests without cases have none there."""
    for suite in xml.etree.ElementTree.parse(junit).iter("testsuite") if junit.exists() else []:
        if " / " not in suite.get("name"):
            continue
        for case in suite.iter("testcase"):
            if case.find("skipped") is not None:
                yield f"{suite.get('name')}.{case.get('name')}"


def summarise(log, must_mount):
    """(passed, failed, skipped, lines that say what failed or was skipped)."""
    passed = failed = skipped = 0
    lines = []
    cases = ((name, "SKIP", "") for name in skipped_cases(log.with_suffix(".junit.xml")))
    for name, result, reason in [*results_of(log), *cases]:
        if result in ("OK", "EXPECTEDFAIL"):
            passed += 1
        elif result == "SKIP" and not (must_mount and "mount" in suites_of(name)):
            skipped += 1
            lines.append(f"skipped: {name}{': ' if reason else ''}{reason}")
        else:
            failed += 1
            lines.append(f"failed: {name} ({result})")
    return passed, failed, skipped, lines


def main():
    passed, failed, skipped, lines = summarise(Path(sys.argv[1]), os.path.exists("/dev/fuse"))
    for line in lines:
        print(line)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or int(sys.argv[2]) != 0 or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
