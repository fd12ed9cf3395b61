"""Accounts for every way to a token, at the suite's own token endpoint."""

import json
import sys
from pathlib import Path

from .mount import oauth_account
from .token_endpoint import CLIENT_ID, CLIENT_SECRET


def imap_section(server):
    """How to reach a Dovecot (over verified TLS) or a scripted server (plain, on loopback)."""
    if getattr(server, "authority", None) is not None:
        return {"host": "localhost", "port": server.port, "ca_file": str(server.authority.ca)}
    return {"host": "127.0.0.1", "port": server.port, "tls": "none"}


def grant_account(server, endpoint, users, method, **auth):
    """An account with what `method` needs; `auth` adds keys, or takes them away (None).

    The client is confidential unless `endpoint.client.public` is set.
    """
    proof = {} if endpoint.client.public else {"client_secret": CLIENT_SECRET}
    client = {"client_id": CLIENT_ID, "token_endpoint": endpoint.url} | proof
    keys = {
        "client-credentials": client | {"scope": endpoint.scope},
        "refresh-token": client | {"scope": endpoint.user_scope},
        "device-code": client | {"scope": endpoint.user_scope, "device_endpoint": endpoint.device_url},
        "authorization-code": client | {"scope": endpoint.user_scope, "authorization_endpoint": endpoint.authorize_url},
        "managed-identity": {"resource": endpoint.resource, "token_endpoint": endpoint.imds_url},
        "service-account": {"token_endpoint": endpoint.plain_url, "scope": endpoint.accounts.scope},
        "token-command": {},
    }[method]
    chosen = {name: value for name, value in (keys | auth).items() if value is not None}
    return {"imap": imap_section(server), "auth": {"method": method} | chosen, "mailboxes": users}


def microsoft_account(server, endpoint, users, **auth):
    """oauth_account() with other keys in its "auth"; None takes one away."""
    account = oauth_account(server, endpoint, users)
    account["auth"] = {name: value for name, value in (account["auth"] | auth).items() if value is not None}
    return account


def token_command(directory, script):
    """The words of a "command" that runs this Python text; sys.argv has what follows them."""
    path = Path(directory) / "command.py"
    path.write_text(script, encoding="utf-8")
    return [sys.executable, "-E", "-S", str(path)]


def login_file(box, account="test"):
    """Where a mount's refresh token is kept."""
    return Path(box.config["state"]["directory"]) / "logins" / f"{account}.json"


def stored_refresh_token(box, account="test"):
    """The refresh token on the disk, None if there is none."""
    try:
        content = json.loads(login_file(box, account).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return content["refresh_token"]
