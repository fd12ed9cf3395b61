#!/usr/bin/env python3
"""`mailboxfs login`: device codes (T8 of the checklist), and authorization codes at a browser."""

import errno
import http.client
import re
import signal
import stat
import unittest
import urllib.parse
from pathlib import Path

from support import dovecot, process
from support.accounts import grant_account, login_file, stored_refresh_token
from support.login import Login, browse, query_of, redirect_of
from support.oauth_testcase import CONFIG, LOGIN, NETWORK, OK, OAuthTest
from support.testcase import main
from support.token_answers import aadsts, unavailable
from support.token_endpoint import CLIENT_ID, CLIENT_SECRET

_LOOPBACKS = {"0100007F", "00000000000000000000000001000000"}


class LoginTest(OAuthTest):
    def setUp(self):
        super().setUp()
        self.endpoint.client.public = True

    def box(self, method, start=False, **auth):
        return self.mount(grant_account(self.dovecot, self.endpoint, self.users, method, **auth), start=start)

    def assert_logged_in(self, box, login):
        """It ended well, said where the login is, and that is all a mount needs."""
        self.assertEqual(login.finish(), OK, login.shown)
        path = login_file(box)
        self.assertIn(str(path), login.shown)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        (granted,) = self.endpoint.refresh.logins
        self.assertEqual(stored_refresh_token(box), granted.newest)
        self.assert_no_problems()
        for secret in self.endpoint.secrets():
            self.assertNotIn(secret, login.shown)
        box.start()
        self.assert_listed(box)
        self.assertEqual(self.check(box).exit_code, OK)
        self.assert_no_problems()

    def assert_failed(self, box, login, code, *words):
        self.assertEqual(login.finish(), code, login.shown)
        for word in words:
            self.assertIn(word, login.shown)
        self.assertFalse(login_file(box).exists())


