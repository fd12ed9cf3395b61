"""HTTP for the token endpoint: it hands requests over as values and sends what it is told, broken answers too."""

import contextlib
import http.server
import os
import socket
import struct
import time
import urllib.parse
from dataclasses import dataclass, field

from .token_answers import JSON, Refused, aadsts


@dataclass
class Request:
    """One request as it came."""

    method: str
    path: str
    raw_query: str
    headers: dict  # Names in lower case.
    body: str
    moment: float = field(default_factory=time.monotonic)
    query: dict = field(default_factory=dict)
    form: dict = field(default_factory=dict)

    def decode(self):
        """Fills `query` and `form`; Refused if that cannot be done, or if a secret is in the wrong one."""
        self.query = _fields(self.raw_query)
        if self.method == "POST":
            if self.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
                raise Refused(aadsts(900144, "invalid_request", "The request body must be form-encoded.", 400))
            self.form = _fields(self.body)
        misplaced = sorted(_SECRETS & set(self.query))
        if misplaced:
            raise Refused(aadsts(900144, "invalid_request", f"These don't belong into the address: {misplaced}.", 400))


_FORM = "application/x-www-form-urlencoded"
# In an address they would stand in the logs of every proxy.
_SECRETS = {
    "client_secret",
    "client_assertion",
    "assertion",
    "refresh_token",
    "code_verifier",
    "password",
    "device_code",
}


def _fields(text):
    try:
        fields = urllib.parse.parse_qs(text, keep_blank_values=True, strict_parsing=bool(text), errors="strict")
    except ValueError as error:
        raise Refused(aadsts(900144, "invalid_request", f"The parameters cannot be read: {error}", 400)) from None
    if any(len(values) != 1 for values in fields.values()):
        raise Refused(aadsts(900144, "invalid_request", "A parameter is given twice.", 400))
    return {name: values[0] for name, values in fields.items()}


class Server(http.server.ThreadingHTTPServer):
    """Serves `endpoint`, which has answer(request), stopping, date_skew, and broken_handshake()."""

    daemon_threads = True
    request_queue_size = 128
    endpoint = None

    def handle_error(self, request, client_address):
        """Clients may leave whenever they like."""


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = 60

    def handle(self):
        if not self.server.endpoint.broken_handshake():
            super().handle()
            return
        # Past TLS, in clear: a handshake that cannot go on.
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self.request.fileno())) as plain:
            plain.sendall(b"This is no TLS.\r\n")

    def do_GET(self):
        self._serve("")

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        self._serve(self.rfile.read(length).decode("utf-8", "replace"))

    def _serve(self, body):
        answer = self.server.endpoint.answer(self._request(body))
        try:
            self.server.endpoint.stopping.wait(answer.delay)
            self._send(answer)
        finally:
            if answer.sent is not None:
                answer.sent()

    def _request(self, body):
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, urllib.parse.unquote(path), query, headers, body)

    def _send(self, answer):
        if answer.body is None:
            self.close_connection = True
            if answer.reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                os.close(self.connection.detach())
            else:
                self.connection.shutdown(socket.SHUT_RDWR)
            return
        payload = answer.body.encode()
        self.send_response(answer.status)
        for name, value in ({"Content-Type": JSON} | answer.headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload) + answer.cut))
        self.end_headers()
        self.wfile.write(payload)
        self.close_connection = self.close_connection or answer.cut > 0

    def date_time_string(self, timestamp=None):
        """The Date header, by the clock that this server is to have."""
        now = time.time() if timestamp is None else timestamp
        return super().date_time_string(now + self.server.endpoint.date_skew)

    def log_message(self, *_):
        """Silent: the output belongs to the test."""
