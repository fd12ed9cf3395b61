#!/usr/bin/env python3
"""What is fetched before it is asked for: right, of use, and held against nobody when it fails."""

import errno
import os
import subprocess
import threading

from support import imap_faults
from support.testcase import FakeTest, main, read


class ReadAhead(FakeTest):
    def read_in_order(self, *unread):
        """Every message by name, one after the other."""
        paths = self.paths()
        for path in sorted(paths.values()):
            uid = next(uid for uid, one in paths.items() if one == path)
            if uid in unread:
                self.assert_errno(errno.EIO, read, path)
            else:
                self.assertEqual(read(path), self.inbox.get(uid).body)
        return paths

    def commands(self):
        """How often something was fetched, whatever it was."""
        return self.mounted.log().count(" UID FETCH\n")

    def test_many_are_asked_for_at_once(self):
        self.fake(messages=60)
        self.box(read_ahead="8M")
        self.paths()
        listed = self.commands()
        self.read_in_order()
        self.assertTrue(2 < self.commands() - listed < 20, "commands for 60 messages")
        for uid in self.inbox.uids():
            self.assertEqual(self.imap.bodies(uid=uid), 1, f"UID {uid} once")

    def test_a_directory_is_copied_by_real_programs(self):
        self.fake(messages=60)
        for number, command in enumerate((["rsync", "-a"], ["cp", "-r"])):
            box = self.box(read_ahead="8M")
            target = box.directory / f"copy-{number}"
            subprocess.run([*command, f"{box.path(self.USER, 'INBOX')}/", str(target)], check=True, timeout=120)
            copied = sorted(read(target / name) for name in os.listdir(target))
            self.assertEqual(copied, sorted(self.inbox.get(uid).body for uid in self.inbox.uids()))
            box.unmount()

    def test_what_the_server_cannot_deliver_is_judged_by_its_reader(self):
        for fault in ("stub:30", "ok-no-data:30", "nil-body:30", "empty-body:30", "poison:30"):
            with self.subTest(fault):
                self.fake("exchange", fault, messages=40)
                self.box(read_ahead="8M")
                paths = self.read_in_order(30)
                other = {uid: path for uid, path in paths.items() if uid != 30}
                for path in other.values():
                    with self.assertRaises(OSError):
                        os.getxattr(path, "user.mailboxfs.error")

    def test_one_who_waits_for_another_message_is_served(self):
        self.fake(messages=60)
        self.box(read_ahead="8M", imap={"connections": 1})
        paths = self.paths()
        done = threading.Event()

        def read_all():
            for path in sorted(paths.values()):
                read(path)
            done.set()

        reader = threading.Thread(target=read_all)
        reader.start()
        self.assertEqual(read(paths[60]), self.inbox.get(60).body)
        reader.join(60)
        self.assertTrue(done.is_set())

    def test_a_connection_that_breaks_costs_nobody_anything(self):
        self.fake(messages=60)
        self.imap.on("BODY", imap_faults.drop(), times=1, uid=20)
        self.box(read_ahead="8M")
        self.read_in_order()


if __name__ == "__main__":
    main()
