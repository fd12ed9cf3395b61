#!/usr/bin/env python3
"""Refresh tokens that are replaced with each use: T8 of the checklist of a token endpoint's behaviours."""

import errno
import json
import os
import signal
import stat
import threading
import unittest

from support import dovecot, process
from support.accounts import grant_account, login_file, stored_refresh_token
from support.imap_script_server import ImapScriptServer
from support.oauth_testcase import LOGIN, OK, OAuthTest
from support.testcase import main

_USER = "ada@example.org"
# Enough that one after the other can be looked into, each for the first time.
_MANY = [_USER, *(f"user{number:04}@example.org" for number in range(3000))]
# Just long enough for a client that never asks twice in five seconds.
_SHORT = 6
# Between two logins: time in which nothing happens needs no processor.
_PAUSE = 0.2


class RefreshTest(OAuthTest):
    users = [_USER]

    def setUp(self):
        super().setUp()
        self.login = self.endpoint.log_in()

    def box(self, server=None, start=True, users=None, **auth):
        auth = {"refresh_token": self.login.newest} | auth
        return self.mount(
            grant_account(server or self.dovecot, self.endpoint, users or self.users, "refresh-token", **auth),
            start=start,
            refresh_interval=0.2,
        )

    def use_until(self, box, refreshed, end_sessions):
        """Reads on, with a login each time, until there were so many refreshes."""

        def enough():
            self.assert_listed(box)
            end_sessions()
            return self.login.refreshed >= refreshed

        process.wait_until(enough, 20 * refreshed, f"{refreshed} refreshes", every=_PAUSE)

    def assert_stored(self, box):
        self.assertEqual(stored_refresh_token(box), self.login.newest)
        path = login_file(box)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(path.parent.stat().st_mode) & 0o077, 0)


@unittest.skipUnless(dovecot.available(), "there is no Dovecot")
class Rotation(RefreshTest):
    def tearDown(self):
        self.assert_no_problems()
        self.assertEqual(self.endpoint.refresh.reuses, 0)

    def test_t8_each_answer_brings_a_new_one(self):
        self.endpoint.lifetime = _SHORT
        box = self.box()
        self.use_until(box, 4, self.dovecot.end_sessions)
        box.unmount()
        self.assert_stored(box)
        # The one in the configuration was used up long ago.
        box.start()
        self.assert_listed(box)
        self.assertEqual(self.check(box).exit_code, OK)
        self.assert_stored(box)

    def test_t8_an_answer_without_a_new_one_keeps_the_old(self):
        self.endpoint.lifetime, self.endpoint.refresh.rotation = _SHORT, False
        box = self.box()
        self.use_until(box, 3, self.dovecot.end_sessions)
        box.remount()
        self.assert_listed(box)
        self.assertEqual(self.endpoint.refresh.all(), [self.login.newest])

    def test_t8_a_rotation_and_then_none(self):
        box = self.box()
        self.assert_listed(box)
        self.endpoint.refresh.rotation = False
        box.remount()
        self.assert_listed(box)
        box.remount()
        self.assert_listed(box)
        self.assert_stored(box)

    def test_t8_processes_take_turns(self):
        self.endpoint.lifetime, self.endpoint.delay = _SHORT, 0.3
        box = self.box(users=_MANY)
        failed = []
        checks = [threading.Thread(target=lambda: failed.append(self.check(box, _USER).failed())) for _ in range(4)]
        for thread in checks:
            thread.start()
        more = iter(_MANY)

        def enough():
            self.assertIsNone(self.fails(box, next(more)))
            return self.login.refreshed >= 7

        process.wait_until(enough, 60, "the refreshes", every=_PAUSE)
        for thread in checks:
            thread.join(60)
        self.assertEqual(failed, [{}] * 4)
        box.unmount()
        self.assert_stored(box)

    def test_a_public_client_shows_no_secret(self):
        self.endpoint.client.public = True
        box = self.box()
        self.assert_listed(box)
        (request,) = self.endpoint.token_requests()
        self.assertEqual(set(request.form) - {"scope"}, {"grant_type", "client_id", "refresh_token"})

    def test_a_token_in_a_file_that_somebody_else_writes(self):
        box = self.box(start=False)
        box.config["accounts"]["test"]["auth"]["refresh_token"] = {
            "file": self.place(box, "refresh.token", self.login.newest + "\n")
        }
        box.write_config()
        box.start()
        self.assert_listed(box)
        self.assert_stored(box)
        # A person has logged in anew, somewhere else: the file has changed, and counts again.
        box.unmount()
        self.endpoint.refresh.revoke()
        self.login = self.endpoint.log_in()
        self.place(box, "refresh.token", self.login.newest + "\n")
        box.start()
        self.assert_listed(box)
        self.assert_stored(box)
        self.endpoint.problems.clear()


