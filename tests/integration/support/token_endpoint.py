"""A token endpoint that verifies what it is sent and answers like the real ones: Microsoft's, Google's, Azure's IMDS.

Module: `TokenEndpoint(...)`. Program: `python3 -m support.token_endpoint --help`.
"""

import re
import ssl
import threading
import time

from . import jwt
from .token_answers import Fault, Refused, aadsts, dropped, too_many_requests, unavailable
from .token_clients import Client
from .token_grants import AS_ISSUED, Grants
from .token_http import Handler, Server
from .token_logins import AuthorizationCodes, DeviceLogins
from .token_machines import ManagedIdentities, ServiceAccounts
from .token_refresh import RefreshTokens

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "SCOPE", "TENANT", "USER_SCOPE", "Fault", "TokenEndpoint"]
__all__ += ["aadsts", "dropped", "too_many_requests", "unavailable"]

TENANT = "fb561382-2222-2222-2222-06ab992d36b7"
CLIENT_ID = "4f5a9f88-1111-1111-1111-bdca9a88c089"
# Has every character that a careless form encoder would spoil.
CLIENT_SECRET = "aB+c/d&e=f%41~g h*_?Ä"
SCOPE = "https://outlook.office365.com/.default"
USER_SCOPE = "https://outlook.office365.com/IMAP.AccessAsUser.All offline_access"

_SECRET_FIELDS = ("client_secret", "client_assertion", "assertion", "refresh_token", "device_code", "code")
_PATHS = {
    "token": re.compile(r"(/(?P<tenant>[^/]+)/oauth2/v2\.0)?/token"),
    "v1": re.compile(r"/(?P<tenant>[^/]+)/oauth2/token"),
    "imds": re.compile(r"/metadata/identity/oauth2/token"),
    "devicecode": re.compile(r"(/(?P<tenant>[^/]+)/oauth2/v2\.0)?/devicecode"),
    "authorize": re.compile(r"(/(?P<tenant>[^/]+)/oauth2/v2\.0)?/authorize"),
    "discovery": re.compile(r"(/(?P<tenant>[^/]+)/v2\.0)?/\.well-known/openid-configuration"),
    "person": re.compile(r"/device"),
}
_TOKEN_KINDS = ("token", "v1", "imds")


