#!/usr/bin/env python3
"""Tokens and mailboxes: refusals of either, tokens of a second, and every mechanism to show a token with."""

import errno
import os
import time
import unittest

from support import dovecot, jwt, process
from support.imap_faults import bad
from support.imap_script_server import ImapScriptServer
from support.mount import oauth_account, password_account
from support.testcase import MountTest, main, read
from support.token_endpoint import TokenEndpoint, aadsts

USERS = [f"user{number}@example.org" for number in range(12)]
WARNING, LOGIN = 1, 3


@unittest.skipUnless(dovecot.available(), "there is no Dovecot")
class OAuth(MountTest):
    @classmethod
    def setUpClass(cls):
        cls.key = jwt.any_key()
        cls.dovecot = dovecot.Dovecot(cls.key)
        cls.addClassCleanup(cls.dovecot.close)
        cls.dovecot.start()
        for user in USERS:
            cls.dovecot.deliver_all(user, [("INBOX", b"Subject: %d\r\n\r\nbody\r\n" % n, (), None) for n in range(5)])

    def setUp(self):
        super().setUp()
        self.endpoint = TokenEndpoint(self.key)
        self.addCleanup(self.endpoint.stop)

    def tearDown(self):
        self.assertEqual(self.endpoint.problems, [])

    def box(self, users=USERS, **config):
        return self.mount(oauth_account(self.dovecot, self.endpoint, users), **config)

    def test_refused_mailboxes_do_not_cost_the_others_their_token(self):
        refused = [f"denied{number}@example.org" for number in range(20)]
        box = self.box([*refused[:10], USERS[0], *refused[10:]])
        self.assertEqual(len(box.messages(USERS[0], "INBOX")), 5)
        for user in refused:
            self.assert_errno(errno.EACCES, os.listdir, box.path(user))
        self.dovecot.end_sessions()
        self.assertEqual(len(box.messages(USERS[0], "INBOX")), 5)
        # At most one replacement: the token may turn a minute old on a slow machine.
        self.assertLessEqual(self.endpoint.requests, 2)

    def test_tokens_of_a_second_do_not_make_a_storm(self):
        self.endpoint.lifetime = 1
        users = USERS[:2]
        before = {user: self.examined(user) for user in users}
        begun = time.monotonic()
        box = self.box(users, refresh_interval=0.2)

        def refreshed():
            for user in users:
                self.assertEqual(len(box.messages(user, "INBOX")), 5)
            return all(self.examined(user) >= before[user] + 12 for user in users)

        process.wait_until(refreshed, 120, "a dozen refreshes of each mailbox")
        # One in five seconds; each login that finds a token too old may ask for another.
        self.assertLessEqual(self.endpoint.requests, len(users) * (1 + (time.monotonic() - begun) / 5))

    def examined(self, user):
        """How often a folder was refreshed so far: each time begins with an EXAMINE."""
        return sum("EXAMINE" in command for command in self.dovecot.commands_seen(user))

    def test_refusals_are_remembered(self):
        self.endpoint.always = aadsts(7000215)
        box = self.box()
        for user in USERS:
            self.assert_errno(errno.EACCES, os.listdir, box.path(user))
        self.assertLessEqual(self.endpoint.requests, 2)

    def test_check_quotes_the_servers_refusal_and_says_what_may_be_missing(self):
        box = self.box(["denied@example.org"])
        done = box.command("check", "-c", box.config_file)
        self.assertEqual(done.returncode, LOGIN, done.stdout + done.stderr)
        report = done.stdout.splitlines()
        refusal = next(number for number, line in enumerate(report) if line.startswith("failed"))
        self.assertRegex(report[refusal], r"test/denied@example\.org: login: .*NO \[AUTHENTICATIONFAILED\]")
        for step in ("New-ServicePrincipal", "Add-MailboxPermission", "FullAccess", "ImapEnabled"):
            self.assertIn(step, "\n".join(report[refusal + 1 :]))


@unittest.skipUnless(dovecot.available(), "there is no Dovecot")
class Mechanisms(MountTest):
    def assert_works_with_only(self, mechanism):
        endpoint = TokenEndpoint()
        self.addCleanup(endpoint.stop)
        server = dovecot.Dovecot(endpoint.key, mechanisms=[mechanism])
        self.addCleanup(server.close)
        server.start()
        body = b"Subject: hello\r\n\r\nby %s\r\n" % mechanism.encode()
        server.deliver(USERS[0], "INBOX", body)
        box = self.mount(oauth_account(server, endpoint, USERS[:1]))
        (name,) = box.messages(USERS[0], "INBOX")
        self.assertEqual(read(box.path(USERS[0], "INBOX", name)), body)
        report = box.command("check", "-c", box.config_file, check=True).stdout
        self.assertIn(f"logged in with {mechanism}\n", report)

    def test_a_server_that_knows_xoauth2_only(self):
        self.assert_works_with_only("XOAUTH2")

    def test_a_server_that_knows_oauthbearer_only(self):
        self.assert_works_with_only("OAUTHBEARER")


class Unopened(MountTest):
    def test_check_calls_a_mailbox_that_is_never_opened_a_refused_login(self):
        imap = self.server(ImapScriptServer())
        imap.mailbox(USERS[0]).inbox.fill(1)
        rule = bad("User is authenticated but not connected.")
        imap.on("NAMESPACE", rule)
        box = self.mount(password_account(imap, USERS[:1]), start=False)
        done = box.command("check", "-c", box.config_file)
        self.assertEqual(done.returncode, LOGIN, done.stdout + done.stderr)
        self.assertIn("FullAccess", done.stdout)
        self.assertNotIn("attempt", done.stdout + done.stderr)
        # One that is opened at the second try can be read, and it is said how often that happened.
        imap.heal()
        imap.on("NAMESPACE", rule, times=1)
        done = box.command("check", "-c", box.config_file)
        self.assertEqual(done.returncode, WARNING, done.stdout + done.stderr)
        self.assertIn("4 of 5 logins", done.stdout)


if __name__ == "__main__":
    main()