@unittest.skipUnless(dovecot.available(), "there is no Dovecot")
class DeviceCode(LoginTest):
    def code_of(self, login):
        """The code, once it and the address are shown."""
        process.wait_until(lambda: self.endpoint.devices.devices or login.process.poll() is not None, what="a request")
        code = self.endpoint.devices.devices[-1].user_code
        login.wait_for(rf"\b{code}\b")
        login.wait_for(re.escape(self.endpoint.person_url))
        return code

    def approve(self, login):
        status, text = browse(f"{self.endpoint.person_url}?user_code={self.code_of(login)}")
        self.assertEqual(status, 200, text)

    def test_t8_pending_then_approved(self):
        box = self.box("device-code")
        with Login(box) as login:
            self.code_of(login)
            process.wait_until(lambda: self.endpoint.devices.devices[-1].polls >= 2, what="the second question")
            self.approve(login)
            self.assert_logged_in(box, login)

    def test_t8_slow_down_is_obeyed(self):
        self.endpoint.devices.script += ["pending", "slow_down"]
        box = self.box("device-code")
        with Login(box) as login:
            self.approve(login)
            # Otherwise the endpoint has noted a problem.
            self.assert_logged_in(box, login)
        (device,) = self.endpoint.devices.devices
        self.assertEqual((device.polls, device.interval), (3, 6))

    def test_t8_declined(self):
        box = self.box("device-code")
        with Login(box) as login:
            self.code_of(login)
            self.assertTrue(self.endpoint.decline())
            self.assert_failed(box, login, LOGIN)
        self.assert_no_problems()

    def test_t8_expired_at_the_server(self):
        box = self.box("device-code")
        with Login(box) as login:
            self.code_of(login)
            self.endpoint.devices.expire()
            self.assert_failed(box, login, LOGIN, "expired")
        self.assert_no_problems()

    def test_t8_expired_by_our_clock(self):
        self.endpoint.devices.lifetime = 3
        box = self.box("device-code")
        with Login(box) as login:
            self.code_of(login)
            self.assert_failed(box, login, LOGIN, "in time")

    def test_a_server_that_fails_meanwhile(self):
        self.endpoint.faults += [unavailable(), unavailable()]
        box = self.box("device-code")
        with Login(box) as login:
            self.approve(login)
            self.assert_logged_in(box, login)

    def test_conditional_access_may_forbid_it(self):
        self.endpoint.other_faults["devicecode"].append(aadsts(53003, "access_denied", "Blocked by policy.", 400))
        box = self.box("device-code")
        with Login(box) as login:
            self.assert_failed(box, login, LOGIN, "AADSTS53003")

    def test_without_offline_access_nothing_could_be_kept(self):
        box = self.box("device-code", scope=self.endpoint.user_scope.removesuffix(" offline_access"))
        self.endpoint.devices.approves_at_once = True
        with Login(box) as login:
            self.assert_failed(box, login, LOGIN, "offline_access")

    def test_ctrl_c_ends_it_and_nothing_is_kept(self):
        box = self.box("device-code")
        with Login(box) as login:
            self.code_of(login)
            login.process.send_signal(signal.SIGINT)
            self.assertNotEqual(login.finish(), OK)
            self.assertFalse(login_file(box).exists())

    def test_a_second_login_takes_the_place_of_the_first(self):
        self.endpoint.devices.approves_at_once = True
        box = self.box("device-code")
        for _ in range(2):
            with Login(box) as login:
                self.assertEqual(login.finish(), OK, login.shown)
        self.assertEqual(stored_refresh_token(box), self.endpoint.refresh.logins[-1].newest)
        box.start()
        self.assert_listed(box)
        self.assert_no_problems()

    def test_before_the_login_everything_says_to_log_in(self):
        box = self.box("device-code", start=True)
        self.assertEqual(self.fails(box), errno.EACCES)
        self.assertIn("mailboxfs login", box.log())
        report = self.check(box)
        self.assertEqual(report.exit_code, LOGIN)
        found = report.of("token")
        self.assertEqual((found["cause"], self.endpoint.received), ("login-needed", []))
        self.assertRegex(found.get("advice", ""), "mailboxfs login -c .* '?test'?", found)

    def test_a_mount_uses_a_login_that_is_made_while_it_runs(self):
        users = [f"user{number:03}@example.org" for number in range(1000)]
        box = self.mount(grant_account(self.dovecot, self.endpoint, users, "device-code"))
        more = iter(users)
        self.assertEqual(self.fails(box, next(more)), errno.EACCES)
        self.endpoint.devices.approves_at_once = True
        with Login(box) as login:
            self.assertEqual(login.finish(), OK, login.shown)
        process.wait_until(lambda: self.fails(box, next(more)) is None, 60, "the use of the login")
        self.assert_no_problems()

    def test_a_login_that_was_ended_has_to_be_made_again(self):
        self.endpoint.devices.approves_at_once = True
        box = self.box("device-code")
        with Login(box) as login:
            self.assertEqual(login.finish(), OK, login.shown)
        self.endpoint.refresh.revoke()
        box.start()
        self.assertEqual(self.fails(box), errno.EACCES)
        self.assertIn("run: mailboxfs login -c ", box.log())
        report = self.check(box)
        self.assertEqual((report.failed(), report.exit_code), ({"token": "login-revoked"}, LOGIN), report.text)
        self.assertRegex(report.of("token")["advice"], "mailboxfs login -c .* '?test'?")
        self.assert_no_problems()

    def test_with_a_client_secret(self):
        self.endpoint.client.public = False
        self.endpoint.devices.approves_at_once = True
        box = self.box("device-code")
        with Login(box) as login:
            self.assert_logged_in(box, login)

    def test_nobody_there(self):
        box = self.box("device-code")
        self.endpoint.stop()
        with Login(box) as login:
            self.assert_failed(box, login, NETWORK)

    def test_accounts_that_need_no_login(self):
        box = self.mount(grant_account(self.dovecot, self.endpoint, self.users, "managed-identity"), start=False)
        for account, word in {"test": "managed-identity", "nobody": "test"}.items():
            with self.subTest(account), Login(box, account=account) as login:
                self.assertEqual(login.finish(), CONFIG, login.shown)
                self.assertIn(word, login.shown)


