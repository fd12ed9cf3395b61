"""The base of the tests of the token endpoint itself: a client that sends whatever it is told to."""

import json
import unittest
import urllib.error
import urllib.parse
import urllib.request

from . import jwt
from .token_endpoint import CLIENT_ID, CLIENT_SECRET, SCOPE, TokenEndpoint

PROOF = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
APPLICATION = PROOF | {"grant_type": "client_credentials", "scope": SCOPE}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


_OPENER = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))


def send(url, form=None, headers=None):
    """(status, headers, body: decoded if it is JSON); `form` makes it a POST."""
    data = None if form is None else urllib.parse.urlencode(form).encode()
    try:
        with _OPENER.open(urllib.request.Request(url, data, headers or {}), timeout=20) as answer:
            status, told, body = answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            status, told, body = error.code, error.headers, error.read().decode()
    try:
        return status, told, json.loads(body)
    except ValueError:
        return status, told, body


class EndpointTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.key = jwt.SigningKey()

    def setUp(self):
        self.endpoint = TokenEndpoint(self.key)
        self.addCleanup(self.endpoint.stop)

    def good(self, form, url=None):
        """The answer, which must be a token; nothing was wrong."""
        status, _, answer = send(url or self.endpoint.url, form)
        self.assertEqual((status, self.endpoint.problems), (200, []), answer)
        self.assertEqual(answer["token_type"], "Bearer")
        self.assertTrue(jwt.is_signed_with(answer["access_token"], self.key.public_pem))
        return answer

    def refused(self, error, form, url=None, blamed=True):
        """The request gets this `error`; `blamed`: it is the client's fault."""
        before = len(self.endpoint.problems)
        status, _, answer = send(url or self.endpoint.url, form)
        self.assertGreaterEqual(status, 400)
        self.assertEqual(answer["error"], error, answer)
        self.assertEqual(len(self.endpoint.problems) - before, int(blamed))
        return answer.get("error_codes", [0])[0]
