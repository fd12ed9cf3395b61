#!/usr/bin/env python3
"""A token endpoint on bad days: T5, T6 and T9 of the checklist of its behaviours."""

import re
import unittest

from support import dovecot, process
from support.accounts import microsoft_account
from support.certs import Authority
from support.mount import oauth_account
from support.oauth_testcase import LOGIN, NETWORK, OAuthTest
from support.testcase import main
from support.token_answers import (
    Fault,
    cut_off,
    dropped,
    empty,
    error_in_200,
    html,
    http_date,
    late,
    redirect,
    reset,
    too_many_requests,
    truncated,
    unavailable,
)
from support.token_endpoint import TokenEndpoint

_JSON_503 = Fault(503, '{"error":"temporarily_unavailable"}')


@unittest.skipUnless(dovecot.available(), "there is no Dovecot")
class BadDays(OAuthTest):
    def tearDown(self):
        self.assert_no_problems()

    def box(self, start=True, timeouts=None, **auth):
        account = microsoft_account(self.dovecot, self.endpoint, self.users, **auth)
        return self.mount(account, start=start, timeouts=timeouts)

    def assert_recovers(self, box, within=30):
        process.wait_until(lambda: self.fails(box) is None, within, "the token")
        self.assert_listed(box)

    def assert_pause(self, at_least, at_most):
        """Mailbox after mailbox asks for the token; so it is not a mailbox's own patience that is seen."""
        users = [f"user{number:03}@example.org" for number in range(1000)]
        box = self.mount(oauth_account(self.dovecot, self.endpoint, users))
        more = iter(users)
        process.wait_until(lambda: self.fails(box, next(more)) is None, 30, "the token")
        (pause,) = self.pauses()
        self.assertTrue(at_least <= pause <= at_most, pause)

    def pauses(self):
        """Seconds between one token request and the next."""
        moments = [request.moment for request in self.endpoint.token_requests()]
        return [late - early for early, late in zip(moments, moments[1:])]

    def assert_cause(self, box, cause, exit_code=NETWORK, check="token"):
        report = self.check(box)
        self.assertEqual((report.failed(), report.exit_code), ({check: cause}, exit_code), report.text)
        return report.of(check)

    # -- T5: 429.

    def test_t5_a_pause_in_seconds_is_kept(self):
        self.endpoint.faults.append(too_many_requests("3"))
        self.assert_pause(3, 8)

    def test_t5_a_pause_until_a_date_is_kept(self):
        # The date has no fractions of a second.
        self.endpoint.faults.append(Fault(make=lambda _: too_many_requests(http_date(4))))
        self.assert_pause(2, 9)

    def test_t5_a_date_is_read_by_the_servers_clock(self):
        self.endpoint.date_skew = 3600
        self.endpoint.faults.append(Fault(make=lambda _: too_many_requests(http_date(3600 + 4))))
        self.assert_pause(2, 9)

    def test_t5_without_a_pause_a_minute_is_kept(self):
        self.endpoint.always = too_many_requests(None)
        box = self.box()
        for _ in range(20):
            self.assertIsNotNone(self.fails(box))
        self.assertEqual(self.endpoint.requests, 1)
        (status,) = box.status()["tokens"].values()
        self.assertRegex(status["error"], r"\b60 s\b")

    def test_t5_check_says_throttled_and_for_how_long(self):
        box = self.box(start=False)
        for name, fault in {
            "seconds": too_many_requests("60"),
            "date": too_many_requests(http_date(60)),
            "none": too_many_requests(None),
        }.items():
            with self.subTest(name):
                self.endpoint.always = fault
                found = self.assert_cause(box, "throttled")
                self.assertRegex(found["evidence"], r"\b(5\d|60) s\b")

    # -- T6: everything else.

    def test_t6_what_passes_is_asked_for_again(self):
        for name, fault in {
            "500 HTML": html(500),
            "502 HTML": html(502),
            "503 text": unavailable(),
            "503 JSON": _JSON_503,
            "504 HTML": html(504),
            "empty": empty(),
            "truncated": truncated(),
            "cut off": cut_off(),
            "dropped": dropped(),
            "reset": reset(),
        }.items():
            with self.subTest(name):
                self.endpoint.faults[:] = [fault]
                self.endpoint.requests = 0
                box = self.box()
                self.assert_recovers(box)
                self.assertEqual(self.endpoint.requests, 2)
                box.unmount()

    def test_t6_check_says_what_kind_it_is(self):
        box = self.box(start=False)
        for name, (fault, cause) in {
            "500 HTML": (html(500), "server-trouble"),
            "502 HTML": (html(502), "server-trouble"),
            "503 text": (unavailable(), "server-trouble"),
            "504 empty": (empty(504), "server-trouble"),
            "404 HTML": (html(404), "not-found"),
            "302": (redirect(), "redirected"),
            "200 HTML": (html(200), "unexpected-answer"),
            "200 empty": (empty(), "unexpected-answer"),
            "200 truncated": (truncated(), "unexpected-answer"),
            "cut off": (cut_off(), "connection"),
            "dropped": (dropped(), "connection"),
            "reset": (reset(), "connection"),
        }.items():
            with self.subTest(name):
                self.endpoint.always = fault
                found = self.assert_cause(box, cause)
                self.assertNotIn("eyJ", found["evidence"], "part of a token")
                self.assertNotIn("<", found["evidence"], "part of a page")

    def test_t6_an_error_is_one_under_whatever_status(self):
        self.endpoint.always = error_in_200()
        self.assert_cause(self.box(start=False), "client-refused", LOGIN)

    def test_t6_redirects_are_not_followed(self):
        other = TokenEndpoint(self.key)
        self.addCleanup(other.stop)
        for status in (301, 302, 303, 307, 308):
            self.endpoint.always = redirect(other.url, status)
            self.assert_cause(self.box(start=False), "redirected")
        self.assertEqual(other.received, [])

    def test_t6_nobody_there(self):
        box = self.box(start=False)
        self.endpoint.stop()
        self.assert_cause(box, "connection", check="authority-connection")

    def test_t6_a_name_that_does_not_exist(self):
        # RFC 6761: nobody has it, and asking tells nobody anything.
        self.assert_cause(
            self.box(start=False, token_endpoint="https://login.invalid/token"), "dns", check="authority-dns"
        )

    def test_t6_slow_is_not_wrong(self):
        self.endpoint.faults.append(late(4))
        self.assert_recovers(self.box())
        self.assertEqual(self.endpoint.requests, 1)

    def test_t6_too_slow_ends_at_the_deadline(self):
        self.endpoint.delay = 20
        self.assert_cause(self.box(start=False, timeouts={"login": 2}), "timeout")

    def test_t6_tls(self):
        box = self.mount(start=False, accounts={})
        authority, stranger = (Authority(box.directory / name) for name in ("tls", "stranger"))
        self.endpoint.stop()
        self.endpoint = TokenEndpoint(self.key, authority=authority)
        self.addCleanup(self.endpoint.stop)
        with self.subTest("a handshake that breaks, once"):
            self.endpoint.broken_handshakes = 1
            self.assert_recovers(self.box(ca_file=str(authority.ca)))
        with self.subTest("a handshake that always breaks"):
            self.endpoint.broken_handshakes = 1000
            self.assert_cause(self.box(start=False, ca_file=str(authority.ca)), "tls", check="authority-tls")
            self.endpoint.broken_handshakes = 0
        with self.subTest("a certificate of nobody we know"):
            before = self.endpoint.requests
            self.assert_cause(self.box(start=False, ca_file=str(stranger.ca)), "tls", check="authority-tls")
            self.assert_cause(self.box(start=False), "tls", check="authority-tls")
            self.assertEqual(self.endpoint.requests, before, "a secret went to somebody unknown")

    # -- T9: clocks.

    def clock(self, skew, **auth):
        self.endpoint.date_skew = skew
        report = self.check(self.box(start=False, **auth))
        return report.of("clock")

    def test_t9_a_clock_that_is_right(self):
        self.assertEqual(self.clock(0)["verdict"], "ok")

    def test_t9_a_clock_that_is_wrong_and_by_how_much(self):
        for skew, direction in ((600, "behind|slow"), (-600, "ahead|fast")):
            with self.subTest(skew):
                found = self.clock(skew)
                self.assertIn(found["verdict"], ("warning", "failed"))
                self.assertRegex(found["evidence"], r"\b(59\d|60\d) s|\b10 min", found)
                self.assertTrue(re.search(direction, found["evidence"]), found)
                self.assertTrue(found["advice"])

    def test_t9_an_assertion_outside_of_its_time_is_the_clocks_fault(self):
        self.endpoint.date_skew = 600
        box = self.box(start=False, client_secret=None)
        both = "".join(self.certificate(box))
        box.config["accounts"]["test"]["auth"]["certificate"] = self.place(box, "app.pem", both)
        box.write_config()
        report = self.check(box)
        self.assertEqual((report.failed(), report.exit_code), ({"clock": "clock-skew"}, LOGIN), report.text)
        # Where only the token endpoint tells the time, it has refused by then.
        box.config["accounts"]["test"]["provider"] = "custom"
        del box.config["accounts"]["test"]["auth"]["tenant"]
        box.config["accounts"]["test"]["auth"]["token_endpoint"] = self.endpoint.url
        box.write_config()
        report = self.check(box)
        expected = {"clock": "clock-skew", "token": "assertion-rejected"}
        self.assertEqual((report.failed(), report.exit_code), (expected, LOGIN), report.text)
        # The endpoint blames who sends such a thing; this time that is what is wanted.
        self.assertEqual(len(self.endpoint.problems), 1)
        self.endpoint.problems.clear()


if __name__ == "__main__":
    main()
