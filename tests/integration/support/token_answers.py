"""What the token endpoint can say in place of a token: refusals in the words of the real ones, and broken answers."""

import email.utils
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

JSON = "application/json; charset=utf-8"
_IDS = {"trace_id": "7f2b1c00-0000-4000-8000-00000000cafe", "correlation_id": "0" * 8}


@dataclass
class Fault:
    """What to answer in place of a token. With body None the connection is dropped without an answer."""

    status: int = 400
    body: str | None = ""
    headers: dict = field(default_factory=lambda: {"Content-Type": JSON})
    delay: float = 0.0
    reset: bool = False  # With body None: TCP's RST instead of its FIN.
    cut: int = 0  # That many bytes are announced and never sent.
    truth: bool = False  # After the delay, what would have been answered without this.
    make: Callable | None = None  # Gives the answer to a request, in place of all this.
    sent: Callable | None = None  # Called when it has been sent, or could not be.


class Refused(Exception):
    """Ends the reading of a request with this answer. `blame`: a client that does all right never gets it."""

    def __init__(self, answer, blame=True):
        super().__init__(answer.body)
        self.answer, self.blame = answer, blame


def aadsts(code, error="invalid_client", text="Something about the application is wrong.", status=401):
    """An error body as login.microsoftonline.com writes it."""
    moment = "2026-11-22 10:00:00Z"
    description = f"AADSTS{code}: {text} Trace ID: {_IDS['trace_id']} Timestamp: {moment}"
    body = {"error": error, "error_description": description, "error_codes": [code], "timestamp": moment}
    body |= _IDS | {"error_uri": f"https://login.microsoftonline.com/error?code={code}"}
    return Fault(status=status, body=json.dumps(body))


def oauth_error(error, text="", status=400):
    """An error body with no more than RFC 6749 asks for: Google's, and most others'."""
    return Fault(status=status, body=json.dumps({"error": error} | ({"error_description": text} if text else {})))


def http_date(seconds=0.0):
    """Now and some seconds more, as HTTP writes it (RFC 9110 section 5.6.7)."""
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


def too_many_requests(retry_after="1"):
    """429 with a plain text body; `retry_after` is seconds, an HTTP date, or None for no header."""
    headers = {"Content-Type": "text/plain"} | ({"Retry-After": retry_after} if retry_after is not None else {})
    return Fault(status=429, body="Too Many Requests", headers=headers)


def unavailable():
    """503 with text that is not JSON."""
    return Fault(status=503, body="The service is unavailable.", headers={"Content-Type": "text/plain"})


def html(status=502):
    """A gateway's page."""
    page = f"<!DOCTYPE html>\r\n<html><head><title>{status}</title></head><body><h1>Bad luck</h1></body></html>\r\n"
    return Fault(status=status, body=page, headers={"Content-Type": "text/html"})


def page(text, status=200):
    """A page for a person."""
    return Fault(
        status=status, body=f"<!DOCTYPE html><title>Login</title>{text}\n", headers={"Content-Type": "text/html"}
    )


def empty(status=200):
    """No body at all."""
    return Fault(status=status, body="")


def truncated(status=200):
    """JSON that ends too early, in an answer that is complete."""
    return Fault(
        status=status, body='{"token_type":"Bearer","expires_in":3599,"access_token":"eyJ0eXAiOiJKV1QiLCJhbGci'
    )


def cut_off():
    """The connection ends in the middle of the answer."""
    return Fault(status=200, body='{"token_type":"Bearer","expires_in":3599,', cut=1200)


def error_in_200(error="invalid_client", text="The client is not known."):
    """A refusal under the status of a success."""
    return oauth_error(error, text, status=200)


def redirect(location="https://login.example.org/elsewhere", status=302):
    """Sends the client, and with it its secret, somewhere else."""
    return Fault(status=status, body="", headers={"Location": location})


def dropped():
    """The connection ends without an answer."""
    return Fault(body=None)


def reset():
    """The connection is reset without an answer."""
    return Fault(body=None, reset=True)


def late(seconds):
    """The truth, but not at once."""
    return Fault(delay=seconds, truth=True)


def quoting(code=7000215):
    """A refusal that repeats all that it was sent, decoded and as it came."""

    def make(request):
        values = " ".join(request.form.values())
        return aadsts(code, text=f"{values} {request.body} {json.dumps(request.form)} is wrong.", status=400)

    return Fault(make=make)


def imds(status, text=""):
    """What the instance metadata service says while it is busy, updating, or not yet there."""
    return Fault(status=status, body=json.dumps({"error": "temporarily_unavailable", "error_description": text}))


BROKEN = {
    "429": too_many_requests,
    "503": unavailable,
    "html": html,
    "empty": empty,
    "truncated": truncated,
    "cut-off": cut_off,
    "error-in-200": error_in_200,
    "redirect": redirect,
    "dropped": dropped,
    "reset": reset,
}
