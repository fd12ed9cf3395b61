#!/usr/bin/env python3
"""Each mistake in the configuration or on the command line: exit code 2, one line that names it, nothing mounted."""

import copy
import json
import os
import shutil

from support import process
from support.imap_script_server import ImapScriptServer
from support.mount import binary, is_mounted, password_account
from support.testcase import MountTest, main
from support.token_endpoint import CLIENT_ID, TENANT

CONFIG = 2
NOBODY = 65534


def changed(config, path, value):
    """A copy with the value at "a.b.c" replaced; Ellipsis removes the key."""
    config = copy.deepcopy(config)
    *parents, last = path.split(".")
    place = config
    for parent in parents:
        place = place.setdefault(parent, {})
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return config


class BadInput(MountTest):
    def setUp(self):
        super().setUp()
        self.imap = self.server(ImapScriptServer())
        self.box = self.mount(password_account(self.imap, ["ada@example.org"]), start=False)
        self.good = self.box.config

    def assert_refused(self, *named, words=None, run=None, **options):
        """`mailboxfs mount` ends with 2 and one line that contains all of `named`."""
        words = words or ["mount", "-c", self.box.config_file, self.box.mountpoint]
        done = (run or self.box.command)(*words, **options)
        self.assertEqual(done.returncode, CONFIG, done.stderr)
        lines = done.stderr.strip().splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        for part in named:
            self.assertIn(part, lines[0])
        self.assertFalse(is_mounted(self.box.mountpoint))
        self.assertEqual(self.imap.all_connections, 0)

    def write(self, text, mode=0o600):
        self.box.config_file.write_text(text, encoding="utf-8")
        self.box.config_file.chmod(mode)

    def test_values_that_are_wrong(self):
        account = "accounts.test."
        password = account + "auth.password"
        oauth = {"method": "client-credentials", "tenant": TENANT, "client_id": CLIENT_ID, "client_secret": "x"}
        oauth |= {"token_endpoint": "https://login.example.org/token", "scope": "s"}
        microsoft = {"provider": "microsoft365", "mailboxes": ["ada@example.org"]}
        microsoft["auth"] = oauth | {"scope": "https://graph.microsoft.com/.default"}
        empty = self.box.directory / "empty.secret"
        empty.touch(mode=0o600)
        shared = self.box.directory / "shared.secret"
        shared.write_text("secret\n")
        shared.chmod(0o644)
        cases = [
            ("unknown", 1, "unknown"),
            (account + "imap.prot", 993, "prot"),
            ("accounts", ..., "accounts"),
            ("accounts", {}, "accounts"),
            (account + "mailboxes", [], "mailboxes"),
            (account + "mailboxes", ..., "mailboxes"),
            (account + "mailboxes", ["a@example.org", "a@example.org"], account + "mailboxes[1]", '"a@example.org"'),
            (account + "mailboxes", ["a@example.org", "A@example.org"], account + "mailboxes[1]", '"A@example.org"'),
            (
                account + "mailboxes",
                [{"address": "a@example.org", "name": "x"}, {"address": "b@example.org", "name": "x"}],
                account + "mailboxes[1].name",
                account + "mailboxes[0].name",
            ),
            (account + "mailboxes", [{"name": "x"}], "address"),
            (account + "mailboxes", [{"address": "a@example.org", "name": "a/b"}], "name"),
            (account + "mailboxes", "ada@example.org", "mailboxes"),
            (account + "imap", ..., "host"),
            (account + "imap.port", 0, "port"),
            (account + "imap.port", 65536, "port"),
            (account + "imap.port", "993", "port"),
            (account + "imap.host", "", "host"),
            (account + "imap.host", "imap.example.org", "tls"),
            (account + "imap.tls", "starttls", "tls"),
            (account + "imap.ca_file", "/nonexistent/ca.pem", "ca_file"),
            (account + "imap.ca_file", str(shared), "ca_file"),
            (account + "imap.connections", 0, "connections"),
            (account + "auth", ..., "auth"),
            (account + "auth.method", "telepathy", "telepathy"),
            (password, ..., password + ": is missing"),
            (password, {"file": "/nonexistent/secret"}, password + ".file", "/nonexistent/secret"),
            (password, {"file": str(empty)}, password + ".file", str(empty)),
            (password, {"file": str(shared)}, password + ".file", str(shared)),
            (password, {"env": "MAILBOXFS_NO_SUCH_VARIABLE"}, password + ".env", "MAILBOXFS_NO_SUCH_VARIABLE"),
            (password, {"credential": "mail"}, password + ".credential", "CREDENTIALS_DIRECTORY"),
            (password, {"command": ["/nonexistent/program"]}, password + ".command", "/nonexistent/program"),
            (password, {"command": ["mailboxfs-no-such-program"]}, password + ".command", "mailboxfs-no-such-program"),
            (password, {"command": [str(self.box.directory)]}, password + ".command", str(self.box.directory)),
            (password, {"file": "a", "env": "b"}, password + ": names 2 sources"),
            (password, {}, password + ": names no source"),
            (account + "auth", {name: value for name, value in oauth.items() if name != "client_id"}, "client_id"),
            (
                account + "auth",
                oauth | {"token_endpoint": "http://login.example.org/token"},
                "token_endpoint",
            ),
            (account + "provider", "microsoft356", "provider"),
            (account[:-1], microsoft, "auth.scope"),
            ("cache.directory", str(self.box.directory / "x/../state/"), "state.directory"),
            ("cache.directory", str(self.box.directory), "state.directory"),
            ("state.directory", str(self.box.directory / "cache/index"), "state.directory"),
            ("cache.directory", str(self.box.mountpoint / "cache"), "cache.directory"),
            ("cache.size", "ten", "size"),
            ("cache.size", -1, "size"),
            ("names", "{subject}.eml", "names"),
            ("names", "{uid}", "names"),
            ("names", "{uid}_{colour}.eml", "colour"),
            ("connections", 0, "connections"),
            ("refresh_interval", -1, "refresh_interval"),
            ("timeouts.stall", 0, "stall"),
            ("timeouts.stall", "soon", "stall"),
            ("timeouts.patience", 3, "patience"),
        ]
        for path, value, *named in cases:
            with self.subTest(path, value=value):
                self.write(json.dumps(changed(self.good, path, value), indent=1))
                self.assert_refused(*named)

    def test_a_secret_file_that_cannot_be_read(self):
        secret = self.box.directory / "locked.secret"
        secret.write_text("secret\n")
        secret.chmod(0)
        self.write(json.dumps(changed(self.good, "accounts.test.auth.password", {"file": str(secret)})))
        run = self.box.command if os.geteuid() != 0 else self.run_as_nobody
        self.assert_refused("accounts.test.auth.password.file", f"{secret} may not be read by this user", run=run)

    def run_as_nobody(self, *words):
        """Root may read everything: somebody else runs mailboxfs, with a configuration of his own."""
        self.box.directory.chmod(0o711)
        os.chown(self.box.config_file, NOBODY, NOBODY)
        # Where it was built others may have no way in.
        program = shutil.copy(binary(), self.box.directory)
        return process.run([program, *words], env=self.box.environment(), user=NOBODY, group=NOBODY, extra_groups=[])

    def test_directories_that_cannot_be_used(self):
        a_file = self.box.directory / "a file"
        a_file.touch(mode=0o700)
        for path in (a_file, a_file / "below", "/proc/mailboxfs"):
            for key in ("cache.directory", "state.directory"):
                with self.subTest(key, path=path):
                    self.write(json.dumps(changed(self.good, key, str(path))))
                    self.assert_refused("config.json", key, str(path))

    def test_a_default_directory_that_cannot_be_used(self):
        del self.good["state"]
        self.write(json.dumps(self.good))
        home = self.box.directory / "state home"
        home.touch()
        self.assert_refused("config.json", "state.directory", str(home), env={"XDG_STATE_HOME": str(home)})

    def test_files_that_are_no_configuration(self):
        for text, named in (
            ("", ""),
            ("{", ":1"),
            ('{"accounts": {},}', ""),
            ("[]", ""),
            ('{"a": 1, "a": 2}', 'the key "a" is given twice'),
            ('{\n\n "accounts": nonsense }', ":3"),
        ):
            with self.subTest(text):
                self.write(text)
                self.assert_refused("config.json", named)
        self.box.config_file.unlink()
        self.assert_refused("config.json")

    def test_a_literal_secret_in_a_file_for_all_to_read(self):
        self.write(json.dumps(self.good), mode=0o644)
        self.assert_refused("accounts.test.auth.password", "not private")

    def test_the_secret_is_never_in_the_error(self):
        self.write(json.dumps(changed(self.good, "accounts.test.auth.password", "tiger sesame\n"), indent=1)[:-3])
        done = self.box.command("mount", "-c", self.box.config_file, self.box.mountpoint)
        self.assertEqual(done.returncode, CONFIG)
        self.assertNotIn("tiger", done.stderr + done.stdout)

    def test_mountpoints_and_options(self):
        mount = ["mount", "-c", self.box.config_file]
        a_file = self.box.directory / "file"
        a_file.touch()
        for words, named in (
            ([*mount, self.box.directory / "missing"], "missing"),
            ([*mount, a_file], "file"),
            ([*mount, self.box.mountpoint, "-o", "frobnicate"], "frobnicate"),
            ([*mount, self.box.mountpoint, "-o", "auto_unmount"], "auto_unmount"),
            ([*mount, self.box.mountpoint, "-o", "uid=me"], "uid"),
            ([*mount, self.box.mountpoint, "--log-level", "loud"], "loud"),
            ([self.box.config_file, self.box.mountpoint, "-o", "frobnicate"], "frobnicate"),
        ):
            with self.subTest(words[-1]):
                self.assert_refused(named, words=words)

    def test_command_lines(self):
        for words in ([], ["mount"], ["mount", "--frobnicate", "x"], ["status"], ["unmount"]):
            with self.subTest(words):
                done = self.box.command(*words)
                self.assertEqual(done.returncode, CONFIG)
                self.assertTrue(done.stderr.strip())

    def test_commands_that_do_not_exist(self):
        for words in (["frobnicate"], ["log", "contoso"], ["log", self.box.mountpoint, "-o", "ro"], ["Mount", "x"]):
            with self.subTest(words):
                known = "mount, check, login, setup, status, fsck, unmount"
                self.assert_refused(f'no command "{words[0]}"', known, words=words)
        # With a slash it is a configuration, as in fstab.
        self.assert_refused("no such configuration file", words=["./login", self.box.mountpoint])


if __name__ == "__main__":
    main()
