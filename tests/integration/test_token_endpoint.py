#!/usr/bin/env python3
"""What a token endpoint answers and is sent: T1 to T4, T7 and T11 of the checklist of its behaviours."""

import errno
import os
import threading
import unittest

from support import dovecot, jwt, process
from support.accounts import microsoft_account
from support.mount import oauth_account
from support.oauth_testcase import LOGIN, NETWORK, OK, OAuthTest
from support.testcase import main, read
from support.token_answers import aadsts, oauth_error
from support.token_endpoint import CLIENT_ID, SCOPE, TENANT

_MANY = [f"user{number:02}@example.org" for number in range(20)]
_GRAPH = "https://graph.microsoft.com"
# Cause: {error: AADSTS numbers}.
_PERMANENT = {
    "secret-wrong": {"invalid_client": [7000215]},
    "secret-expired": {"invalid_client": [7000222]},
    "app-not-in-tenant": {"unauthorized_client": [700016], "invalid_client": [700011]},
    "app-disabled": {"unauthorized_client": [7000112, 70001]},
    "tenant-unknown": {"invalid_request": [90002]},
    "wrong-cloud": {"invalid_request": [90038, 900382, 900432]},
    "resource-unknown": {"invalid_resource": [500011]},
    "no-subscription": {"unauthorized_client": [650052]},
    "permission-missing": {"invalid_client": [650056], "invalid_resource": [650057], "invalid_request": [65005]},
    "consent-missing": {"invalid_grant": [65001], "consent_required": [90094]},
    "scope-malformed": {"invalid_scope": [70011, 1002012]},
    "scope-several": {"invalid_scope": [28002, 700022]},
    "parameter-missing": {"invalid_request": [900144]},
    "secret-missing": {"invalid_client": [7000218]},
    "secret-unwanted": {"invalid_client": [700025]},
    "certificate-unregistered": {"invalid_client": [700027, 700030]},
    "assertion-rejected": {"invalid_client": [50012, 50013, 700024], "invalid_grant": [500133]},
    "federation-mismatch": {"invalid_client": [700211, 700212, 700213]},
    "federation-unsupported": {"invalid_client": [700229]},
    "conditional-access": {"invalid_grant": [53003, 530032], "interaction_required": [50131]},
    "security-defaults": {"invalid_grant": [530035]},
    "interaction-needed": {"interaction_required": [50074, 50076, 50079]},
    "login-revoked": {"invalid_grant": [50173]},
    "login-expired": {"invalid_grant": [700082, 70008, 70043]},
    "user-disabled": {"invalid_grant": [50057]},
    "user-unknown": {"invalid_grant": [50034]},
    "password-wrong": {"invalid_grant": [50126]},
    "tenant-needed": {"invalid_request": [50194, 9001023]},
    "code-unusable": {"invalid_grant": [54005, 501481]},
    "device-code-wrong": {"bad_verification_code": [70018]},
    "device-code-expired": {"expired_token": [70019]},
    "request-loop": {"invalid_grant": [50196]},
}
_TRANSIENT = [90055, 90006, 90012, 90024, 90033, 90090, 50033]
# Without a number: (status, error): cause.
_PLAIN = {
    (401, "invalid_client"): "client-refused",
    (400, "unauthorized_client"): "client-unauthorized",
    (400, "invalid_grant"): "grant-invalid",
    (400, "invalid_scope"): "scope-malformed",
    (400, "access_denied"): "access-denied",
}


