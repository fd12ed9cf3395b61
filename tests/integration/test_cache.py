#!/usr/bin/env python3
"""The cache of bodies keeps its limit, and nobody who reads notices what it throws away."""

import contextlib
import errno
import os

from support import process
from support.imap_script_server import ImapScriptServer
from support.imap_store import sample
from support.mount import password_account, uid_of
from support.testcase import MountTest, main, read

USER = "ada@example.org"
LIMIT = 1024 * 1024
# Large ones are read while they come.
SMALL, LARGE, MESSAGES = 100_000, 300_000, 40


class Cache(MountTest):
    def setUp(self):
        super().setUp()
        self.imap = self.server(ImapScriptServer())
        self.inbox = self.imap.mailbox(USER).inbox
        for uid in range(1, MESSAGES + 1):
            self.inbox.add(sample(uid, LARGE if uid % 4 == 0 else SMALL))
        self.box = self.mount(password_account(self.imap, [USER]), start=False)
        self.box.config["cache"]["size"] = "1M"
        self.box.write_config()
        self.box.start()
        self.paths = {uid_of(name): self.box.path(USER, "INBOX", name) for name in self.box.messages(USER, "INBOX")}

    def disk_use(self):
        """What the bodies take on the disk."""
        total = 0
        for body in (self.box.directory / "cache" / "v1").glob("??/*"):
            with contextlib.suppress(FileNotFoundError):  # Evicted just now.
                total += body.stat().st_blocks * 512
        return total

    def is_cached(self, uid):
        return os.getxattr(self.paths[uid], "user.mailboxfs.cached") == b"1"

    def assert_right(self, uid, content):
        # Not assertEqual, which would print it all.
        self.assertTrue(content == self.inbox.get(uid).body, f"UID {uid}: {len(content)} bytes")

    def test_the_limit_holds_and_what_was_evicted_is_read_right_again(self):
        for _ in range(2):
            for uid, path in self.paths.items():
                self.assert_right(uid, read(path))
            process.wait_until(lambda: self.disk_use() <= LIMIT, what="keeping the limit")
            # Not by keeping nothing.
            self.assertGreater(self.disk_use(), LIMIT // 2)
        self.assertGreater(self.imap.bodies(), MESSAGES)
        self.assertGreater(self.box.status()["cache"]["evicted"], MESSAGES)

    def test_what_is_still_cached_is_not_fetched_again(self):
        for uid in self.paths:
            read(self.paths[uid])
        cached = [uid for uid in self.paths if self.is_cached(uid)]
        self.assertGreater(len(cached), 1)
        self.assertLess(len(cached), MESSAGES)
        self.imap.forget()
        for uid in cached:
            self.assert_right(uid, read(self.paths[uid]))
        self.assertEqual(self.imap.bodies(), 0)

    def test_an_open_file_outlives_its_eviction(self):
        held = {1: open(self.paths[1], "rb"), 4: open(self.paths[4], "rb")}
        for file in held.values():
            self.addCleanup(file.close)
        for uid in set(self.paths) - set(held):
            read(self.paths[uid])
        process.wait_until(lambda: not any(map(self.is_cached, held)), what="the eviction")
        # Nothing of them was read before, so the kernel has none of it.
        for uid, file in held.items():
            self.assert_right(uid, file.read())
            self.assertEqual(self.imap.bodies(uid=uid), 1)

    def test_a_body_that_was_cut_short_on_the_disk_is_an_error_while_it_is_open(self):
        large = 4
        with open(self.paths[large], "rb", buffering=0) as file:
            process.wait_until(lambda: self.is_cached(large), what="the download's end")
            (cached,) = (
                path
                for path in (self.box.directory / "cache" / "v1").glob("??/*")
                if path.stat().st_size >= LARGE - 100 and path.name == f"{os.stat(self.paths[large]).st_ino:016x}"
            )
            body, left = self.inbox.get(large).body, LARGE // 2
            os.truncate(cached, left)
            # The kernel has none of it yet, and reads whole pages: neither zeros nor an early end.
            self.assert_errno(errno.EIO, os.pread, file.fileno(), 4096, left - 100)
            self.assert_errno(errno.EIO, os.pread, file.fileno(), 4096, LARGE * 3 // 4)
            self.assert_errno(errno.EIO, os.pread, file.fileno(), 100, len(body) - 100)
            self.assertEqual(os.pread(file.fileno(), 4096, 0), body[:4096], "what is left is right")
            self.assertEqual(os.fstat(file.fileno()).st_size, len(body))
        self.assertEqual(self.box.status()["cache"]["corrupt"], 0)
        self.assert_right(large, read(self.paths[large]))
        self.assertEqual(self.box.status()["cache"]["corrupt"], 1)
        self.assertEqual(self.imap.bodies(uid=large), 2)


if __name__ == "__main__":
    main()
