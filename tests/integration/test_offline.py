#!/usr/bin/env python3
"""Without the server: what is known is shown, what is held is read, the rest says so; all mends by itself."""

import errno
import os
import time

from support import process
from support.imap_faults import Gate
from support.imap_script_server import ImapScriptServer
from support.mount import password_account, uid_of
from support.testcase import MountTest, main, read

USER = "ada@example.org"
DEADLINES = {"connect": 2, "login": 2, "stall": 3, "total": 8}
# How late a busy machine may be is no promise; without a deadline it would be for ever.
LATEST = DEADLINES["total"] + 30


class Offline(MountTest):
    def setUp(self):
        super().setUp()
        self.imap = self.server(ImapScriptServer())
        self.imap.mailbox(USER).inbox.fill(10)
        self.imap.mailbox(USER).folder("Archive/2021").fill(5)
        self.imap.mailbox(USER).folder("Never listed").fill(3)
        self.box = self.mount(password_account(self.imap, [USER]), timeouts=DEADLINES, refresh_interval=1)
        self.listing = {folder: self.box.messages(USER, folder) for folder in ("INBOX", "Archive/2021")}
        # Read-ahead would hold more than was read: only this folder's bodies are in the cache.
        self.held = {name: read(self.box.path(USER, "Archive/2021", name)) for name in self.listing["Archive/2021"]}
        self.box.unmount()

    def assert_known_mail_is_there(self):
        self.assertEqual(sorted(os.listdir(self.box.path(USER))), ["Archive", "INBOX", "Never listed"])
        for folder, names in self.listing.items():
            self.assertEqual(self.box.messages(USER, folder), names)
        for name, body in self.held.items():
            self.assertEqual(read(self.box.path(USER, "Archive/2021", name)), body)

    def some_uncached(self):
        return self.box.path(USER, "INBOX", self.listing["INBOX"][3])

    def assert_fails_in_time(self, number):
        """An open that needs the server, and a listing that was never made, give this errno within the deadline."""
        for call, path in ((read, self.some_uncached()), (os.listdir, self.box.path(USER, "Never listed"))):
            begun = time.monotonic()
            self.assert_errno(number, call, path)
            self.assertLess(time.monotonic() - begun, LATEST, path)

    def assert_mends(self):
        """The server is back: an uncached message is read without a remount."""
        path = self.some_uncached()

        def body():
            try:
                return read(path)
            except OSError:
                return None

        found = process.wait_until(body, 90, "reading after the server came back")
        self.assertEqual(found, self.imap.mailbox(USER).inbox.get(uid_of(path)).body)
        self.assertEqual(len(process.wait_until(self.try_never_listed, 90, "listing after the server came back")), 3)

    def try_never_listed(self):
        try:
            return os.listdir(self.box.path(USER, "Never listed"))
        except OSError:
            return None

    def test_refused_connections(self):
        self.imap.stop()
        self.box.start()
        self.assert_known_mail_is_there()
        self.assert_fails_in_time(errno.EIO)
        self.imap.start()
        self.assert_mends()

    def test_a_silent_server(self):
        self.imap.on("GREETING", Gate())
        self.box.start()
        # First of all: what has failed just now fails at once for a while.
        self.assert_fails_in_time(errno.ETIMEDOUT)
        self.assert_known_mail_is_there()
        self.imap.heal()
        self.assert_mends()

    def test_a_connection_lost_while_mounted(self):
        self.box.start()
        self.assert_known_mail_is_there()
        self.imap.stop()
        self.assert_known_mail_is_there()
        self.assert_fails_in_time(errno.EIO)
        self.imap.start()
        self.assert_mends()

    def test_never_listed_names_are_not_proven_absent(self):
        self.imap.stop()
        self.box.start()
        for path in (self.box.path(USER, "Never listed", "1.eml"), self.box.path(USER, "Never listed", "x")):
            with self.assertRaises(OSError) as caught:
                os.stat(path)
            self.assertNotEqual(caught.exception.errno, errno.ENOENT)


if __name__ == "__main__":
    main()
