#!/usr/bin/env python3
"""Secrets and tokens stay out of logs, process lists, reports and files that others can read."""

import base64
import errno
import json
import os
import re
import resource
import stat
import subprocess
import unittest
import urllib.parse
from pathlib import Path

from support import dovecot, jwt, process
from support.accounts import grant_account, login_file, token_command
from support.certs import openssl
from support.imap_faults import no
from support.imap_script_server import ImapScriptServer
from support.login import Login, browse
from support.mount import every_file, password_account
from support.oauth_testcase import OAuthTest
from support.testcase import MountTest, main, read
from support.token_answers import quoting

USER = "ada@example.org"
_DENIED = "denied@example.org"  # The mail server refuses it whatever it shows.
_ENOUGH = 20  # So many characters of a secret are too many.
PASSWORD = "tiger & sesame + 41"
NO_CORE = r"Max core file size\s+0\s+0\s"


def pieces(secret):
    """The whole, and what is left of it in texts that are cut, or that have a way of their own with non-ASCII."""
    longest = max(re.split("[^ -~]+", secret), key=len)
    return {secret, longest, longest[:_ENOUGH], longest[-_ENOUGH:]}


def disguises(secret):
    """The ways in which a secret could get out."""
    found = set()
    for piece in pieces(secret):
        encoded = piece.encode()
        # In the middle of other text, base64 has three faces; the ends depend on the neighbours.
        found |= {base64.b64encode(b"x" * shift + encoded)[4:-4].decode() for shift in range(3)}
        percent = {urllib.parse.quote(piece, safe=""), urllib.parse.quote_plus(piece)}
        found |= percent | {re.sub("%..", lambda code: code.group().lower(), text) for text in percent}
        found |= {piece, json.dumps(piece)[1:-1]}
    return found - {""}


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


class SecretTest(MountTest):
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


class Secrets(SecretTest):
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