@unittest.skipUnless(dovecot.available(), "there is no Dovecot")
class AuthorizationCode(LoginTest):
    def address_of(self, login):
        return login.address(self.endpoint.authorize_url)

    def test_a_browser(self):
        box = self.box("authorization-code")
        with Login(box) as login:
            address = self.address_of(login)
            query = query_of(address)
            self.assertEqual((query["client_id"], query["code_challenge_method"]), (CLIENT_ID, "S256"))
            self.assertEqual(query["scope"], self.endpoint.user_scope)
            self.assertRegex(query["redirect_uri"], r"\Ahttp://localhost:\d+/\Z")
            self.assertTrue({"client_secret", "code_verifier"}.isdisjoint(query))
            status, text = browse(address)
            self.assertEqual(status, 200, text)
            self.assert_logged_in(box, login)

    def test_each_login_has_its_own_state_and_challenge(self):
        box = self.box("authorization-code")
        seen = []
        for _ in range(2):
            with Login(box) as login:
                query = query_of(self.address_of(login))
                seen.append((query["state"], query["code_challenge"]))
        self.assertTrue(set(seen[0]).isdisjoint(seen[1]))

    def test_a_client_with_a_secret(self):
        self.endpoint.client.public = False
        box = self.box("authorization-code")
        with Login(box) as login:
            address = self.address_of(login)
            self.assertNotIn(urllib.parse.quote(CLIENT_SECRET, safe=""), address)
            browse(address)
            self.assert_logged_in(box, login)

    def test_the_issuer_tells_the_endpoints(self):
        for issuer in (self.endpoint.issuer, self.endpoint.base_url):
            with self.subTest(issuer):
                self.endpoint.refresh.logins.clear()
                box = self.box("authorization-code", token_endpoint=None, authorization_endpoint=None, issuer=issuer)
                with Login(box) as login:
                    browse(login.address(self.endpoint.base_url))
                    self.assert_logged_in(box, login)

    def test_a_port_that_is_configured(self):
        port = process.free_port()
        box = self.box("authorization-code", redirect_port=port)
        with Login(box) as login:
            address = self.address_of(login)
            self.assertEqual(query_of(address)["redirect_uri"], f"http://localhost:{port}/")
            browse(address)
            self.assert_logged_in(box, login)

    def test_it_listens_to_this_machine_only(self):
        box = self.box("authorization-code")
        with Login(box) as login:
            port = urllib.parse.urlsplit(query_of(self.address_of(login))["redirect_uri"]).port
            listening = set()
            for table in ("tcp", "tcp6"):
                for line in Path("/proc/net", table).read_text(encoding="ascii").splitlines()[1:]:
                    local, state = line.split()[1], line.split()[3]
                    if state == "0A" and int(local.rpartition(":")[2], 16) == port:
                        listening.add(local.rpartition(":")[0])
            self.assertTrue(listening)
            self.assertLessEqual(listening, _LOOPBACKS)

    def test_the_person_does_not_agree(self):
        self.endpoint.codes.error = "access_denied"
        box = self.box("authorization-code")
        with Login(box) as login:
            browse(self.address_of(login))
            self.assert_failed(box, login, LOGIN, "access_denied")
        self.assertEqual(self.endpoint.requests, 0)

    def test_an_answer_with_another_state_is_none(self):
        self.endpoint.codes.changes = {"state": "of-a-login-of-somebody-else"}
        box = self.box("authorization-code")
        with Login(box) as login:
            address = self.address_of(login)
            status, _ = browse(address)
            self.assertGreaterEqual(status, 400)
            self.assertEqual(self.endpoint.requests, 0)
            # Nor does it end the login: anybody's page could do that.
            self.endpoint.codes.changes = {}
            self.assertEqual(browse(address)[0], 200)
            self.assert_logged_in(box, login)

    def test_what_else_comes_to_the_port_disturbs_nothing(self):
        box = self.box("authorization-code")
        with Login(box) as login:
            address = self.address_of(login)
            target = redirect_of(address)
            port = urllib.parse.urlsplit(target).port
            for method, path in [
                ("GET", "/favicon.ico"),
                ("POST", "/"),
                ("GET", "/?code=x"),
                ("GET", "/" + "x" * 100_000),
            ]:
                connection = http.client.HTTPConnection("localhost", port, timeout=20)
                try:
                    connection.request(method, path)
                    self.assertGreaterEqual(connection.getresponse().status, 400)
                except (OSError, http.client.HTTPException):
                    pass  # It may hang up on such a guest.
                finally:
                    connection.close()
            self.assertEqual(self.endpoint.requests, 0)
            self.assertEqual(browse(target)[0], 200)
            self.assert_logged_in(box, login)


if __name__ == "__main__":
    main()
