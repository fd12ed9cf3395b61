#!/usr/bin/env python3
"""Readers of a stalled server wait alone: everything else goes on, and each of them can be ended at once."""

import os
import signal
import subprocess
import time

from support import process
from support.imap_faults import Gate
from support.imap_script_server import ImapScriptServer
from support.mount import password_account
from support.testcase import MountTest, main, read

STALLED, WELL = "stalled@example.org", "well@example.org"
READERS = 64
# What ends other readers at once meanwhile.
SIGNALS = READERS // 2 * [signal.SIGINT, signal.SIGKILL] + [signal.SIGTERM]
# The server stays silent for longer. How late the end may be on a busy machine is no promise.
STALL, MARGIN = 30, 60


class Starvation(MountTest):
    def setUp(self):
        super().setUp()
        self.imap = self.server(ImapScriptServer())
        self.imap.mailbox(STALLED).folder("Slow").fill(READERS + len(SIGNALS))
        self.imap.mailbox(STALLED).folder("Long").fill(1000)
        self.imap.mailbox(WELL).inbox.fill(20)

    def start_readers(self, mount, count=READERS):
        """So many programs, each of which waits for another message."""
        names = mount.messages(STALLED, "Slow")[:count]
        self.assertEqual(len(names), count)
        self.gate = self.imap.on("BODY", Gate(), user=STALLED)
        readers = []
        for name in names:
            readers.append(
                subprocess.Popen(
                    ["cat", mount.path(STALLED, "Slow", name)],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    text=True,
                    env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
                )
            )
        self.addCleanup(lambda: [reader.kill() or reader.communicate() for reader in readers])
        process.wait_until(lambda: self.gate.waiting > 0, what="a stalled download")
        process.wait_until(lambda: mount.status()["waiting"] >= count, what="all readers to wait")
        return readers

    def assert_all_wait(self, readers):
        self.assertEqual([reader.poll() for reader in readers], [None] * len(readers))

    def test_others_go_on_and_waiters_end_one_by_one(self):
        timeouts = {"stall": STALL, "total": STALL + 2 * MARGIN}
        mount = self.mount(password_account(self.imap, [STALLED, WELL]), timeouts=timeouts)
        self.assertEqual(len(os.listdir(mount.path(STALLED, "Long"))), 1000)
        begun = time.monotonic()
        readers = self.start_readers(mount, READERS + len(SIGNALS))

        listing = process.run(["ls", "-l", mount.path(STALLED, "Long")], check=True).stdout
        self.assertEqual(len(listing.splitlines()), 1001)
        for name in mount.messages(WELL, "INBOX"):
            self.assertIn(b"Subject: Message number", read(mount.path(WELL, "INBOX", name)))
        self.assert_all_wait(readers)

        for signum in SIGNALS:
            reader = readers.pop()
            reader.send_signal(signum)
            reader.communicate(timeout=5)
            self.assertEqual(reader.returncode, -signum)
            self.assert_all_wait(readers)

        self.assertEqual(len(readers), READERS)
        process.wait_until(lambda: any(reader.poll() is not None for reader in readers), STALL + MARGIN, "the deadline")
        self.assertGreaterEqual(time.monotonic() - begun, STALL)
        for reader in readers:
            _, error = reader.communicate(timeout=max(1, begun + STALL + MARGIN - time.monotonic()))
            self.assertIn("Connection timed out", error)
        self.assertEqual(mount.status()["waiting"], 0)

        # The mailbox is not lost: what stalled is read as soon as the server answers.
        self.imap.heal()
        names = mount.messages(STALLED, "Slow")

        def readable():
            try:
                return read(mount.path(STALLED, "Slow", names[0]))
            except OSError:
                return b""

        self.assertIn(b"Subject", process.wait_until(readable, 60, "the recovery"))

    def test_one_download_serves_all_who_wait_even_if_the_first_leaves(self):
        mount = self.mount(password_account(self.imap, [STALLED]))
        name = mount.messages(STALLED, "Slow")[0]
        gate = self.imap.on("BODY", Gate(), user=STALLED)
        readers = [
            subprocess.Popen(["cat", mount.path(STALLED, "Slow", name)], stdout=subprocess.PIPE) for _ in range(8)
        ]
        self.addCleanup(lambda: [reader.kill() or reader.communicate() for reader in readers])
        process.wait_until(lambda: gate.waiting > 0 and mount.status()["waiting"] >= 1, what="the download")
        readers[0].kill()
        readers[0].wait(5)
        gate.release()
        body = self.imap.mailbox(STALLED).folder("Slow").get(1).body
        for reader in readers[1:]:
            self.assertEqual(reader.communicate(timeout=30)[0], body)
        self.assertEqual(self.imap.bodies(uid=1), 1)

    def start_lookups(self, mount, *directory):
        """Programs that each wait for another unknown name in one directory."""
        lookups = [
            subprocess.Popen(["stat", mount.path(*directory, f"nobody-{i}.eml")], stderr=subprocess.DEVNULL)
            for i in range(5)
        ]
        self.addCleanup(lambda: [lookup.kill() or lookup.wait(30) for lookup in lookups])
        process.wait_until(lambda: mount.status()["waiting"] >= len(lookups), what="all lookups to wait side by side")
        return lookups

    def assert_killed_at_once(self, lookups):
        self.assert_all_wait(lookups)
        while lookups:
            # Not the first: it is the one whom the kernel lets in.
            lookup = lookups.pop()
            lookup.kill()
            self.assertEqual(lookup.wait(5), -signal.SIGKILL)
            self.assert_all_wait(lookups)

    def test_a_waiting_lookup_keeps_nobody_out_of_its_directory(self):
        mount = self.mount(password_account(self.imap, [WELL]), timeouts={"stall": 100, "total": 120})
        names = mount.messages(WELL, "INBOX")
        bodies = {name: read(mount.path(WELL, "INBOX", name)) for name in names[:3]}
        mount.remount()  # The kernel knows no names, and a new mount takes no listing for current.
        self.imap.on("*", Gate())
        lookups = self.start_lookups(mount, WELL, "INBOX")
        for name, body in bodies.items():
            copy = process.run(["cat", mount.path(WELL, "INBOX", name)], timeout=20, check=True, text=False)
            self.assertEqual(copy.stdout, body)
        listing = process.run(["ls", "-l", mount.path(WELL, "INBOX")], timeout=30, check=True).stdout
        self.assertEqual(len(listing.splitlines()), 21)
        self.assert_killed_at_once(lookups)

    def test_a_mailbox_that_does_not_answer_can_be_left_at_once(self):
        mount = self.mount(password_account(self.imap, [STALLED]), timeouts={"stall": 100, "total": 120})
        self.imap.on("LIST", Gate())
        lookups = [
            subprocess.Popen(["ls", mount.path(STALLED, name)], stderr=subprocess.DEVNULL)
            for name in ("INBOX", "Slow", "Long")
        ]
        self.addCleanup(lambda: [lookup.kill() or lookup.wait(30) for lookup in lookups])
        process.wait_until(lambda: mount.status()["waiting"] >= len(lookups), what="all to wait side by side")
        self.assert_killed_at_once(lookups)

    def test_df_does_not_wait_for_the_server(self):
        self.imap.on("*", Gate())
        mount = self.mount(password_account(self.imap, [STALLED]), timeouts={"stall": 100, "total": 120})
        lookup = subprocess.Popen(["ls", mount.path(STALLED)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: lookup.kill() or lookup.wait(30))
        process.wait_until(lambda: mount.status()["waiting"] >= 1, what="a program that waits for the server")
        # In a program of its own, which can be ended if it waits, too.
        space = process.run(["stat", "-f", "-c", "%b %f %c %d", mount.mountpoint], timeout=20, check=True).stdout
        self.assertTrue(all(int(number) > 0 for number in space.split()), space)
        self.assertEqual(len(space.split()), 4)
        self.assert_all_wait([lookup])

    def test_unmounting_does_not_wait_for_the_stalled(self):
        mount = self.mount(password_account(self.imap, [STALLED]), timeouts={"stall": 300, "total": 600})
        readers = self.start_readers(mount)
        os.kill(mount.pid, signal.SIGTERM)
        for reader in readers:
            reader.wait(30)
            self.assertNotEqual(reader.returncode, 0)


if __name__ == "__main__":
    main()