@unittest.skipUnless(dovecot.available(), "there is no Dovecot")
class Answers(OAuthTest):
    def box(self, start=True, **auth):
        return self.mount(microsoft_account(self.dovecot, self.endpoint, self.users, **auth), start=start)

    def token_status(self, box):
        """What `status` says of the only token."""
        (status,) = box.status()["tokens"].values()
        return status

    # -- T1: what a token says of itself.

    def test_t1_a_normal_answer(self):
        box = self.box()
        (name,) = box.messages(self.users[0], "INBOX")
        self.assertEqual(read(box.path(self.users[0], "INBOX", name)), self.BODY)
        self.assertEqual(self.endpoint.requests, 1)
        report = self.check(box)
        self.assertEqual((report.exit_code, report.failed()), (OK, {}))
        self.assert_no_problems()
        oid = jwt.read(self.endpoint.tokens[-1])[1]["oid"]
        for identifier, word in {
            "token-audience": "https://outlook.office365.com",
            "token-roles": "IMAP.AccessAsApp",
            "token-app": CLIENT_ID,
            "token-tenant": TENANT,
            "token-object": oid,
            "token-lifetime": "",
        }.items():
            found = report.of(identifier)
            self.assertIn(found["verdict"], ("ok", "info"), found)
            self.assertIn(word, found["evidence"])

    def test_t1_claims_of_somebody_else(self):
        for identifier, claims in {
            "token-app": {"appid": "4f5a9f88-9999-9999-9999-bdca9a88c089"},
            "token-tenant": {"tid": "fb561382-9999-9999-9999-06ab992d36b7"},
        }.items():
            with self.subTest(identifier):
                self.endpoint.claims = claims
                found = self.check(self.box(start=False)).of(identifier)
                self.assertIn(found["verdict"], ("failed", "warning"), found)
                self.assertIn(*claims.values(), found["evidence"])

    # -- T2: how long it lives.

    def test_t2_expires_in_is_text_or_missing_or_a_day(self):
        for name, expires_in, lifetime, expected in [
            ("text", "3599", 7200, 3599),
            ("missing", None, 1800, 1800),
            ("a day", 86399, 86400, 86399),
            ("more than the token holds", 3599, 1800, 1800),
        ]:
            with self.subTest(name):
                # Without "expires_in" it is the token itself that tells.
                self.endpoint.lifetime = lifetime
                self.endpoint.expires_in = expires_in
                self.endpoint.requests = 0
                box = self.box()
                self.assert_listed(box)
                told = self.token_status(box)["expires_in_seconds"]
                self.assertTrue(expected - 120 < told <= expected + 5, told)  # It was issued five seconds ago.
                self.assertEqual(self.endpoint.requests, 1)

    def test_t2_a_token_of_no_time_at_all_is_used_and_makes_no_storm(self):
        self.endpoint.expires_in = 0
        box = self.box()
        for _ in range(10):
            self.assert_listed(box)
        # The login that finds it too old may ask for another.
        self.assertLessEqual(self.endpoint.requests, 2)

    def test_t2_tokens_of_ten_seconds_are_renewed(self):
        self.endpoint.lifetime = 10
        box = self.mount(oauth_account(self.dovecot, self.endpoint, self.users), refresh_interval=0.5)

        def renewed():
            self.assert_listed(box)
            # A fresh login proves that the token in use is still good.
            self.dovecot.end_sessions()
            return self.endpoint.requests >= 3

        process.wait_until(renewed, 90, "the second renewal")
        first, second, third = (request.moment for request in self.endpoint.token_requests()[:3])
        # In time, but not sooner than needed.
        for early, late in ((first, second), (second, third)):
            self.assertGreater(late - early, 5)

    # -- T3: what it is for.

    def claim_fails(self, identifier, *words):
        report = self.check(self.box(start=False))
        found = report.of(identifier)
        self.assertEqual((found["verdict"], report.exit_code), ("failed", LOGIN), found)
        for word in words:
            self.assertIn(word, found["evidence"] + found["advice"])

    def test_t3_no_roles(self):
        self.endpoint.roles = []
        self.claim_fails("token-roles", "IMAP.AccessAsApp", "Application", "admin consent")

    def test_t3_a_role_for_pop_only(self):
        self.endpoint.roles = ["POP.AccessAsApp"]
        self.claim_fails("token-roles", "IMAP.AccessAsApp", "POP.AccessAsApp")

    def test_t3_a_delegated_token(self):
        self.endpoint.roles, self.endpoint.claims = [], {"scp": "IMAP.AccessAsUser.All", "idtyp": "user"}
        self.claim_fails("token-roles", "person", "client-credentials")

    def test_t3_another_audience(self):
        self.endpoint.audience = _GRAPH
        self.claim_fails("token-audience", _GRAPH, SCOPE)

    # -- T4: refusals.

    def test_t4_refusals_are_eacces_and_say_what_to_do(self):
        hints = {7000215: "Value", 7000222: "expired", 700016: "client_id", 90002: "tenant", 65001: "consent"}
        hints |= {500011: "scope", 70011: "scope", 7000218: "client_secret", 700027: "certificate"}
        hints |= {50196: "", 53003: "Conditional Access"}
        for code, hint in hints.items():
            with self.subTest(code):
                self.endpoint.requests = 0
                self.endpoint.always = aadsts(code, "invalid_client", "Text of the endpoint.")
                box = self.box()
                self.assertEqual(self.fails(box), errno.EACCES)
                self.assertEqual(self.fails(box), errno.EACCES)
                self.assertEqual(self.endpoint.requests, 1, "a refusal is not asked for twice")
                done = box.command("check", "-c", box.config_file)
                self.assertEqual(done.returncode, LOGIN)
                self.assertIn(f"AADSTS{code}", done.stdout + done.stderr)
                self.assertIn(hint, done.stdout + done.stderr)
                box.unmount()

    def test_t4_every_refusal_has_its_cause(self):
        box = self.box(start=False)
        for cause, numbers in _PERMANENT.items():
            for error, codes in numbers.items():
                for code in codes:
                    with self.subTest(code):
                        self.endpoint.always = aadsts(code, error, "Text of the endpoint.", 400)
                        report = self.check(box)
                        self.assertEqual(report.failed(), {"token": cause})
                        self.assertEqual(report.exit_code, LOGIN)
                        found = report.of("token")
                        self.assertIn(str(code), found["evidence"])
                        self.assertTrue(found["advice"])

    def test_t4_support_gets_its_numbers(self):
        self.endpoint.always = aadsts(7000215)
        evidence = self.check(self.box(start=False)).of("token")["evidence"]
        for word in ("7f2b1c00-0000-4000-8000-00000000cafe", "00000000", "2026-11-22 10:00:00Z"):
            self.assertIn(word, evidence)

    def test_t4_what_passes_is_told_apart(self):
        box = self.box(start=False)
        for code in _TRANSIENT:
            with self.subTest(code):
                self.endpoint.always = aadsts(code, "temporarily_unavailable", "Text of the endpoint.", 400)
                report = self.check(box)
                self.assertEqual((report.failed(), report.exit_code), ({"token": "transient"}, NETWORK))

    def test_t4_refusals_without_a_number(self):
        box = self.box(start=False)
        for (status, error), cause in _PLAIN.items():
            with self.subTest(error):
                self.endpoint.always = oauth_error(error, "Text of the endpoint.", status)
                report = self.check(box)
                self.assertEqual((report.failed(), report.exit_code), ({"token": cause}, LOGIN))


