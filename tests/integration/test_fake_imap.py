#!/usr/bin/env python3
"""tests/fake_imap.py as a person runs it: what it prints can be mounted, and Ctrl-C ends it."""

import errno
import mailbox
import os
import re
import signal
import subprocess
import tempfile
from pathlib import Path

from support import process
from support.mount import binary, clear_away, is_mounted, uid_of
from support.testcase import MountTest, main, read, try_read

PROGRAM = Path(__file__).resolve().parents[1] / "fake_imap.py"
PATIENCE = 60


class FakeImap(MountTest):
    def setUp(self):
        super().setUp()
        self.home = tempfile.mkdtemp(prefix="fake-imap-home-")
        self.addCleanup(process.remove_tree, self.home)

    def start(self, *words):
        """Runs the program; the lines that it prints, up to the last."""
        self.program = subprocess.Popen(
            [PROGRAM, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=process.die_with_parent(),
        )
        self.addCleanup(lambda: process.stop(self.program) or self.program.communicate())
        lines = []
        while not lines or "Ctrl-C" not in lines[-1]:
            lines.append(self.program.stdout.readline())
            self.assertNotEqual(lines[-1], "", lines)
        return "".join(lines)

    def end(self):
        """By Ctrl-C; (exit status, what it complains of)."""
        self.program.send_signal(signal.SIGINT)
        _, complaints = self.program.communicate(timeout=PATIENCE)
        return self.program.returncode, complaints

    def run_command(self, text, command):
        """The line that begins so, as a person would paste it."""
        words = re.search(rf"(?m)^mailboxfs {command} .*$", text).group().split()[1:]
        environment = {"PATH": os.environ["PATH"], "HOME": self.home, "XDG_RUNTIME_DIR": self.home}
        return process.run([binary(), *words], env=environment)

    def mount_it(self, text):
        self.assertEqual(self.run_command(text, "mount").returncode, 0)
        self.mountpoint = Path(re.search(r"(?m)^mailboxfs unmount (.*)$", text).group(1))
        self.addCleanup(clear_away, self.mountpoint)
        self.assertTrue(is_mounted(self.mountpoint))

    def test_what_it_prints_can_be_mounted(self):
        for personality in ("exchange", "exchange-2026"):
            with self.subTest(personality):
                text = self.start("--personality", personality, "--fault", "stub:3", "--messages", "7")
                self.assertRegex(text, r"port \d+")
                self.assertIn(self.run_command(text, "check").returncode, (0, 1))
                self.mount_it(text)
                inbox = self.mountpoint / "ada@example.org" / "INBOX"
                paths = {uid_of(name): inbox / name for name in os.listdir(inbox)}
                self.assertEqual(sorted(paths), list(range(1, 8)))
                self.assertEqual(try_read(paths[3]), errno.EIO)
                self.assertIn(b"Subject: Message number 4", read(paths[4]))
                self.assertEqual(self.run_command(text, "unmount").returncode, 0)
                self.assertEqual(self.end(), (0, ""))

    def test_labels_of_gmail_are_folders(self):
        text = self.start("--personality", "gmail", "--messages", "7")
        self.mount_it(text)
        top = self.mountpoint / "ada@example.org"
        self.assertIn(b"Subject: Message 3", [read(top / "Work" / name)[:18] for name in os.listdir(top / "Work")])
        self.assertEqual(len(os.listdir(top / "INBOX")), 7)
        self.assertEqual(self.run_command(text, "unmount").returncode, 0)
        self.assertEqual(self.end(), (0, ""))

    def test_a_maildir_can_be_served(self):
        with tempfile.TemporaryDirectory() as directory:
            maildir = mailbox.Maildir(os.path.join(directory, "mail"))
            maildir.add(b"Subject: one\n\nbody\n")
            maildir.add_folder("Work.2022").add(b"Subject: two\n\nbody\n")
            text = self.start("--maildir", os.path.join(directory, "mail"), "--personality", "plain")
            self.mount_it(text)
            top = self.mountpoint / "ada@example.org"
            (name,) = os.listdir(top / "Work" / "2022")
            self.assertEqual(read(top / "Work" / "2022" / name), b"Subject: two\r\n\r\nbody\r\n")
            self.assertEqual(len(os.listdir(top / "INBOX")), 1)
            self.assertEqual(self.run_command(text, "unmount").returncode, 0)
            self.assertEqual(self.end(), (0, ""))

    def test_a_fault_that_does_not_exist_is_refused_and_help_names_them(self):
        refused = process.run([PROGRAM, "--fault", "frobnicate"])
        self.assertEqual(refused.returncode, 2)
        self.assertIn("frobnicate", refused.stderr)
        told = process.run([PROGRAM, "--help"], check=True).stdout
        for word in ("exchange-rev2", "throttle:COMMAND", "drop-in-literal:UID", "partial-ignored"):
            self.assertIn(word, told)


if __name__ == "__main__":
    main()
