#!/usr/bin/env python3
"""New mail appears and expunged mail disappears without a remount; names and inodes of the others stay."""

import errno
import os
import unittest

from support import dovecot, jwt, process
from support.imap_script_server import ImapScriptServer
from support.mount import oauth_account, password_account, uid_of
from support.testcase import MountTest, main, read
from support.token_endpoint import TokenEndpoint

USER = "ada@example.org"


class NewMail(MountTest):
    def uids(self):
        return {uid_of(name) for name in self.box.messages(USER, "INBOX")}

    def assert_becomes(self, uids):
        process.wait_until(lambda: self.uids() == uids, 60, f"the listing of {uids}")

    def inodes(self):
        return {entry.name: entry.inode() for entry in os.scandir(self.box.path(USER, "INBOX"))}

    def test_a_server_that_must_be_asked(self):
        imap = self.server(ImapScriptServer())
        inbox = imap.mailbox(USER).inbox.fill(5)
        self.box = self.mount(password_account(imap, [USER]), refresh_interval=0.2)
        self.assertEqual(self.uids(), {1, 2, 3, 4, 5})
        before = self.inodes()
        gone = self.box.path(USER, "INBOX", next(name for name in before if uid_of(name) == 2))
        added = inbox.add()
        self.assert_becomes({1, 2, 3, 4, 5, 6})
        new = next(name for name in self.box.messages(USER, "INBOX") if uid_of(name) == added.uid)
        self.assertEqual(read(self.box.path(USER, "INBOX", new)), added.body)
        inbox.expunge(2)
        self.assert_becomes({1, 3, 4, 5, 6})
        self.assert_errno(errno.ENOENT, os.stat, gone)
        after = self.inodes()
        self.assertEqual(
            {name: after[name] for name in before if name in after},
            {name: inode for name, inode in before.items() if uid_of(name) != 2},
        )

    def test_a_message_expunged_since_it_was_listed_is_enoent_on_open(self):
        imap = self.server(ImapScriptServer())
        inbox = imap.mailbox(USER).inbox.fill(3)
        self.box = self.mount(password_account(imap, [USER]), refresh_interval=600)
        paths = {uid_of(name): self.box.path(USER, "INBOX", name) for name in self.box.messages(USER, "INBOX")}
        inbox.expunge(2)
        self.assert_errno(errno.ENOENT, read, paths[2])
        self.assertEqual(read(paths[3]), inbox.get(3).body)

    def test_new_and_removed_folders(self):
        imap = self.server(ImapScriptServer())
        mailbox = imap.mailbox(USER)
        mailbox.folder("Old").fill(1)
        self.box = self.mount(password_account(imap, [USER]), refresh_interval=0.2)
        self.assertEqual(sorted(os.listdir(self.box.path(USER))), ["INBOX", "Old"])
        mailbox.folder("New/Größe").fill(2)
        del mailbox.folders["Old"]
        process.wait_until(
            lambda: sorted(os.listdir(self.box.path(USER))) == ["INBOX", "New"], 60, "the new folder list"
        )
        self.assertEqual(len(self.box.messages(USER, "New", "Größe")), 2)

    def test_a_new_uidvalidity_keeps_files_and_fetches_nothing_again(self):
        imap = self.server(ImapScriptServer())
        inbox = imap.mailbox(USER).inbox.fill(5)
        self.box = self.mount(password_account(imap, [USER]), refresh_interval=0.2)
        before = {name: read(self.box.path(USER, "INBOX", name)) for name in self.box.messages(USER, "INBOX")}
        inodes = self.inodes()
        imap.forget()
        inbox.renumber()
        examined = imap.count("HEADERS")
        process.wait_until(
            lambda: os.listdir(self.box.path(USER, "INBOX")) and imap.count("HEADERS") > examined,
            60,
            "the renumbered listing",
        )
        self.assertEqual({name: read(self.box.path(USER, "INBOX", name)) for name in before}, before)
        self.assertEqual(self.inodes(), inodes)
        self.assertEqual(imap.bodies(), 0)

    def mount_real_server(self, refresh_interval):
        """A Dovecot whose INBOX holds the UIDs 1 to 3, and its mount."""
        endpoint = TokenEndpoint(jwt.any_key())
        self.addCleanup(endpoint.stop)
        server = dovecot.Dovecot(endpoint.key)
        self.addCleanup(server.close)
        server.start()
        for number in range(3):
            server.deliver(USER, "INBOX", b"Subject: number %d\r\n\r\nbody\r\n" % number)
        self.box = self.mount(oauth_account(server, endpoint, [USER]), refresh_interval=refresh_interval)
        self.assertEqual(self.uids(), {1, 2, 3})
        return server

    @unittest.skipUnless(dovecot.available(), "there is no Dovecot")
    def test_a_real_server(self):
        server = self.mount_real_server(refresh_interval=0.5)
        server.deliver(USER, "INBOX", b"Subject: news\r\n\r\nnew body\r\n")
        self.assert_becomes({1, 2, 3, 4})
        server.expunge(USER, "INBOX", 1)
        self.assert_becomes({2, 3, 4})

    @unittest.skipUnless(dovecot.available(), "there is no Dovecot")
    def test_a_real_server_tells_of_news_by_idle(self):
        server = self.mount_real_server(refresh_interval=3600)

        def idling():
            return any(command.endswith(" IDLE") for command in server.commands_seen(USER))

        process.wait_until(idling, what="IDLE")
        server.deliver(USER, "INBOX", b"Subject: news\r\n\r\nnew body\r\n")
        self.assert_becomes({1, 2, 3, 4})
        server.expunge(USER, "INBOX", 1)
        self.assert_becomes({2, 3, 4})


if __name__ == "__main__":
    main()
