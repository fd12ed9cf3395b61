"""A token endpoint with the client-credentials grant (RFC 6749 section 4.4) that answers like Microsoft's.

Module: `TokenEndpoint(...)`. Program: `python3 -m support.token_endpoint --client-secret-file FILE ...`
prints its URL and serves until it is stopped.
"""

import argparse
import http.server
import json
import socket
import ssl
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

from . import jwt

TENANT = "fb561382-2222-2222-2222-06ab992d36b7"
CLIENT_ID = "4f5a9f88-1111-1111-1111-bdca9a88c089"
# Has every character that a careless form encoder would spoil.
CLIENT_SECRET = "aB+c/d&e=f%41~g h*_?Ä"
SCOPE = "https://outlook.office365.com/.default"


@dataclass
class Fault:
    """What to answer in place of a token. With body None the connection is dropped without an answer."""

    status: int = 400
    body: str | None = ""
    headers: dict = field(default_factory=lambda: {"Content-Type": "application/json; charset=utf-8"})
    delay: float = 0.0


def aadsts(code, error="invalid_client", text="Something about the application is wrong.", status=401):
    """An error body as login.microsoftonline.com writes it."""
    description = f"AADSTS{code}: {text} Trace ID: 00000000-0000-0000-0000-000000000000 Timestamp: 2026-11-22 10:00:00Z"
    body = {"error": error, "error_description": description, "error_codes": [code], "correlation_id": "0" * 8}
    return Fault(status=status, body=json.dumps(body))


def too_many_requests(retry_after="1"):
    """429 with a plain text body; `retry_after` is seconds, an HTTP date, or None for no header."""
    headers = {"Content-Type": "text/plain"} | ({"Retry-After": retry_after} if retry_after is not None else {})
    return Fault(status=429, body="Too Many Requests", headers=headers)


def unavailable():
    """503 with text that is not JSON."""
    return Fault(status=503, body="The service is unavailable.", headers={"Content-Type": "text/plain"})


def dropped():
    """The connection ends without an answer."""
    return Fault(body=None)


class TokenEndpoint:
    """Serves until stop(). Settings may be changed while it runs.

    `faults` is a list used up one request at a time; `always` is a Fault for all requests.
    `requests` is the number of requests so far, `tokens` every access token given out.
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
        lifetime=3600,
    ):
        self.key = key or jwt.SigningKey()
        self.tenant, self.client_id, self.client_secret, self.scope = tenant, client_id, client_secret, scope
        self.lifetime = lifetime
        self.expires_in_as_text = False
        self.delay = 0.0
        self.roles = ["IMAP.AccessAsApp"]
        self.audience = scope.removesuffix("/.default")
        self.faults, self.always = [], None
        self.requests, self.tokens, self.problems = 0, [], []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.endpoint = self
        scheme = "http"
        if authority is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(authority.certificate, authority.key)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            scheme = "https"
        self.port = self._server.server_address[1]
        self.base_url = f"{scheme}://localhost:{self.port}"
        self.url = f"{self.base_url}/{tenant}/oauth2/v2.0/token"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends the server; its port refuses connections afterwards."""
        self._server.shutdown()
        self._server.server_close()

    def issue(self, lifetime=None, **claims):
        """An access token without a request, for the test's own logins."""
        now = int(time.time())
        seconds = self.lifetime if lifetime is None else lifetime
        token = {
            "aud": self.audience,
            "iss": f"https://sts.windows.net/{self.tenant}/",
            "iat": now,
            "nbf": now - 5,
            "exp": now + seconds,
            "appid": self.client_id,
            "appidacr": "1",
            "idtyp": "app",
            "oid": "9d2a2d1c-3333-3333-3333-4f1f0c8a7b6e",
            "sub": "9d2a2d1c-3333-3333-3333-4f1f0c8a7b6e",
            "tid": self.tenant,
            "ver": "1.0",
        }
        if self.roles:
            token["roles"] = self.roles
        return self.key.sign(token | claims)

    def answer(self, path, content_type, body):
        """The Fault-shaped answer to one POST."""
        with self._lock:
            self.requests += 1
            fault = self.always or (self.faults.pop(0) if self.faults else None)
        if fault is not None:
            return fault
        wrong = self._refusal(path, content_type, body)
        if wrong is not None:
            self.problems.append(wrong.body)
            return wrong
        token = self.issue()
        with self._lock:
            self.tokens.append(token)
        expires_in = str(self.lifetime) if self.expires_in_as_text else self.lifetime
        answer = {"token_type": "Bearer", "expires_in": expires_in, "ext_expires_in": expires_in, "access_token": token}
        return Fault(status=200, body=json.dumps(answer), delay=self.delay)

    def _refusal(self, path, content_type, body):
        if path != f"/{self.tenant}/oauth2/v2.0/token":
            return aadsts(90002, "invalid_request", "Tenant not found. Check the tenant ID.", 400)
        if content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
            return aadsts(900144, "invalid_request", "The request body must be form-encoded.", 400)
        form = urllib.parse.parse_qs(body, keep_blank_values=True, strict_parsing=True)
        if any(len(values) != 1 for values in form.values()):
            return aadsts(900144, "invalid_request", "A parameter is given twice.", 400)
        form = {name: values[0] for name, values in form.items()}
        if form.get("grant_type") != "client_credentials":
            return aadsts(70003, "unsupported_grant_type", "The grant type is not supported.", 400)
        if form.get("client_id") != self.client_id:
            return aadsts(700016, "unauthorized_client", f"Application '{form.get('client_id')}' was not found.", 400)
        if "client_secret" not in form:
            return aadsts(7000218, "invalid_client", "The request must contain 'client_secret'.")
        if form["client_secret"] != self.client_secret:
            return aadsts(7000215, "invalid_client", "Invalid client secret provided.")
        if form.get("scope") != self.scope:
            return aadsts(70011, "invalid_scope", f"The scope '{form.get('scope')}' is not valid.", 400)
        return None


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """Clients may leave whenever they like."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_POST(self):
        endpoint = self.server.endpoint
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode("utf-8", "replace")
        answer = endpoint.answer(self.path, self.headers.get("Content-Type", ""), body)
        time.sleep(answer.delay)
        if answer.body is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        payload = answer.body.encode()
        self.send_response(answer.status)
        for name, value in ({"Content-Type": "application/json; charset=utf-8"} | answer.headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_):
        """Silent: the output belongs to the test."""


def main():
    """The stand-alone program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--client-id", default=CLIENT_ID)
    parser.add_argument("--client-secret-file", help="default: a built-in secret with difficult characters")
    parser.add_argument("--scope", default=SCOPE)
    parser.add_argument("--tenant", default=TENANT)
    parser.add_argument("--lifetime", type=int, default=3600)
    parser.add_argument("--public-key", help="write the key that checks the tokens here, as PEM")
    parser.add_argument("--tls", help="directory for a throwaway CA: serve HTTPS, trust DIRECTORY/ca.pem")
    words = parser.parse_args()
    from .certs import Authority

    secret = CLIENT_SECRET
    if words.client_secret_file:
        secret = Path(words.client_secret_file).read_text(encoding="utf-8").removesuffix("\n")
    endpoint = TokenEndpoint(
        port=words.port,
        authority=Authority(words.tls) if words.tls else None,
        tenant=words.tenant,
        client_id=words.client_id,
        client_secret=secret,
        scope=words.scope,
        lifetime=words.lifetime,
    )
    if words.public_key:
        Path(words.public_key).write_text(endpoint.key.public_pem, encoding="ascii")
    print(endpoint.url, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