@unittest.skipUnless(dovecot.available(), "there is no Dovecot")
class Grants(OAuthTest, SecretTest):
    """Each way to a token, at the level of trace, with a server that repeats in its refusal what it was sent."""

    def box(self, method, **auth):
        users = [*self.users, _DENIED]
        return self.mount(grant_account(self.dovecot, self.endpoint, users, method, **auth), start=False)

    def with_key(self, box, key, value):
        """Adds it to the account's "auth"."""
        box.config["accounts"]["test"]["auth"][key] = value
        box.write_config()
        return box

    def while_held(self, box, *words):
        """The command line and the output of a program that asks for a token."""
        self.endpoint.hold()
        program = subprocess.Popen(
            [os.environ["MAILBOXFS"], *map(str, words)],
            env=box.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            process.wait_until(lambda: self.endpoint.held > 0 or program.poll() is not None, 30, "the request")
            line = Path(f"/proc/{program.pid}/cmdline").read_text(encoding="utf-8")
            self.endpoint.release()
            return line, program.communicate(timeout=60)[0]
        finally:
            self.endpoint.release()
            process.stop(program)

    def assert_secret(self, box, *more, **outputs):
        """Mounts, reads, is refused by both servers, asks for everything that there is to see."""
        box.start(log_level="trace")
        for name in box.messages(self.users[0], "INBOX"):
            read(box.path(self.users[0], "INBOX", name))
        self.assertIsNotNone(self.fails(box, _DENIED))
        line, text = self.while_held(box, "check", "-c", box.config_file)
        self.assertIn("token", text)
        outputs |= {"command line of check": line, "check, all well": text}
        self.assert_no_problems()
        self.endpoint.always = quoting()
        outputs |= self.outputs(box)
        box.remount()
        self.assertIsNotNone(self.fails(box, _DENIED))
        outputs |= {f"{name}, refused": text for name, text in self.outputs(box).items()}
        self.assertIn("trace", outputs["log"].lower())
        self.assertIn("AADSTS7000215", outputs["log, refused"])
        secrets = {secret for secret in {*self.endpoint.secrets(), *more} if len(secret) > 3}
        self.assertGreater(len(secrets), 1)
        self.assert_absent(secrets, **outputs)
        self.assert_only_the_login_is_kept(box)

    def assert_only_the_login_is_kept(self, box):
        kept = self.endpoint.secrets() - {self.endpoint.client.secret}
        for top in ("cache", "state"):
            for name in every_file(box.directory / top):
                path = box.directory / top / name
                newest = {login.newest for login in self.endpoint.refresh.logins if path == login_file(box)}
                for secret in kept - newest:
                    self.assertFalse(secret.encode() in path.read_bytes(), f"a secret is kept in {path}")

    def test_client_secret(self):
        self.assert_secret(self.box("client-credentials"))

    def test_certificate(self):
        box = self.box("client-credentials", client_secret=None)
        key, certificate = self.certificate(box)
        encrypted = openssl("pkcs8", "-topk8", "-passout", f"pass:{PASSWORD}", input=key.encode()).decode()
        self.with_key(box, "certificate", self.place(box, "app.pem", certificate))
        self.with_key(box, "private_key", {"file": self.place(box, "app.key", encrypted)})
        self.with_key(box, "private_key_passphrase", {"file": self.place(box, "passphrase", PASSWORD)})
        self.assert_secret(box, PASSWORD, *key.splitlines()[1:-1], *encrypted.splitlines()[1:-1])

    def test_federated_token(self):
        box = self.box("client-credentials", client_secret=None)
        token = jwt.SigningKey().sign({"iss": "https://cluster.example.org", "sub": "mail", "aud": "api://x"})
        self.endpoint.federated_tokens.append(token)
        self.assert_secret(self.with_key(box, "federated_token_file", self.place(box, "token", token)))

    def test_managed_identity(self):
        self.assert_secret(self.box("managed-identity"))

    def test_refresh_token(self):
        box = self.box("refresh-token", refresh_token="to be replaced")
        token = self.place(box, "refresh.token", self.endpoint.log_in().newest)
        self.assert_secret(self.with_key(box, "refresh_token", {"file": token}))

    def test_device_code(self):
        box = self.box("device-code")
        self.endpoint.devices.script.append("pending")
        with Login(box) as login:
            process.wait_until(lambda: self.endpoint.approve() or login.process.poll() is not None, 30, "the request")
            line = login.command_line()
            self.assertEqual(login.finish(), 0, login.shown)
        self.assert_secret(box, **{"login": login.shown, "command line of login": line})

    def test_authorization_code(self):
        box = self.box("authorization-code")
        with Login(box) as login:
            address = login.address(self.endpoint.authorize_url)
            line = login.command_line()
            status, page = browse(address)
            self.assertEqual((status, login.finish()), (200, 0), login.shown)
        self.assertTrue(self.endpoint.codes.codes)
        self.assert_secret(box, **{"login": login.shown, "command line of login": line, "the browser's page": page})

    def test_logins_that_are_refused(self):
        for method in ("device-code", "authorization-code"):
            with self.subTest(method):
                box = self.box(method)
                self.endpoint.devices.approves_at_once = True
                self.endpoint.always = quoting()
                with Login(box) as login:
                    if method == "authorization-code":
                        browse(login.address(self.endpoint.authorize_url))
                    self.assertNotEqual(login.finish(), 0, login.shown)
                self.assertIn("AADSTS7000215", login.shown)
                self.assert_absent(self.endpoint.secrets(), login=login.shown)

    def test_service_account(self):
        box = self.box("service-account")
        google = jwt.SigningKey(2048)
        key = self.place(box, "key.json", self.endpoint.accounts.add(self.endpoint.plain_url, key=google))
        lines = google.private_pem.splitlines()[1:-1]
        self.assert_secret(self.with_key(box, "service_account_key", {"file": key}), *lines)

    def test_token_command(self):
        box = self.box("token-command", command="to be replaced")
        token = self.endpoint.issue()
        self.endpoint.tokens.append(token)
        self.with_key(box, "command", token_command(box.directory, f"print('{token}')\n"))
        box.start(log_level="trace")
        self.assert_listed(box)
        self.assertIsNotNone(self.fails(box, _DENIED))
        outputs = self.outputs(box)
        # What a program prints before it fails may be a token all the same.
        script = f"print('{token}')\nraise SystemExit(1)\n"
        self.with_key(box, "command", token_command(box.directory, script))
        box.remount()
        self.assertIsNotNone(self.fails(box, _DENIED))
        outputs |= {f"{name}, failed": text for name, text in self.outputs(box).items()}
        self.assert_absent(self.endpoint.secrets(), **outputs)


if __name__ == "__main__":
    main()