@unittest.skipUnless(dovecot.available(), "there is no Dovecot")
class Requests(OAuthTest):
    def tearDown(self):
        self.assert_no_problems()

    # -- T7: what is sent.

    def test_t7_secrets_arrive_as_they_are(self):
        for secret in (
            "plus+plus",
            "amp&amp;secret=x",
            "equals==",
            "percent%41%2B%",
            "tilde~~",
            "blank  blank",
            "Grüße-日本",
            "quote\"'\\<>",
            "+&=%~+&=%~",
        ):
            with self.subTest(secret):
                self.endpoint.client.secret = secret
                box = self.mount(microsoft_account(self.dovecot, self.endpoint, self.users), start=False)
                account = box.config["accounts"]["test"]
                account["auth"]["client_secret"] = {"file": self.place(box, "secret", secret + "\n")}
                box.write_config()
                report = self.check(box)
                self.assertEqual(report.of("token")["verdict"], "ok")
                self.assert_no_problems()

    def test_t7_one_scope_and_nothing_in_the_address(self):
        box = self.mount(microsoft_account(self.dovecot, self.endpoint, self.users))
        self.assert_listed(box)
        (request,) = self.endpoint.token_requests()
        self.assertEqual((request.method, request.raw_query, request.form["scope"]), ("POST", "", SCOPE))
        self.assertEqual(set(request.form), {"grant_type", "client_id", "client_secret", "scope"})
        self.assertNotIn("authorization", request.headers)

    def assert_assertions(self, algorithm, **auth):
        box = self.mount(microsoft_account(self.dovecot, self.endpoint, self.users, client_secret=None), start=False)
        both = "".join(self.certificate(box))
        box.config["accounts"]["test"]["auth"] |= auth | {"certificate": self.place(box, "app.pem", both)}
        box.write_config()
        # What else it asks of them, the endpoint has checked.
        for _ in range(3):
            self.assertEqual(self.check(box).of("token")["verdict"], "ok")
        client = self.endpoint.client
        self.assertEqual((len(set(client.assertion_ids)), client.assertion_algorithms), (3, [algorithm] * 3))
        self.assertEqual({len(request.raw_query) for request in self.endpoint.token_requests()}, {0})
        for request in self.endpoint.token_requests():
            self.assertNotIn("client_secret", request.form)
            header, claims = jwt.read(request.form["client_assertion"])
            self.assertEqual((header["alg"], header["typ"]), (algorithm, "JWT"))
            self.assertLessEqual(claims["exp"] - claims["iat"], 600)

    def test_t7_assertions_with_ps256(self):
        self.assert_assertions("PS256")

    def test_t7_assertions_with_rs256(self):
        self.assert_assertions("RS256", assertion_algorithm="RS256")

    # -- T11: how often.

    def test_t11_one_request_for_many_mailboxes_that_start_at_once(self):
        for user in _MANY:
            self.dovecot.deliver(user, "INBOX", self.BODY)
        self.endpoint.delay = 0.5
        box = self.mount(oauth_account(self.dovecot, self.endpoint, _MANY))
        start, results = threading.Barrier(len(_MANY)), {}

        def look(user):
            start.wait(60)
            results[user] = os.listdir(box.path(user, "INBOX"))

        threads = [threading.Thread(target=look, args=(user,)) for user in _MANY]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual({user: len(names) for user, names in results.items()}, dict.fromkeys(_MANY, 1))
        self.assertEqual(self.endpoint.requests, 1)


if __name__ == "__main__":
    main()
