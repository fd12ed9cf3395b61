#!/usr/bin/env python3
"""The first listing of a large folder takes long: `mailboxfs status` shows how far it is."""

import re
import subprocess

from support import process
from support.imap_faults import Turnstile
from support.imap_script_server import ImapScriptServer
from support.mount import password_account
from support.testcase import MountTest, main

USER = "ada@example.org"
MESSAGES = 1000


class Progress(MountTest):
    def listed(self):
        """The N of "listing N of M" in what people read; 0 if it says no such thing."""
        text = self.box.command("status", self.box.mountpoint, check=True).stdout
        found = re.search(rf" {USER}/Long: .*\blisting (\d+) of {MESSAGES}\b", text)
        return int(found.group(1)) if found else 0

    def assert_listed_more_than(self, before):
        now = process.wait_until(lambda: max(0, self.listed() - before), what="progress in the status") + before
        self.assertLess(now, MESSAGES)
        return now

    def test_status_shows_how_far_a_first_listing_is(self):
        imap = self.server(ImapScriptServer())
        imap.mailbox(USER).folder("Long").fill(MESSAGES)
        self.box = self.mount(password_account(imap, [USER]))
        turnstile = imap.on("HEADERS", Turnstile(), folder="Long")
        listing = subprocess.Popen(["ls", self.box.path(USER, "Long")], stdout=subprocess.PIPE, text=True)
        self.addCleanup(lambda: listing.kill() or listing.communicate())
        turnstile.admit()  # The UIDs; then come the headers, some at a time.
        turnstile.admit()
        some = self.assert_listed_more_than(0)
        turnstile.admit()
        more = self.assert_listed_more_than(some)
        self.assertEqual(self.listed(), more)
        self.assertIsNone(listing.poll())
        turnstile.release()
        self.assertEqual(len(listing.communicate(timeout=60)[0].splitlines()), MESSAGES)
        process.wait_until(lambda: self.listed() == 0, what="the end of the listing in the status")


if __name__ == "__main__":
    main()
