#!/usr/bin/env python3
"""A second backup of an unchanged mailbox fetches nothing, whatever became of daemon and cache in between."""

import os
import shutil
import tempfile
import unittest
from pathlib import Path

from support import process
from support.imap_script_server import ImapScriptServer
from support.mount import password_account
from support.testcase import MountTest, main

USERS = ["ada@example.org", "sales@example.org"]
MESSAGES = 25


def identities(top):
    """What backup programs compare, for every path."""
    found = {}
    for directory, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(directory, name)
            state = os.lstat(path)
            times = () if name in folders else (state.st_mtime_ns, state.st_ctime_ns, state.st_size, state.st_blocks)
            found[os.path.relpath(path, top)] = (state.st_ino, state.st_mode, state.st_nlink, state.st_uid, *times)
    return found


class Incremental(MountTest):
    def setUp(self):
        super().setUp()
        self.imap = self.server(ImapScriptServer())
        for user in USERS:
            mailbox = self.imap.mailbox(user)
            for folder in ("INBOX", "Archive/2021", "Größe", "Empty"):
                mailbox.folder(folder).fill(0 if folder == "Empty" else MESSAGES, size=lambda size: size * 3)
        self.all_messages = len(USERS) * 3 * MESSAGES
        self.scratch = Path(tempfile.mkdtemp(prefix="backup-"))
        self.addCleanup(process.remove_tree, self.scratch)
        self.box = self.mount(password_account(self.imap, USERS))

    def ways_to_a_second_run(self):
        """The mount as it is; then each ends the daemon in another way and starts a new one."""

        def kill():
            self.box.kill9()
            self.box.start()

        def without_cache():
            self.box.unmount()
            shutil.rmtree(self.box.directory / "cache")
            self.box.start()

        ways = {"same mount": lambda: None, "unmount": self.box.remount}
        return ways | {"kill -9": kill, "cache lost": without_cache}

    def assert_incremental(self, backup, again_at_most=0):
        """`backup` fetches everything the first time and nothing ever after."""
        backup()
        self.assertEqual(self.imap.bodies(), self.all_messages)
        first = identities(self.box.mountpoint)
        for way, again in self.ways_to_a_second_run().items():
            with self.subTest(way):
                again()
                self.imap.forget()
                backup()
                self.assertLessEqual(self.imap.bodies(), again_at_most)
                self.assertEqual(identities(self.box.mountpoint), first)

    def test_rsync(self):
        target = self.scratch / "copy"
        self.assert_incremental(
            lambda: process.run(["rsync", "-a", "--delete", f"{self.box.mountpoint}/", target], timeout=120, check=True)
        )
        self.assertEqual(process.run(["diff", "-r", self.box.mountpoint, target], timeout=120).returncode, 0)

    def test_tar_listed_incremental(self):
        # The device number belongs to the mount, not to us.
        command = ["tar", "-C", self.box.mountpoint, "--no-check-device", "-g", self.scratch / "snapshot"]

        def backup():
            process.run([*command, "-cf", self.scratch / "archive.tar", "."], timeout=120, check=True)

        self.assert_incremental(backup)

    @unittest.skipUnless(shutil.which("restic"), "there is no restic")
    def test_restic(self):
        environment = os.environ | {
            "RESTIC_PASSWORD": "x",
            "RESTIC_REPOSITORY": str(self.scratch / "restic"),
            "RESTIC_CACHE_DIR": str(self.scratch / "restic-cache"),
        }
        process.run(["restic", "init"], env=environment, timeout=120, check=True)
        self.assert_incremental(
            lambda: process.run(["restic", "backup", self.box.mountpoint], env=environment, timeout=120, check=True)
        )

    @unittest.skipUnless(shutil.which("borg"), "there is no borg")
    def test_borg(self):
        environment = os.environ | {
            "BORG_BASE_DIR": str(self.scratch),
            "BORG_REPO": str(self.scratch / "borg"),
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        }
        process.run(["borg", "init", "-e", "none"], env=environment, timeout=120, check=True)
        self.assert_incremental(
            lambda: process.run(
                ["borg", "create", "::{now:%s.%f}", self.box.mountpoint], env=environment, timeout=120, check=True
            ),
            # Borg itself reads the newest files anew each time (those with the latest ctime: one in each folder here).
            again_at_most=len(USERS) * 3,
        )

    def test_only_new_mail_is_fetched(self):
        target = self.scratch / "copy"
        command = ["rsync", "-a", f"{self.box.mountpoint}/", target]
        process.run(command, timeout=120, check=True)
        self.box.unmount()
        self.box.config["refresh_interval"] = 0.1
        self.box.write_config()
        added = self.imap.mailbox(USERS[0]).folder("Größe").add()
        self.imap.forget()
        self.box.start()
        process.run(command, timeout=120, check=True)
        self.assertEqual(self.imap.bodies(), 1)
        self.assertEqual(self.imap.bodies(uid=added.uid, folder="Größe"), 1)


if __name__ == "__main__":
    main()
