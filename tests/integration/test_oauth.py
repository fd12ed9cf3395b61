#!/usr/bin/env python3
"""Tokens: one request for all mailboxes, renewal, and error answers that tell people what to do."""

import errno
import os
import threading
import time
import unittest

from support import dovecot, jwt, process
from support.imap_faults import bad
from support.imap_script_server import ImapScriptServer
from support.mount import oauth_account, password_account
from support.testcase import MountTest, main, read
from support.token_endpoint import TokenEndpoint, aadsts, dropped, too_many_requests, unavailable

USERS = [f"user{number}@example.org" for number in range(12)]
LOGIN, NETWORK = 3, 4


@unittest.skipUnless(dovecot.available(), "there is no Dovecot")
class OAuth(MountTest):
    @classmethod
    def setUpClass(cls):
        cls.key = jwt.SigningKey()
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

    def test_many_mailboxes_at_once_need_one_token(self):
        self.endpoint.delay = 0.5
        box = self.box()
        results = {}
        threads = [
            threading.Thread(target=lambda user=user: results.update({user: os.listdir(box.path(user, "INBOX"))}))
            for user in USERS
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual({user: len(names) for user, names in results.items()}, dict.fromkeys(USERS, 5))
        self.assertEqual(self.endpoint.requests, 1)

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

    def test_short_lived_tokens_are_renewed(self):
        self.endpoint.lifetime = 10
        box = self.box(refresh_interval=0.5)
        rounds = iter(range(100_000))

        def renewed():
            user = USERS[next(rounds) % len(USERS)]
            for name in box.messages(user, "INBOX"):
                read(box.path(user, "INBOX", name))
            # A fresh login proves that the token in use is still good.
            self.dovecot.end_sessions()
            return self.endpoint.requests >= 3

        process.wait_until(renewed, 90, "the second renewal")

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

    def test_expires_in_as_text(self):
        self.endpoint.expires_in_as_text = True
        box = self.box(USERS[:1])
        self.assertEqual(len(box.messages(USERS[0], "INBOX")), 5)
        self.assertEqual(self.endpoint.requests, 1)

    def test_passing_faults_are_retried(self):
        for name, fault in {"429": too_many_requests("1"), "503": unavailable(), "dropped": dropped()}.items():
            with self.subTest(name):
                self.endpoint.faults[:] = [fault]
                box = self.box(USERS[:1])
                names = process.wait_until(lambda box=box: self.try_list(box), 60, "the retry")
                self.assertEqual(len(names), 5)

    def try_list(self, box):
        try:
            return os.listdir(box.path(USERS[0], "INBOX"))
        except OSError:
            return None

    def test_refusals_are_eacces_and_say_what_to_do(self):
        hints = {7000215: "Value", 7000222: "expired", 700016: "client_id", 90002: "tenant", 70011: "scope"}
        for code, hint in hints.items():
            with self.subTest(code):
                self.endpoint.always = aadsts(code, "invalid_client", "Text of the endpoint.")
                box = self.box(USERS[:1])
                self.assert_errno(errno.EACCES, os.listdir, box.path(USERS[0]))
                done = box.command("check", "-c", box.config_file)
                self.assertEqual(done.returncode, LOGIN)
                self.assertIn(f"AADSTS{code}", done.stdout + done.stderr)
                self.assertIn(hint, done.stdout + done.stderr)

    def test_refusals_are_remembered(self):
        self.endpoint.always = aadsts(7000215)
        box = self.box()
        for user in USERS:
            self.assert_errno(errno.EACCES, os.listdir, box.path(user))
        self.assertLessEqual(self.endpoint.requests, 2)

    def test_check_calls_an_unreachable_endpoint_network(self):
        box = self.box(USERS[:1])
        self.endpoint.stop()
        done = box.command("check", "-c", box.config_file)
        self.assertEqual(done.returncode, NETWORK, done.stdout + done.stderr)

    def test_check_quotes_the_servers_refusal_and_says_what_may_be_missing(self):
        box = self.box(["denied@example.org"])
        done = box.command("check", "-c", box.config_file)
        self.assertEqual(done.returncode, LOGIN, done.stdout + done.stderr)
        report = done.stdout.splitlines()
        refusal = next(number for number, line in enumerate(report) if line.startswith("failed"))
        self.assertRegex(report[refusal], r"test/denied@example\.org: login: .*NO \[AUTHENTICATIONFAILED\]")
        for step in ("New-ServicePrincipal", "Add-MailboxPermission", "FullAccess", "ImapEnabled"):
            self.assertIn(step, report[refusal + 1])


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
        # One that is opened at the second try is fine.
        imap.heal()
        imap.on("NAMESPACE", rule, times=1)
        done = box.command("check", "-c", box.config_file)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    main()
