#!/usr/bin/env python3
"""Damage on the disk: nothing wrong is ever served, `mailboxfs fsck` says and mends it, and the mount goes on."""

import contextlib
import errno
import os
import shutil
import sqlite3
import subprocess

from support import process
from support.imap_script_server import ImapScriptServer
from support.imap_store import sample
from support.mount import password_account, uid_of
from support.testcase import MountTest, main, read

USER = "ada@example.org"
MESSAGES, SIZE = 12, 20_000
# fsck(8).
FINE, CORRECTED, LEFT, FAILED, USAGE = 0, 1, 4, 8, 16


class Fsck(MountTest):
    def setUp(self):
        super().setUp()
        self.imap = self.server(ImapScriptServer())
        self.inbox = self.imap.mailbox(USER).inbox
        for uid in range(1, MESSAGES + 1):
            self.inbox.add(sample(uid, SIZE))
        self.box = self.mount(password_account(self.imap, [USER]))

    @property
    def index(self):
        return self.box.directory / "state" / "index.db"

    def read_all(self):
        """Reads everything, which must be right; {uid: (name, inode)}."""
        found = {}
        for name in self.box.messages(USER, "INBOX"):
            path = self.box.path(USER, "INBOX", name)
            # Not assertEqual, which would print it all.
            self.assertTrue(read(path) == self.inbox.get(uid_of(name)).body, name)
            found[uid_of(name)] = (name, os.stat(path).st_ino)
        self.assertEqual(len(found), MESSAGES)
        return found

    def fsck(self, *words, expect):
        """Runs it; its standard output."""
        done = self.box.command("fsck", "-c", self.box.config_file, *words)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done.stdout

    def mend(self, *words):
        """Says that something is wrong, mends it, and finds nothing any more."""
        said = self.fsck("-n", expect=LEFT)
        done = self.fsck(expect=CORRECTED)
        for word in words:
            self.assertIn(word, said)
            self.assertIn(word, done)
        self.fsck("-n", expect=FINE)
        self.fsck(expect=FINE)

    def sql(self, *statements):
        with contextlib.closing(sqlite3.connect(self.index)) as database:
            for statement in statements:
                database.execute(statement)
            database.commit()

    def bodies(self):
        return sorted((self.box.directory / "cache" / "v1").glob("??/*"))

    def files(self):
        """What is in the state directory."""
        return {path.name: path.read_bytes() for path in (self.box.directory / "state").iterdir() if path.is_file()}

    def flip(self, path, at):
        content = bytearray(path.read_bytes())
        content[at] ^= 0x20
        path.write_bytes(content)

    def test_a_sound_mount_has_no_errors_and_nothing_is_fetched_again(self):
        before = self.read_all()
        self.box.unmount()
        said = self.fsck("-n", expect=FINE)
        self.assertIn(f"{MESSAGES} messages; cache: {MESSAGES} bodies", said)
        self.assertIn("0 errors corrected, 0 left", self.fsck(expect=FINE))
        self.box.start()
        self.imap.forget()
        self.assertEqual(self.read_all(), before)
        self.assertEqual(self.imap.bodies(), 0)

    def test_damaged_bodies_are_named_removed_and_fetched_again(self):
        before = self.read_all()
        self.box.unmount()
        first, second, third = self.bodies()[:3]
        self.flip(first, 100)
        self.flip(second, -10)
        os.truncate(third, SIZE // 2)
        names = {inode: name for name, inode in before.values()}
        damaged = [f"{USER}/INBOX/{names[int(body.name, 16)]}" for body in (first, second, third)]
        self.mend(*damaged)
        self.box.start()
        self.imap.forget()
        self.assertEqual(self.read_all(), before)
        self.assertEqual(self.imap.bodies(), 3)

    def test_damage_that_nobody_looked_for_is_not_served(self):
        before = self.read_all()
        self.box.unmount()
        for number, body in enumerate(self.bodies()):
            self.flip(body, number * 1500)
        (self.box.directory / "cache" / "cache.db").write_bytes(b"nonsense" * 1000)
        self.box.start()
        self.assertEqual(self.read_all(), before)
        self.assertEqual(self.box.status()["cache"]["corrupt"], MESSAGES)

    def test_rows_that_contradict_each_other_are_mended_and_inodes_stay(self):
        before = self.read_all()
        self.box.unmount()
        self.sql(
            "UPDATE folders SET messages = 3",
            "UPDATE nodes SET parent = 99999 WHERE kind = 1",
            "UPDATE sqlite_sequence SET seq = 1001",
        )
        self.mend(
            "its parent directory is missing", "its count of messages is 3", "forgotten which inode numbers were given out"
        )
        self.box.start()
        self.assertEqual(self.read_all(), before)

    def test_messages_whose_rows_are_lost_are_listed_again(self):
        before = self.read_all()
        self.box.unmount()
        self.sql("UPDATE nodes SET uid = -1 WHERE ino IN (SELECT max(ino) FROM nodes)")
        self.mend("no such message can be")
        self.box.start()
        after = self.read_all()
        self.assertEqual(sum(after[uid] == before[uid] for uid in before), MESSAGES - 1)

    def test_a_database_that_is_beyond_repair_is_replaced(self):
        self.read_all()
        self.box.unmount()
        damaged = bytearray(self.index.read_bytes())
        for page in range(4096, len(damaged), 4096):
            damaged[page : page + 512] = b"\xa5" * 512
        self.index.write_bytes(damaged)
        said = self.fsck("-n", expect=LEFT)
        self.assertIn("every message gets a new inode number", said)
        self.assertEqual(self.index.read_bytes(), bytes(damaged))
        self.assertIn("index.db.corrupt-1", self.fsck(expect=CORRECTED))
        self.fsck(expect=FINE)
        self.box.start()
        self.read_all()

    def root_of(self, tree):
        """Where the root page of a search tree begins in the file."""
        with contextlib.closing(sqlite3.connect(self.index)) as database:
            query = "SELECT (rootpage - 1) * 4096 FROM sqlite_schema WHERE name = ?"
            return database.execute(query, (tree,)).fetchone()[0]

    def test_a_bit_that_flips_after_a_clean_unmount_hides_nothing(self):
        self.read_all()
        self.box.unmount()
        sound = self.index.read_bytes()
        for tree in ("nodes_parent", "nodes_name", "nodes_uid"):
            root = self.root_of(tree)
            # How many cells there are, and the first key.
            first = root + int.from_bytes(sound[root + 8 : root + 10], "big")
            for at in (root + 4, first + 1 + sound[first + 1]):
                with self.subTest(tree=tree, at=at - root):
                    self.index.write_bytes(sound)
                    self.flip(self.index, at)
                    self.box.start()
                    self.read_all()
                    self.box.unmount()
                    self.fsck("-n", expect=FINE)

    def test_while_the_server_is_away_a_mended_index_shows_nothing_or_all(self):
        self.read_all()
        self.box.unmount()
        self.sql("UPDATE folders SET messages = messages + 1")
        self.imap.stop()
        self.box.start()
        with self.assertRaises(OSError) as raised:
            self.box.messages(USER, "INBOX")
        self.assertNotEqual(raised.exception.errno, errno.ENOENT)

    def test_an_empty_index_is_damaged_and_no_inode_number_comes_back(self):
        before = self.read_all()
        for by_fsck in (True, False):
            self.box.unmount()
            self.index.write_bytes(b"")
            if by_fsck:
                self.assertIn("it is empty", self.fsck("-n", expect=LEFT))
                self.assertIn("index.db.corrupt-1", self.fsck(expect=CORRECTED))
            self.box.start()
            after = self.read_all()
            self.assertFalse({inode for _, inode in before.values()} & {inode for _, inode in after.values()})
            before |= {(by_fsck, uid): entry for uid, entry in after.items()}
        self.assertIn("The index is damaged", self.box.log())

    def test_an_index_that_is_missing_is_told_but_not_made(self):
        self.read_all()
        self.box.unmount()
        self.index.unlink()
        for words in (["-n"], []):
            said = self.fsck(*words, expect=LEFT)
            self.assertIn("index.db is missing, but there are cached bodies", said)
        self.assertFalse(self.index.exists())
        self.box.start()
        self.read_all()

    def test_what_cannot_be_looked_at_is_not_clean(self):
        self.box.unmount()
        state = self.box.directory / "state"
        state.rename(self.box.directory / "elsewhere")
        state.symlink_to(state)
        done = self.box.command("fsck", "-c", self.box.config_file, "-n")
        self.assertEqual(done.returncode, FAILED, done.stdout + done.stderr)
        self.assertIn(f"cannot look at {self.index}: ", done.stderr)
        self.assertEqual(done.stdout, "")

    def test_after_kill_9_there_is_nothing_to_mend(self):
        before = self.read_all()
        self.box.kill9()
        files = self.files()
        self.assertIn("index.db-wal", files)
        self.fsck("-n", expect=FINE)
        self.assertTrue(self.files() == files, "it was only to be said")
        self.fsck(expect=FINE)
        self.box.start()
        self.imap.forget()
        self.assertEqual(self.read_all(), before)
        self.assertEqual(self.imap.bodies(), 0)

    def test_it_does_not_run_while_it_is_mounted(self):
        for words in ([], ["-n"]):
            done = self.box.command("fsck", "-c", self.box.config_file, *words)
            self.assertEqual(done.returncode, FAILED, done.stdout + done.stderr)
            self.assertIn(f"unmount it first (pid {self.box.pid})", done.stderr)
        self.read_all()

    def test_what_is_wrong_with_the_command_line_or_the_configuration(self):
        for words in (["--wrong"], ["somewhere"], ["-c"]):
            self.assertEqual(self.box.command("fsck", *words).returncode, USAGE, words)
        self.assertEqual(self.box.command("fsck", "--help").returncode, FINE)
        done = self.box.command("fsck", "-c", self.box.directory / "none.json")
        self.assertEqual(done.returncode, FAILED)
        self.assertIn("none.json", done.stderr)
        self.box.unmount()
        shutil.rmtree(self.box.directory / "state")
        self.assertIn("there is no index yet", self.fsck(expect=FINE))
        self.assertFalse((self.box.directory / "state").exists())


class RefusingDisk(MountTest):
    """The cache and the index on a small file system that fills up."""

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("only root can mount a small file system")
        self.imap = self.server(ImapScriptServer())
        self.inbox = self.imap.mailbox(USER).inbox
        for uid in range(1, 41):
            self.inbox.add(sample(uid, 100_000))
        self.box = self.mount(password_account(self.imap, [USER]), start=False)

    def small(self, name, size):
        """A tmpfs in the mount's directory, which goes with the test."""
        path = self.box.directory / name
        path.mkdir(mode=0o700)
        done = process.run(["mount", "-t", "tmpfs", "-o", f"mode=0700,size={size}", "tmpfs", str(path)])
        if done.returncode != 0:
            self.skipTest("cannot mount a small file system here")
        # Before the directory is removed.
        self.addCleanup(lambda: subprocess.run(["umount", "-l", path], check=True, timeout=20))
        return path

    def assert_all_right(self):
        for name in self.box.messages(USER, "INBOX"):
            self.assertTrue(read(self.box.path(USER, "INBOX", name)) == self.inbox.get(uid_of(name)).body, name)

    def test_a_full_cache_disk_serves_everything_and_fsck_finds_nothing(self):
        self.small("cache", "1m")
        self.box.start()
        self.assert_all_right()
        self.assertIn("is full", self.box.log())
        self.box.unmount()
        done = self.box.command("fsck", "-n", "-c", self.box.config_file)
        self.assertEqual(done.returncode, FINE, done.stdout + done.stderr)

    def test_a_full_index_disk_serves_what_it_knows_and_goes_on_when_there_is_room(self):
        state = self.small("state", "4m")
        self.box.start()
        self.assertEqual(len(self.box.messages(USER, "INBOX")), 40)
        with (state / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(bytes(4096))
        self.assert_all_right()
        self.box.unmount()
        self.box.start()
        self.assert_all_right()
        (state / "filler").unlink()
        self.box.unmount()
        done = self.box.command("fsck", "-c", self.box.config_file)
        self.assertEqual(done.returncode, FINE, done.stdout + done.stderr)
        self.box.start()
        self.assert_all_right()


if __name__ == "__main__":
    main()
