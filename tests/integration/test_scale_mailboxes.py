#!/usr/bin/env python3
"""A tenant has many mailboxes: mounting them connects to none, and a walk over all keeps the global limit."""

import os

from support import process
from support.imap_script_server import ImapScriptServer
from support.mount import password_account, uid_of
from support.testcase import MountTest, main

MAILBOXES, MESSAGES, LIMIT = 500, 2, 8


class ScaleMailboxes(MountTest):
    def test_five_hundred_mailboxes(self):
        imap = self.server(ImapScriptServer())
        users = [f"user{number:03}@example.org" for number in range(MAILBOXES)]
        for user in users:
            imap.mailbox(user).inbox.fill(MESSAGES)
        mount = self.mount(password_account(imap, users), connections=LIMIT, timeouts={"total": 200, "stall": 120})
        self.assertEqual(sorted(os.listdir(mount.mountpoint)), users)
        process.run(["ls", "-l", mount.mountpoint], check=True)
        self.assertEqual(imap.all_connections, 0, "mounting or ls at the top has connected")

        first = users[123]
        self.assertEqual(os.listdir(mount.path(first)), ["INBOX"])
        self.assertEqual(len(mount.messages(first, "INBOX")), MESSAGES)
        self.assertEqual(imap.logins, {first: 1})
        self.assertEqual(imap.all_connections, 1)

        found = process.run(["find", mount.mountpoint, "-name", "*.eml"], timeout=250, check=True).stdout.splitlines()
        self.assertEqual(len(found), MAILBOXES * MESSAGES)
        self.assertLessEqual(imap.most_connections, LIMIT)
        self.assertEqual(set(imap.logins), set(users))

        some = users[::50]
        for user in some:
            for name in mount.messages(user, "INBOX"):
                content = mount.path(user, "INBOX", name).read_bytes()
                self.assertEqual(content, imap.mailbox(user).inbox.get(uid_of(name)).body)
        self.assertLessEqual(imap.most_connections, LIMIT)


if __name__ == "__main__":
    main()
