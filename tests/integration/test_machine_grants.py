#!/usr/bin/env python3
"""Tokens without a person and without a client secret: managed identities (T10 of the checklist), Google's service
accounts, programs; and endpoints that are found out or of an older kind."""

import errno
import json
import unittest

from support import dovecot, jwt, process
from support.accounts import grant_account, microsoft_account, token_command
from support.imap_script_server import ImapScriptServer
from support.oauth_testcase import CONFIG, LOGIN, NETWORK, OK, OAuthTest
from support.testcase import main, read
from support.token_answers import Fault, html, imds, too_many_requests
from support.token_endpoint import SCOPE

_PEOPLE = ["ada@example.org", "grace@example.org", "o-neil.x@example.org"]


class GrantTest(OAuthTest):
    method = None

    def box(self, users=None, start=True, **auth):
        return self.mount(
            grant_account(self.dovecot, self.endpoint, users or self.users, self.method, **auth), start=start
        )

    def many(self):
        """Enough mailboxes that one after the other can be asked, each without a past."""
        return [f"user{number:03}@example.org" for number in range(1000)]

    def assert_some_mailbox_opens(self, box, users):
        more = iter(users)
        process.wait_until(lambda: self.fails(box, next(more)) is None, 60, "the token")


@unittest.skipUnless(dovecot.available(), "there is no Dovecot")
class ManagedIdentity(GrantTest):
    method = "managed-identity"

    def test_t10_the_machines_own(self):
        box = self.box()
        self.assert_listed(box)
        self.assertEqual(self.endpoint.identities.asked_for, [None])
        (status,) = box.status()["tokens"].values()
        self.assertTrue(3400 < status["expires_in_seconds"] <= 3600, "a number in a string")
        self.assertEqual(self.check(box).exit_code, OK)
        self.assert_no_problems()

    def test_t10_one_of_several(self):
        for key, parameter in {"client_id": "client_id", "object_id": "object_id", "resource_id": "msi_res_id"}.items():
            with self.subTest(key):
                self.endpoint.identities.asked_for.clear()
                value = self.endpoint.identities.identities[parameter]
                box = self.box(**{key: value})
                self.assert_listed(box)
                self.assertEqual(self.endpoint.identities.asked_for, [(parameter, value)])
                box.unmount()
        self.assert_no_problems()

    def test_t10_what_passes_is_asked_for_again(self):
        for name, fault in {
            "404": imds(404),
            "410": imds(410, "updating"),
            "429": too_many_requests("1"),
            "500": imds(500),
            "503": html(503),
        }.items():
            with self.subTest(name):
                self.endpoint.faults[:] = [fault]
                self.endpoint.requests = 0
                users = self.many()
                box = self.box(users)
                self.assert_some_mailbox_opens(box, users)
                self.assertEqual(self.endpoint.requests, 2)
                box.unmount()

    def test_t10_what_does_not_pass_is_not(self):
        box = self.box(client_id="6b6f6c1a-9999-9999-9999-0d2f51f3a001")
        for _ in range(5):
            self.assertIsNotNone(self.fails(box))
        self.assertEqual(self.endpoint.requests, 1)
        report = self.check(box)
        self.assertEqual(report.exit_code, LOGIN, report.text)
        self.assertIn("Identity not found", report.of("token")["evidence"])

    def test_t10_no_proxy_is_asked(self):
        """The environment names one that is not there."""
        nowhere = f"http://127.0.0.1:{process.free_port()}"
        box = self.box(start=False)
        box.start(env={"http_proxy": nowhere, "HTTP_PROXY": nowhere, "ALL_PROXY": nowhere, "all_proxy": nowhere})
        self.assert_listed(box)
        self.assert_no_problems()


