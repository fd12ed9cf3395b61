#!/usr/bin/env python3
"""Under systemd: readiness is told when it is true, and the unit that we ship is sound."""

import contextlib
import shutil
import socket
from pathlib import Path

from support import process
from support.imap_script_server import ImapScriptServer
from support.mount import password_account
from support.testcase import MountTest, main

USER = "ada@example.org"
UNIT = Path(__file__).resolve().parents[2] / "contrib" / "mailboxfs@.service"


class Service(MountTest):
    def setUp(self):
        super().setUp()
        imap = self.server(ImapScriptServer())
        imap.mailbox(USER).inbox.fill(3)
        self.box = self.mount(password_account(imap, [USER]), start=False)
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        self.manager.settimeout(60)
        self.path = str(self.box.directory / "notify")
        self.manager.bind(self.path)

    def fill_the_queue(self):
        """From now on whoever writes has to wait until somebody reads. Returns how many are in the way."""
        count = 0
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other, contextlib.suppress(BlockingIOError):
            other.setblocking(False)
            while other.sendto(b"in the way", self.path):
                count += 1
        return count

    def test_readiness_is_told_once_the_mount_answers(self):
        # A daemon that told it too early would be held up before the mount stands.
        in_the_way = self.fill_the_queue()
        self.box.start(env={"NOTIFY_SOCKET": self.path})
        self.assertEqual(len(self.box.messages(USER, "INBOX")), 3)
        self.assertEqual({self.manager.recv(100) for _ in range(in_the_way)}, {b"in the way"})
        self.assertEqual(self.manager.recv(100), b"READY=1")
        self.box.unmount()
        self.assertEqual(self.manager.recv(100), b"STOPPING=1")

    def test_a_mount_that_fails_is_not_ready(self):
        self.box.config["unknown"] = 1
        self.box.write_config()
        words = ["mount", "-f", "-c", self.box.config_file, self.box.mountpoint]
        self.assertEqual(self.box.command(*words, env={"NOTIFY_SOCKET": self.path}).returncode, 2)
        self.manager.setblocking(False)
        with self.assertRaises(BlockingIOError):
            self.manager.recv(100)

    if shutil.which("systemd-analyze"):

        def test_the_unit_is_sound(self):
            # It warns with exit status 0.
            words = ["systemd-analyze", "--user", "--man=no", "verify", UNIT]
            done = process.run(words, env=self.box.environment())
            self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))


if __name__ == "__main__":
    main()
