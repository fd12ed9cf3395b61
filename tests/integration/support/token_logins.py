"""Logins that need a person: the device code (RFC 8628) and the authorization code with PKCE (RFC 7636)."""

import base64
import hashlib
import re
import secrets
import threading
import time
import urllib.parse
from dataclasses import dataclass

from .token_answers import Fault, Refused, aadsts, oauth_error
from .token_refresh import DIFFICULT

_LOOPBACK = re.compile(r"http://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?(/[^?#\s]*)?")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_SLOWER = 5  # Seconds more after each "slow_down", RFC 8628 section 3.5.
_EARLY = 0.05  # Seconds: threads are not always woken on time.


@dataclass
class Device:
    """One device code and what became of it."""

    code: str
    user_code: str
    scope: str
    interval: float
    ends: float
    state: str = "pending"  # Then "approved" or "declined", in the end "redeemed".
    user: str = ""
    polls: int = 0
    last_poll: float | None = None


class DeviceLogins:
    """`interval` and `lifetime` in seconds; `script` holds the next polls' answers, "slow_down" or "pending".

    `approves_at_once`: nobody has to go to the address.
    """

    def __init__(self, problems):
        self.interval, self.lifetime, self.script = 1, 900, []
        self.approves_at_once = False
        self.devices = []
        self._problems, self._lock = problems, threading.Lock()

    def begin(self, scope, address):
        """The answer to a device authorization request."""
        letters = "".join(secrets.choice("BCDFGHJKLMNPQRSTVWXZ") for _ in range(9))
        device = Device(
            f"D{DIFFICULT}{secrets.token_urlsafe(48)}", letters, scope, self.interval, time.monotonic() + self.lifetime
        )
        with self._lock:
            self.devices.append(device)
        if self.approves_at_once:
            self.decide(device.user_code, "approved")
        message = (
            f"To sign in, use a web browser to open the page {address} and enter the code {letters} to authenticate."
        )
        return {
            "user_code": letters,
            "device_code": device.code,
            "verification_uri": address,
            "expires_in": self.lifetime,
            "interval": self.interval,
            "message": message,
        }

    def decide(self, user_code, state, user="ada@example.org"):
        """A person has "approved" or "declined"; without a code, the newest device. False if there is no such code."""
        with self._lock:
            wanted = [one for one in self.devices if user_code in (None, one.user_code) and one.state == "pending"]
            if wanted:
                wanted[-1].state, wanted[-1].user = state, user
            return bool(wanted)

    def expire(self):
        """All codes are too old from now on."""
        with self._lock:
            for device in self.devices:
                device.ends = 0.0

    def poll(self, code):
        """The Device that was approved; Refused as long as it is not, and if it never will be."""
        now = time.monotonic()
        with self._lock:
            device = next((one for one in self.devices if one.code == code), None)
            if device is None or device.state == "redeemed":
                raise Refused(aadsts(70018, "bad_verification_code", "Invalid verification code.", 400))
            device.polls += 1
            early = device.last_poll is not None and now - device.last_poll < device.interval - _EARLY
            if early:
                self._problems.append(f"polled after {now - device.last_poll:.2f} s, not {device.interval} s")
            device.last_poll = now
            if now > device.ends:
                raise Refused(aadsts(70019, "expired_token", "The verification code has expired.", 400), blame=False)
            wanted = self.script.pop(0) if self.script else device.state
            if early or wanted == "slow_down":
                device.interval += _SLOWER
                raise Refused(oauth_error("slow_down", "The client polls too often."), blame=False)
            if wanted == "pending":
                text = "OAuth 2.0 device flow error. Authorization is pending. Continue polling."
                raise Refused(aadsts(70016, "authorization_pending", text, 400), blame=False)
            if wanted == "declined":
                text = "The end user has denied the authorization request."
                raise Refused(oauth_error("authorization_declined", text), blame=False)
            device.state = "redeemed"
            return device


@dataclass
class Code:
    """One authorization code."""

    redirect_uri: str
    challenge: str
    user: str
    scope: str
    ends: float
    used: bool = False


class AuthorizationCodes:
    """The person at the browser agrees at once, as `user`; or, with `error` set, does not.

    `changes` are put over the redirect's parameters (None: leaves one out). `codes` holds all codes given out.
    """

    def __init__(self):
        self.user, self.error, self.changes = "ada@example.org", None, {}
        self.codes = {}
        self._lock = threading.Lock()

    def authorize(self, query):
        """The answer to the browser's GET."""
        state = query.get("state", "")
        target = query.get("redirect_uri", "")
        if not _LOOPBACK.fullmatch(target):
            # Never a redirect: it would go to nobody knows whom.
            raise Refused(aadsts(50011, "invalid_request", f"The redirect URI '{target}' is not registered.", 400))
        if query.get("response_type") != "code" or query.get("response_mode", "query") != "query":
            raise Refused(aadsts(900144, "invalid_request", "Only 'code' in the query is offered.", 400))
        if len(state) < 16:
            raise Refused(aadsts(900144, "invalid_request", "The state can be guessed.", 400))
        challenge = query.get("code_challenge", "")
        if query.get("code_challenge_method") != "S256" or not re.fullmatch(r"[A-Za-z0-9_-]{43}", challenge):
            raise Refused(aadsts(501491, "invalid_request", "Proof Key for Code Exchange (S256) is required.", 400))
        answer = {"state": state}
        if self.error:
            answer |= {"error": self.error, "error_description": "the user canceled the authentication"}
        else:
            code = f"0.{DIFFICULT}{secrets.token_urlsafe(60)}"
            with self._lock:
                self.codes[code] = Code(target, challenge, self.user, query.get("scope", ""), time.monotonic() + 600)
            answer |= {"code": code, "session_state": "5f8f8c1e"}
        fields = {name: value for name, value in (answer | self.changes).items() if value is not None}
        return Fault(status=302, body="", headers={"Location": f"{target}?{urllib.parse.urlencode(fields)}"})

    def redeem(self, form):
        """The Code; Refused unless it is this client's to use, for the first time."""
        with self._lock:
            code = self.codes.get(form.get("code"))
            if code is None or code.used or time.monotonic() > code.ends:
                text = "The code was already redeemed, is too old, or was never given out."
                raise Refused(aadsts(54005, "invalid_grant", text, 400))
            code.used = True  # Also if the rest is wrong: a second try is an attack.
        if form.get("redirect_uri") != code.redirect_uri:
            text = "The reply address is not that of the authorization request."
            raise Refused(aadsts(500112, "invalid_grant", text, 400))
        verifier = form.get("code_verifier", "")
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if not _VERIFIER.fullmatch(verifier) or digest != code.challenge:
            raise Refused(aadsts(501481, "invalid_grant", "The Code_Verifier does not match.", 400))
        return code