@unittest.skipUnless(dovecot.available(), "there is no Dovecot")
class ServiceAccount(GrantTest):
    method = "service-account"
    users = _PEOPLE

    @classmethod
    def dovecot_options(cls):
        return {"personal": True}

    def box(self, users=None, start=True, key=None, **auth):
        box = super().box(users, start=False, **auth)
        path = self.place(box, "key.json", key or self.endpoint.accounts.add(self.endpoint.plain_url))
        box.config["accounts"]["test"]["auth"]["service_account_key"] = {"file": path}
        box.write_config()
        return box.start() if start else box

    def test_each_mailbox_has_a_token_of_its_own(self):
        box = self.box()
        for user in _PEOPLE:
            self.assert_listed(box, user)
            self.assert_listed(box, user)
        self.assertEqual(sorted(self.endpoint.accounts.subjects), sorted(_PEOPLE))
        self.assertEqual(self.check(box).exit_code, OK)
        self.assert_no_problems()

    def test_the_key_file_names_the_endpoint(self):
        box = self.box(token_endpoint=None)
        self.assert_listed(box, _PEOPLE[0])
        self.assert_no_problems()

    def test_an_endpoint_that_is_configured_is_the_audience_too(self):
        # What the file says is another address, which would refuse the assertion.
        box = self.box(key=self.endpoint.accounts.add("https://oauth2.example.org/token"))
        self.assert_listed(box, _PEOPLE[0])
        self.assert_no_problems()

    def test_a_mailbox_that_was_not_delegated_costs_the_others_nothing(self):
        self.endpoint.accounts.delegates = _PEOPLE[1:]
        box = self.box()
        self.assertEqual(self.fails(box, _PEOPLE[0]), errno.EACCES)
        for user in _PEOPLE[1:]:
            self.assert_listed(box, user)
        report = self.check(box)
        self.assertEqual(report.exit_code, LOGIN, report.text)
        failures = [check for check in report.all_of("token") if check["verdict"] == "failed"]
        self.assertEqual([check["subject"] for check in failures], [f"test/{_PEOPLE[0]}"], report.text)
        (failed,) = failures
        self.assertEqual(failed.get("cause"), "client-unauthorized")
        # What the administrator of the domain has to enter.
        for word in ("100000000000000000001", "https://mail.google.com/", "delegation"):
            self.assertIn(word, failed["advice"])
        self.assert_no_problems()

    def test_a_clock_that_is_wrong(self):
        self.endpoint.date_skew = 7200
        report = self.check(self.box(users=_PEOPLE[:1], start=False))
        self.assertEqual(report.exit_code, LOGIN, report.text)
        self.assertIn(report.of("clock")["verdict"], ("warning", "failed"))

    def test_keys_that_are_none(self):
        good = json.loads(self.endpoint.accounts.add(self.endpoint.plain_url))
        for name, key in {
            "text": "not JSON",
            "another file": json.dumps({"installed": {"client_id": "x"}}),
            "no key": json.dumps({name: value for name, value in good.items() if name != "private_key"}),
            "broken key": json.dumps(
                good | {"private_key": "-----BEGIN PRIVATE KEY-----\nMIIx\n-----END PRIVATE KEY-----\n"}
            ),
        }.items():
            with self.subTest(name):
                box = self.box(start=False, key=key)
                done = box.command("check", "-c", box.config_file)
                self.assertEqual(done.returncode, CONFIG, done.stdout + done.stderr)
                self.assertIn("service_account_key", done.stdout + done.stderr)
                self.assertNotIn("MII", done.stdout + done.stderr)
        self.assertEqual(self.endpoint.requests, 0)

    def test_a_key_that_others_can_read(self):
        box = self.box(start=False)
        (box.directory / "key.json").chmod(0o644)
        done = box.command("check", "-c", box.config_file)
        self.assertEqual(done.returncode, CONFIG, done.stdout)
        self.assertIn("chmod 600", done.stdout)


