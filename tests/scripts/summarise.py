#!/usr/bin/env python3
"""Prints "N passed, N failed, N skipped" for meson's testlog.json; the exit status says whether all is well.

usage: summarise.py TESTLOG.JSON STATUS     STATUS is that of `meson test`
Where /dev/fuse exists, a mount test that was skipped counts as failed: nobody would notice otherwise.
"""

import json
import os
import sys
from pathlib import Path


def main():
    log, status = Path(sys.argv[1]), int(sys.argv[2])
    must_mount = os.path.exists("/dev/fuse")
    passed = failed = skipped = 0
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else []:
        test = json.loads(line)
        if test["result"] in ("OK", "EXPECTEDFAIL"):
            passed += 1
        elif test["result"] == "SKIP" and not (must_mount and any("mount" in suite for suite in test["suite"])):
            skipped += 1
        else:
            failed += 1
            print(f"failed: {test['name']} ({test['result']})")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or status != 0 or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
