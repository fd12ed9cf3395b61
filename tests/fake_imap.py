#!/usr/bin/env python3
"""Serves the tests' fake IMAP server for a person to mount, until Ctrl-C: any personality, any fault.

    tests/fake_imap.py --personality exchange --fault size-triple --fault throttle:FETCH:20000

Prints a configuration for mailboxfs, and the commands to mount it. Listens on loopback only, without TLS.
"""

import argparse
import ctypes
import json
import mailbox
import os
import shlex
import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "integration"))

from support import imap_fault_names  # noqa: E402
from support.imap_personalities import PERSONALITIES  # noqa: E402
from support.imap_script_server import ImapScriptServer  # noqa: E402

_PR_SET_PDEATHSIG = 1
_MAILDIR_FLAGS = {"S": r"\Seen", "R": r"\Answered", "F": r"\Flagged", "D": r"\Draft", "T": r"\Deleted"}


def _arguments():
    told = "\n".join(f"  {name + one.usage:45} {one.what}" for name, one in imap_fault_names.FAULTS.items())
    parser = argparse.ArgumentParser(
        description="A fake IMAP server on loopback, to be mounted by hand. Serves until Ctrl-C.",
        epilog="faults:\n" + told,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--personality", choices=sorted(PERSONALITIES), default="exchange")
    parser.add_argument("--fault", action="append", default=[], metavar="NAME[:ARGUMENT...]", help="see below; repeat")
    parser.add_argument("--messages", type=int, default=20, metavar="N", help="samples in INBOX (default: 20)")
    parser.add_argument("--maildir", type=Path, metavar="DIR", help="mail of a Maildir, with its folders .A.B as A/B")
    parser.add_argument("--port", type=int, default=0, help="default: any that is free")
    parser.add_argument("--user", default="ada@example.org")
    parser.add_argument("--password", help="default: any will do")
    parser.add_argument("--die-with-parent", action="store_true", help=argparse.SUPPRESS)
    return parser, parser.parse_args()


def _load_maildir(box, directory):
    """Copies all messages of a Maildir++ into the Mailbox."""
    top = mailbox.Maildir(directory, create=False)
    for name, source in [("", top), *((name, top.get_folder(name)) for name in top.list_folders())]:
        folder = box.folder(name.replace(".", "/")) if name else box.inbox
        for key in sorted(source.keys()):
            body = source.get_bytes(key).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            message = source.get_message(key)
            flags = [_MAILDIR_FLAGS[one] for one in message.get_flags() if one in _MAILDIR_FLAGS]
            folder.add(body, flags=flags, date=int(message.get_date()))


def _fill(server, arguments):
    box = server.furnished(arguments.user)
    if arguments.maildir:
        _load_maildir(box, arguments.maildir)
    elif arguments.personality == "gmail":
        for number in range(arguments.messages):
            body = f"Subject: Message {number}\r\nMessage-ID: <{number}@example.org>\r\n\r\nbody\r\n".encode()
            box.deliver(body, "INBOX", *(["Work"] if number % 3 == 0 else []))
    else:
        box.inbox.fill(arguments.messages)


def _configuration(server, arguments, directory):
    if "AUTH=PLAIN" in server.capabilities_of(None).split():
        auth = {"method": "password", "password": arguments.password or "any"}
    else:
        auth = {"method": "token-command", "command": ["echo", arguments.password or "any"]}
    imap = {"host": "127.0.0.1", "port": server.port, "tls": "none"}
    return {
        "accounts": {"fake": {"imap": imap, "auth": auth, "mailboxes": [arguments.user]}},
        "cache": {"directory": str(directory / "cache")},
        "state": {"directory": str(directory / "state")},
    }


def _write(path, text):
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def main():
    """Serves until SIGINT or SIGTERM; the exit status is 1 if the client has done what it must never do."""
    parser, arguments = _arguments()
    signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    if arguments.die_with_parent:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)

    def accept(_user, secret):
        return arguments.password in (None, secret)

    with tempfile.TemporaryDirectory(prefix="fake-imap-") as made, ImapScriptServer(
        arguments.personality, accept=accept, strict_logout=True, port=arguments.port
    ) as server:
        directory = Path(made)
        _fill(server, arguments)
        try:
            for fault in arguments.fault:
                imap_fault_names.install(server, fault)
        except ValueError as error:
            parser.error(str(error))
        text = json.dumps(_configuration(server, arguments, directory), indent=2) + "\n"
        _write(directory / "config.json", text)
        (directory / "mnt").mkdir()
        where = shlex.quote(str(directory))
        print(f"{arguments.personality} on 127.0.0.1, port {server.port}\n")
        print(f"{directory / 'config.json'}:\n{text}")
        print(f"mailboxfs check -c {where}/config.json")
        print(f"mailboxfs mount -c {where}/config.json {where}/mnt")
        print(f"mailboxfs unmount {where}/mnt\n")
        print("Ctrl-C ends it.", flush=True)
        signal.sigwait(signals)
        for violation in server.violations:
            print(f"the client has done what it must never do: {violation}", file=sys.stderr)
        return 1 if server.violations else 0


if __name__ == "__main__":
    sys.exit(main())
