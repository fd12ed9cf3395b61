#!/usr/bin/env python3
"""Exchange Online as it is, from the greeting to the login: I1 to I11 of the list in tests/README.md."""

import dataclasses
import errno
import os

from support.imap_faults import bare, bye, delay, no
from support.oauth_testcase import LOGIN, Report
from support.testcase import FakeTest, main

ALIAS = "countess@example.org"


class Greetings(FakeTest):
    def test_i1_old_and_new_greeting(self):
        for personality in ("exchange", "exchange-2026"):
            with self.subTest(personality):
                self.fake(personality)
                box = self.box(start=False)
                report = Report(box.command("check", "--json", "-c", box.config_file))
                self.assertIn("Microsoft Exchange", report.of("server")["evidence"])
                box.start()
                self.assert_all_is_read()

    def test_i1_a_late_greeting_is_waited_for(self):
        self.fake()
        self.imap.on("GREETING", delay(2))
        self.box()
        self.assert_all_is_read()

    def test_i1_bye_as_greeting_passes(self):
        self.fake()
        rule = self.imap.on("GREETING", bye("Connection closed. 14"), times=2)
        self.box(timeouts=self.DEADLINES | {"total": 60})
        self.assert_all_is_read()
        self.assertEqual(rule.hits, 2)

    def test_i2_capabilities_are_those_after_the_login(self):
        for personality in ("exchange", "exchange-2026", "exchange-rev2"):
            with self.subTest(personality):
                self.fake(personality, messages=3)
                self.box()
                self.assert_all_is_read()
                # OK carries no capabilities: they are asked for again.
                commands = [seen.command for seen in self.imap.seen]
                self.assertIn("CAPABILITY", commands[commands.index("AUTHENTICATE") :])
                self.assertEqual(self.imap.count("LOGIN"), 0)

    def test_i2_what_was_offered_before_the_login_is_forgotten(self):
        # IDLE is offered to strangers only.
        imap = self.fake(messages=3)
        real = imap.capabilities_of
        imap.capabilities_of = lambda user: real(user) if user is None else real(user).replace(" IDLE", "")
        box = self.box(start=False)
        report = Report(box.command("check", "--json", "-c", box.config_file))
        self.assertEqual(imap.count("IDLE"), 0, report.text)

    def test_i3_imap4rev2_is_never_enabled(self):
        self.fake("exchange-rev2", "empty-search")
        self.box()
        self.assert_all_is_read()
        self.inbox.add()
        self.inbox.expunge(2)
        self.assert_becomes({1, 3, 4, 5, 6, 7, 8, 9, 10, 11})
        self.assertEqual(self.imap.count("ENABLE"), 0)

    def assert_becomes(self, uids):
        self.wait_for(lambda: set(self.paths()) == uids, f"the listing of {uids}")


