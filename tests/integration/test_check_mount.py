#!/usr/bin/env python3
"""mailboxfs check --mount: the daemon of a mount checks, with what only it has."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

from support import dovecot, jwt, process
from support.imap_faults import Gate
from support.imap_script_server import ImapScriptServer
from support.mount import binary, oauth_account, password_account
from support.testcase import MountTest, main
from support.token_endpoint import CLIENT_SECRET, TokenEndpoint

USER = "ada@example.org"
OK, FAILURE, CONFIG, LOGIN, NETWORK = range(5)
NOBODY = 65534


@unittest.skipUnless(dovecot.available(), "there is no Dovecot")
class CheckOfAMount(MountTest):
    def test_with_the_daemons_own_secret_and_token(self):
        key = jwt.any_key()
        server = dovecot.Dovecot(key)
        self.addCleanup(server.close)
        server.start()
        server.deliver(USER, "INBOX", b"Subject: hello\r\n\r\nbody\r\n")
        endpoint = TokenEndpoint(key)
        self.addCleanup(endpoint.stop)
        account = oauth_account(server, endpoint, [USER], secret={"env": "ONLY_THE_DAEMON_HAS_IT"})
        box = self.mount(account, start=False)
        box.start(env={"ONLY_THE_DAEMON_HAS_IT": CLIENT_SECRET})
        self.assertEqual(len(box.messages(USER, "INBOX")), 1)
        self.assertEqual(box.command("check", "-c", box.config_file).returncode, CONFIG, "it cannot be had here")

        done = box.command("check", "--mount", box.mountpoint)
        self.assertEqual(done.returncode, OK, done.stdout + done.stderr)
        self.assertRegex(done.stdout, "ok +test: token: ")
        self.assertRegex(done.stdout, f"ok +test/{USER}: login: ")
        report = json.loads(box.command("check", "--mount", box.mountpoint, "--json", USER, check=True).stdout)
        self.assertEqual(report["exit_code"], OK)
        self.assertIn("login", [check["id"] for check in report["checks"]])
        self.assertEqual(endpoint.requests, 1, "the mount's token was used")


class Mounted(MountTest):
    def setUp(self):
        super().setUp()
        self.imap = self.server(ImapScriptServer())
        self.imap.mailbox(USER).inbox.fill(3)
        self.box = self.mount(password_account(self.imap, [USER]))

    def check(self, *words):
        return self.box.command("check", "--mount", self.box.mountpoint, *words)

    def test_what_cannot_be_checked(self):
        done = self.check("nobody@example.org")
        self.assertEqual(done.returncode, CONFIG, done.stdout)
        self.assertIn("nobody@example.org", done.stdout)
        done = self.box.command("check", "--mount", self.box.directory)
        self.assertEqual(done.returncode, CONFIG, done.stdout)
        self.assertIn("not mounted", done.stdout)
        self.assertNotEqual(self.box.command("check", "--mount", self.box.mountpoint, "-c", "x").returncode, OK)

    def test_status_answers_while_a_check_waits_and_a_second_check_is_refused(self):
        gate = Gate()
        self.addCleanup(gate.release)
        self.imap.on("AUTHENTICATE", gate)
        with self.running_check() as first:
            process.wait_until(lambda: self.imap.count("AUTHENTICATE") > 0, 60, "the check's login")
            self.assertEqual(self.box.status()["mountpoint"], str(self.box.mountpoint))
            second = self.check()
            self.assertEqual(second.returncode, NETWORK, second.stdout)
            self.assertIn("another check", second.stdout)
            gate.release()
            self.assertEqual(first.wait(60), OK)

    def test_an_abandoned_check_makes_place_for_the_next(self):
        gate = Gate()
        self.addCleanup(gate.release)
        self.imap.on("AUTHENTICATE", gate)
        with self.running_check() as check:
            process.wait_until(lambda: self.imap.count("AUTHENTICATE") > 0, 60, "the check's login")
            check.kill()
        self.imap.heal()
        self.assertEqual(self.check().returncode, OK)

    def test_a_check_ends_with_the_mount(self):
        gate = Gate()
        self.addCleanup(gate.release)
        self.imap.on("AUTHENTICATE", gate)
        with self.running_check() as check:
            process.wait_until(lambda: self.imap.count("AUTHENTICATE") > 0, 60, "the check's login")
            self.box.unmount()
            self.assertEqual(check.wait(60), NETWORK, "that the mount ends is no mistake of the configuration")

    def running_check(self):
        """A check in the background."""
        return subprocess.Popen(
            [binary(), "check", "--mount", str(self.box.mountpoint)],
            env=self.box.environment(),
            stdout=subprocess.DEVNULL,
            preexec_fn=process.die_with_parent(signal.SIGKILL),
        )

    @unittest.skipUnless(os.geteuid() == 0, "only root can ask as somebody else")
    def test_another_user_may_not_ask(self):
        # They may not be able to reach the program where it was built.
        with tempfile.TemporaryDirectory(prefix="mailboxfs-program-") as directory:
            os.chmod(directory, 0o755)
            program = shutil.copy(binary(), directory)
            done = process.run(
                [program, "check", "--mount", str(self.box.mountpoint)],
                env=self.box.environment(),
                user=NOBODY,
                group=NOBODY,
                extra_groups=[],
            )
        self.assertNotEqual(done.returncode, OK)
        self.assertIn("mount", done.stdout)


if __name__ == "__main__":
    main()
