#!/usr/bin/env python3
"""mailboxfs setup: from nothing to a configuration, with the steps that remain for an administrator."""

import json
import os
import pty
import select
import signal
import stat
import subprocess
import termios
import time

from support import process
from support.certs import openssl
from support.mount import binary
from support.testcase import MountTest, main
from support.token_endpoint import CLIENT_ID, TENANT

OK, FAILURE, CONFIG, LOGIN, NETWORK = range(5)
# Microsoft's servers are out of reach: what goes there ends at a port of this machine that nobody listens on.
NOWHERE = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "no_proxy": ""}
SECRET = "aB+c/d&e=f%41~g"


class Terminal:
    """A program at a terminal of its own, and what it has written."""

    def __init__(self, argv, env):
        leader, follower = pty.openpty()
        self._leader = leader
        self.shown = ""
        self._process = subprocess.Popen(
            [os.fspath(word) for word in argv],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env=env,
            process_group=0,
            preexec_fn=process.die_with_parent(signal.SIGKILL),
        )
        # Stays open: what the terminal is set to outlives the program.
        self._follower = follower

    def close(self):
        """Ends the program, if it still runs, and its terminal."""
        self._process.kill()
        self._process.wait()
        os.close(self._leader)
        os.close(self._follower)

    def _read(self, deadline):
        ready, _, _ = select.select([self._leader], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            raise AssertionError(f"nothing more came after:\n{self.shown}")
        data = os.read(self._leader, 4096)
        self.shown += data.decode("utf-8", "replace")
        return bool(data)

    def answer(self, question, answer, end=b"\n"):
        """Waits for the question, and types."""
        deadline = time.monotonic() + 60
        while not self.shown.endswith(question):
            if not self._read(deadline):
                raise AssertionError(f"it ended without asking {question!r}:\n{self.shown}")
        self.shown += "|"
        os.write(self._leader, answer.encode() + end)

    def shows_typing(self):
        """Does the terminal show what is typed?"""
        return bool(termios.tcgetattr(self._leader)[3] & termios.ECHO)

    def interrupt(self, question, signum=signal.SIGINT):
        """Waits for the question, and answers with Ctrl-C, or the key of another signal."""
        self.answer(question, "", end=b"")
        os.killpg(self._process.pid, signum)

    def finish(self):
        """Its exit status, when all has been read."""
        deadline = time.monotonic() + 60
        while self._process.poll() is None or select.select([self._leader], [], [], 0)[0]:
            if select.select([self._leader], [], [], 0.05)[0]:
                self._read(deadline)
            elif time.monotonic() > deadline:
                raise AssertionError(f"it does not end:\n{self.shown}")
        return self._process.wait(30)


class Setup(MountTest):
    def setUp(self):
        super().setUp()
        self.box = self.mount(accounts={}, start=False)
        self.target = self.box.directory / "new" / "config.json"
        self.secret_file = self.box.directory / "secret"
        self.secret_file.write_text(SECRET + "\n", encoding="utf-8")
        self.secret_file.chmod(0o600)

    def setup_words(self, *words, provider="microsoft365"):
        return ["setup", provider, "-c", self.target, *words]

    def all_options(self, *words):
        options = ["--tenant", TENANT, "--client-id", CLIENT_ID, "--mailbox", "ada@example.org"]
        return [*options, "--mailbox", "o'neil@example.org", *words]

    def setup_mailboxfs(self, *words, provider="microsoft365"):
        return self.box.command(*self.setup_words(*words, provider=provider), env=NOWHERE, timeout=120)

    def assert_mistake(self, words, *parts, provider="microsoft365"):
        done = self.setup_mailboxfs(*words, provider=provider)
        self.assertEqual(done.returncode, CONFIG, done.stdout + done.stderr)
        (line,) = done.stderr.splitlines()
        for part in parts:
            self.assertIn(part, line)
        self.assertNotIn("draft", line)
        self.assertFalse(self.target.exists())
        return line

    def test_everything_by_options(self):
        done = self.setup_mailboxfs(*self.all_options("--secret-file", self.secret_file))
        self.assertEqual(done.returncode, NETWORK, done.stdout + done.stderr)
        self.assertEqual(stat.S_IMODE(self.target.stat().st_mode), 0o600)
        account = json.loads(self.target.read_text(encoding="utf-8"))["accounts"]["microsoft365"]
        self.assertEqual(account["provider"], "microsoft365")
        self.assertEqual(account["auth"]["tenant"], TENANT)
        self.assertEqual(account["auth"]["client_id"], CLIENT_ID)
        self.assertEqual(account["auth"]["client_secret"], {"file": str(self.secret_file)})
        self.assertEqual(account["mailboxes"], ["ada@example.org", "o'neil@example.org"])
        for step in (
            f"adminconsent?client_id={CLIENT_ID}",
            f"New-ServicePrincipal -AppId {CLIENT_ID} ",
            "Add-MailboxPermission -Identity 'ada@example.org' ",
            "Add-MailboxPermission -Identity 'o''neil@example.org' ",
            "Set-CASMailbox -Identity 'ada@example.org' -ImapEnabled $true",
        ):
            self.assertIn(step, done.stdout)
        self.assertRegex(done.stdout, "failed +microsoft365: authority-connection: ", "check was run")
        self.assertNotIn(SECRET, done.stdout + done.stderr)
        self.assertEqual([path.name for path in self.target.parent.iterdir()], ["config.json"], "no drafts are left")

    def test_another_cloud_and_a_certificate(self):
        key = openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048").decode()
        pem = self.box.directory / "app.pem"
        pem.write_text(key, encoding="ascii")
        pem.chmod(0o600)
        certificate = openssl(
            "req", "-x509", "-new", "-key", str(pem), "-subj", "/CN=mailboxfs", "-days", "90"
        ).decode()
        pem.write_text(key + certificate, encoding="ascii")
        options = ["--tenant", "contoso.example", "--client-id", CLIENT_ID, "--mailbox", "ada@example.org"]
        done = self.setup_mailboxfs(*options, "--certificate", pem, provider="microsoft365-gcc-high")
        self.assertEqual(done.returncode, NETWORK, done.stdout + done.stderr)
        account = json.loads(self.target.read_text(encoding="utf-8"))["accounts"]["contoso"]
        self.assertEqual(account["auth"]["certificate"], str(pem))
        self.assertIn("https://login.microsoftonline.us/contoso.example/adminconsent", done.stdout)
        self.assertIn("-ExchangeEnvironmentName O365USGovGCCHigh", done.stdout)
        self.assertIn("Connect-MgGraph -Environment USGov -Scopes", done.stdout)

    def test_mistakes(self):
        secret = ["--secret-file", self.secret_file]
        self.assert_mistake(self.all_options(*secret), "microsoft365", "gmail", provider="gmail")
        self.assert_mistake(["--client-id", CLIENT_ID, *secret], "--tenant", "no terminal")
        self.assert_mistake(["--tenant", "common", *secret], "--tenant", "any tenant")
        self.assert_mistake(["--tenant", TENANT, "--client-id", CLIENT_ID[:-2], *secret], "--client-id", "GUID")
        self.assert_mistake(["--tenant", TENANT, "--client-id", CLIENT_ID], "--secret-file", "no terminal")
        self.assert_mistake(self.all_options("--mailbox", "ada", *secret), "--mailbox", "user@example.org")
        self.assert_mistake(self.all_options("--secret-file", self.box.directory / "none"), "does not exist")
        self.assert_mistake(self.all_options("--secret-file", "a", "--certificate", "b"), "one of them")
        self.secret_file.chmod(0o644)
        line = self.assert_mistake(self.all_options(*secret), "chmod 600")
        self.assertNotIn(SECRET, line)
        self.assertEqual(list(self.target.parent.iterdir()), [], "no drafts are left")

    def test_an_existing_configuration_is_not_lost(self):
        words = self.all_options("--secret-file", self.secret_file)
        self.target.parent.mkdir()
        self.target.write_text("// mine\n", encoding="utf-8")
        done = self.setup_mailboxfs(*words)
        self.assertEqual(done.returncode, CONFIG)
        self.assertIn("--replace", done.stderr)
        self.assertEqual(self.target.read_text(encoding="utf-8"), "// mine\n")
        done = self.setup_mailboxfs(*words, "--replace")
        self.assertEqual(done.returncode, NETWORK, done.stdout + done.stderr)
        old = self.target.parent / "config.json.old"
        self.assertEqual(old.read_text(encoding="utf-8"), "// mine\n")
        self.assertEqual(self.setup_mailboxfs(*words, "--replace").returncode, NETWORK)
        self.assertEqual(old.read_text(encoding="utf-8"), "// mine\n", "the first stays the first")
        self.assertTrue((self.target.parent / "config.json.old.2").exists())
        self.assertIn("accounts", json.loads(self.target.read_text(encoding="utf-8")))

    def terminal(self):
        """Setup without options."""
        terminal = Terminal([binary(), *self.setup_words()], self.box.environment() | NOWHERE)
        self.addCleanup(terminal.close)
        return terminal

    def test_ctrl_c_leaves_the_terminal_as_it_was(self):
        terminal = self.terminal()
        self.assertTrue(terminal.shows_typing())
        terminal.answer("tenant: ", "contoso.example")
        terminal.answer("client) ID: ", CLIENT_ID)
        terminal.interrupt("not shown): ")
        self.assertEqual(terminal.finish(), -signal.SIGINT)
        self.assertTrue(terminal.shows_typing())

    def test_ctrl_z_at_the_hidden_question_is_not_taken(self):
        terminal = self.terminal()
        terminal.answer("tenant: ", "contoso.example")
        terminal.answer("client) ID: ", CLIENT_ID)
        terminal.interrupt("not shown): ", signal.SIGTSTP)
        terminal.answer("|", SECRET)
        terminal.answer("primary address): ", "ada@example.org")
        terminal.answer("no more): ", "")
        self.assertEqual(terminal.finish(), NETWORK, terminal.shown)
        self.assertNotIn(SECRET, terminal.shown)

    def test_ctrl_c_at_the_last_question_changes_nothing(self):
        self.target.parent.mkdir()
        theirs = self.target.parent / "contoso.secret"
        theirs.write_text("another's\n", encoding="utf-8")
        terminal = self.terminal()
        terminal.answer("tenant: ", "contoso.example")
        terminal.answer("client) ID: ", CLIENT_ID)
        terminal.answer("not shown): ", SECRET)
        terminal.interrupt("primary address): ")
        self.assertEqual(terminal.finish(), -signal.SIGINT)
        self.assertEqual(list(self.target.parent.iterdir()), [theirs])
        self.assertEqual(theirs.read_text(encoding="utf-8"), "another's\n")

    def test_another_configurations_secret_is_kept(self):
        self.target.parent.mkdir()
        theirs = self.target.parent / "contoso.secret"
        theirs.write_text("another's\n", encoding="utf-8")
        terminal = self.terminal()
        terminal.answer("tenant: ", "contoso.example")
        terminal.answer("client) ID: ", CLIENT_ID)
        terminal.answer("not shown): ", SECRET)
        terminal.answer("primary address): ", "ada@example.org")
        terminal.answer("no more): ", "")
        self.assertEqual(terminal.finish(), NETWORK, terminal.shown)
        self.assertEqual(theirs.read_text(encoding="utf-8"), "another's\n")
        account = json.loads(self.target.read_text(encoding="utf-8"))["accounts"]["contoso"]
        self.assertEqual(account["auth"]["client_secret"], {"file": f"{theirs}.2"})

    def test_what_could_do_harm_when_it_is_pasted_is_left_out(self):
        mailbox = "o\u2019;calc.exe;\u2019@example.org"
        done = self.setup_mailboxfs(*self.all_options("--secret-file", self.secret_file, "--mailbox", mailbox))
        self.assertEqual(done.returncode, NETWORK, done.stdout + done.stderr)
        pasted = [line for line in done.stdout.splitlines() if "Add-MailboxPermission" in line]
        self.assertGreaterEqual(len(pasted), 3)
        for line in pasted:
            self.assertNotIn("calc", line)

    def test_questions_at_a_terminal(self):
        terminal = self.terminal()
        terminal.answer("tenant: ", "common")
        terminal.answer("tenant: ", "contoso.example")
        terminal.answer("client) ID: ", CLIENT_ID)
        terminal.answer("not shown): ", CLIENT_ID)
        terminal.answer("not shown): ", SECRET)
        terminal.answer("primary address): ", "ada@example.org")
        terminal.answer("no more): ", "")
        self.assertEqual(terminal.finish(), NETWORK, terminal.shown)
        self.assertIn("stands for any tenant", terminal.shown)
        self.assertIn("secret's ID", terminal.shown)
        self.assertNotIn(SECRET, terminal.shown)
        secret = self.target.parent / "contoso.secret"
        self.assertEqual(secret.read_text(encoding="utf-8"), SECRET)
        self.assertEqual(stat.S_IMODE(secret.stat().st_mode), 0o600)
        account = json.loads(self.target.read_text(encoding="utf-8"))["accounts"]["contoso"]
        self.assertEqual(account["auth"]["client_secret"], {"file": str(secret)})


if __name__ == "__main__":
    main(needs_fuse=False)
