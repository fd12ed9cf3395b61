#!/usr/bin/env python3
"""The suite's token endpoint itself: it gives tokens for what is right, and notices everything that is not."""

import http.client
import json
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request
import uuid
from email.utils import parsedate_to_datetime
from pathlib import Path

from support import jwt, process, token_answers
from support.certs import Authority, openssl
from support.endpoint_testcase import APPLICATION, PROOF, EndpointTest, send
from support.token_clients import ASSERTION_TYPE
from support.token_endpoint import CLIENT_ID, CLIENT_SECRET, SCOPE, TokenEndpoint, aadsts
from support.token_machines import JWT_BEARER


class Application(EndpointTest):
    def test_claims_and_times_are_the_tests_to_choose(self):
        self.endpoint.roles, self.endpoint.audience = ["POP.AccessAsApp"], "https://graph.microsoft.com"
        self.endpoint.claims = {"oid": "other", "tid": None}
        self.endpoint.expires_in = "86399"
        answer = self.good(APPLICATION)
        _, claims = jwt.read(answer["access_token"])
        self.assertEqual((claims["roles"], claims["aud"]), (["POP.AccessAsApp"], "https://graph.microsoft.com"))
        self.assertEqual((claims["oid"], "tid" in claims, answer["expires_in"]), ("other", False, "86399"))
        self.endpoint.expires_in, self.endpoint.roles = None, []
        answer = self.good(APPLICATION)
        self.assertNotIn("expires_in", answer)
        self.assertNotIn("roles", jwt.read(answer["access_token"])[1])

    def test_scopes_are_told_apart(self):
        for scope, code in {
            f"{SCOPE} https://graph.microsoft.com/.default": 28002,
            "https://outlook.office365.com/IMAP.AccessAsApp": 1002012,
            "https://mail.example.org/.default": 500011,
            "mail": 70011,
        }.items():
            status, _, answer = send(self.endpoint.url, APPLICATION | {"scope": scope})
            self.assertEqual((status, answer["error_codes"]), (400, [code]))

    def test_shared_and_unknown_tenants(self):
        for tenant, code in {"common": 50194, "contoso.example.org": 90002}.items():
            url = self.endpoint.url.replace(self.endpoint.tenant, tenant)
            self.assertEqual(self.refused("invalid_request", APPLICATION, url), code)
        self.endpoint.domains.append("contoso.example.org")
        self.endpoint.problems.clear()
        self.good(APPLICATION, url)

    def test_the_form_must_be_one_and_the_address_must_hold_no_secret(self):
        status, _, _ = send(self.endpoint.url + "?client_secret=x", APPLICATION)
        self.assertEqual(status, 400)
        for body, kind in {
            json.dumps(APPLICATION): "application/json",
            "grant_type=client_credentials&grant_type=x": "application/x-www-form-urlencoded",
            "just text": "application/x-www-form-urlencoded",
        }.items():
            connection = http.client.HTTPConnection("localhost", self.endpoint.port, timeout=20)
            self.addCleanup(connection.close)
            connection.request("POST", urllib.parse.urlsplit(self.endpoint.url).path, body, {"Content-Type": kind})
            self.assertEqual(connection.getresponse().status, 400)
        self.assertEqual(len(self.endpoint.problems), 4)

    def test_the_older_endpoint_takes_a_resource_and_gives_strings(self):
        form = PROOF | {"grant_type": "client_credentials", "resource": "https://outlook.office365.com"}
        answer = self.good(form, self.endpoint.v1_url)
        self.assertEqual((answer["expires_in"], answer["resource"]), ("3600", form["resource"]))
        self.assertLess(abs(int(answer["expires_on"]) - time.time() - 3600), 60)
        self.refused("invalid_resource", form | {"scope": SCOPE}, self.endpoint.v1_url)
        self.refused("invalid_resource", APPLICATION, self.endpoint.v1_url)
        self.refused("invalid_scope", form)

    def test_discovery(self):
        _, _, facts = send(self.endpoint.issuer + "/.well-known/openid-configuration")
        self.assertEqual((facts["issuer"], facts["token_endpoint"]), (self.endpoint.issuer, self.endpoint.url))
        self.assertEqual((facts["tenant_region_scope"], facts["cloud_instance_name"]), ("EU", "microsoftonline.com"))
        other = self.endpoint.issuer.replace(self.endpoint.tenant, "nobody.example.org")
        status, _, answer = send(other + "/.well-known/openid-configuration")
        self.assertEqual((status, answer["error"], answer["error_codes"]), (400, "invalid_tenant", [90002]))
        _, _, plain = send(self.endpoint.base_url + "/.well-known/openid-configuration")
        self.assertEqual(plain["issuer"], self.endpoint.base_url)
        self.endpoint.problems.clear()
        self.good(APPLICATION, plain["token_endpoint"])


