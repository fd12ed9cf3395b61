#!/usr/bin/env python3
"""A listing that failed is an error, never an empty directory: rsync --delete cannot empty a backup because of us."""

import itertools
import os
import tempfile
from pathlib import Path

from support import process
from support.imap_faults import bad, bye, drop, Dropped, garbage, Gate, no, only_ok
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


def only_the_listing(session, tag):
    """OK without data for everything but "which UIDs are there?"."""
    if session.arguments.startswith("1:*"):
        return False
    return session.tagged(tag, "OK completed.")


def refuse_all_but_the_listing(session, tag):
    """The same with a refusal that may pass."""
    if session.arguments.startswith("1:*"):
        return False
    return session.tagged(tag, "NO [UNAVAILABLE] Temporary problem, try again later.")


def hang_up_at_headers(session, _tag):
    """Breaks the connection when it is asked for more than UIDs."""
    if session.arguments.startswith("1:*"):
        return False
    raise Dropped


def half_a_list(session, tag):
    """A LIST that lacks INBOX, with a word of why."""
    if "*" not in session.arguments:
        return False
    session.write(b"* NO [UNAVAILABLE] Some folders cannot be listed now.\r\n")
    session.write(b'* LIST () "/" Archive\r\n')
    return session.tagged(tag, "OK LIST completed.")


def half_a_list_in_silence(session, tag):
    """A LIST that lacks a folder, without a word."""
    if "*" not in session.arguments:
        return False
    session.write(b'* LIST () "/" INBOX\r\n')
    return session.tagged(tag, "OK LIST completed.")


def a_child_without_its_parent(session, tag):
    """A LIST that names INBOX's child only, and calls a folder with messages a mere directory."""
    if "*" not in session.arguments:
        return False
    session.write(b'* LIST () "/" INBOX\r\n')
    session.write(b'* LIST (\\Noselect) "/" Archive/2021\r\n')
    session.write(b'* LIST () "/" Parent/Child\r\n')
    return session.tagged(tag, "OK LIST completed.")


class NeverEmpty(MountTest):
    def setUp(self):
        super().setUp()
        self.imap = self.server(ImapScriptServer())
        self.imap.mailbox(USER).inbox.fill(5)
        self.imap.mailbox(USER).folder("Archive/2021").fill(5)
        self.imap.mailbox(USER).folder("Parent").fill(5)
        self.imap.mailbox(USER).folder("Parent/Child").fill(5)
        self.scratch = Path(tempfile.mkdtemp(prefix="copy-"))
        self.addCleanup(process.remove_tree, self.scratch)
        self.copy = self.scratch / "copy"

    def make_backup(self, box):
        process.run(["rsync", "-a", f"{box.mountpoint}/", self.copy], check=True)
        self.good = self.content()
        self.assertEqual(len(self.good), 20)

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
            self.break_server(command, fault)
            yield fault
            self.imap.heal()

    def check_never_listed(self, command):
        self.make_backup(self.new_box())
        for fault in self.each_fault(command):
            with self.subTest(fault):
                box = self.new_box()
                with self.assertRaises(OSError):
                    os.listdir(box.path(USER) if command == "LIST" else box.path(USER, "INBOX"))
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

    def test_headers_that_are_not_told(self):
        """`1:*` works, the headers don't: no folder looks empty, and nothing is named for ever by what was not told."""
        self.make_backup(self.new_box())
        for fault in (only_the_listing, refuse_all_but_the_listing, hang_up_at_headers):
            with self.subTest(fault.__name__):
                self.imap.on("HEADERS", fault)
                box = self.new_box()
                self.imap.forget()
                with self.assertRaises(OSError):
                    os.listdir(box.path(USER, "INBOX"))
                self.assertLess(self.imap.logins.get(USER, 0), 12)
                self.assertNotEqual(self.mirror(box), 0)
                self.assertEqual(self.content(), self.good)
                self.imap.heal()
                process.wait_until(lambda box=box: self.mirror(box) == 0, 60, "the server's recovery")
                self.assertEqual(self.content(), self.good)

    def test_a_folder_list_that_lacks_folders(self):
        box = self.new_box()
        self.make_backup(box)
        inodes = {name: os.stat(box.path(name)).st_ino for name in every_file(box.mountpoint)}
        refusals = (None, bad(), no("Internal error, see the log."), no("[NOPERM] No such luck"))
        faults = (half_a_list, half_a_list_in_silence, a_child_without_its_parent)
        for fault, refusal in itertools.product(faults, refusals):
            with self.subTest(fault.__name__, refusal=refusal):
                if refusal is not None:
                    self.imap.on("EXAMINE", refusal)
                rule = self.imap.on("LIST", fault)
                process.wait_until(lambda rule=rule, box=box: self.mirror(box) >= 0 and rule.hits > 2, 60, "LIST")
                self.assertEqual(self.content(), self.good)
                self.imap.heal()
                self.assertEqual({name: os.stat(box.path(name)).st_ino for name in every_file(box.mountpoint)}, inodes)

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
