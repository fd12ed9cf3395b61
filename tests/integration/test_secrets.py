#!/usr/bin/env python3
"""Secrets and tokens stay out of logs, process lists, reports and files that others can read."""

import base64
import errno
import os
import resource
import stat
import subprocess
import unittest
import urllib.parse
from pathlib import Path

from support import dovecot, jwt, process
from support.imap_faults import no
from support.imap_script_server import ImapScriptServer
from support.mount import every_file, oauth_account, password_account
from support.testcase import MountTest, main, read
from support.token_endpoint import CLIENT_SECRET, TokenEndpoint, aadsts

USER = "ada@example.org"
PASSWORD = "tiger & sesame + 41"
NO_CORE = r"Max core file size\s+0\s+0\s"


def disguises(secret):
    """The ways in which a secret could get out."""
    encoded = secret.encode()
    # In the middle of other text, base64 has three faces; the ends depend on the neighbours.
    shifted = {base64.b64encode(b"x" * shift + encoded)[4:-4].decode() for shift in range(3)}
    return {secret, urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret), *shifted} - {""}


def limits_of(pid):
    """What a process may use, as the kernel sees it."""
    return Path(f"/proc/{pid}/limits").read_text(encoding="ascii")


def allow_core_dumps():
    """A preexec_fn: as far as we may."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def open_writer(pipe):
    """None until somebody has opened it for reading."""
    try:
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return None


class Secrets(MountTest):
    def assert_absent(self, secrets, **places):
        for secret in secrets:
            for disguise in disguises(secret):
                for place, text in places.items():
                    self.assertFalse(disguise in text, f"a secret appears in {place}")

    def outputs(self, box):
        report = box.command("check", "-c", box.config_file)
        machine = box.command("check", "--json", "-c", box.config_file)
        status = box.command("status", box.mountpoint)
        return {
            "log": box.log(),
            "command line": Path(f"/proc/{box.pid}/cmdline").read_text(encoding="utf-8"),
            "status": status.stdout + status.stderr,
            "status --json": str(box.status()),
            "check": report.stdout + report.stderr,
            "check --json": machine.stdout + machine.stderr,
        }

    @unittest.skipUnless(dovecot.available(), "there is no Dovecot")
    def test_client_secret_and_tokens(self):
        endpoint = TokenEndpoint(jwt.SigningKey())
        self.addCleanup(endpoint.stop)
        server = dovecot.Dovecot(endpoint.key)
        self.addCleanup(server.close)
        server.start()
        server.deliver(USER, "INBOX", b"Subject: x\r\n\r\nbody\r\n")
        box = self.mount(oauth_account(server, endpoint, [USER, "denied@example.org"]), start=False)
        box.start(log_level="trace")
        for name in box.messages(USER, "INBOX"):
            read(box.path(USER, "INBOX", name))
        with self.assertRaises(OSError):
            os.listdir(box.path("denied@example.org"))
        endpoint.always = aadsts(7000215, text=f"Invalid client secret provided: {CLIENT_SECRET}.")
        outputs = self.outputs(box)
        self.assertGreater(len(endpoint.tokens), 0)
        self.assertIn("trace", outputs["log"].lower())
        # The header of a token is no secret; its body and signature are.
        parts = [part for token in endpoint.tokens for part in token.split(".")[1:]]
        self.assert_absent([CLIENT_SECRET, *parts], **outputs)

    def test_passwords(self):
        imap = self.server(ImapScriptServer(accept=lambda user, password: password == PASSWORD))
        imap.mailbox(USER).inbox.fill(2)
        box = self.mount(password_account(imap, [USER], PASSWORD), start=False)
        box.start(log_level="trace")
        self.assertEqual(len(box.messages(USER, "INBOX")), 2)
        imap.on("AUTHENTICATE", no(f"wrong password: {PASSWORD}"))
        imap.drop_all()
        outputs = self.outputs(box)
        self.assert_absent([PASSWORD], **outputs)

    def test_files_are_private_and_nothing_is_dumped(self):
        imap = self.server(ImapScriptServer())
        imap.mailbox(USER).inbox.fill(2)
        box = self.mount(password_account(imap, [USER]), start=False)
        old = os.umask(0)
        try:
            box.start("--log-file", str(box.directory / "private.log"))
        finally:
            os.umask(old)
        for name in box.messages(USER, "INBOX"):
            read(box.path(USER, "INBOX", name))
        for top in ("cache", "state"):
            paths = [box.directory / top / name for name in every_file(box.directory / top)]
            self.assertTrue(paths)
            for path in [box.directory / top, *paths, *{path.parent for path in paths}, box.directory / "private.log"]:
                mode = stat.S_IMODE(path.stat().st_mode)
                self.assertEqual(mode & 0o077, 0, f"{path} has mode {mode:o}")
        self.assertRegex(limits_of(box.pid), NO_CORE)

    def test_nothing_is_dumped_from_the_first_byte_on(self):
        """The configuration is a pipe that nobody writes to: the program is held up before it has read anything."""
        box = self.mount(password_account(self.server(ImapScriptServer()), [USER]), start=False)
        pipe = box.directory / "pipe"
        os.mkfifo(pipe, 0o600)
        helper = box.directory / "mount.mailboxfs"
        helper.symlink_to(os.environ["MAILBOXFS"])
        for words in (
            [os.environ["MAILBOXFS"], "check", "-c", pipe],
            [os.environ["MAILBOXFS"], "mount", "-c", pipe, box.mountpoint],
            [os.environ["MAILBOXFS"], pipe, box.mountpoint],
            [helper, pipe, box.mountpoint],
        ):
            with self.subTest(words):
                program = subprocess.Popen(
                    list(map(str, words)),
                    env=box.environment(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    preexec_fn=allow_core_dumps,
                )
                try:
                    writer = process.wait_until(lambda: open_writer(pipe), 20, "the reading of the configuration")
                    self.assertRegex(limits_of(program.pid), NO_CORE)
                    os.close(writer)
                finally:
                    program.kill()
                    program.wait(10)


if __name__ == "__main__":
    main()
