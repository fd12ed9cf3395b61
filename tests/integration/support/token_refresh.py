"""Refresh tokens that are replaced with each use (RFC 6749 section 6, RFC 9700 section 4.14)."""

import secrets
import threading
from dataclasses import dataclass

from .token_answers import Refused, aadsts

# Characters that a token may have (RFC 6749 appendix A.17) and that a careless form encoder would spoil.
DIFFICULT = "+/=&%~."


@dataclass
class Login:
    """What one person has agreed to. Its newest refresh token is `newest`."""

    user: str
    scope: str
    newest: str = ""
    revoked: int = 0  # The AADSTS number to refuse it with.
    in_flight: int = 0
    refreshed: int = 0  # How often.


class RefreshTokens:
    """Settings may be changed at any time.

    `rotation`: each use gives a new one. `strict`: an old one is refused once a new one was given out; Microsoft is
    not so strict, but a client must be able to live with it. `reuses` counts the uses of old ones.
    """

    def __init__(self, problems):
        self.rotation, self.strict, self.reuses = True, True, 0
        self.logins, self._owners = [], {}
        self.came_with = {}  # {access token: the refresh token in the same answer}.
        self._problems, self._lock = problems, threading.Lock()

    def begin(self, user, scope):
        """A new login; its first refresh token is its `newest`."""
        login = Login(user, scope)
        with self._lock:
            self.logins.append(login)
            self._add(login)
        return login

    def _add(self, login):
        login.newest = f"1.{DIFFICULT}{secrets.token_urlsafe(48)}"
        self._owners[login.newest] = login
        return login.newest

    def all(self):
        """Every refresh token ever given out, in order."""
        with self._lock:
            return list(self._owners)

    def revoke(self, code=50173):
        """All logins are over: a changed password (50173), too long unused (700082), ..."""
        with self._lock:
            for login in self.logins:
                login.revoked = code

    def redeem(self, token):
        """(its Login, the new refresh token or None). Whoever calls it calls finish(login) when it is answered."""
        with self._lock:
            login = self._owners.get(token)
            if login is None:
                raise Refused(aadsts(9002313, "invalid_grant", "The refresh token is malformed.", 400))
            if login.revoked:
                text = "The provided grant has expired due to it being revoked, a fresh auth token is needed."
                raise Refused(aadsts(login.revoked, "invalid_grant", text, 400), blame=False)
            if token != login.newest:
                self.reuses += 1
                if self.strict:
                    login.revoked = 70000
                    raise Refused(aadsts(70000, "invalid_grant", "The refresh token was used before.", 400))
            if login.in_flight:
                self._problems.append("a refresh began before the one before it was answered")
            login.in_flight += 1
            login.refreshed += 1
            return login, self._add(login) if self.rotation else None

    def finish(self, login):
        """The answer is out."""
        with self._lock:
            login.in_flight -= 1
