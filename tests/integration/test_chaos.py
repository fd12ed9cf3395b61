#!/usr/bin/env python3
"""With a network that breaks at any byte, and a daemon that is killed at any moment, nothing wrong is ever shown.

usage: test_chaos.py BINARY [--seed N] [unittest options]
MAILBOXFS_CHAOS_SECONDS: how long the network is bad (20). MAILBOXFS_CHAOS_KILLS: how often the daemon is killed (10).
The seed decides what the relay does to which connection, and what the readers do.
"""

import contextlib
import os
import random
import re
import sys
import time
from collections import Counter
from pathlib import Path

from support import mount, process
from support.chaos_readers import Readers, fill
from support.chaos_relay import ChaosRelay
from support.imap_script_server import ImapScriptServer
from support.testcase import MountTest, main

USER = "ada@example.org"
# Many, so that some are listed for the first time when the network is at its worst.
FOLDERS = {"INBOX": 600, "Archive/2021": 500, "Größe": 300} | {f"Lists/{number}": 30 for number in range(20)}
DEADLINES = {"connect": 3, "login": 3, "stall": 1.5, "total": 6}
_SLACK = 9  # For a machine that has other things to do.
_AGAIN_WITHIN = 60  # Seconds after which a good network is noticed at the latest.
_MOST_GROWTH = 30_000_000


def number_from(name, default):
    """A number in the environment."""
    return int(os.environ.get(name, default))


class Resources:
    """What a process uses."""

    def __init__(self, pid):
        top = Path(f"/proc/{pid}")
        kinds = Counter()
        # A process without core dumps is root's; other users have to do without the fds.
        for fd in (top / "fd").iterdir() if os.getuid() == 0 else ():
            with contextlib.suppress(FileNotFoundError):  # Closed meanwhile.
                kinds[re.sub(r"\d+|[0-9a-f]{16,}", "N", os.readlink(fd))] += 1
        # libfuse makes a pair for each of its threads when it first needs one.
        self.pipes = kinds.pop("pipe:[N]", 0)
        self.kinds, self.fds, self.threads = dict(kinds), kinds.total(), len(list((top / "task").iterdir()))
        lines = (top / "status").read_text(encoding="ascii").splitlines()
        self.resident = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))

    def __str__(self):
        return f"{self.fds} fds and {self.pipes} of pipes, {self.threads} threads, {self.resident / 1e6:.1f} MB"


def is_sanitized():
    """Such programs keep freed memory."""
    return any(word in Path(mount.binary()).read_bytes() for word in (b"__asan_init", b"__tsan_init"))


class Chaos(MountTest):
    def setUp(self):
        super().setUp()
        self.seed = number_from("MAILBOXFS_CHAOS_SEED", 1)
        print(f"seed {self.seed}; --seed {self.seed} does the same again", flush=True)
        self.imap = self.server(ImapScriptServer())
        # Sessions that the relay has ended count at such a server for a minute.
        self.imap.connection_limit = None
        self.truth = fill(self.imap.mailbox(USER), FOLDERS)
        self.relay = ChaosRelay(self.imap.port, self.seed)
        self.addCleanup(self.relay.stop)
        self.box = self.mount(
            mount.password_account(self.relay, [USER]),
            timeouts=DEADLINES,
            refresh_interval=1,
            cache={"size": "4M"},
            start=False,
        )

    def read_on(self):
        """Eight readers that go on until the end of the test; the daemon's debug log would be very long."""
        self.box.start(log_level="warning")
        readers = Readers(self.box.path(USER), self.truth, self.seed, DEADLINES["total"] + _SLACK)
        self.addCleanup(readers.stop)
        readers.start()
        return readers

    def check(self, readers):
        """Nothing was wrong, and there was something to see."""
        self.assertEqual(readers.wrong[:10], [])
        print(f"readers: {dict(readers.counts)}, slowest call {readers.slowest:.1f} s; relay: {dict(self.relay.acted)}")
        self.assertGreater(readers.counts["read"], 0)
        self.assertGreater(sum(self.relay.acted.values()), 0)

    def check_that_all_can_be_read(self, readers, seconds):
        """The network is good now. Who is in the negative cache is asked for again after a pause that grows."""
        self.relay.honest()

        def deadline(path):
            try:
                os.getxattr(path, "user.mailboxfs.error")
            except OSError:
                return _AGAIN_WITHIN
            return _AGAIN_WITHIN + 2 * seconds

        begin = time.monotonic()
        self.assertEqual(readers.unread(deadline)[:10], [])
        print(f"all were read {time.monotonic() - begin:.1f} s after the end of the chaos")
        self.assertEqual(readers.wrong[:10], [])

    def test_a_network_that_breaks_at_any_byte(self):
        seconds = number_from("MAILBOXFS_CHAOS_SECONDS", 20)
        readers = self.read_on()
        readers.unfit.wait(seconds / 4)
        warm = Resources(self.box.pid)
        readers.unfit.wait(seconds * 3 / 4)
        readers.stop()
        self.check(readers)
        # Whether a reader notices is the daemon's affair.
        self.assertGreater(self.relay.acted.total(), 0)
        self.check_that_all_can_be_read(readers, seconds)
        self.check_resources(warm)

    def check_resources(self, warm):
        """Not more than when it was warm, but for what a few connections need."""
        end = Resources(self.box.pid)
        print(f"the daemon: {warm} when it was warm, {end} in the end")
        self.assertLessEqual(end.fds, warm.fds + 16, f"{warm.kinds} when it was warm, {end.kinds} in the end")
        self.assertLessEqual(end.pipes, 2 * end.threads)
        self.assertLessEqual(end.threads, warm.threads + 8)
        if not is_sanitized():
            self.assertLess(end.resident - warm.resident, _MOST_GROWTH)

    def test_kill_9_at_any_moment(self):
        rng = random.Random(f"{self.seed} kills")
        readers, kills = self.read_on(), number_from("MAILBOXFS_CHAOS_KILLS", 10)
        begin = time.monotonic()
        for number in range(kills):
            if number % 3 == 1:
                self.relay.honest()  # So that something is on its way when it ends.
            elif number % 3 == 0:
                self.relay.chaotic()
            if readers.unfit.wait(rng.uniform(0.0, 2.0)):
                break
            with readers.while_nothing_is_mounted():
                self.box.kill9()
                self.box.start(log_level="warning")
        readers.stop()
        print(f"{kills} kills in {time.monotonic() - begin:.0f} s")
        self.check(readers)
        self.check_that_all_can_be_read(readers, number_from("MAILBOXFS_CHAOS_SECONDS", 20))
        with readers.while_nothing_is_mounted():
            self.box.kill9()
        if process.run([mount.binary(), "fsck", "--help"]).returncode == 0:
            checked = self.box.command("fsck", "-n", "-c", self.box.config_file, timeout=120)
            self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)


if __name__ == "__main__":
    if "--seed" in sys.argv:
        where = sys.argv.index("--seed")
        os.environ["MAILBOXFS_CHAOS_SEED"] = sys.argv[where + 1]
        del sys.argv[where : where + 2]
    main()
