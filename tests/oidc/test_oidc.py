#!/usr/bin/env python3
"""Every grant with an OAuth server that is not ours, npm's oidc-provider; a real Dovecot checks what it has issued."""

import concurrent.futures
import errno
import json
import os
import re
import signal
import subprocess
import threading
import unittest

from oidc_server import RESOURCE, SCOPE, SECRET, USER_SCOPE, OidcServer, main, new_certificate

from support import dovecot, mailgen, mount, process, testcase  # oidc_server says where it is.
from support.testcase import MountTest, read

USER, OTHER = "ada@example.org", "sales@example.org"
OK, LOGIN = 0, 3
NAMES = {"device_endpoint": "device_authorization_endpoint"}  # In OpenID discovery, where they differ from ours.
ODD = mailgen.oddities()
MESSAGES = [ODD[name] for name in ("dots", "no final newline", "all bytes", "looks like IMAP", "random 8-bit")]


class Login:
    """`mailboxfs login`, and what it tells the person so far."""

    def __init__(self, box):
        self.output, self._changed = "", threading.Condition()
        self._process = subprocess.Popen(
            [mount.binary(), "login", "-c", str(box.config_file), "test"],
            env=box.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=process.die_with_parent(signal.SIGTERM),
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            with self._changed:
                self.output += line
                self._changed.notify_all()

    def shown(self, pattern):
        """Waits for it in the output."""
        with self._changed:
            self._changed.wait_for(lambda: re.search(pattern, self.output) or not self._reader.is_alive(), 60)
            found = re.search(pattern, self.output)
        if not found:
            raise AssertionError(f"login shows no {pattern}:\n{self.output}")
        return found.group()

    def finish(self):
        """The exit code."""
        code = self._process.wait(60)
        self._reader.join(10)
        self._process.stdout.close()
        return code

    def stop(self):
        """Ends it, whatever it does."""
        process.stop(self._process)


@unittest.skipUnless(dovecot.available(), "there is no Dovecot")
class Oidc(MountTest):
    @classmethod
    def setUpClass(cls):
        cls.key, cls.certificate = new_certificate()
        cls.server = OidcServer([cls.certificate])
        cls.addClassCleanup(cls.server.stop)
        cls.dovecot = dovecot.Dovecot(cls.server, password="sesame", issuer=cls.server.issuer)
        cls.addClassCleanup(cls.dovecot.close)
        cls.dovecot.start()
        for user in (USER, OTHER):
            cls.dovecot.deliver_all(user, [("INBOX", message, (), None) for message in MESSAGES])

    def setUp(self):
        super().setUp()
        self.server.set_lifetime(3600)
        self.server.forget_events()

    # -- Accounts.

    def box(self, auth, users=(USER,)):
        """Not mounted yet."""
        account = {
            "imap": {"host": "localhost", "port": self.dovecot.port, "ca_file": str(self.dovecot.authority.ca)},
            "auth": auth,
            "mailboxes": list(users),
        }
        return self.mount(account, start=False, refresh_interval=0.5)

    def discovered(self):
        """Where the server is: all else by OpenID discovery, over TLS."""
        return {"issuer": self.server.issuer, "ca_file": str(self.server.authority.ca)}

    def explicit(self, *keys):
        """Where the server's endpoints are, by http: that for tokens, and those of `keys`."""
        return {key: self.server.endpoint(NAMES.get(key, key)) for key in ("token_endpoint", *keys)}

    def with_secret(self, **auth):
        return {"method": "client-credentials", "client_id": "with-secret", "client_secret": SECRET, **auth}

    def proof(self, box, pair=None):
        """The keys for a certificate, whose files are beside the configuration."""
        path = box.directory / "app.pem"
        path.write_text("".join(pair or (self.key, self.certificate)), encoding="ascii")
        path.chmod(0o600)
        return {"certificate": str(path)}

    def configure(self, box, **auth):
        """Changes "auth"."""
        box.config["accounts"]["test"]["auth"].update(auth)
        box.write_config()

    # -- What is expected.

    def assert_reads(self, box, users=(USER,)):
        """Each message is what was delivered, byte for byte."""
        for user in users:
            found = {mount.uid_of(name): read(box.path(user, "INBOX", name)) for name in box.messages(user, "INBOX")}
            self.assertEqual(found, dict(enumerate(MESSAGES, 1)))

    def assert_works(self, box, users=(USER,)):
        box.start()
        self.assert_reads(box, users)
        box.unmount()
        self.assertEqual(self.server.errors(), [])

    def check(self, box, code):
        """`mailboxfs check --json`: the failed findings."""
        done = box.command("check", "-c", box.config_file, "--json", timeout=120)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertNotIn("eyJ", done.stdout + done.stderr, "a token")
        report = json.loads(done.stdout)
        self.assertEqual(report["exit_code"], code)
        return [finding for finding in report["checks"] if finding["verdict"] == "failed"]

    def check_in_between(self, box):
        """The same where the server's sessions are being ended, checks' as well as mounts'."""
        done = self.command_in_between(box)
        # With a word or without one.
        while re.search("the server (ended|closed) the connection", done.stdout):
            done = self.command_in_between(box)
        self.assertEqual(done.returncode, OK, done.stdout + done.stderr)

    def command_in_between(self, box):
        return box.command("check", "-c", box.config_file, "--json", timeout=120)

    def assert_token_refused(self, box, cause):
        """The whole way: the mount says EACCES, `check` says why."""
        (finding,) = self.check(box, LOGIN)
        self.assertEqual((finding["id"], finding.get("cause")), ("token", cause))
        self.assertTrue(finding.get("advice"))
        return finding

    # -- Client credentials.

    def test_a_secret(self):
        box = self.box(self.with_secret(scope=SCOPE, **self.explicit()), [USER, OTHER])
        self.assert_works(box, [USER, OTHER])
        self.assertEqual(len(self.server.grants("client_credentials")), 1)
        self.assertEqual(self.check(box, OK), [])

    def test_a_secret_and_a_resource_by_discovery(self):
        self.assert_works(self.box(self.with_secret(resource=RESOURCE, **self.discovered())))
        (grant,) = self.server.grants("client_credentials")
        self.assertNotIn("scope", grant)

    def test_short_lived_tokens(self):
        self.server.set_lifetime(6)
        box = self.box(self.with_secret(scope=SCOPE, **self.explicit())).start()
        self.wait_for_renewals(box, "client_credentials", 3)
        self.assertEqual(self.server.errors(), [])

    def test_a_wrong_secret(self):
        box = self.box(self.with_secret(scope=SCOPE, **self.explicit()) | {"client_secret": SECRET.replace("+", " ")})
        box.start()
        self.assert_errno(errno.EACCES, os.listdir, box.path(USER))
        self.assert_token_refused(box, "client-refused")

    def test_a_certificate(self):
        for algorithm, where in {"PS256": self.discovered(), "RS256": self.explicit()}.items():
            with self.subTest(algorithm):
                self.server.forget_events()
                auth = {"method": "client-credentials", "client_id": "with-certificate", "scope": SCOPE, **where}
                box = self.box(auth)
                self.configure(box, assertion_algorithm=algorithm, **self.proof(box))
                self.assert_works(box)
                self.assertEqual([grant["algorithm"] for grant in self.server.grants()], [algorithm])

    def test_a_certificate_that_is_not_registered(self):
        auth = {"method": "client-credentials", "client_id": "with-certificate", "scope": SCOPE, **self.discovered()}
        box = self.box(auth)
        self.configure(box, **self.proof(box, new_certificate()))
        self.assert_token_refused(box, "client-refused")

    # -- Logins.

    def login(self, box):
        started = Login(box)
        self.addCleanup(started.stop)
        return started

    def log_in_with_a_code(self, box, act="approve"):
        """Runs `mailboxfs login`, types the code it shows into the page it shows; (exit code, output)."""
        login = self.login(box)
        code = login.shown(r"\b[A-Z]{4}-[A-Z]{4}\b")
        getattr(self.server.browser(), act)(login.shown(r"https?://\S+/device\b"), code)
        return login.finish(), login.output

    def log_in_with_a_browser(self, box, act="approve"):
        """Runs `mailboxfs login`, opens the page it shows and follows all redirects; (exit code, output)."""
        login = self.login(box)
        page = getattr(self.server.browser(), act)(login.shown(r"https?://\S+/auth\?\S+"))
        self.assertTrue(page.strip(), "the person sees nothing at the end")
        return login.finish(), login.output

    def login_file(self, box):
        return box.directory / "state" / "logins" / "test.json"

    def assert_logged_in(self, box, done):
        code, output = done
        self.assertEqual(code, OK, output)
        self.assertIn(str(self.login_file(box)), output)
        self.assertNotIn("eyJ", output, "a token")
        self.assertEqual(self.login_file(box).stat().st_mode & 0o777, 0o600)

    def assert_refused(self, box, done):
        code, output = done
        self.assertEqual(code, LOGIN, output)
        self.assertFalse(self.login_file(box).exists(), output)

    def with_device_code(self, **auth):
        return {"method": "device-code", "client_id": "native", "scope": USER_SCOPE, **auth}

    def with_authorization_code(self, **auth):
        return {"method": "authorization-code", "client_id": "native", "scope": USER_SCOPE, **auth}

    def test_a_device_code(self):
        for where in (self.discovered(), self.explicit("device_endpoint")):
            with self.subTest(where):
                box = self.box(self.with_device_code(**where))
                self.assert_logged_in(box, self.log_in_with_a_code(box))
                self.assert_works(box)
                # Another process needs no other login.
                self.assert_works(box)
                self.assertEqual(self.check(box, OK), [])

    def test_a_device_code_that_the_person_refuses(self):
        box = self.box(self.with_device_code(**self.discovered()))
        self.assert_refused(box, self.log_in_with_a_code(box, "refuse"))

    def test_a_device_code_and_a_certificate(self):
        box = self.box(self.with_device_code(client_id="native-with-certificate", **self.discovered()))
        self.configure(box, **self.proof(box))
        self.assert_logged_in(box, self.log_in_with_a_code(box))
        self.assert_works(box)
        self.assertEqual({grant.get("algorithm") for grant in self.server.grants()}, {"PS256"})

    def test_an_authorization_code(self):
        for where in (self.discovered(), self.explicit("authorization_endpoint")):
            with self.subTest(where):
                self.server.forget_events()
                box = self.box(self.with_authorization_code(**where))
                self.assert_logged_in(box, self.log_in_with_a_browser(box))
                self.assertEqual([taken["code_challenge_method"] for taken in self.server.authorizations()], ["S256"])
                self.assert_works(box)

    def test_an_authorization_that_the_person_refuses(self):
        box = self.box(self.with_authorization_code(**self.discovered()))
        self.assert_refused(box, self.log_in_with_a_browser(box, "refuse"))

    def test_an_authorization_code_and_a_certificate(self):
        box = self.box(self.with_authorization_code(client_id="native-with-certificate", **self.discovered()))
        self.configure(box, **self.proof(box))
        self.assert_logged_in(box, self.log_in_with_a_browser(box))
        self.assert_works(box)
        self.assertEqual({grant.get("algorithm") for grant in self.server.grants()}, {"PS256"})

    def test_without_a_login_the_command_is_named(self):
        box = self.box(self.with_device_code(**self.discovered()))
        (finding,) = self.check(box, LOGIN)
        self.assertIn("mailboxfs login", finding["advice"])

    def test_a_login_that_was_revoked(self):
        box = self.box(self.with_device_code(**self.discovered()))
        self.assert_logged_in(box, self.log_in_with_a_code(box))
        self.server.revoke()
        finding = self.assert_token_refused(box, "grant-invalid")
        self.assertIn("mailboxfs login", finding["advice"])
        self.assert_logged_in(box, self.log_in_with_a_code(box))
        self.assertEqual(self.check(box, OK), [])

    # -- Refresh tokens. The server ends the login if one is used twice.

    def wait_for_renewals(self, box, grant_type, count):
        """Reads on until so many tokens were given out."""

        def renewed():
            self.assert_reads(box)
            # A fresh login proves that the token in use is still good.
            self.dovecot.end_sessions()
            return len(self.server.grants(grant_type)) >= count

        process.wait_until(renewed, 120, f"{count} tokens")

    def test_refresh_tokens_rotate(self):
        self.server.set_lifetime(6)
        box = self.box(self.with_authorization_code(**self.discovered()))
        self.assert_logged_in(box, self.log_in_with_a_browser(box))
        box.start()
        self.wait_for_renewals(box, "refresh_token", 3)
        box.remount()
        self.wait_for_renewals(box, "refresh_token", len(self.server.grants("refresh_token")) + 2)
        self.assertEqual({grant["rotated"] for grant in self.server.grants("refresh_token")}, {True})
        self.assertEqual(self.server.errors(), [])
        self.assertEqual(self.login_file(box).stat().st_mode & 0o777, 0o600)

    def test_a_refresh_token_from_elsewhere(self):
        self.server.set_lifetime(6)
        auth = {"method": "refresh-token", "client_id": "native", "scope": USER_SCOPE, **self.explicit()}
        box = self.box(auth | {"refresh_token": self.server.log_in()}).start()
        self.wait_for_renewals(box, "refresh_token", 2)
        # The one in the configuration is spent.
        box.remount()
        self.wait_for_renewals(box, "refresh_token", len(self.server.grants("refresh_token")) + 1)
        box.unmount()
        self.assertEqual(self.server.errors(), [])
        # A new one in the configuration counts again.
        self.server.revoke()
        self.assert_token_refused(box, "grant-invalid")
        self.configure(box, refresh_token=self.server.log_in())
        self.server.forget_events()
        self.assert_works(box)

    def test_processes_take_turns(self):
        self.server.set_lifetime(10)
        box = self.box(self.with_device_code(**self.discovered()))
        self.assert_logged_in(box, self.log_in_with_a_code(box))
        box.start()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            checks = [pool.submit(self.check_in_between, box) for _ in range(8)]
            self.wait_for_renewals(box, "refresh_token", 3)
            for check in checks:
                check.result()
        self.assertEqual(self.server.errors(), [])


if __name__ == "__main__":
    main(testcase.main)
