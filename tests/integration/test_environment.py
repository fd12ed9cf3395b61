#!/usr/bin/env python3
"""Whoever starts it, from wherever: ignored signals, another environment, what earlier daemons have left."""

import errno
import os
import shutil
import signal
import unittest
from pathlib import Path

from support import process
from support.imap_script_server import ImapScriptServer
from support.mount import binary, is_mounted, password_account
from support.testcase import MountTest, main

USER = "ada@example.org"
OK, CONFIG = 0, 2
ROOT = os.geteuid() == 0
NOBODY = 65534


def ignore_children():
    """A preexec_fn: as some supervisors start their programs. Who inherits it cannot wait for children."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


class Environment(MountTest):
    def setUp(self):
        super().setUp()
        self.imap = self.server(ImapScriptServer())
        self.imap.mailbox(USER).inbox.fill(3)
        self.box = self.mount(password_account(self.imap, [USER]), start=False)

    def mount_words(self, *options):
        return ["mount", "-c", self.box.config_file, *options, self.box.mountpoint]

    def kill_daemon(self):
        self.box._process.kill()
        self.box._process.wait(10)

    # -- SIGCHLD ignored.

    def secret_command(self, script):
        auth = self.box.config["accounts"]["test"]["auth"]
        auth["password"] = {"command": ["/bin/sh", "-c", script]}
        self.box.write_config()

    def test_secret_commands_work_though_sigchld_was_ignored(self):
        self.secret_command("echo open sesame")
        done = self.box.command(*self.mount_words(), preexec_fn=ignore_children)
        self.assertEqual((done.returncode, done.stderr), (OK, ""))
        daemon = self.box.status()["pid"]
        self.assertEqual(len(self.box.messages(USER, "INBOX")), 3)
        self.box.command("unmount", self.box.mountpoint, check=True, preexec_fn=ignore_children)
        self.assertFalse(process.is_running(daemon))

    def test_how_a_secret_command_ended_is_known_though_sigchld_was_ignored(self):
        self.secret_command("exit 41")
        done = self.box.command("check", "-c", self.box.config_file, preexec_fn=ignore_children)
        self.assertNotEqual(done.returncode, OK)
        self.assertIn("41", done.stdout + done.stderr)
        self.assertIn("run it by hand", done.stdout)
        self.assertNotIn("New-ServicePrincipal", done.stdout, "that is for Microsoft 365")

    def test_how_the_daemon_ended_is_known_though_sigchld_was_ignored(self):
        """The parent of the handshake ends as the daemon does that it has started."""
        (self.box.directory / "state").write_text("in the way")
        done = self.box.command(*self.mount_words(), preexec_fn=ignore_children)
        self.assertEqual(done.returncode, CONFIG)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn("state.directory", done.stderr)

    # -- The control socket.

    def elsewhere(self):
        """The environment of a person who sits somewhere else."""
        other = self.box.directory / "elsewhere"
        other.mkdir(mode=0o700, exist_ok=True)
        return {name: str(other) for name in ("HOME", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_STATE_HOME")}

    def test_status_and_unmount_find_a_daemon_of_another_environment(self):
        # At boot or from cron there is none; a session's goes with the session.
        session = f"/run/user/{os.geteuid()}"
        for runtime in ["", session] if ROOT or os.path.isdir(session) else [""]:
            for asking in (self.elsewhere(), {"XDG_RUNTIME_DIR": session}, {"XDG_RUNTIME_DIR": ""}):
                with self.subTest(daemon=runtime, asking=asking):
                    self.box.start(env={"XDG_RUNTIME_DIR": runtime, "TMPDIR": str(self.box.directory)})
                    done = self.box.command("status", self.box.mountpoint, env=asking)
                    self.assertEqual(done.returncode, OK, done.stderr)
                    self.assertIn(USER, done.stdout)
                    self.box.command("unmount", self.box.mountpoint, env=asking, check=True)
                    self.assertFalse(process.is_running(self.box.pid), "unmount did not find whom to wait for")
                    self.assertEqual(self.box._process.wait(10), OK)

    @unittest.skipUnless(ROOT, "only root can become another user")
    def test_root_finds_the_daemon_of_another_user(self):
        """Though root may not even look into that mount."""
        nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        environment = self.box.environment() | {"XDG_RUNTIME_DIR": ""}
        # The build directory may be root's own.
        program = shutil.copy(binary(), self.box.directory)
        for path in (self.box.directory, *self.box.directory.iterdir()):
            os.chown(path, NOBODY, NOBODY)
        process.run([program, *self.mount_words()], env=environment, check=True, **nobody)
        self.assert_errno(errno.EACCES, os.listdir, self.box.mountpoint)
        daemon = self.box.status()["pid"]
        self.assertRegex(Path(f"/proc/{daemon}/status").read_text(encoding="utf-8"), rf"\nUid:\s{NOBODY}\s")
        # Somebody else is told who can.
        self.box.directory.chmod(0o711)
        for command in ("status", "unmount"):
            words = [program, command, self.box.mountpoint]
            done = process.run(words, env=environment, user=NOBODY - 1, group=NOBODY, extra_groups=[])
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(f"mounted by another user (number {NOBODY})", done.stderr)
        self.box.command("unmount", self.box.mountpoint, check=True)
        self.assertFalse(process.is_running(daemon), "unmount did not find whom to wait for")

    def test_a_daemon_that_ends_leaves_the_next_ones_socket_alone(self):
        """After a lazy unmount it lives on as long as something is open, while another is mounted there."""
        old = self.box.start()
        path = old.path(USER, "INBOX", old.messages(USER, "INBOX")[0])
        new = self.mount(password_account(self.imap, [USER]), start=False)
        new.mountpoint = old.mountpoint
        with open(path, "rb") as file:
            old.command("unmount", "--lazy", old.mountpoint, check=True)
            new.start(env={"XDG_RUNTIME_DIR": old.environment()["XDG_RUNTIME_DIR"]})
            self.assertEqual(old.status()["pid"], new.pid)
            self.assertEqual(file.read(), self.imap.mailbox(USER).inbox.get(1).body)
            self.assertIsNone(old._process.poll())
        self.assertEqual(old._process.wait(20), OK)
        self.assertEqual(old.status()["pid"], new.pid)
        self.assertEqual(len(new.messages(USER, "INBOX")), 3)

    # -- What a dead daemon has left: errors, which keep backups from taking an empty directory for the mailboxes.

    def assert_refused(self, *words):
        done = self.box.command(*(words or self.mount_words()))
        self.assertEqual(done.returncode, CONFIG, done.stderr)
        self.assert_errno(errno.ENOTCONN, os.listdir, self.box.mountpoint)

    def refuse_bad_configuration(self):
        good = self.box.config
        for change in ({"unknown": 1}, {"cache": {"directory": str(self.box.mountpoint / "cache")}}, {"accounts": {}}):
            with self.subTest(change=change):
                self.box.config = good | change
                self.box.write_config()
                self.assert_refused()
        self.box.config = good
        self.box.write_config()

    def refuse_allow_other(self):
        """Which /etc/fuse.conf forbids to ordinary users unless somebody has changed that."""
        allowed = any(line.strip() == "user_allow_other" for line in Path("/etc/fuse.conf").read_text().splitlines())
        if not allowed:
            self.assert_refused(*self.mount_words("-o", "allow_other"))

    def refuse_without_device(self):
        """In a namespace of its own, without /dev/fuse; what is cleared there is not cleared here."""
        script = """
            mount -t tmpfs none /dev
            "$MAILBOXFS" "$@" && exit 1 || echo "$?"
            stat -f "$mountpoint" 2>&1 && exit 1 || true
        """
        names = {"MAILBOXFS": binary(), "mountpoint": str(self.box.mountpoint), "LC_ALL": "C"}
        done = process.run(
            [*self.own_mounts(), "sh", "-euc", script, "sh", *self.mount_words()],
            env=self.box.environment() | names,
            check=True,
        )
        self.assertIn("/dev/fuse", done.stderr)
        self.assertRegex(done.stdout, rf"^{CONFIG}\n.*: Transport endpoint is not connected\n$")

    def test_a_dead_mount_is_not_cleared_for_one_that_is_refused(self):
        self.box.start()
        self.kill_daemon()
        self.assert_refused(*self.mount_words("-o", "nonsense"))
        self.assert_refused(*self.mount_words("--log-file", self.box.directory / "missing" / "log"))
        self.refuse_bad_configuration()
        if ROOT:
            self.refuse_without_device()
        else:
            self.refuse_allow_other()
        self.box.command(*self.mount_words(), check=True)
        self.assertEqual(os.listdir(self.box.mountpoint), [USER])
        self.box.command("unmount", self.box.mountpoint, check=True)
        self.assertFalse(is_mounted(self.box.mountpoint), "the dead one is below")


if __name__ == "__main__":
    main()
