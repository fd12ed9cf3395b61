#!/usr/bin/env python3
"""A listing that failed is an error, never an empty directory: rsync --delete cannot empty a backup because of us."""

import os
import shutil
import tempfile
from pathlib import Path

from support import process
from support.imap_faults import bad, bye, drop, garbage, Gate, no, only_ok
from support.imap_script_server import ImapScriptServer
from support.mount import every_file, password_account
from support.testcase import MountTest, main, read

USER = "ada@example.org"
DEADLINES = {"connect": 2, "login": 2, "stall": 2, "total": 5}
FAULTS = {
    "NO": no("[UNAVAILABLE] Try later"),
    "BAD": bad(),
    "BYE": bye(),
    "silence": Gate,
    "garbage": garbage(),
    "a broken connection": drop(),
    "OK without data": only_ok(),
}


class NeverEmpty(MountTest):
    def setUp(self):
        super().setUp()
        self.imap = self.server(ImapScriptServer())
        self.imap.mailbox(USER).inbox.fill(5)
        self.imap.mailbox(USER).folder("Archive/2021").fill(5)
        self.scratch = Path(tempfile.mkdtemp(prefix="copy-"))
        self.addCleanup(shutil.rmtree, self.scratch)
        self.copy = self.scratch / "copy"

    def make_backup(self, box):
        process.run(["rsync", "-a", f"{box.mountpoint}/", self.copy], check=True)
        self.good = self.content()
        self.assertEqual(len(self.good), 10)

    def content(self):
        return {name: read(self.copy / name) for name in every_file(self.copy)}

    def mirror(self, box):
        """The dangerous command. Its exit status."""
        return process.run(["rsync", "-a", "--delete", f"{box.mountpoint}/", self.copy], timeout=120).returncode

    def break_server(self, command, fault):
        action = FAULTS[fault]
        self.imap.on(command, action() if isinstance(action, type) else action)

    def new_box(self):
        return self.mount(password_account(self.imap, [USER]), timeouts=DEADLINES, refresh_interval=0.1)

    def each_fault(self, command):
        """Breaks the command in every way in turn; the loop's body goes on with a broken server."""
        for fault in FAULTS:
            # An OK without LIST data would be a server's honest word that there are no folders.
            if (command, fault) != ("LIST", "OK without data"):
                self.break_server(command, fault)
                yield fault
                self.imap.heal()

    def check_never_listed(self, command):
        self.make_backup(self.new_box())
        for fault in self.each_fault(command):
            with self.subTest(fault):
                box = self.new_box()
                with self.assertRaises(OSError):
                    for directory in (box.path(USER), box.path(USER, "INBOX")):
                        os.listdir(directory)
                self.assertNotEqual(self.mirror(box), 0)
                self.assertEqual(self.content(), self.good)
                box.unmount()

    def check_listed(self, command):
        box = self.new_box()
        self.make_backup(box)
        for fault in self.each_fault(command):
            with self.subTest(fault):
                self.mirror(box)
                self.assertEqual(self.content(), self.good)
                box.remount()
                self.mirror(box)
                self.assertEqual(self.content(), self.good)

    def test_never_listed_folders_when_list_fails(self):
        self.check_never_listed("LIST")

    def test_never_listed_folders_when_examine_fails(self):
        self.check_never_listed("EXAMINE")

    def test_never_listed_folders_when_fetch_fails(self):
        self.check_never_listed("HEADERS")

    def test_listed_folders_when_list_fails(self):
        self.check_listed("LIST")

    def test_listed_folders_when_examine_fails(self):
        self.check_listed("EXAMINE")

    def test_listed_folders_when_fetch_fails(self):
        self.check_listed("HEADERS")


if __name__ == "__main__":
    main()
