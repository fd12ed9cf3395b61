#!/usr/bin/env python3
"""Messages that the server lists and cannot deliver: nothing else is lost, everybody is told, the server is left alone;
and what profiles and limits of other servers do."""

import errno
import os
import re
import tempfile

from support import process
from support.testcase import FakeTest, main, read, try_read


class Outcomes(FakeTest):
    def test_rsync_copies_the_rest_says_which_and_does_not_ask_again(self):
        bad = list(range(15, 1000, 33))
        self.fake("exchange", "size-triple", *(f"ok-no-data:{uid}" for uid in bad[:15]),
                  *(f"stub:{uid}" for uid in bad[15:]), messages=1000)
        self.assertEqual(len(bad), 30)
        box = self.box(refresh_interval=3600)
        names = {uid: os.path.basename(path) for uid, path in self.paths().items()}
        target = self.enterContext(tempfile.TemporaryDirectory(prefix="mailboxfs-outcomes-"))
        command = ["rsync", "-a", f"{box.path(self.USER)}/", target]
        first = process.run(command, timeout=120)
        self.assertEqual(first.returncode, 23, first.stderr)
        for uid in bad:
            self.assertIn(names[uid], first.stderr)
        copied = {name: read(f"{target}/INBOX/{name}") for name in os.listdir(f"{target}/INBOX")}
        self.assertEqual(copied, {names[uid]: self.inbox.get(uid).body for uid in self.inbox.uids() if uid not in bad})
        mailbox = box.status()["mailboxes"][0]
        self.assertEqual(mailbox["failed_count"], 30)
        self.assertEqual(sorted(one["uid"] for one in mailbox["failed_messages"]), bad)
        self.assertEqual({one["kind"] for one in mailbox["failed_messages"]}, {"stub", "unfetchable"})
        self.assertNotIn("error", mailbox)
        self.assertIn("30 messages cannot be fetched", box.command("status", box.mountpoint).stdout)
        # Again, and in the next mount: of the thirty nobody asks for any.
        for _ in range(2):
            self.imap.forget()
            again = process.run(command, timeout=120)
            self.assertEqual((again.returncode, self.imap.bodies()), (23, 0))
            box.remount()

    def test_the_attribute_says_why_and_goes_when_the_message_is_read(self):
        self.fake("exchange", "ok-no-data:2", messages=3)
        self.box()
        paths = self.paths()
        self.assert_errno(errno.ENODATA, os.getxattr, paths[2], "user.mailboxfs.error")
        self.assertEqual(try_read(paths[2]), errno.EIO)
        self.assertTrue(os.getxattr(paths[2], "user.mailboxfs.error").startswith(b"unfetchable: "))
        self.assertEqual(os.listxattr(paths[2]), [])
        self.assert_errno(errno.ENODATA, os.getxattr, paths[1], "user.mailboxfs.error")
        asked = self.imap.bodies(uid=2)
        for _ in range(5):
            self.assertEqual(try_read(paths[2]), errno.EIO)
        self.assertEqual(self.imap.bodies(uid=2), asked)
        self.assertEqual(len(re.findall("cannot be fetched|sends no body", self.mounted.log())) > 0, True)


class Profiles(FakeTest):
    def test_no_line_over_1000_octets_goes_to_yahoo(self):
        self.fake("yahoo", messages=0)
        for number in range(400):
            self.inbox.add(uid=1_000_000_000 + 3 * number)
        self.box()
        self.assertEqual(len(self.paths()), 400)
        self.assertEqual(self.mounted.status()["mailboxes"][0]["profile"], "yahoo")

    def test_gmails_all_mail_is_not_shown(self):
        self.fake("gmail", messages=3)
        self.imap.furnished(self.USER)
        box = self.box()
        self.assert_all_is_read()
        mailbox = box.status()["mailboxes"][0]
        self.assertEqual(mailbox["profile"], "gmail")
        self.assertEqual(mailbox["hidden_folders"], ["[Gmail]/All Mail"])
        self.assertNotIn("All Mail", os.listdir(box.path(self.USER, "[Gmail]")))
        self.assertEqual(next(iter(box.status()["accounts"].values()))["daily_volume"], 2_000_000_000)

    def test_exact_sizes_are_trusted_until_one_is_wrong(self):
        self.fake(messages=3)
        self.inbox.add(size=10_000)
        box = self.box(imap={"sizes": "exact"})
        paths = self.paths()

        def sizes():
            return box.status()["mailboxes"][0]["sizes"]

        read(paths[1])
        self.assertEqual(sizes(), "exact")
        self.assertEqual(read(paths[4]), self.inbox.get(4).body)
        self.assertEqual(sizes(), "estimate")
        self.assertIn("only estimates sizes, 1 of", box.command("status", box.mountpoint).stdout)
        box.remount()
        read(self.paths()[2])
        self.assertEqual(sizes(), "estimate")

    def test_a_days_volume_ends_reading_and_not_listing(self):
        self.fake(messages=3)
        box = self.box(imap={"daily_volume": 1})
        paths = self.paths()
        self.assertEqual(try_read(paths[1]), errno.EIO)
        self.assertEqual(self.imap.bodies(), 0)
        self.assertIn("daily_volume", box.log())
        self.inbox.add()
        self.wait_for(lambda: len(self.paths()) == 4, "new mail shows")


main()
