"""The token endpoint as a program, for trying things out by hand."""

import argparse
import os
import sys
import textwrap
import threading
from pathlib import Path

from .certs import Authority
from .token_answers import BROKEN
from .token_endpoint import CLIENT_ID, CLIENT_SECRET, SCOPE, TENANT, USER_SCOPE, TokenEndpoint

_ABOUT = """
A token endpoint on loopback that checks what it is sent and answers like Microsoft's, Google's and Azure's metadata
service. It prints its token endpoint, then its other addresses, and serves until it is stopped. What a client does
wrong is told on standard error.

It knows the grants client_credentials (with a secret, a certificate, a federated token; with "resource" at the v1
address), refresh_token (a new one each time), device code, authorization_code with PKCE, Google's service accounts,
and managed identities. Its tokens are JSON Web Tokens, signed with RS256.
"""

_EXAMPLES = """
examples (in tests/integration):
  app-only, as Microsoft 365:   python3 -m support.token_endpoint --client-secret-file secret --public-key key.pem
  a person's login:             python3 -m support.token_endpoint --public-client
                                (then open the address that `mailboxfs login` shows; any browser or curl will do)
  a service account of Google:  python3 -m support.token_endpoint --service-account-file key.json
  a bad day:                    python3 -m support.token_endpoint --fault 429 --fault html --fault reset
"""


def _arguments():
    parser = argparse.ArgumentParser(
        prog="python3 -m support.token_endpoint",
        description=textwrap.dedent(_ABOUT),
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="default: any that is free")
    parser.add_argument(
        "--tls", metavar="DIRECTORY", help="serve HTTPS; a throwaway CA is made: trust DIRECTORY/ca.pem"
    )
    parser.add_argument("--public-key", metavar="FILE", help="write the key that checks the tokens here, as PEM")

    client = parser.add_argument_group("the registered application")
    client.add_argument("--tenant", default=TENANT)
    client.add_argument("--client-id", default=CLIENT_ID)
    client.add_argument(
        "--client-secret-file", metavar="FILE", help="default: a built-in secret with difficult characters"
    )
    client.add_argument("--public-client", action="store_true", help="at a person's login it must show no secret")
    client.add_argument("--certificate", metavar="FILE", action="append", default=[], help="may be given several times")
    client.add_argument("--federated-token-file", metavar="FILE", help="an assertion to accept, whoever has signed it")
    client.add_argument("--scope", default=SCOPE, help="what the application asks for: %(default)s")
    client.add_argument("--user-scope", default=USER_SCOPE, help="what a person's login asks for: %(default)s")

    tokens = parser.add_argument_group("the tokens")
    tokens.add_argument("--lifetime", type=int, default=3600, metavar="SECONDS")
    tokens.add_argument("--role", action="append", metavar="ROLE", help='default: IMAP.AccessAsApp; "": none at all')
    tokens.add_argument("--audience", help="default: the scope's resource")
    tokens.add_argument("--refresh-token-file", metavar="FILE", help="begin a login, write its refresh token here")
    tokens.add_argument("--no-rotation", action="store_true", help="a refresh gives no new refresh token")
    tokens.add_argument("--old-refresh-tokens", action="store_true", help="accept those that were replaced")
    tokens.add_argument("--service-account-file", metavar="FILE", help="write a key file as Google's here")
    tokens.add_argument("--delegate", action="append", metavar="USER", help="whom it may act for; default: everybody")

    people = parser.add_argument_group("the people and the weather")
    people.add_argument("--approve-at-once", action="store_true", help="a device code needs nobody to approve it")
    people.add_argument("--refuse", action="store_true", help="the person at the browser does not agree")
    people.add_argument("--interval", type=int, default=5, metavar="SECONDS", help="between a device's questions")
    people.add_argument("--date-skew", type=float, default=0, metavar="SECONDS", help="the server's clock is ahead")
    people.add_argument("--delay", type=float, default=0, metavar="SECONDS", help="before each token")
    people.add_argument(
        "--fault", action="append", choices=BROKEN, default=[], help="the next token request's answer; repeat for more"
    )
    return parser.parse_args()


class _Told(list):
    """A list of problems that says each one as it comes."""

    def append(self, problem):
        super().append(problem)
        print(f"wrong: {problem}", file=sys.stderr, flush=True)


def _make(words):
    secret = CLIENT_SECRET
    if words.client_secret_file:
        secret = Path(words.client_secret_file).read_text(encoding="utf-8").removesuffix("\n")
    return TokenEndpoint(
        port=words.port,
        authority=Authority(words.tls) if words.tls else None,
        tenant=words.tenant,
        client_id=words.client_id,
        client_secret=secret,
        scope=words.scope,
        user_scope=words.user_scope,
        lifetime=words.lifetime,
        problems=_Told(),
    )


def _set_up(endpoint, words):
    endpoint.client.public = words.public_client
    endpoint.certificates += [Path(name).read_text(encoding="ascii") for name in words.certificate]
    if words.federated_token_file:
        endpoint.federated_tokens.append(Path(words.federated_token_file).read_text(encoding="ascii").strip())
    if words.role is not None:
        endpoint.roles = [role for role in words.role if role]
    endpoint.audience = words.audience or endpoint.audience
    endpoint.refresh.rotation, endpoint.refresh.strict = not words.no_rotation, not words.old_refresh_tokens
    endpoint.accounts.delegates = words.delegate
    endpoint.devices.interval, endpoint.devices.approves_at_once = words.interval, words.approve_at_once
    endpoint.codes.error = "access_denied" if words.refuse else None
    endpoint.date_skew, endpoint.delay = words.date_skew, words.delay
    endpoint.faults += [BROKEN[name]() for name in words.fault]


def _write_private(name, text):
    with os.fdopen(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(text + "\n")


def main():
    """Serves until it is stopped."""
    words = _arguments()
    endpoint = _make(words)
    _set_up(endpoint, words)
    if words.public_key:
        Path(words.public_key).write_text(endpoint.key.public_pem, encoding="ascii")
    if words.refresh_token_file:
        _write_private(words.refresh_token_file, endpoint.log_in().newest)
    if words.service_account_file:
        _write_private(words.service_account_file, endpoint.accounts.add(endpoint.plain_url))
    print(endpoint.url)
    for name, url in {
        "issuer": endpoint.issuer,
        "v1 token endpoint": endpoint.v1_url,
        "device endpoint": endpoint.device_url,
        "authorization endpoint": endpoint.authorize_url,
        "for service accounts": endpoint.plain_url,
        "managed identity": endpoint.imds_url,
        "where a person enters a device's code": endpoint.person_url,
    }.items():
        print(f"  {name}: {url}")
    sys.stdout.flush()
    threading.Event().wait()