class Assertions(EndpointTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.app_key = jwt.SigningKey()
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(cls.app_key.private_pem)
            file.flush()
            words = ("req", "-x509", "-new", "-key", file.name, "-subj", "/CN=app", "-days", "2")
            cls.certificate = openssl(*words).decode()

    def form(self, **changes):
        now = int(time.time())
        claims = {"aud": self.endpoint.url, "iss": CLIENT_ID, "sub": CLIENT_ID, "jti": str(uuid.uuid4())}
        claims |= {"nbf": now - 5, "exp": now + 300} | changes
        assertion = self.app_key.sign(claims, headers={"x5t#S256": jwt.thumbprint(self.certificate)})
        form = {name: value for name, value in APPLICATION.items() if name != "client_secret"}
        return form | {"client_assertion": assertion, "client_assertion_type": ASSERTION_TYPE}

    def test_a_certificate_that_is_registered(self):
        self.assertEqual(self.refused("invalid_client", self.form()), 700027)
        self.endpoint.problems.clear()
        self.endpoint.certificates.append(self.certificate)
        self.good(self.form())
        self.good(self.form())

    def test_every_wrong_claim_is_noticed(self):
        self.endpoint.certificates.append(self.certificate)
        now = int(time.time())
        for code, changes in [
            (50013, {"aud": "https://elsewhere/"}),
            (50013, {"iss": "somebody"}),
            (50013, {"jti": None}),
            (700024, {"nbf": now + 120}),
            (700024, {"exp": now - 1}),
            (700024, {"nbf": now - 60, "exp": now + 600}),
        ]:
            self.assertEqual(self.refused("invalid_client", self.form(**changes)), code, changes)
        twice = self.form()
        self.endpoint.problems.clear()
        self.good(twice)
        self.assertEqual(self.refused("invalid_client", twice), 50013)
        forged = self.form()
        forged["client_assertion"] = forged["client_assertion"][:-8] + "AAAAAAAA"
        self.assertEqual(self.refused("invalid_client", forged), 700027)

    def test_the_servers_clock_decides(self):
        self.endpoint.certificates.append(self.certificate)
        self.endpoint.date_skew = 600
        self.assertEqual(self.refused("invalid_client", self.form()), 700024)
        _, headers, _ = send(self.endpoint.issuer)
        self.assertLess(abs(parsedate_to_datetime(headers["Date"]).timestamp() - time.time() - 600), 30)

    def test_an_assertion_of_somebody_else(self):
        self.endpoint.federated_tokens.append("a.b.c")
        form = self.form()
        self.good(form | {"client_assertion": "a.b.c"})
        self.refused("invalid_request", form | {"client_assertion": "a.b"})
        self.refused("invalid_request", form | {"client_secret": CLIENT_SECRET})


class Machines(EndpointTest):
    def assertion(self, key_file, **changes):
        now = int(time.time())
        claims = {"iss": key_file["client_email"], "scope": "https://mail.google.com/", "aud": key_file["token_uri"]}
        claims |= {"iat": now, "exp": now + 3600, "sub": "ada@example.org"} | changes
        token = self.google.sign(claims, key_file["private_key_id"])
        return {"grant_type": JWT_BEARER, "assertion": token}

    def test_service_accounts(self):
        self.google = jwt.SigningKey()
        url = self.endpoint.plain_url
        key_file = json.loads(self.endpoint.accounts.add(url, key=self.google))
        answer = self.good(self.assertion(key_file), url)
        self.assertNotIn("refresh_token", answer)
        self.assertEqual(self.endpoint.accounts.subjects, ["ada@example.org"])
        now = int(time.time())
        for changes in ({"aud": "x"}, {"iss": "x"}, {"exp": now + 3700}, {"exp": now - 1}, {"sub": None}):
            self.refused("invalid_grant", self.assertion(key_file, **changes), url)
        self.refused("invalid_grant", self.assertion(key_file | {"private_key_id": "other"}), url)
        self.refused("invalid_scope", self.assertion(key_file, scope="mail"), url)
        self.endpoint.accounts.delegates = ["grace@example.org"]
        self.refused("unauthorized_client", self.assertion(key_file), url, blamed=False)

    def ask(self, metadata="true", **changes):
        query = {"api-version": "2018-02-01", "resource": self.endpoint.resource} | changes
        headers = {"Metadata": metadata} if metadata else {}
        return send(f"{self.endpoint.imds_url}?{urllib.parse.urlencode(query)}", headers=headers)

    def test_managed_identities(self):
        _, _, answer = self.ask()
        self.assertEqual({type(value) for value in answer.values()}, {str})
        named = self.endpoint.identities.identities["msi_res_id"]
        self.assertEqual(self.ask(msi_res_id=named)[0], 200)
        self.assertEqual(self.endpoint.identities.asked_for, [None, ("msi_res_id", named)])
        self.assertEqual((self.endpoint.problems, self.endpoint.requests), ([], 2))
        for changes in (
            {"metadata": None},
            {"resource": SCOPE},
            {"api-version": "2017-01-01"},
            {"client_id": "unknown"},
            {"scope": SCOPE},
        ):
            status, _, answer = self.ask(**changes)
            self.assertEqual((status, answer["error"]), (400, "invalid_request"), changes)
        self.assertEqual(len(self.endpoint.problems), 5)


class Faults(EndpointTest):
    def test_answers_that_are_none(self):
        for name, make in token_answers.BROKEN.items():
            with self.subTest(name):
                self.endpoint.faults.append(make())
                try:
                    status, _, answer = send(self.endpoint.url, APPLICATION)
                except (OSError, http.client.HTTPException) as error:
                    self.assertIn(name, ("dropped", "reset", "cut-off"), error)
                else:
                    self.assertNotIn(name, ("dropped", "reset", "cut-off"))
                    self.assertFalse(status == 200 and isinstance(answer, dict) and "access_token" in answer, answer)
                self.good(APPLICATION)

    def test_late_but_true(self):
        self.endpoint.faults.append(token_answers.late(0.3))
        begun = time.monotonic()
        self.good(APPLICATION)
        self.assertGreater(time.monotonic() - begun, 0.25)

    def test_faults_elsewhere(self):
        self.endpoint.other_faults["discovery"].append(token_answers.html(503))
        self.assertEqual(send(self.endpoint.issuer + "/.well-known/openid-configuration")[0], 503)
        self.assertEqual(send(self.endpoint.issuer + "/.well-known/openid-configuration")[0], 200)
        self.endpoint.always = aadsts(7000222)
        self.assertEqual(send(self.endpoint.issuer + "/.well-known/openid-configuration")[0], 200)

    def test_handshakes_that_break(self):
        with tempfile.TemporaryDirectory() as directory:
            authority = Authority(directory)
            endpoint = TokenEndpoint(self.key, authority=authority)
            self.addCleanup(endpoint.stop)
            endpoint.broken_handshakes = 1
            context = ssl.create_default_context(cafile=str(authority.ca))
            data = urllib.parse.urlencode(APPLICATION).encode()
            with self.assertRaises(urllib.error.URLError) as caught:
                urllib.request.urlopen(endpoint.url, data, timeout=20, context=context)
            self.assertIsInstance(caught.exception.reason, ssl.SSLError)
            with urllib.request.urlopen(endpoint.url, data, timeout=20, context=context) as answer:
                self.assertEqual(answer.status, 200)


class Program(unittest.TestCase):
    def test_it_explains_itself_and_serves(self):
        program = [sys.executable, "-m", "support.token_endpoint"]
        here = Path(__file__).resolve().parent
        told = process.run([*program, "--help"], cwd=here, check=True).stdout
        self.assertIn("examples", told)
        with tempfile.TemporaryDirectory() as directory:
            token_file, key_file = Path(directory, "token"), Path(directory, "key.json")
            words = ["--refresh-token-file", token_file, "--service-account-file", key_file, "--fault", "503"]
            server = subprocess.Popen(
                [*program, *map(str, words)], cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            try:
                url = server.stdout.readline().strip()
                form = PROOF | {"grant_type": "refresh_token", "refresh_token": token_file.read_text().strip()}
                self.assertEqual([send(url, form)[0] for _ in range(3)], [503, 200, 400])
                self.assertIn("used before", server.stderr.readline())
                self.assertEqual([path.stat().st_mode & 0o777 for path in (token_file, key_file)], [0o600] * 2)
            finally:
                process.stop(server)
                server.stdout.close()
                server.stderr.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
