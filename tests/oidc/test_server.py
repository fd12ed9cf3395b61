#!/usr/bin/env python3
"""The OpenID provider without mailboxfs: each grant by hand, and the real Dovecot takes what it gives."""

import base64
import hashlib
import http.server
import imaplib
import json
import secrets
import tempfile
import threading
import time
import unittest
import urllib.parse

from oidc_server import DEVICE_CODE, RESOURCE, SCOPE, SECRET, USER_SCOPE, OidcServer, main, new_certificate

from support import dovecot, jwt, process  # oidc_server says where it is.
from support.certs import openssl
from support.token_clients import ASSERTION_TYPE

USER = "ada@example.org"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Redirects(http.server.HTTPServer):
    """What mailboxfs is to a browser: it takes one redirect."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Redirect)
        self.url, self.fields = f"http://localhost:{self.server_port}/", None
        threading.Thread(target=self.handle_request, daemon=True).start()


class _Redirect(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.fields = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"You can close this page.")

    def log_message(self, *_):
        """Silent."""


@unittest.skipUnless(dovecot.available(), "there is no Dovecot")
class Server(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.key, pem = new_certificate()
        cls.other_key, _ = new_certificate()
        cls.thumbprint = jwt.thumbprint(pem)
        cls.server = OidcServer([pem])
        cls.addClassCleanup(cls.server.stop)
        cls.dovecot = dovecot.Dovecot(cls.server, password="sesame", issuer=cls.server.issuer)
        cls.addClassCleanup(cls.dovecot.close)
        cls.dovecot.start()
        cls.dovecot.add_user(USER)

    def setUp(self):
        self.server.set_lifetime(3600)
        self.server.forget_events()

    def token(self, **fields):
        return self.server.post("token_endpoint", **fields)

    def device_code(self, client="native", **fields):
        return self.server.post("device_authorization_endpoint", client_id=client, scope=USER_SCOPE, **fields)[1]

    def assert_opens(self, answer):
        """Dovecot takes the access token of this answer."""
        status, body = answer
        self.assertEqual(status, 200, body)
        self.assertEqual(body["token_type"], "Bearer")
        self.assertEqual(jwt.read(body["access_token"])[0]["alg"], "RS256")
        self.assertEqual(jwt.read(body["access_token"])[1]["aud"], RESOURCE)
        self.assertTrue(self.opens(body["access_token"]), self.dovecot.log()[-2000:])

    def opens(self, token):
        client = imaplib.IMAP4("127.0.0.1", self.dovecot.plain_port, timeout=20)
        self.addCleanup(client.shutdown)
        answer = f"user={USER}\1auth=Bearer {token}\1\1".encode()
        try:
            client.authenticate("XOAUTH2", lambda challenge: b"" if challenge else answer)
        except imaplib.IMAP4.error:
            return False
        return client.select("INBOX", readonly=True)[0] == "OK"

    def assertion(self, client_id, algorithm="PS256", key=None, **claims):
        """As mailboxfs makes it, which sends no key id."""
        now = int(time.time())
        header = {"alg": algorithm, "typ": "JWT", "x5t#S256": self.thumbprint}
        about = {"aud": self.server.endpoint("token_endpoint"), "iss": client_id, "sub": client_id}
        claims = about | {"jti": secrets.token_hex(16), "iat": now, "nbf": now - 60, "exp": now + 300} | claims
        signed = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
        padding = {"PS256": ["rsa_padding_mode:pss", "rsa_pss_saltlen:32"], "RS256": ["rsa_padding_mode:pkcs1"]}
        options = [word for option in padding[algorithm] for word in ("-sigopt", option)]
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(key or self.key)
            file.flush()
            signature = openssl("dgst", "-sha256", "-sign", file.name, *options, input=signed.encode())
        return {
            "client_id": client_id,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": f"{signed}.{base64url(signature)}",
        }

    def test_client_credentials_with_a_secret(self):
        fields = {"grant_type": "client_credentials", "client_id": "with-secret", "client_secret": SECRET}
        self.assert_opens(self.token(**fields, scope=SCOPE))
        self.assert_opens(self.token(**fields, resource=RESOURCE))
        self.assertEqual(len(self.server.grants("client_credentials")), 2)
        status, body = self.token(**fields | {"client_secret": SECRET.replace("+", " ")})
        self.assertEqual((status, body["error"]), (401, "invalid_client"))
        self.assertEqual([event["error"] for event in self.server.errors()], ["invalid_client"])

    def test_client_credentials_with_an_assertion(self):
        fields = {"grant_type": "client_credentials", "scope": SCOPE}
        for algorithm in ("PS256", "RS256"):
            with self.subTest(algorithm):
                assertion = self.assertion("with-certificate", algorithm)
                self.assert_opens(self.token(**fields, **assertion))
                self.assertEqual(self.server.grants()[-1]["algorithm"], algorithm)
                self.assertEqual(self.token(**fields, **assertion)[1]["error"], "invalid_client", "a second time")
        for wrong in ({"aud": "https://elsewhere.example/"}, {"exp": int(time.time()) - 60}, {"key": self.other_key}):
            with self.subTest(wrong):
                answer = self.token(**fields, **self.assertion("with-certificate", **wrong))
                self.assertEqual(answer[1]["error"], "invalid_client")

    def test_device_codes(self):
        for client, proof in {"native": lambda: {}, "native-with-certificate": self.proof}.items():
            with self.subTest(client):
                asked = self.device_code(client, **proof())
                fields = {"grant_type": DEVICE_CODE, "client_id": client, "device_code": asked["device_code"]}
                self.assertEqual(self.token(**fields, **proof())[1]["error"], "authorization_pending")
                self.server.browser().approve(asked["verification_uri"], asked["user_code"])
                answer = self.token(**fields, **proof())
                self.assert_opens(answer)
                self.assertIn("refresh_token", answer[1])
        self.assertEqual(self.server.errors(), [])

    def proof(self):
        proof = self.assertion("native-with-certificate")
        del proof["client_id"]
        return proof

    def test_device_codes_can_be_refused(self):
        for page, code in {"verification_uri": "user_code", "verification_uri_complete": None}.items():
            with self.subTest(page):
                asked = self.device_code()
                self.server.browser().refuse(asked[page], asked.get(code))
                fields = {"grant_type": DEVICE_CODE, "client_id": "native", "device_code": asked["device_code"]}
                self.assertEqual(self.token(**fields)[1]["error"], "access_denied")

    def authorize(self, act, client="native", **changes):
        """(the redirect's fields, what is needed to redeem its code); `act` is the name of a Browser's method."""
        redirects = Redirects()
        self.addCleanup(redirects.server_close)
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe()
        fields = {
            "response_type": "code",
            "client_id": client,
            "redirect_uri": redirects.url,
            "scope": USER_SCOPE,
            "state": state,
            "code_challenge": base64url(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
            "prompt": "consent",
        } | changes
        url = f"{self.server.issuer}/auth?{urllib.parse.urlencode(fields)}"
        getattr(self.server.browser(), act)(url)
        self.assertEqual(redirects.fields["state"], state)
        return redirects.fields, {"client_id": client, "redirect_uri": redirects.url, "code_verifier": verifier}

    def test_authorization_codes_with_pkce(self):
        redirect, needed = self.authorize("approve")
        self.assertEqual(redirect["iss"], self.server.issuer)
        self.assertEqual([taken["code_challenge_method"] for taken in self.server.authorizations()], ["S256"])
        answer = self.token(grant_type="authorization_code", code=redirect["code"], **needed)
        self.assert_opens(answer)
        self.assertIn("refresh_token", answer[1])

    def test_authorization_codes_are_nothing_without_the_verifier(self):
        redirect, needed = self.authorize("approve")
        needed["code_verifier"] = secrets.token_urlsafe(48)
        status, body = self.token(grant_type="authorization_code", code=redirect["code"], **needed)
        self.assertEqual((status, body["error"]), (400, "invalid_grant"))

    def test_authorization_can_be_refused(self):
        self.assertEqual(self.authorize("refuse")[0]["error"], "access_denied")

    def test_no_consent_no_refresh_token(self):
        """OpenID Connect Core 1.0 section 11: offline_access needs prompt=consent, and is else left out silently."""
        redirect, needed = self.authorize("approve", prompt="login")
        answer = self.token(grant_type="authorization_code", code=redirect["code"], **needed)
        self.assert_opens(answer)
        self.assertNotIn("refresh_token", answer[1])

    def refresh(self, token, **fields):
        return self.token(grant_type="refresh_token", client_id="native", refresh_token=token, **fields)

    def test_refresh_tokens_rotate_and_the_second_use_of_one_ends_them_all(self):
        first = self.server.log_in()
        answer = self.refresh(first)
        self.assert_opens(answer)
        second = answer[1]["refresh_token"]
        self.assertNotEqual(second, first)
        answer = self.refresh(second, scope=USER_SCOPE)
        self.assert_opens(answer)
        self.assertTrue(self.server.grants()[-1]["rotated"])
        self.assertEqual(self.server.errors(), [])
        self.assertEqual(self.refresh(first)[1]["error"], "invalid_grant")
        self.assertEqual(self.refresh(answer[1]["refresh_token"])[1]["error"], "invalid_grant")

    def test_logins_can_be_revoked(self):
        token = self.server.log_in()
        self.server.revoke()
        self.assertEqual(self.refresh(token)[1]["error"], "invalid_grant")

    def test_lifetimes_are_those_that_were_set(self):
        self.server.set_lifetime(5)
        fields = {"grant_type": "client_credentials", "client_id": "with-secret", "client_secret": SECRET}
        answer = self.token(**fields, scope=SCOPE)
        self.assertEqual(answer[1]["expires_in"], 5)
        self.assert_opens(answer)
        process.wait_until(lambda: not self.opens(answer[1]["access_token"]), 30, "the token's end")
        self.server.set_lifetime(3600)
        self.assert_opens(self.token(**fields, scope=SCOPE))


if __name__ == "__main__":
    main(lambda: unittest.main(verbosity=2))
