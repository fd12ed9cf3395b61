#!/usr/bin/env python3
"""Exchange Online as it is, message by message: I23 to I34 of the list in tests/README.md."""

import errno
import os
import re
import threading
from pathlib import Path

from support.imap_faults import bad, broken_body, bye, drop, no, reset
from support.imap_store import sample
from support.testcase import FakeTest, main, read, try_read


class Unfetchable(FakeTest):
    def assert_unreadable(self, *uids):
        """These cannot be read, all others can, and nobody asks again and again."""
        paths = self.paths()
        self.assertEqual(sorted(paths), self.inbox.uids())
        for uid in uids:
            self.assert_errno(errno.EIO, read, paths[uid])
            self.assertLess(self.imap.bodies(uid=uid), 10)
        self.assert_all_is_read(*uids)

    def test_i23_no_body_is_never_an_empty_message(self):
        self.fake("exchange", "ok-no-data:2", "nil-body:3", "empty-body:4", "zero-body:5")
        self.box()
        self.assert_unreadable(2, 3, 4, 5)
        for path in self.paths().values():
            self.assertGreater(os.stat(path).st_size, 0)

    def test_i24_a_stub_is_not_the_message(self):
        self.fake("exchange", "stub:4", "size-triple")
        self.box()
        self.assert_unreadable(4)
        self.assertTrue(os.getxattr(self.paths()[4], "user.mailboxfs.error").startswith(b"stub: "))
        self.assertEqual(os.getxattr(self.paths()[4], "user.mailboxfs.cached"), b"0")

    def test_i25_what_came_before_a_refusal_counts(self):
        self.fake(messages=30)
        rule = self.imap.on("HEADERS", refuse_after_some, times=1)
        self.box()
        self.assert_all_is_read()
        self.assertEqual(rule.hits, 1)

    def test_i25_expunged_between_list_and_open(self):
        self.fake()
        self.box(refresh_interval=3600)
        paths = self.paths()
        self.inbox.expunge(3)
        self.assert_errno(errno.ENOENT, read, paths[3])
        self.assertEqual(read(paths[4]), self.inbox.get(4).body)

    def test_i34_a_poisonous_message_ends_no_other(self):
        self.fake("exchange", "poison:3", "drop-in-literal:7:50")
        self.box(timeouts=self.DEADLINES | {"total": 30})
        paths = self.paths()
        found = {}
        proofs = {uid: paths.pop(uid) for uid in (1, 2)}  # That others can be read in between, for each.
        readers = [threading.Thread(target=lambda u=u, p=p: found.update({u: try_read(p)})) for u, p in paths.items()]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(60)
        self.assertEqual({uid for uid, body in found.items() if isinstance(body, int)}, {3, 7})
        self.assertEqual({u: b for u, b in found.items() if u not in (3, 7)}, self.bodies_but(1, 2, 3, 7))
        for uid, proof in zip((3, 7), proofs.values()):
            self.assert_errno(errno.EIO, read, paths[uid])
            self.assertIsInstance(read(proof), bytes)
            self.assert_errno(errno.EIO, read, paths[uid])
            self.assertTrue(os.getxattr(paths[uid], "user.mailboxfs.error").startswith(b"message-failed: "))
            asked = self.imap.bodies(uid=uid)
            self.assertLessEqual(asked, 5)
            self.assert_errno(errno.EIO, read, paths[uid])
            self.assertEqual(self.imap.bodies(uid=uid), asked)

    def test_i34_a_server_that_ends_every_connection_is_no_messages_fault(self):
        troubles = {
            "drop": drop(),
            "reset": reset(),
            "bye": bye("Connection is closed. 13"),
            "expired": bye("Session invalidated - AccessTokenExpired"),
            "unavailable": no("Server Unavailable. 15"),
            "crowded": no("[LIMIT] Too many connections"),
            "bad": bad("Command received in Invalid state."),
        }
        for name, what in troubles.items():
            with self.subTest(name):
                self.fake("exchange", messages=4)
                self.box(imap={"connections": 1})
                paths = self.paths()
                self.imap.on("BODY", what)
                for path in paths.values():
                    self.assert_errno(errno.EIO, read, path)
                self.imap.heal()
                self.wait_for(lambda: isinstance(try_read(paths[1]), bytes), "the connection")
                self.assert_all_is_read()
                self.mounted.unmount()

    def bodies_but(self, *uids):
        return {uid: self.inbox.get(uid).body for uid in self.inbox.uids() if uid not in uids}