@unittest.skipUnless(dovecot.available(), "there is no Dovecot")
class Refusal(RefreshTest):
    def assert_login_needed(self, box, cause, user=None):
        self.assertEqual(self.fails(box, user), errno.EACCES)
        before = self.endpoint.requests
        for _ in range(10):
            self.assertEqual(self.fails(box, user), errno.EACCES)
        self.assertEqual(self.endpoint.requests, before, "a refusal is not asked for twice")
        # Where this one comes from, the next one must.
        self.assertIn("refresh_token", box.log())
        report = self.check(box, self.users[0])
        self.assertEqual((report.exit_code, report.failed()), (LOGIN, {"token": cause}), report.text)
        self.assertIn("refresh_token", report.of("token")["advice"])

    def test_t8_revoked_expired_or_unknown(self):
        for code, cause in {50173: "login-revoked", 700082: "login-expired", 70043: "login-expired"}.items():
            with self.subTest(code):
                self.login = self.endpoint.log_in()
                self.endpoint.refresh.revoke(code)
                box = self.box()
                self.assert_login_needed(box, cause)
                box.unmount()
        self.assert_no_problems()

    def test_t8_a_login_that_ends_while_it_is_in_use(self):
        self.endpoint.lifetime = _SHORT
        box = self.box(users=_MANY)
        more = iter(_MANY)
        self.assert_listed(box, next(more))
        self.endpoint.refresh.revoke()
        # What was listed once is shown still; so it must be a mailbox that nobody has looked into.
        process.wait_until(lambda: self.fails(box, next(more)) == errno.EACCES, 60, "the refusal", every=_PAUSE)
        self.assert_login_needed(box, "login-revoked", next(more))
        self.assert_listed(box, _USER)
        self.assert_no_problems()

    def test_a_confidential_client_must_show_its_secret(self):
        box = self.box(start=False, client_secret=None)
        self.assertEqual(self.check(box).failed(), {"token": "secret-missing"})

    def test_a_public_client_must_not(self):
        box = self.box(start=False)
        self.endpoint.client.public = True
        self.assertEqual(self.check(box).failed(), {"token": "secret-unwanted"})


class Disk(RefreshTest):
    """The scripted server tells the test of each login before it answers it."""

    @classmethod
    def setUpClass(cls):
        cls.key = None

    def setUp(self):
        super().setUp()
        self.imap = self.server(ImapScriptServer(accept=self.accept))
        self.imap.mailbox(_USER).inbox.fill(1)
        self.on_login = lambda: None
        self.shown = []  # For each login: has the disk the refresh token that came with the access token, or a newer?

    def accept(self, _user, access_token):
        stored, given = stored_refresh_token(self.the_box), self.endpoint.refresh.all()
        came_with = self.endpoint.refresh.came_with.get(access_token, given[0])
        self.shown.append(stored in given[given.index(came_with) :])
        self.on_login()
        return True

    def start(self):
        self.the_box = self.box(self.imap, start=False)
        return self.the_box.start()

    def test_t8_the_new_one_is_on_the_disk_before_the_access_token_is_used(self):
        self.endpoint.lifetime = _SHORT
        box = self.start()
        self.use_until(box, 4, self.imap.drop_all)
        self.assertGreaterEqual(len(self.shown), 4)
        self.assertTrue(all(self.shown), self.shown)
        self.assert_no_problems()

    def test_t8_killed_when_the_access_token_is_used(self):
        box = self.start()
        for _ in range(3):
            self.on_login = lambda: os.kill(box.pid, signal.SIGKILL)
            self.assertIsNotNone(self.fails(box))
            box.kill9()
            self.on_login = lambda: None
            box.start()
            self.assert_listed(box)
            box.remount()
        self.assertTrue(all(self.shown), self.shown)
        self.assertGreaterEqual(self.login.refreshed, 6)
        self.assert_no_problems()

    def test_t8_killed_while_a_refresh_is_on_its_way(self):
        # Whoever is killed before the answer comes has the old one only: some servers have mercy.
        self.endpoint.refresh.strict = False
        box = self.start()
        self.endpoint.hold()
        looking = threading.Thread(target=self.fails, args=(box,))
        looking.start()
        process.wait_until(lambda: self.endpoint.held == 1, what="the refresh")
        os.kill(box.pid, signal.SIGKILL)
        looking.join(30)
        box.kill9()
        self.endpoint.release()
        process.wait_until(lambda: self.login.in_flight == 0, what="the end of the request")
        box.start()
        self.assert_listed(box)
        self.assertEqual(self.endpoint.refresh.reuses, 1)
        self.assert_no_problems()
        self.assert_stored(box)

    def test_a_file_that_is_no_login_is_said_to_be_broken(self):
        box = self.start()
        self.assert_listed(box)
        box.unmount()
        path = login_file(box)
        whole = path.read_text(encoding="utf-8")
        self.assertIsInstance(json.loads(whole), dict)
        for broken in ("", whole[: len(whole) // 2], "[]", "null"):
            with self.subTest(broken[:20]):
                path.write_text(broken, encoding="utf-8")
                report = self.check(box)
                self.assertNotEqual(report.exit_code, OK)
                self.assertNotIn(self.login.newest, report.text + report.errors)
                told = json.dumps(report.checks)
                self.assertTrue(str(path) in told or "mailboxfs login" in told, told)


if __name__ == "__main__":
    main()
