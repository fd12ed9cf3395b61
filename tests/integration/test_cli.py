#!/usr/bin/env python3
"""The command line: mount and its handshake, unmount, status, check, and the form that fstab uses."""

import errno
import json
import os
import signal
import subprocess
import socket
import unittest
from pathlib import Path

from support import process
from support.imap_faults import no, only_ok
from support.imap_script_server import ImapScriptServer
from support.mount import clear_away, is_mounted, password_account
from support.testcase import MountTest, main

USER = "ada@example.org"
OK, FAILURE, CONFIG, LOGIN, NETWORK = range(5)
NOBODY = 65534


class CommandLine(MountTest):
    def setUp(self):
        super().setUp()
        self.imap = self.server(ImapScriptServer())
        self.imap.mailbox(USER).inbox.fill(3)
        self.box = self.mount(password_account(self.imap, [USER]), start=False)
        self.addCleanup(self.end_daemon)
        self.daemon = None

    def end_daemon(self):
        """A background daemon is not our child: it is ended by its own number."""
        clear_away(self.box.mountpoint)
        if self.daemon is not None:
            process.wait_until(lambda: not process.is_running(self.daemon), 20, "the daemon's end")

    def mount_words(self, *options):
        return ["mount", "-c", self.box.config_file, self.box.mountpoint, *options]

    def in_background(self, *words):
        done = self.box.command(*(words or self.mount_words()), check=True)
        self.daemon = self.box.status()["pid"]
        return done

    def test_help_and_version(self):
        version = self.box.command("--version", check=True).stdout
        self.assertRegex(version, r"^mailboxfs \d+\.\d+\.\d+\n$")
        top = self.box.command("--help", check=True).stdout
        for command in ("mount", "check", "status", "unmount"):
            self.assertIn(command, top)
            self.assertIn("--help", self.box.command(command, "--help", check=True).stdout)

    def test_background_mount_answers_when_the_command_returns(self):
        done = self.in_background()
        self.assertEqual((done.stdout, done.stderr), ("", ""))
        self.assertTrue(is_mounted(self.box.mountpoint))
        self.assertEqual(os.listdir(self.box.mountpoint), [USER])
        self.assertEqual(len(self.box.messages(USER, "INBOX")), 3)
        self.box.command("unmount", self.box.mountpoint, check=True)
        self.assertFalse(is_mounted(self.box.mountpoint))
        self.assertFalse(process.is_running(self.daemon), "unmount returned before the daemon had ended")

    def test_foreground_mount_ends_well_on_signals(self):
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(signum):
                self.box.start()
                os.kill(self.box.pid, signum)
                self.assertEqual(self.box._process.wait(20), OK)
                self.assertFalse(is_mounted(self.box.mountpoint))

    def test_status(self):
        self.box.start()
        self.box.messages(USER, "INBOX")
        status = self.box.status()
        self.assertEqual(status["pid"], self.box.pid)
        self.assertEqual(status["mountpoint"], str(self.box.mountpoint))
        self.assertEqual(status["messages"], 3)
        self.assertEqual([mailbox["name"] for mailbox in status["mailboxes"]], [USER])
        text = self.box.command("status", self.box.mountpoint, check=True).stdout
        self.assertIn(USER, text)

    def test_status_and_unmount_of_what_is_not_mounted(self):
        for command in ("status", "unmount"):
            done = self.box.command(command, self.box.mountpoint)
            self.assertNotEqual(done.returncode, OK)
            self.assertIn(str(self.box.mountpoint), done.stderr)

    def test_the_form_of_fstab(self):
        options = "ro,noauto,user,_netdev,nofail,x-systemd.automount,nosuid,nodev,defaults"
        self.in_background(self.box.config_file, self.box.mountpoint, "-o", options)
        self.assertEqual(len(self.box.messages(USER, "INBOX")), 3)
        with open("/proc/self/mountinfo", encoding="utf-8") as table:
            line = next(line for line in table if f" {self.box.mountpoint} " in line)
        for word in ("ro", "nosuid", "nodev", "noexec"):
            self.assertIn(word, line.split()[5].split(","))
        self.assertIn(f"fuse.mailboxfs {self.box.config_file}", line)

    def test_the_mount_helpers_name(self):
        helper = self.box.directory / "mount.mailboxfs"
        helper.symlink_to(os.environ["MAILBOXFS"])
        process.run(
            [helper, self.box.config_file, self.box.mountpoint, "-n", "-o", "rw,noauto"],
            env=self.box.environment(),
            check=True,
        )
        self.daemon = self.box.status()["pid"]
        self.assertEqual(os.listdir(self.box.mountpoint), [USER])

    def test_f_is_the_foreground_for_people_and_fake_for_mount_8(self):
        helper = self.box.directory / "mount.mailboxfs"
        helper.symlink_to(os.environ["MAILBOXFS"])
        words = [self.box.config_file, self.box.mountpoint, "-f"]
        process.run([helper, *words], env=self.box.environment(), check=True)
        self.assertFalse(is_mounted(self.box.mountpoint))
        person = subprocess.Popen([os.environ["MAILBOXFS"], *words], env=self.box.environment())
        self.addCleanup(person.wait)
        self.addCleanup(person.kill)
        process.wait_until(lambda: is_mounted(self.box.mountpoint), 20, "the mount")
        self.box.command("unmount", self.box.mountpoint, check=True)
        self.assertEqual(person.wait(20), OK)

    def test_the_mount_helpers_are_installed_where_mount_8_looks(self):
        info = Path(os.environ["MAILBOXFS"]).resolve().parents[2] / "meson-info"
        options = json.loads((info / "intro-buildoptions.json").read_text(encoding="utf-8"))
        chosen = next(option["value"] for option in options if option["name"] == "mount_helper_dir")
        installed = json.loads((info / "intro-installed.json").read_text(encoding="utf-8"))
        for helper in ("mount.mailboxfs", "mount.fuse.mailboxfs"):
            self.assertEqual(installed.get(helper), f"{chosen}/{helper}" if chosen else None)

    @unittest.skipUnless(os.geteuid() == 0, "only root can give mount(8) an /sbin of its own")
    def test_mount_8_with_an_fstab(self):
        """The real mount(8), in namespaces of its own with the helpers in an overlay of /sbin."""
        overlay = self.box.directory / "overlay"
        overlay.mkdir()
        fstab = self.box.directory / "fstab"
        options = "noauto,_netdev,strictatime,X-mount.mkdir,x-systemd.automount,allow_other,uid=1000,umask=027"
        script = """
            mount -t tmpfs none "$overlay"
            mkdir "$overlay/upper" "$overlay/work"
            sbin=$(realpath /sbin)
            mount -t overlay none -o "lowerdir=$sbin,upperdir=$overlay/upper,workdir=$overlay/work" "$sbin"
            ln -s "$MAILBOXFS" /sbin/mount.mailboxfs
            ln -s "$MAILBOXFS" /sbin/mount.fuse.mailboxfs
            mount --fstab "$fstab" "$mountpoint"
            findmnt -n -o FSTYPE "$mountpoint"
            stat -c %u:%a "$mountpoint"/*
            umount "$mountpoint"
        """
        for fstype in ("mailboxfs", "fuse.mailboxfs"):
            with self.subTest(fstype):
                fstab.write_text(f"{self.box.config_file} {self.box.mountpoint} {fstype} {options} 0 0\n")
                names = {"overlay": overlay, "fstab": fstab, "mountpoint": self.box.mountpoint}
                names["MAILBOXFS"] = Path(os.environ["MAILBOXFS"]).resolve()
                done = process.run(
                    [*self.own_mounts(), "-pf", "--kill-child", "--mount-proc", "sh", "-euc", script],
                    env=self.box.environment() | {name: str(path) for name, path in names.items()},
                    check=True,
                )
                self.assertEqual(done.stdout.split(), ["fuse.mailboxfs", "1000:550"])

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    def test_another_user_is_let_in_only_with_allow_other(self):
        # Else the way to the mountpoint would be what keeps others out.
        self.box.directory.chmod(0o711)
        for options, let_in in (("umask=022", False), ("allow_other", False), ("allow_other,umask=022", True)):
            with self.subTest(options):
                self.box.start("-o", options)
                path = self.box.path(USER, "INBOX", self.box.messages(USER, "INBOX")[0])
                nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": [], "env": {"LC_ALL": "C"}}
                done = process.run(["cat", path], text=False, **nobody)
                if let_in:
                    self.assertEqual((done.stdout, done.stderr), (path.read_bytes(), b""))
                else:
                    self.assertEqual(done.stdout, b"")
                    self.assertIn(b"Permission denied", done.stderr)
                self.box.unmount()

    def test_the_form_of_fstab_does_not_need_a_slash(self):
        done = self.box.command(self.box.config_file.name, self.box.mountpoint, "-o", "no", cwd=self.box.directory)
        self.assertIn("mount option", done.stderr)

    def test_a_second_mount_of_the_same_configuration_is_refused(self):
        self.box.start()
        other = self.box.directory / "other"
        other.mkdir()
        self.addCleanup(clear_away, other)
        done = self.box.command("mount", "-c", self.box.config_file, other)
        self.assertNotEqual(done.returncode, OK)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        self.assertFalse(is_mounted(other))
        here = self.box.command(*self.mount_words())
        self.assertEqual(here.returncode, CONFIG)
        self.assertIn("already mounted", here.stderr)
        self.assertEqual(len(self.box.messages(USER, "INBOX")), 3)

    def test_a_dead_daemons_mount_is_cleared_away(self):
        self.box.start()
        self.box._process.kill()
        self.box._process.wait(10)
        with self.assertRaises(OSError):
            os.listdir(self.box.mountpoint)
        self.in_background()
        self.assertEqual(os.listdir(self.box.mountpoint), [USER])

    def test_a_dead_daemons_mount_stays_until_the_next_one_stands(self):
        """A directory that looked empty meanwhile would make a running backup delete everything."""
        self.in_background()
        os.kill(self.daemon, signal.SIGKILL)
        process.wait_until(lambda: not process.is_running(self.daemon), 20, "the daemon's end")
        state = self.box.directory / "state"
        state.rename(self.box.directory / "aside")
        state.write_text("in the way")
        self.assertEqual(self.box.command(*self.mount_words()).returncode, CONFIG)
        self.assert_errno(errno.ENOTCONN, os.listdir, self.box.mountpoint)
        state.unlink()
        (self.box.directory / "aside").rename(state)
        self.in_background()
        self.assertEqual(os.listdir(self.box.mountpoint), [USER])

    def test_a_relative_log_file_is_where_the_person_is(self):
        self.box.command(*self.mount_words("--log-file", "here.log"), check=True, cwd=self.box.directory)
        self.daemon = self.box.status()["pid"]
        self.assertIn("mounted 1 mailbox of", (self.box.directory / "here.log").read_text())

    def test_status_does_not_wait_for_a_client_that_says_nothing(self):
        self.in_background()
        (path,) = (self.box.directory / "runtime" / "mailboxfs").iterdir()
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(str(path))
            self.assertEqual(self.box.status()["pid"], self.daemon)

    def test_a_control_socket_that_cannot_be_made_is_no_reason_not_to_mount(self):
        runtime = self.box.directory / "blocked"
        runtime.mkdir(mode=0o700)
        (runtime / "mailboxfs").write_text("in the way")
        done = self.box.command(*self.mount_words(), env={"XDG_RUNTIME_DIR": str(runtime)}, check=True)
        self.assertEqual(os.listdir(self.box.mountpoint), [USER])
        self.assertIn("status' will not work", done.stderr)

    def test_unmount_of_a_busy_mount_says_so(self):
        self.box.start()
        path = self.box.path(USER, "INBOX", self.box.messages(USER, "INBOX")[0])
        with open(path, "rb"):
            done = self.box.command("unmount", self.box.mountpoint)
            self.assertNotEqual(done.returncode, OK)
            self.assertIn("busy", done.stderr)
            self.assertTrue(is_mounted(self.box.mountpoint))
        self.box.unmount()

    def check(self, *words):
        return self.box.command("check", "-c", self.box.config_file, *words)

    def test_check_of_a_good_mailbox(self):
        done = self.check()
        self.assertEqual(done.returncode, OK, done.stdout + done.stderr)
        self.assertIn(USER, done.stdout)
        self.assertTrue(json.loads(self.check("--json").stdout))
        self.assertEqual(self.check(USER).returncode, OK)
        self.assertEqual(self.check("nobody@example.org").returncode, CONFIG)

    def test_check_of_directories_that_cannot_be_used(self):
        a_file = self.box.directory / "a file"
        a_file.touch(mode=0o700)
        good = self.box.config
        for path in (a_file, a_file / "below"):
            for key in ("cache", "state"):
                with self.subTest(key, path=path):
                    self.box.config = good | {key: {"directory": str(path)}}
                    self.box.write_config()
                    done = self.check()
                    self.assertEqual(done.returncode, CONFIG, done.stdout)
                    self.assertRegex(done.stdout, f"failed +machine: {key}-directory: .*\n.*{key}.directory")

    def test_check_warns_of_a_message_that_the_server_cannot_deliver(self):
        self.imap.on("BODY", only_ok())
        done = self.check()
        self.assertEqual(done.returncode, FAILURE, done.stdout)
        self.assertRegex(done.stdout, f"warning +test/{USER}: message: .*\n.*EIO")

    def test_check_tells_login_from_network(self):
        self.imap.on("AUTHENTICATE", no("AUTHENTICATE failed."))
        self.assertEqual(self.check().returncode, LOGIN)
        self.imap.stop()
        done = self.check()
        self.assertEqual(done.returncode, NETWORK)
        self.assertIn(str(self.imap.port), done.stdout + done.stderr)


if __name__ == "__main__":
    main()