def refuse_after_some(session, tag):
    """The first UIDs of a set are answered, then NO: what came is right."""
    if session.arguments.startswith("1:*"):
        return False
    first, last = map(int, re.match(r"(\d+):(\d+)", session.arguments).groups())
    items = session.arguments.partition(" ")[2]
    for uid in range(first, (first + last) // 2):
        session._send_message(tag, uid, session._folder.get(uid), items)
    return session.tagged(tag, "NO Some of the requested messages no longer exist.")


class Bodies(FakeTest):
    def test_i26_a_body_that_is_made_anew_at_each_fetch(self):
        self.fake("exchange", "regenerate", "size-triple", "drop-in-literal:2:200:1", messages=3)
        large = self.inbox.add(sample(4, 4_000_000))
        self.box()
        paths = self.paths()
        for uid in (1, 2, 3):
            whole = read(paths[uid])
            self.assertTrue(is_one_of(whole, self.inbox.get(uid).body), uid)
            self.assertEqual(read(paths[uid]), whole)
            self.assertEqual(os.stat(paths[uid]).st_size, len(whole))
        # It breaks after a part was read: what follows would be another body's.
        self.imap.on("BODY", broken_body(2_000_000), times=1, uid=4)
        try:
            with open(paths[4], "rb") as file:
                content = file.read(100_000)
                content += file.read()
                self.assertEqual(os.fstat(file.fileno()).st_size, len(content))
        except OSError as error:
            self.assertIn(error.errno, (errno.ESTALE, errno.EIO))
        else:
            self.assertTrue(is_one_of(content, large.body))

    def test_i26_a_large_body_with_another_length_each_time_is_read_in_the_end(self):
        self.fake("exchange", "regenerate", "size-triple", messages=3)
        self.inbox.add(sample(4, 4_000_000))
        self.box()
        path = self.paths()[4]
        self.imap.on("BODY", broken_body(2_000_000), times=1, uid=4)
        results = [try_read(path) for _ in range(6)]
        self.assertTrue(any(isinstance(one, bytes) for one in results), results)
        for one in results:
            self.assertTrue(one in (errno.ESTALE, errno.EIO) or is_one_of(one, self.inbox.get(4).body))

    def test_i27_bodies_are_never_fetched_in_ranges(self):
        self.fake("exchange", "partial-ignored", messages=2)
        large = self.inbox.add(sample(3, 3_000_000))
        self.box()
        path = self.paths()[3]
        with open(path, "rb") as file:
            for offset in (2_500_000, 0, 1_000_000):
                file.seek(offset)
                self.assertEqual(file.read(5000), large.body[offset : offset + 5000])
        self.assertEqual(self.imap.bodies(uid=3), 1)
        self.assertEqual([seen.text for seen in self.imap.seen if re.search(r"\]<\d", seen.text)], [])

    def test_i30_a_message_that_comes_slowly(self):
        self.fake(messages=1)
        slow = self.inbox.add(sample(2, 300_000))
        self.box(timeouts=self.DEADLINES | {"total": 120})
        path = self.paths()[2]
        # Longer than "stall" in all: there is progress.
        self.fault("slow:60000")
        self.assertEqual(read(path), slow.body)

    def test_i30_a_message_of_150_mb(self):
        self.fake(messages=1)
        large = self.inbox.add(sample(2, 150_000_000))
        box = self.box(timeouts={"connect": 5, "login": 30, "stall": 60, "total": 300})
        path = self.paths()[2]
        self.assertTrue(read(path) == large.body)
        # The bytes are shown before the server has ended its answer, and who leaves now leaves without LOGOUT.
        self.wait_for(lambda: os.getxattr(path, "user.mailboxfs.cached") == b"1", "the end of the download")
        peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{box.pid}/status").read_text(encoding="ascii"))
        self.assertLess(int(peak.group(1)), 150_000, "a message is never in memory as a whole")

    def test_i30_bytes_and_headers_of_any_kind(self):
        self.fake(messages=1)
        odd = {
            "NUL": b"Subject: x\r\n\r\na\0b\r\n",
            "8 bit": b"Subject: \xfc\xff\r\n\r\n\x80\xff\r\n",
            "bare LF": b"Subject: y\n\na\nb\n",
            "no headers": b"\r\nbody",
            "nothing but a body": b"BEGIN:VCARD\r\n",
            "header over 64 KB": b"Subject: long\r\nX-Long: " + b"x" * 70_000 + b"\r\n\r\nbody\r\n",
            "many headers": b"X-A: b\r\n" * 20_000 + b"Subject: last\r\n\r\nbody\r\n",
            "like an answer": b"Subject: f\r\n\r\nA4 OK done\r\n* 1 FETCH (UID 1 BODY[] {3}\r\nabc)\r\n",
        }
        for body in odd.values():
            self.inbox.add(body)
        self.box()
        self.assert_all_is_read()

    def test_i31_an_edited_message_is_a_new_file(self):
        self.fake()
        self.box()
        old = self.paths()[5]
        inode, body = os.stat(old).st_ino, read(old)
        with open(old, "rb") as file:
            self.inbox.expunge(5)
            self.inbox.add(body.replace(b"Line of", b"Edited line of"), uid=90)
            self.wait_for(lambda: sorted(self.paths()) == self.inbox.uids(), "the edited message")
            self.assertEqual(file.read(), body)
        new = self.paths()[90]
        self.assertNotEqual(os.stat(new).st_ino, inode)
        self.assertEqual(read(new), self.inbox.get(90).body)
        # The kernel is told a moment later.
        self.wait_for(lambda: not os.path.exists(old), "the old name is gone")
        self.assert_errno(errno.ENOENT, os.stat, old)


def is_one_of(body, original):
    """Is it the original as a server with "regenerate" makes it, and all of it from one time?"""
    return re.match(rb"X-Boundary: =_\d+x*\r\n", body) is not None and body.partition(b"\r\n")[2] == original


class Answers(FakeTest):
    ODDITIES = ("items-reordered", "split-fetch", "flags-noise", "old-message-for-star")

    def assert_works(self, *named):
        """Listing, reading, and new mail."""
        self.fake("exchange", *named)
        self.box()
        self.assert_all_is_read()
        self.inbox.expunge(2)
        self.inbox.add()
        self.wait_for(lambda: sorted(self.paths()) == self.inbox.uids(), "the news")
        self.assert_all_is_read()
        self.mounted.unmount()

    def test_i28_answers_in_any_order_and_number(self):
        for named in (*((one,) for one in self.ODDITIES), self.ODDITIES):
            with self.subTest(named):
                self.assert_works(*named)

    def test_i29_broken_structures_are_skipped(self):
        self.assert_works("broken-structure")

    def test_i32_a_search_that_finds_nothing_empties_no_folder(self):
        self.assert_works("empty-search")
        self.assertEqual([seen.text for seen in self.imap.seen if "CHARSET" in seen.text.upper()], [])

    def test_i33_nothing_is_marked_as_read(self):
        self.fake()
        self.imap.furnished(self.USER)
        self.box()
        self.assert_all_is_read()
        self.mounted.remount()
        self.assert_all_is_read()
        commands = {seen.command for seen in self.imap.seen}
        self.assertEqual(commands & {"SELECT", "STORE", "EXPUNGE", "CLOSE", "COPY", "MOVE", "APPEND"}, set())
        fetches = [seen.text for seen in self.imap.seen if seen.command in ("HEADERS", "BODY")]
        self.assertTrue(fetches)
        self.assertEqual([text for text in fetches if re.search(r"BODY\[|RFC822(?!\.SIZE)", text)], [])
        self.assertEqual(self.imap.violations, [])


if __name__ == "__main__":
    main()
