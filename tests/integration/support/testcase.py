"""The base of all mount tests, and their main(): python3 test_x.py [BINARY] [unittest options]."""

import os
import sys
import unittest
from pathlib import Path

from . import mount

_SKIPPED = 77  # meson's word for a test that could not run here.


class MountTest(unittest.TestCase):
    """Mounts made with self.mount() end with the test; their logs are shown when it fails."""

    maxDiff = 2000

    def setUp(self):
        self._mounts, self._logs = [], []

    def mount(self, account=None, *, timeouts=None, start=True, **config):
        """A mount.Mount on one account (or on `accounts=`), started unless told otherwise."""
        if account is not None:
            config["accounts"] = {"test": account}
        made = mount.Mount(config, timeouts)
        self.addCleanup(lambda: self._logs.append(made.close()))
        return made.start() if start else made

    def server(self, server):
        """Hands a scripted server over: stopped at the end; it must have seen nothing but reading."""

        def finish():
            server.stop()
            self.assertEqual(server.violations, [], "commands that change something at the server")

        self.addCleanup(finish)
        return server

    def own_mounts(self):
        """The beginning of a command line: the rest of it runs where nobody sees what it mounts. For root."""
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
        if any(line.split()[4] == "/" for line in mounts.splitlines()):
            return ["unshare", "-m"]
        # In a chroot only what is above it could be made private; what is mounted inside tells whether it is.
        if " shared:" in mounts:
            self.skipTest("only root of a whole system can mount where nobody sees it: this is a chroot")
        return ["unshare", "-m", "--propagation", "unchanged"]

    def run(self, result=None):
        before = _bad(result)
        super().run(result)
        if result is not None and _bad(result) > before:
            for log in self._logs:
                sys.stderr.write(f"---- log of {self.id()}\n{log[-8000:]}\n----\n")

    def assert_errno(self, errno, function, *arguments):
        """The call fails with just this errno."""
        with self.assertRaises(OSError) as caught:
            function(*arguments)
        self.assertEqual(os.strerror(caught.exception.errno), os.strerror(errno))


def _bad(result):
    return 0 if result is None else len(result.failures) + len(result.errors)


def read(path):
    """All bytes of a file."""
    with open(path, "rb") as file:
        return file.read()


def main(needs_fuse=True):
    """Runs the tests of the calling file."""
    if len(sys.argv) > 1 and os.path.isfile(sys.argv[1]):
        os.environ["MAILBOXFS"] = os.path.abspath(sys.argv.pop(1))
    if "MAILBOXFS" not in os.environ:
        sys.exit(f"usage: {sys.argv[0]} BINARY [unittest options]")
    if needs_fuse and not mount.fuse_is_there():
        print("skipped: there is no /dev/fuse")
        sys.exit(_SKIPPED)
    result = unittest.main(module="__main__", verbosity=2, exit=False).result
    # contrib/deps.sh installs all that is needed: what did not run has shown nothing. Who is not root is excused.
    for test, reason in result.skipped:
        print(f"NOT RUN: {test}: {reason}")
    missed = [reason for _, reason in result.skipped if not reason.startswith("only root")]
    sys.exit(0 if result.wasSuccessful() and not missed else 1)