class TokenEndpoint(Grants):
    """Serves until stop(). Settings may be changed while it runs.

    `faults` is a list of token requests' answers, used up one at a time, `always` a Fault for all of them;
    `other_faults` has such lists for "discovery", "devicecode" and "authorize".
    `requests` is the number of token requests so far, `received` has every request, `tokens` every access token
    given out, `problems` all that a client must never do.
    The grants' own settings and records: `client`, `refresh`, `devices`, `codes`, `accounts` (Google's), `identities`.
    """

    def __init__(
        self,
        key=None,
        *,
        port=0,
        authority=None,
        tenant=TENANT,
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        scope=SCOPE,
        user_scope=USER_SCOPE,
        lifetime=3600,
        problems=None,
    ):
        self.key = key or jwt.any_key()
        self.tenant, self.domains = tenant, []
        self.scope, self.user_scope = scope, user_scope
        self.resource = self.audience = scope.removesuffix("/.default")
        self.lifetime, self.expires_in, self.expires_in_as_text = lifetime, AS_ISSUED, False
        self.roles, self.claims = ["IMAP.AccessAsApp"], {}
        self.region, self.cloud = "EU", "microsoftonline.com"
        self.delay, self.date_skew, self.broken_handshakes = 0.0, 0.0, 0
        self.faults, self.always = [], None
        self.other_faults = {"discovery": [], "devicecode": [], "authorize": []}
        self.requests, self.received, self.tokens = 0, [], []
        self.problems = [] if problems is None else problems
        self.held = 0  # How many token requests wait for release().
        self.client = Client(client_id, client_secret)
        self.certificates, self.federated_tokens = self.client.certificates, self.client.federated_tokens
        self.assertion_ids, self.assertion_algorithms = self.client.assertion_ids, self.client.assertion_algorithms
        self.refresh = RefreshTokens(self.problems)
        self.devices, self.codes = DeviceLogins(self.problems), AuthorizationCodes()
        self.accounts, self.identities = ServiceAccounts(), ManagedIdentities(self.resource)
        self.stopping, self._open, self._lock = threading.Event(), threading.Event(), threading.Lock()
        self._open.set()
        self._server = Server(("127.0.0.1", port), Handler)
        self._server.endpoint = self
        self._encrypt(authority)
        self.port = self._server.server_address[1]
        self.base_url = f"{'http' if authority is None else 'https'}://localhost:{self.port}"
        self.issuer = f"{self.base_url}/{tenant}/v2.0"
        self.url = f"{self.base_url}/{tenant}/oauth2/v2.0/token"
        self.v1_url = f"{self.base_url}/{tenant}/oauth2/token"
        self.device_url = f"{self.base_url}/{tenant}/oauth2/v2.0/devicecode"
        self.authorize_url = f"{self.base_url}/{tenant}/oauth2/v2.0/authorize"
        self.plain_url, self.person_url = f"{self.base_url}/token", f"{self.base_url}/device"
        self.imds_url = f"{self.base_url}/metadata/identity/oauth2/token"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def _encrypt(self, authority):
        if authority is None:
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.certificate, authority.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends the server; its port refuses connections afterwards."""
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    # -- For tests.

    def issue(self, lifetime=None, **claims):
        """An access token without a request, for the test's own logins. A claim that is None is left out."""
        now = int(time.time())
        seconds = self.lifetime if lifetime is None else lifetime
        token = {
            "aud": self.audience,
            "iss": f"https://sts.windows.net/{self.tenant}/",
            # As Microsoft has it: not of this very second, which a server with a slower clock has yet to see.
            "iat": now - 5,
            "nbf": now - 5,
            "exp": now + seconds,
            "appid": self.client.id,
            "appidacr": "1",
            "idtyp": "app",
            "oid": "9d2a2d1c-3333-3333-3333-4f1f0c8a7b6e",
            "sub": "9d2a2d1c-3333-3333-3333-4f1f0c8a7b6e",
            "tid": self.tenant,
            "ver": "1.0",
            "roles": self.roles or None,
        }
        return self.key.sign(
            {name: value for name, value in (token | self.claims | claims).items() if value is not None}
        )

    def log_in(self, user="ada@example.org"):
        """A login as if somebody had gone through one; its `newest` is the refresh token to begin with."""
        return self.refresh.begin(user, self.user_scope)

    def approve(self, user_code=None, user="ada@example.org"):
        """A person agrees to a device's login (without a code, to the newest). False if there is none."""
        return self.devices.decide(user_code, "approved", user)

    def decline(self, user_code=None):
        """A person does not agree."""
        return self.devices.decide(user_code, "declined")

    def hold(self):
        """From now on token requests are done, but not answered until release()."""
        self._open.clear()

    def release(self):
        """Ends hold()."""
        self._open.set()

    def token_requests(self):
        """Those of `received` that asked for a token."""
        with self._lock:
            return [request for request in self.received if self._route(request.path)[0] in _TOKEN_KINDS]

    def secrets(self):
        """All that has gone to and fro and must be seen by nobody else, without the parts that tell nothing."""
        with self._lock:
            sent = [request.form.get(name) for request in self.received for name in (*_SECRET_FIELDS, "code_verifier")]
            tokens = list(self.tokens)
        sent = {*tokens, *filter(None, sent)}
        # The header of a signed token is no secret; its body and its signature are.
        signed = {text for text in sent if text.startswith("eyJ")}
        parts = {part for text in signed for part in text.split(".")[1:]}
        codes = [device.code for device in self.devices.devices]
        return {*parts, *(sent - signed), *codes, *self.codes.codes, *self.refresh.all(), self.client.secret}

    # -- For the server.

    def broken_handshake(self):
        """Is this connection one that TLS shall fail on?"""
        with self._lock:
            broken = self.broken_handshakes > 0
            self.broken_handshakes -= broken
            return broken

    def answer(self, request):
        """The Fault-shaped answer to one request."""
        kind, tenant = self._route(request.path)
        try:
            request.decode()
            unreadable = None
        except Refused as refused:
            unreadable = refused
        with self._lock:
            self.received.append(request)
            fault = self._next_fault(kind)
        if fault is not None and not fault.truth:
            return fault.make(request) if fault.make else fault
        try:
            if unreadable is not None:
                raise unreadable
            answer = self.serve(kind, tenant, request)
        except Refused as refused:
            answer = refused.answer
            if refused.blame:
                self.problems.append(answer.body)
        answer.delay += fault.delay if fault else 0
        if kind in _TOKEN_KINDS:
            self._wait_for_release()
        return answer

    @staticmethod
    def _route(path):
        for kind, pattern in _PATHS.items():
            if found := pattern.fullmatch(path):
                return kind, found.groupdict().get("tenant")
        return None, None

    def _next_fault(self, kind):
        if kind in _TOKEN_KINDS:
            self.requests += 1
            return self.always or (self.faults.pop(0) if self.faults else None)
        others = self.other_faults.get(kind)
        return others.pop(0) if others else None

    def _wait_for_release(self):
        with self._lock:
            self.held += 1
        while not self._open.wait(0.05) and not self.stopping.is_set():
            pass
        with self._lock:
            self.held -= 1


if __name__ == "__main__":
    from .token_program import main

    main()