@unittest.skipUnless(dovecot.available(), "there is no Dovecot")
class TokenCommand(GrantTest):
    method = "token-command"
    users = _PEOPLE

    @classmethod
    def dovecot_options(cls):
        return {"personal": True}

    def box(self, script, *words, users=None, start=True):
        """The script finds a token for each mailbox in a file of the mailbox's name, and notes how it was called."""
        box = super().box(users, start=False, command="to be replaced")
        for user in self.users:
            self.place(box, f"token of {user}", self.endpoint.issue(upn=user))
        begin = f"import sys, os, json, time\nos.chdir({str(box.directory)!r})\n"
        begin += "print(sys.argv[1:], file=open('calls', 'a'))\n"
        box.config["accounts"]["test"]["auth"]["command"] = [*token_command(box.directory, begin + script), *words]
        box.write_config()
        return box.start() if start else box

    def calls(self, box):
        return read(box.directory / "calls").decode().splitlines()

    def test_a_token_alone_for_each_mailbox(self):
        box = self.box("print(open('token of ' + sys.argv[2]).read())", "--show", "{mailbox}")
        self.assert_listed(box)
        self.assertEqual(set(self.calls(box)), {str(["--show", user]) for user in _PEOPLE})
        self.assertEqual(self.check(box).exit_code, OK)

    def test_one_command_for_all_is_run_once(self):
        box = self.box(
            "print(json.dumps({'access_token': open('token of ada@example.org').read(), 'expires_in': 3600}))"
        )
        self.assert_listed(box, _PEOPLE[0])
        self.dovecot.end_sessions()
        self.assert_listed(box, _PEOPLE[0])
        self.assertEqual(self.calls(box), ["[]"])

    def test_json_with_the_time_it_lives(self):
        script = "print(json.dumps({'access_token': open('token of ' + sys.argv[1]).read(), 'expires_in': '1800'}))"
        box = self.box(script, "{mailbox}", users=_PEOPLE[:1])
        self.assert_listed(box, _PEOPLE[0])
        (status,) = box.status()["tokens"].values()
        self.assertTrue(1700 < status["expires_in_seconds"] <= 1800, status)

    def test_a_token_that_has_expired_is_asked_for_again(self):
        box = self.box("print(open('token of ' + sys.argv[1]).read())", "{mailbox}", users=_PEOPLE[:1], start=False)
        self.place(box, f"token of {_PEOPLE[0]}", self.endpoint.issue(lifetime=6, upn=_PEOPLE[0]))
        box.config["refresh_interval"] = 0.2
        box.write_config()
        box.start()

        def asked_again():
            self.dovecot.end_sessions()
            self.fails(box)
            return len(self.calls(box)) > 1

        self.assert_listed(box, _PEOPLE[0])
        self.place(box, f"token of {_PEOPLE[0]}", self.endpoint.issue(upn=_PEOPLE[0]))
        process.wait_until(asked_again, 90, "the second call")
        process.wait_until(lambda: self.fails(box) is None, 60, "a login with the new token")

    def test_a_command_that_fails_says_so(self):
        box = self.box("sys.exit(41)", users=_PEOPLE[:1], start=False)
        report = self.check(box)
        self.assertNotEqual(report.exit_code, OK)
        self.assertIn("41", report.of("token")["evidence"])

    def test_a_command_that_hangs_ends_at_the_deadline(self):
        box = self.box("time.sleep(1000)", users=_PEOPLE[:1], start=False)
        box.config["timeouts"]["login"] = 2
        box.write_config()
        report = self.check(box)
        self.assertEqual((report.exit_code, report.failed()), (NETWORK, {"token": "command-timeout"}), report.text)


