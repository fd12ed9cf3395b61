"""The base of all mount tests, and their main(): python3 test_x.py [BINARY] [unittest options]."""

import os
import sys
import unittest
from pathlib import Path

from . import imap_fault_names, mount, process
from .imap_script_server import ImapScriptServer

_SKIPPED = 77  # meson's word for a test that could not run here.


class MountTest(unittest.TestCase):
    """Mounts made with self.mount() end with the test; their logs are shown when it fails."""

    maxDiff = 2000

    def setUp(self):
        self._mounts, self._logs = [], []

    def mount(self, account=None, *, timeouts=None, start=True, read_ahead=None, **config):
        """A mount.Mount on one account (or on `accounts=`), started unless told otherwise."""
        if account is not None:
            config["accounts"] = {"test": account}
        made = mount.Mount(config, timeouts, read_ahead)
        self.addCleanup(lambda: self._logs.append(made.close()))
        return made.start() if start else made

    def server(self, server):
        """Hands a scripted server over: stopped at the end; it must have seen nothing but reading."""

        def finish():
            if server.strict_logout:
                # The client has ended; its last words may not have been read yet.
                process.wait_until(lambda: server.connections == 0, 10, "the end of all sessions")
            server.stop()
            self.assertEqual(server.violations, [], "what a client must never do")

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


class FakeTest(MountTest):
    """Mounts of one mailbox, `USER`, at servers with a personality, which the client must leave politely."""

    USER = "ada@example.org"
    # Short, for tests that wait for them.
    DEADLINES = {"connect": 5, "login": 5, "stall": 3, "total": 12}

    def fake(self, personality="exchange", *named, messages=10, **options):
        """A server with these faults (imap_fault_names.py), and so many messages in USER's INBOX; `self.imap`. It must
        have nothing to complain of in the end."""
        self.imap = self.server(ImapScriptServer(personality, **({"strict_logout": True} | options)))
        self.inbox = self.imap.mailbox(self.USER).inbox.fill(messages)
        self.faults = [imap_fault_names.install(self.imap, one) for one in named]
        return self.imap

    def fault(self, named):
        """One more fault, from now on."""
        return imap_fault_names.install(self.imap, named)

    def box(self, user=None, *, token=False, timeouts=None, imap=None, **config):
        """`self.mounted`: USER's mailbox at self.imap, with a password or with a token. Without read-ahead unless
        `read_ahead=` is given: what is asked for is what the test reads."""
        account = mount.password_account(self.imap, [user or self.USER], **({} if imap is None else imap))
        if token or "AUTH=PLAIN" not in self.imap.capabilities_of(None).split():
            account["auth"] = {"method": "token-command", "command": ["echo", "a-token"]}
        config = {"refresh_interval": 0.2, "read_ahead": 0} | config
        self.mounted = self.mount(account, timeouts=timeouts or self.DEADLINES, **config)
        return self.mounted

    def paths(self, *folder):
        """{UID: path} of the messages in a folder, INBOX by default."""
        names = self.mounted.messages(self.USER, *(folder or ("INBOX",)))
        return {mount.uid_of(name): self.mounted.path(self.USER, *(folder or ("INBOX",)), name) for name in names}

    def assert_all_is_read(self, *unread):
        """Every message of INBOX but those with the UIDs `unread` is there, and what the server has."""
        paths = self.paths()
        self.assertEqual(sorted(paths), self.inbox.uids())
        for uid, path in paths.items():
            if uid not in unread:
                self.assertEqual(read(path), self.inbox.get(uid).body)

    def wait_for(self, condition, what, seconds=60):
        """process.wait_until(), as a method."""
        return process.wait_until(condition, seconds, what)

    def assert_mends(self, path, body, seconds=60):
        """The message is read in the end, and right."""
        process.wait_until(lambda: try_read(path) == body, seconds, f"reading {path}")


def try_read(path):
    """All bytes of a file, or the number of the error."""
    try:
        return read(path)
    except OSError as error:
        return error.errno


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
