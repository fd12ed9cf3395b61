#!/usr/bin/env python3
"""A mailbox that cannot be used hurts no other one."""

import errno
import os
import subprocess

from support import process
from support.imap_faults import bad, Gate, no
from support.imap_script_server import ImapScriptServer
from support.mount import password_account
from support.testcase import MountTest, main, read

GOOD, BAD = "good@example.org", "bad@example.org"


class Isolation(MountTest):
    def setUp(self):
        super().setUp()
        self.imap = self.server(ImapScriptServer())
        self.imap.mailbox(GOOD).inbox.fill(10)
        self.imap.mailbox(BAD).inbox.fill(10)

    def assert_good_works(self, mount):
        names = mount.messages(GOOD, "INBOX")
        self.assertEqual(len(names), 10)
        for name in names:
            self.assertIn(b"Subject", read(mount.path(GOOD, "INBOX", name)))

    def test_a_refused_login_is_eacces_there_and_nothing_elsewhere(self):
        self.imap.on("AUTHENTICATE", no("AUTHENTICATE failed."), user=BAD)
        mount = self.mount(password_account(self.imap, [BAD, GOOD]))
        self.assertEqual(sorted(os.listdir(mount.mountpoint)), [BAD, GOOD])
        self.assert_errno(errno.EACCES, os.listdir, mount.path(BAD))
        self.assert_errno(errno.EACCES, os.stat, mount.path(BAD, "INBOX"))
        self.assert_good_works(mount)
        tried = self.imap.count("AUTHENTICATE")
        for _ in range(20):
            self.assert_errno(errno.EACCES, os.listdir, mount.path(BAD))
        self.assertLess(self.imap.count("AUTHENTICATE") - tried, 10, "a refused login must not be hammered")

    def test_authenticated_but_not_connected_is_eacces(self):
        for command in ("LIST", "NAMESPACE", "EXAMINE", "CAPABILITY", "ID", "NOOP"):
            self.imap.on(command, bad("User is authenticated but not connected."), user=BAD)
        mount = self.mount(password_account(self.imap, [BAD, GOOD]))
        self.assert_errno(errno.EACCES, os.listdir, mount.path(BAD))
        self.assert_good_works(mount)

    def test_a_silent_server_keeps_only_its_own_mailbox_waiting(self):
        silent = self.server(ImapScriptServer())
        silent.mailbox(BAD).inbox.fill(1)
        gate = silent.on("GREETING", Gate())
        accounts = {"silent": password_account(silent, [BAD]), "good": password_account(self.imap, [GOOD])}
        mount = self.mount(accounts=accounts, timeouts={"login": 60, "stall": 60, "total": 100})
        waiting = subprocess.Popen(["ls", mount.path(BAD)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(lambda: waiting.kill() or waiting.communicate())
        process.wait_until(lambda: gate.waiting > 0, what="the silent server's visitor")
        self.assert_good_works(mount)
        self.assertIsNone(waiting.poll())
        gate.release()
        self.assertEqual(waiting.communicate(timeout=60)[0], b"INBOX\n")

    def test_one_unreadable_message_spoils_no_other(self):
        self.imap.on("BODY", no("Message could not be retrieved."), uid=4, user=GOOD)
        mount = self.mount(password_account(self.imap, [GOOD]))
        results = {}
        for name in mount.messages(GOOD, "INBOX"):
            try:
                results[name] = len(read(mount.path(GOOD, "INBOX", name)))
            except OSError as error:
                results[name] = -error.errno
        self.assertEqual([result for result in results.values() if result < 0], [-errno.EIO])
        self.assertEqual(len(results), 10)


if __name__ == "__main__":
    main()
