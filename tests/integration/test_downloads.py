#!/usr/bin/env python3
"""What can happen to a body on its way: it is read whole and right, or it is an error; never anything between."""

import errno
import os
import threading

from support import process
from support.imap_faults import broken_body, garbage, Gate, only_ok
from support.imap_script_server import ImapScriptServer
from support.imap_store import sample
from support.mount import password_account, uid_of
from support.testcase import MountTest, main, read

USER = "ada@example.org"


class Downloads(MountTest):
    def setUp(self):
        super().setUp()
        self.imap = self.server(ImapScriptServer())
        self.inbox = self.imap.mailbox(USER).inbox.fill(10)
        self.large = self.inbox.add(sample(11, 8_000_000))
        self.box = self.mount(password_account(self.imap, [USER]), refresh_interval=0.2)
        self.paths = {uid_of(name): self.box.path(USER, "INBOX", name) for name in self.box.messages(USER, "INBOX")}

    def test_a_connection_that_breaks_in_a_body_is_made_good(self):
        for sent in (0, 1, 1_000_000, 2_999_000):
            with self.subTest(sent=sent):
                message = self.inbox.add(sample(sent, 3_000_000))
                path = self.new_path(message)
                rule = self.imap.on("BODY", broken_body(sent), times=1, uid=message.uid)
                self.assertEqual(read(path), message.body)
                self.assertEqual(rule.hits, 1)

    def new_path(self, message):
        """The path of a message that has only just arrived."""
        path = self.box.path(USER, "INBOX", f"{message.uid}.eml")
        process.wait_until(path.exists, 90, "the new message")
        return path

    def test_a_body_that_always_breaks_is_an_error_and_no_loop(self):
        self.imap.on("BODY", broken_body(1000), uid=11)
        with self.assertRaises(OSError):
            read(self.paths[11])
        self.assertLess(self.imap.bodies(uid=11), 10)
        self.assertEqual(read(self.paths[3]), self.inbox.get(3).body)

    def test_the_first_bytes_do_not_wait_for_the_last(self):
        gate = Gate()
        self.imap.on("BODY", broken_body(2_000_000, gate), uid=11)
        head = process.run(["head", "-c", "1000", self.paths[11]], timeout=30, text=False, check=True).stdout
        self.assertEqual(head, self.large.body[:1000])
        self.assertEqual(os.stat(self.paths[11]).st_size, len(self.large.body))
        self.imap.heal()

    def test_no_body_is_an_error(self):
        self.imap.on("BODY", only_ok(), uid=5)
        self.assert_errno(errno.EIO, read, self.paths[5])
        self.assertEqual(read(self.paths[6]), self.inbox.get(6).body)

    def test_garbage_is_an_error_or_made_good(self):
        self.imap.on("BODY", garbage(), times=1, uid=7)
        try:
            self.assertEqual(read(self.paths[7]), self.inbox.get(7).body)
        except OSError as error:
            self.assertEqual(error.errno, errno.EIO)

    def test_many_readers_cause_one_download(self):
        gate = self.imap.on("BODY", Gate(), uid=11)
        results = []
        readers = [threading.Thread(target=lambda: results.append(read(self.paths[11]))) for _ in range(20)]
        for reader in readers:
            reader.start()
        process.wait_until(lambda: gate.waiting > 0, what="the download")
        gate.release()
        for reader in readers:
            reader.join(60)
        self.assertEqual([len(result) for result in results], [len(self.large.body)] * 20)
        self.assertEqual(set(map(hash, results)), {hash(self.large.body)})
        self.assertEqual(self.imap.bodies(uid=11), 1)

    def test_bytes_of_any_kind(self):
        odd = {
            "NUL": b"Subject: x\r\n\r\na\0b\r\n",
            "bare LF": b"Subject: y\r\n\r\na\nb\n",
            "no end": b"Subject: z\r\n\r\nabc",
            "no headers": b"\r\nbody",
            "forged": b"Subject: f\r\n\r\nA4 OK done\r\n* 1 FETCH (UID 1 BODY[] {3}\r\nabc)\r\n",
        }
        for what, body in odd.items():
            with self.subTest(what):
                self.assertEqual(read(self.new_path(self.inbox.add(body))), body)

    def test_an_open_file_stays_what_it_was(self):
        body = self.large.body
        with open(self.paths[11], "rb") as file:
            self.assertEqual(file.read(100), body[:100])
            self.inbox.expunge(11)
            file.seek(0)
            self.assertEqual(file.read(), body)


if __name__ == "__main__":
    main()