class Logins(FakeTest):
    def assert_refused(self):
        self.assert_errno(errno.EACCES, os.listdir, self.mounted.path(self.USER))

    def test_i4_a_refusal_without_challenge(self):
        self.fake("exchange-2026", accept=lambda user, secret: False)
        self.box()
        self.assert_refused()
        # With one new token at most, and not again at once.
        tried = self.imap.count("AUTHENTICATE") + self.imap.count("LOGIN")
        self.assertIn(tried, (1, 2))
        for _ in range(3):
            self.assert_refused()
        self.assertEqual(self.imap.count("AUTHENTICATE") + self.imap.count("LOGIN"), tried)

    def test_i5_the_failure_challenge_is_answered(self):
        # The servers say nothing more before it is.
        for personality, capabilities in (
            ("gmail", "IMAP4rev1 SASL-IR AUTH=XOAUTH2"),
            ("gmail", "IMAP4rev1 SASL-IR AUTH=OAUTHBEARER"),
            ("plain", "IMAP4rev1 AUTH=XOAUTH2"),
            ("plain", "IMAP4rev1 AUTH=OAUTHBEARER"),
        ):
            with self.subTest(personality, capabilities=capabilities):
                self.fake(personality, accept=lambda user, secret: False, capabilities=capabilities)
                self.box(token=True)
                self.assert_refused()

    def test_i6_never_connected_is_a_refused_login(self):
        self.fake("exchange", "not-connected")
        self.box(timeouts=self.DEADLINES | {"total": 60})
        self.assert_refused()
        self.assertLess(sum(self.imap.logins.values()), 6)

    def test_i6_connected_after_some_logins(self):
        self.fake()
        answers = iter([False, False])
        self.imap.opens = lambda: next(answers, True)
        self.box(timeouts=self.DEADLINES | {"total": 60})
        self.assert_all_is_read()

    def test_i6_not_connected_in_28_of_100(self):
        self.fake("exchange", "not-connected:0.28:11")
        self.box(timeouts=self.DEADLINES | {"total": 60})
        self.assert_all_is_read()
        for _ in range(3):
            self.mounted.remount()
            self.assertEqual(len(self.paths()), 10)

    def test_i7_server_unavailable_passes(self):
        # What has lost its tag is no answer: the connection is lost, and that may be seen.
        for action, seen in ((no("Server Unavailable. 15"), {None}), (bare("Server Unavailable."), {None, errno.EIO})):
            with self.subTest(seen):
                self.fake(messages=3)
                rule = self.imap.on("AUTHENTICATE", action, times=1)
                self.box(timeouts=self.DEADLINES | {"total": 60})
                self.assertIn(self.fails(), seen)
                self.wait_for(lambda: self.fails() is None, "the login")
                self.assert_all_is_read()
                self.assertEqual(rule.hits, 1)

    def fails(self):
        """The errno of looking into the mailbox."""
        try:
            os.listdir(self.mounted.path(self.USER))
        except OSError as error:
            return error.errno
        return None

    def test_i8_an_alias_is_refused_and_the_primary_address_is_not(self):
        self.fake("exchange", f"alias:{ALIAS}")
        box = self.box(ALIAS, timeouts=self.DEADLINES | {"total": 60})
        self.assert_errno(errno.EACCES, os.listdir, box.path(ALIAS))
        report = Report(box.command("check", "--json", "-c", box.config_file))
        self.assertEqual(report.of("login")["cause"], "not-connected")
        self.assertEqual(report.exit_code, LOGIN)
        self.assertIn("alias", report.of("login")["advice"])
        box.unmount()
        self.box()
        self.assert_all_is_read()

    def test_i9_fewer_connections_than_wanted_are_enough(self):
        for too_many in ("BYE", "unconnected"):
            with self.subTest(too_many):
                self.fake("exchange", "connection-limit:2", messages=60)
                if too_many == "unconnected":
                    self.imap.personality = self.with_too_many(too_many)
                self.box(imap={"connections": 6}, timeouts=self.DEADLINES | {"total": 60})
                self.assert_all_is_read()

    def with_too_many(self, text):
        return dataclasses.replace(self.imap.personality, too_many=text)

    def test_i9_no_session_lingers(self):
        # Time stands still: who leaves without LOGOUT is counted for ever.
        self.fake("exchange", "connection-limit:4", messages=30, clock=lambda: 1000.0)
        self.box()
        for _ in range(5):
            self.assert_all_is_read()
            self.mounted.remount()
        self.assertTrue(self.imap.has_room_for(self.USER))

    def test_i10_a_slow_login_is_no_failure(self):
        self.fake("exchange", "login-delay:4", messages=3)
        self.box(timeouts={"connect": 2, "login": 60, "stall": 30, "total": 100})
        self.assert_all_is_read()
        self.assertEqual(len(self.imap.logins), 1)

    def test_i11_a_refused_initial_response_is_sent_in_two_steps(self):
        for token in (False, True):
            with self.subTest(token=token):
                self.fake("exchange", "sasl-ir-refused", "plus-without-space", messages=3)
                self.box(token=token)
                self.assert_all_is_read()


if __name__ == "__main__":
    main()
