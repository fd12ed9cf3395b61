#!/usr/bin/env python3
"""Measures one folder with very many messages; see contrib/scale.sh. usage: scale.py BINARY [MESSAGES]"""

import os
import sys
import tempfile
import time
from pathlib import Path

from support import process
from support.imap_script_server import ImapScriptServer
from support.mount import Mount, password_account, uid_of

# Listing the mount may take so many times as long as listing as many local files.
_MOST_TIMES_LOCAL = 5
_MOST_RESIDENT = 100 * 1000 * 1000


def listing_seconds(directory, runs=3):
    """The best of some runs of ls -lU."""
    best = float("inf")
    for _ in range(runs):
        start = time.monotonic()
        process.run(["ls", "-lU", directory], timeout=300, check=True, stdout=-3)
        best = min(best, time.monotonic() - start)
    return best


def resident(pid):
    """The highest resident size so far, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmHWM")


def local_seconds(count):
    """ls -lU of as many small local files with names like ours."""
    with tempfile.TemporaryDirectory() as directory:
        for number in range(1, count + 1):
            Path(directory, f"2022-10-01_Message-number-{number}.{number}.eml").write_bytes(b"x")
        return listing_seconds(directory)


def main():
    """Prints what was measured; exit status 1 if a bar is missed."""
    os.environ["MAILBOXFS"] = os.path.abspath(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    failures = []
    user = "ada@example.org"
    with ImapScriptServer() as server:
        server.mailbox(user).generated("Archive", count)
        mount = Mount({"accounts": {"scale": password_account(server, [user])}}, {"stall": 60, "total": 600})
        try:
            mount.start(log_level="info")
            folder = mount.path(user, "Archive")
            start = time.monotonic()
            names = os.listdir(folder)
            first = time.monotonic() - start
            print(f"first listing of {count} messages: {first:.1f} s, {count / first:.0f} messages/s")
            if sorted(map(uid_of, names)) != list(range(1, count + 1)):
                failures.append("the first listing is not complete and correct")
            peak = resident(mount.pid)
            mount.remount()
            start = time.monotonic()
            process.run(["ls", "-lU", folder], timeout=300, check=True, stdout=-3)
            remounted = time.monotonic() - start
            again = listing_seconds(folder)
            local = local_seconds(count)
            peak = max(peak, resident(mount.pid))
            print(
                f"ls -lU after a remount: {remounted:.2f} s, again: {again:.2f} s; {count} local files: {local:.2f} s"
            )
            print(f"ratio: {remounted / local:.1f} (bar: {_MOST_TIMES_LOCAL})")
            print(f"daemon's highest resident size: {peak / 2**20:.0f} MB (bar: {_MOST_RESIDENT / 2**20:.0f})")
            if remounted > _MOST_TIMES_LOCAL * local:
                failures.append("ls -lU after a remount is too slow")
            if peak > _MOST_RESIDENT:
                failures.append("the daemon takes too much memory")
            if server.bodies() != 0:
                failures.append(f"listing fetched {server.bodies()} bodies")
            if server.violations:
                failures.append(f"commands that change something: {server.violations}")
        finally:
            mount.close()
    for failure in failures:
        print(f"FAILED: {failure}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
