"""Tokens for machines: Google's service accounts (RFC 7523), and Azure's instance metadata service."""

import json
import threading
import time

from . import jwt
from .token_answers import Refused, oauth_error

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LONGEST = 3600
_SLACK = 60  # Seconds that a client's clock may be ahead.


class ServiceAccounts:
    """Google's service accounts that may act for the users in `delegates` (None: for all)."""

    def __init__(self, scope="https://mail.google.com/"):
        self.scope, self.delegates = scope, None
        self.subjects = []  # In whose name tokens were asked for, in order.
        self._accounts = {}

    def add(self, token_uri, email="mailboxfs@project.iam.gserviceaccount.com", key=None):
        """Registers one; the text of the JSON file that Google gives its owner."""
        key = key or jwt.any_client_key()
        key_id = f"{len(self._accounts):02d}" + "9d3f1c" * 6 + "ab"
        self._accounts[email] = (key_id, key)
        return json.dumps(
            {
                "type": "service_account",
                "project_id": "project",
                "private_key_id": key_id,
                "private_key": key.private_pem,
                "client_email": email,
                "client_id": "100000000000000000001",
                "auth_uri": "https://accounts.google.com/o/oauth2/auth",
                "token_uri": token_uri,
                "universe_domain": "googleapis.com",
            },
            indent=2,
        )

    def redeem(self, assertion, audience, now):
        """The user to act for; Refused, in Google's words, if that may not be."""
        try:
            header, claims = jwt.read(assertion)
        except ValueError:
            raise Refused(oauth_error("invalid_grant", "Bad Request")) from None
        key_id, key = self._accounts.get(claims.get("iss"), (None, None))
        if key is None:
            raise Refused(oauth_error("invalid_grant", "Invalid grant: account not found"))
        genuine = header.get("alg") == "RS256" and header.get("typ") == "JWT" and header.get("kid") == key_id
        if not genuine or not jwt.is_signed_with(assertion, key.public_pem):
            raise Refused(oauth_error("invalid_grant", "Invalid JWT Signature."))
        issued, expires = claims.get("iat", 0), claims.get("exp", 0)
        if not issued - _SLACK <= now <= expires or expires - issued > _LONGEST:
            text = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
            raise Refused(oauth_error("invalid_grant", text + " Check your iat and exp values in the JWT claim."))
        if claims.get("aud") != audience:
            raise Refused(oauth_error("invalid_grant", "Invalid JWT: Failed audience check."))
        if claims.get("scope") != self.scope:
            raise Refused(oauth_error("invalid_scope", "Invalid OAuth scope or ID token audience provided."))
        subject = claims.get("sub")
        if subject is None:
            raise Refused(oauth_error("invalid_grant", "Precondition check failed: there is no 'sub'."))
        if self.delegates is not None and subject not in self.delegates:
            text = "Client is unauthorized to retrieve access tokens using this method, or client not authorized"
            raise Refused(oauth_error("unauthorized_client", text + " for any of the scopes requested.", 401), False)
        self.subjects.append(subject)
        return subject


class ManagedIdentities:
    """The identities of a virtual machine: {query parameter: value}; the first is its own, for who names none."""

    def __init__(self, resource):
        self.resource = resource
        self.identities = {
            "client_id": "6b6f6c1a-4444-4444-4444-0d2f51f3a001",
            "object_id": "6b6f6c1a-4444-4444-4444-0d2f51f3a002",
            "msi_res_id": "/subscriptions/1/resourcegroups/mail_(prod)/providers/Microsoft.ManagedIdentity/x/mailboxfs",
        }
        self._lock = threading.Lock()
        self.asked_for = []  # What each request named: (parameter, value) or None.

    def check(self, request):
        """Refused unless this comes from the machine itself, and asks for what there is."""
        if request.headers.get("metadata", "").lower() != "true":
            self._refuse("Required metadata header not specified")
        if "x-forwarded-for" in request.headers:
            self._refuse("The request came through a proxy")
        query = dict(request.query)
        if query.pop("api-version", "") != "2018-02-01":
            self._refuse("Required query variable 'api-version' is missing or not supported")
        if query.pop("resource", "") != self.resource:
            self._refuse("Required query variable 'resource' is missing or unknown")
        named = list(query.items())
        if len(named) > 1 or any(self.identities.get(name) != value for name, value in named):
            self._refuse("Identity not found")
        with self._lock:
            self.asked_for.append(named[0] if named else None)

    def answer(self, lifetime):
        """What stands beside the token. All values are strings."""
        now = int(time.time())
        return {
            "client_id": self.identities["client_id"],
            "refresh_token": "",
            "expires_in": str(lifetime),
            "expires_on": str(now + lifetime),
            "not_before": str(now - 5),
            "resource": self.resource,
        }

    @staticmethod
    def _refuse(text):
        raise Refused(oauth_error("invalid_request", text))
