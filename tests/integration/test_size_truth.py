#!/usr/bin/env python3
"""A server that lies about sizes: after `ls -l` showed the kernel the lie, every tool still reads all."""

import os
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

from support import process
from support.imap_script_server import ImapScriptServer
from support.imap_store import sample
from support.mount import password_account, uid_of
from support.testcase import MountTest, main, read

USER = "ada@example.org"
LIES = {"three times": lambda size: size * 3, "one less": lambda size: size - 1, "zero": lambda size: 0}
# The last two are read while they come: open answers such large ones early.
SIZES = [150, 4_096, 70_000, 200_000, 300_000, 8_000_000]
# Made once: each folder shows the same. The last one's end is not its last line's.
BODIES = [*(sample(size, size) for size in SIZES), b"Subject: x\r\n\r\nno end"]


def with_cat(source, target):
    for name in os.listdir(source):
        with open(target / name, "wb") as out:
            process.run(["cat", source / name], stdout=out, check=True)


def with_cp(source, target):
    process.run(["cp", "-r", f"{source}/.", target], check=True)


def with_tar(source, target):
    archive = target.parent / "archive.tar"
    process.run(["tar", "-C", source, "-cf", archive, "."], check=True)
    with tarfile.open(archive) as opened:
        opened.extractall(target)
    archive.unlink()


def with_sparse_tar(source, target):
    archive = target.parent / "archive.tar"
    process.run(["tar", "-C", source, "--sparse", "-cf", archive, "."], check=True)
    process.run(["tar", "-C", target, "-xf", archive], check=True)
    archive.unlink()


def with_rsync(source, target):
    process.run(["rsync", "-a", f"{source}/", target], check=True)


_COPY_MAPPED = """
import mmap, os, sys
for name in os.listdir(sys.argv[1]):
    with open(f"{sys.argv[1]}/{name}", "rb") as file, open(f"{sys.argv[2]}/{name}", "wb") as copy:
        copy.write(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
"""


def with_mmap(source, target):
    # Not here: a page that is waited for would hold up the server, which is a thread of ours.
    process.run([sys.executable, "-c", _COPY_MAPPED, source, target], check=True)


def with_dd(source, target):
    for name in os.listdir(source):
        process.run(["dd", f"if={source / name}", f"of={target / name}", "bs=7777", "status=none"], check=True)


TOOLS = {
    "cp": with_cp,
    "cat": with_cat,
    "tar": with_tar,
    "tar --sparse": with_sparse_tar,
    "rsync": with_rsync,
    "mmap": with_mmap,
    "dd": with_dd,
}


class SizeTruth(MountTest):
    def setUp(self):
        super().setUp()
        self.server_ = self.server(ImapScriptServer())
        self.mailbox = self.server_.mailbox(USER)
        self.scratch = Path(tempfile.mkdtemp(prefix="sizes-"))
        self.addCleanup(process.remove_tree, self.scratch)

    def fill(self, folder, lie):
        for body in BODIES:
            self.mailbox.folder(folder).add(body, size=lie)

    def check(self, folder, copies):
        for name, content in copies.items():
            body = self.mailbox.folder(folder).get(uid_of(name)).body
            # Not assertEqual, which would print megabytes.
            self.assertTrue(content == body, f"{folder}/{name}: {len(content)} bytes, {len(body)} at the server")
        self.assertEqual(len(copies), len(BODIES))

    def test_every_tool_reads_whole_messages_after_ls(self):
        for lie_name, lie in LIES.items():
            for tool in TOOLS:
                self.fill(f"{lie_name} {tool}", lie)
        mount = self.mount(password_account(self.server_, [USER]))
        for lie_name in LIES:
            for tool, copy in TOOLS.items():
                folder = f"{lie_name} {tool}"
                with self.subTest(folder):
                    source, target = mount.path(USER, folder), self.scratch / folder
                    target.mkdir()
                    process.run(["ls", "-l", source], check=True)
                    copy(source, target)
                    self.check(folder, {path.name: path.read_bytes() for path in target.iterdir()})

    def test_wc_and_stat_tell_the_truth_once_a_message_was_opened(self):
        for lie_name, lie in LIES.items():
            self.fill(lie_name, lie)
        mount = self.mount(password_account(self.server_, [USER]))
        for lie_name in LIES:
            with self.subTest(lie_name):
                folder = mount.path(USER, lie_name)
                process.run(["ls", "-l", folder], check=True)
                for name in os.listdir(folder):
                    truth = len(self.mailbox.folder(lie_name).get(uid_of(name)).body)
                    counted = process.run(["wc", "-c", folder / name], check=True).stdout.split()[0]
                    self.assertEqual(int(counted), truth)
                    state = os.stat(folder / name)
                    self.assertEqual((state.st_size, state.st_blocks), (truth, -(-truth // 512)))

    def test_a_proven_size_outlives_the_cached_body_and_the_daemon(self):
        self.fill("INBOX", LIES["three times"])
        mount = self.mount(password_account(self.server_, [USER]))
        folder = mount.path(USER, "INBOX")
        truth = {name: len(read(folder / name)) for name in os.listdir(folder)}
        mount.unmount()
        shutil.rmtree(mount.directory / "cache")
        mount.start()
        self.server_.forget()
        self.assertEqual({entry.name: entry.stat().st_size for entry in os.scandir(folder)}, truth)
        self.assertEqual(self.server_.bodies(), 0)

    def test_a_body_that_the_server_made_anew_is_read_whole_or_not_at_all(self):
        for folder in ("cat", "cp", "tar"):
            self.fill(folder, LIES["three times"])
        mount = self.mount(password_account(self.server_, [USER]))
        for folder in ("cat", "cp", "tar"):
            for name in os.listdir(mount.path(USER, folder)):
                read(mount.path(USER, folder, name))
        mount.unmount()
        shutil.rmtree(mount.directory / "cache")
        mount.start()
        for folder in ("cat", "cp", "tar"):
            with self.subTest(folder):
                source, target = mount.path(USER, folder), self.scratch / folder
                target.mkdir()
                # The kernel has the proven sizes now.
                process.run(["ls", "-l", source], check=True)
                for turn, name in enumerate(sorted(os.listdir(source))):
                    message = self.mailbox.folder(folder).get(uid_of(name))
                    message.body = message.body + b"one more line\r\n" * 20 if turn % 2 else message.body[:-7]
                for name in os.listdir(source):
                    self.copy_until_it_works(folder, source / name, target / name)
                self.check(folder, {path.name: path.read_bytes() for path in target.iterdir()})

    def copy_until_it_works(self, tool, source, target):
        commands = {
            "cat": f"cat '{source}' > '{target}'",
            "cp": f"cp -f '{source}' '{target}'",
            "tar": f"tar -C '{source.parent}' -cf - '{source.name}' > '{target}.tar' && "
            f"tar -C '{target.parent}' -xf '{target}.tar' && rm '{target}.tar'",
        }
        for _ in range(3):
            done = process.run(["sh", "-c", commands[tool]])
            if done.returncode == 0:
                return
            # ESTALE: the file was opened with the old size.
            self.assertRegex(done.stderr, "Stale file handle|File shrank|Read error")
            (target.parent / f"{target.name}.tar").unlink(missing_ok=True)
        self.fail(f"{tool} of {source}: {done.stderr}")


if __name__ == "__main__":
    main()
