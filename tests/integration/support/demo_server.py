"""The demo's servers: a private Dovecot, a token endpoint, two mailboxes of sample mail.

usage: python3 -m support.demo_server DIRECTORY
Writes DIRECTORY/config.json and DIRECTORY/client.secret, prints "ready", and serves until it is stopped
or the process that started it is gone.
"""

import ctypes
import json
import os
import signal
import sys
from pathlib import Path

from . import mailgen
from .dovecot import Dovecot
from .mount import oauth_account
from .token_endpoint import CLIENT_SECRET, TokenEndpoint

_PR_SET_PDEATHSIG = 1


def main():
    """Serves until SIGTERM."""
    directory = Path(sys.argv[1])
    stop_signals = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    endpoint = TokenEndpoint()
    with Dovecot(endpoint.key) as dovecot:
        mailboxes = mailgen.mailboxes()
        for user, messages in mailboxes.items():
            dovecot.deliver_all(user, messages)
        _write(directory / "client.secret", CLIENT_SECRET + "\n")
        account = oauth_account(dovecot, endpoint, list(mailboxes), secret={"file": str(directory / "client.secret")})
        config = {
            "accounts": {"example": account},
            "cache": {"directory": str(directory / "cache")},
            "state": {"directory": str(directory / "state")},
        }
        _write(directory / "config.json", json.dumps(config, indent=2) + "\n")
        print("ready", flush=True)
        os.close(1)  # The reader of the pipe may go.
        signal.sigwait(stop_signals)


def _write(path, text):
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()