class HostileTokens(GrantTest):
    """What would become part of the login, and must not."""

    method = "token-command"

    @classmethod
    def setUpClass(cls):
        cls.key = jwt.SigningKey()

    def test_tokens_with_control_characters_are_not_used(self):
        imap = self.server(ImapScriptServer())
        imap.mailbox(self.users[0]).inbox.fill(1)
        for name, token in {
            "^A": "abc\1auth=Bearer def",
            "CR": "abc\rdef",
            "LF in the middle": "abc\ndef",
            "blank": "abc def",
            "nothing": "",
            "8 bit": "abc\u00e4",
        }.items():
            with self.subTest(name):
                box = self.mount(grant_account(imap, self.endpoint, self.users, self.method, command="x"), start=False)
                box.config["accounts"]["test"]["auth"]["command"] = token_command(box.directory, f"print({token!r})")
                box.write_config()
                report = self.check(box)
                self.assertNotEqual(report.exit_code, OK)
                self.assertIn("token", report.failed())
        self.assertEqual((imap.logins, imap.count("AUTHENTICATE")), ({}, 0))

    def test_answers_with_control_characters_are_not_used(self):
        imap = self.server(ImapScriptServer())
        imap.mailbox(self.users[0]).inbox.fill(1)
        self.endpoint.always = Fault(200, json.dumps({"access_token": "abc\1def\r\n", "expires_in": 3600}))
        account = grant_account(imap, self.endpoint, self.users, "client-credentials")
        report = self.check(self.mount(account, start=False))
        self.assertEqual(report.failed(), {"token": "unexpected-answer"})
        self.assertEqual(imap.count("AUTHENTICATE"), 0)


@unittest.skipUnless(dovecot.available(), "there is no Dovecot")
class Endpoints(GrantTest):
    method = "client-credentials"

    def test_the_older_endpoint_wants_a_resource(self):
        box = self.box(token_endpoint=self.endpoint.v1_url, scope=None, resource=self.endpoint.resource)
        self.assert_listed(box)
        (request,) = self.endpoint.token_requests()
        self.assertNotIn("scope", request.form)
        self.assert_no_problems()

    def test_the_issuer_tells_where_the_token_endpoint_is(self):
        for issuer in (self.endpoint.issuer, self.endpoint.base_url, self.endpoint.base_url + "/"):
            with self.subTest(issuer):
                self.endpoint.received.clear()
                box = self.box(token_endpoint=None, issuer=issuer)
                self.assert_listed(box)
                # Asked once, however often a token is needed.
                asked = [request for request in self.endpoint.received if "well-known" in request.path]
                self.assertEqual(len(asked), 1)
                box.unmount()
        self.assert_no_problems()

    def test_an_issuer_that_tells_nothing(self):
        for name, fault in {
            "no JSON": html(200),
            "nothing in it": Fault(200, "{}"),
            "503": html(503),
            "plain http elsewhere": Fault(200, json.dumps({"token_endpoint": "http://login.example.org/token"})),
        }.items():
            with self.subTest(name):
                self.endpoint.other_faults["discovery"][:] = [fault] * 5
                report = self.check(self.box(token_endpoint=None, issuer=self.endpoint.base_url, start=False))
                self.assertNotEqual(report.exit_code, OK)
                self.assertIn(self.endpoint.base_url, json.dumps(report.checks))
        self.assertEqual(self.endpoint.requests, 0)

    def test_a_passing_fault_of_the_issuer_passes(self):
        self.endpoint.other_faults["discovery"].append(html(503))
        users = self.many()
        box = self.box(users, token_endpoint=None, issuer=self.endpoint.issuer)
        self.assert_some_mailbox_opens(box, users)

    def test_the_tenant_is_looked_up(self):
        """Microsoft's, by `check`: a tenant that is not there is told apart from an application that is not."""
        stranger = "9f6d7a00-5555-5555-5555-06ab992d36b7"
        box = self.mount(microsoft_account(self.dovecot, self.endpoint, self.users, tenant=stranger), start=False)
        report = self.check(box)
        self.assertEqual(report.exit_code, LOGIN, report.text)
        self.assertIn("tenant-unknown", report.failed().values())
        self.assertIn(stranger, json.dumps(report.checks))

    def test_scopes_are_sent_as_they_are_configured(self):
        self.endpoint.scope = "mail.read offline+x"
        box = self.box(scope=self.endpoint.scope)
        self.assert_listed(box)
        self.assertNotEqual(self.endpoint.scope, SCOPE)
        self.assert_no_problems()


if __name__ == "__main__":
    main()
