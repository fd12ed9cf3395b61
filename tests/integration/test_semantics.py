#!/usr/bin/env python3
"""What system calls answer: read-only in every way, stable directory reading, attributes, names."""

import errno
import os
import stat

from support import process
from support.imap_script_server import ImapScriptServer
from support.mount import password_account, uid_of
from support.testcase import MountTest, main, read

USER = "ada@example.org"


class Semantics(MountTest):
    def setUp(self):
        super().setUp()
        self.imap = self.server(ImapScriptServer())
        self.inbox = self.imap.mailbox(USER).inbox.fill(300)
        self.box = self.mount(password_account(self.imap, [USER]))
        self.folder = self.box.path(USER, "INBOX")
        self.names = self.box.messages(USER, "INBOX")
        self.one = self.folder / self.names[0]

    def test_nothing_can_be_changed(self):
        calls = {
            "write": lambda: os.open(self.one, os.O_WRONLY),
            "append": lambda: os.open(self.one, os.O_RDWR | os.O_APPEND),
            "create": lambda: os.open(self.folder / "new", os.O_CREAT | os.O_WRONLY),
            "unlink": lambda: os.unlink(self.one),
            "rename": lambda: os.rename(self.one, self.folder / "x"),
            "mkdir": lambda: os.mkdir(self.folder / "x"),
            "rmdir": lambda: os.rmdir(self.folder),
            "symlink": lambda: os.symlink("x", self.folder / "x"),
            "link": lambda: os.link(self.one, self.folder / "x"),
            "chmod": lambda: os.chmod(self.one, 0o600),
            "utime": lambda: os.utime(self.one),
            "truncate": lambda: os.truncate(self.one, 0),
            "setxattr": lambda: os.setxattr(self.one, "user.x", b"1"),
        }
        for name, call in calls.items():
            with self.subTest(name):
                self.assert_errno(errno.EROFS, call)

    def test_attributes(self):
        state = os.stat(self.one)
        message = self.inbox.get(uid_of(self.one))
        self.assertTrue(stat.S_ISREG(state.st_mode))
        self.assertEqual(stat.S_IMODE(state.st_mode), 0o400)
        self.assertEqual((state.st_uid, state.st_gid, state.st_nlink), (os.getuid(), os.getgid(), 1))
        self.assertEqual((state.st_mtime, state.st_ctime), (message.date, message.date))
        directory = os.stat(self.folder)
        self.assertTrue(stat.S_ISDIR(directory.st_mode))
        self.assertEqual(stat.S_IMODE(directory.st_mode), 0o500)

    def test_flags_change_no_times(self):
        before = os.stat(self.one)
        self.inbox.get(uid_of(self.one)).flags = (r"\Seen", r"\Flagged")
        self.box.remount()
        self.box.messages(USER, "INBOX")
        after = os.stat(self.one)
        self.assertEqual(
            (before.st_mtime_ns, before.st_ctime_ns, before.st_ino),
            (after.st_mtime_ns, after.st_ctime_ns, after.st_ino),
        )

    def test_absent_names(self):
        self.assert_errno(errno.ENOENT, os.stat, self.folder / "no such message.eml")
        self.assert_errno(errno.ENOENT, os.stat, self.folder / "4711.eml")
        self.assert_errno(errno.ENOENT, os.listdir, self.box.path(USER, "No such folder"))
        self.assert_errno(errno.ENOENT, os.listdir, self.box.path("nobody@example.org"))
        self.assert_errno(errno.ENOTDIR, os.listdir, self.one)
        self.assert_errno(errno.EISDIR, os.open, self.folder, os.O_WRONLY)

    def test_the_uid_alone_is_a_name_too(self):
        uid = uid_of(self.one)
        self.assertEqual(os.stat(self.folder / f"{uid}.eml").st_ino, os.stat(self.one).st_ino)
        self.assertNotIn(f"{uid}.eml", os.listdir(self.folder))

    def test_the_uid_goes_with_its_message(self):
        self.box.unmount()
        self.box.config["refresh_interval"] = 0.2
        self.box.write_config()
        self.box.start()
        uid = uid_of(self.one)
        alias = self.folder / f"{uid}.eml"
        self.assertEqual(os.stat(alias).st_ino, os.stat(self.one).st_ino)
        self.inbox.expunge(uid)
        process.wait_until(lambda: os.path.basename(self.one) not in os.listdir(self.folder), what="the deletion")
        self.assert_errno(errno.ENOENT, os.stat, alias)

    def test_directories_are_read_once_through_whatever_the_buffer(self):
        self.assertEqual(len(self.names), len(set(self.names)))
        self.assertEqual({uid_of(name) for name in self.names}, set(range(1, 301)))
        self.assertEqual(sorted(os.listdir(self.folder)), self.names)
        entries = {entry.name: entry.inode() for entry in os.scandir(self.folder)}
        self.assertEqual(entries, {name: os.lstat(self.folder / name).st_ino for name in self.names})

    def test_extended_attributes_answer_but_are_not_listed(self):
        user = "grace@example.org"
        body = b"Subject: x\r\nMessage-ID: <known.4711@example.org>\r\n\r\nbody\r\n"
        flags = {r"\Flagged", r"\Seen", "$MDNSent"}
        self.imap.mailbox(user).inbox.add(body, uid=4711, flags=flags, size=lambda size: 3 * size)
        box = self.mount(password_account(self.imap, [user]))
        (name,) = box.messages(user, "INBOX")
        path = box.path(user, "INBOX", name)

        def attributes():
            names = ("uid", "flags", "message_id", "size_exact", "cached")
            values = {name: os.getxattr(path, f"user.mailboxfs.{name}").decode() for name in names}
            return values | {"flags": set(values["flags"].split(" "))}

        known = {"uid": "4711", "flags": flags, "message_id": "<known.4711@example.org>"}
        self.assertEqual(attributes(), known | {"size_exact": "0", "cached": "0"})
        self.assertEqual(os.stat(path).st_size, 3 * len(body))
        self.assertEqual(read(path), body)
        self.assertEqual(attributes(), known | {"size_exact": "1", "cached": "1"})
        self.assertEqual(os.stat(path).st_size, len(body))
        self.assertEqual(os.listxattr(path), [])
        self.assert_errno(errno.ENODATA, os.getxattr, path, "user.nonsense")
        self.assert_errno(errno.ENODATA, os.getxattr, path, "user.mailboxfs.nonsense")
        self.assert_errno(errno.ENODATA, os.getxattr, box.path(user, "INBOX"), "user.mailboxfs.uid")
        self.assertEqual(os.listxattr(box.path(user, "INBOX")), [])

    def test_reading_at_offsets(self):
        body = self.inbox.get(uid_of(self.one)).body
        with open(self.one, "rb") as file:
            for offset, length in ((0, 10), (5, 100), (len(body) - 3, 50), (len(body), 10), (len(body) + 100, 10)):
                file.seek(offset)
                self.assertEqual(file.read(length), body[offset : offset + length])
        self.assertEqual(read(self.one), body)

    def test_statvfs(self):
        state = os.statvfs(self.box.mountpoint)
        self.assertEqual(state.f_namemax, 255)
        self.assertGreater(min(state.f_blocks, state.f_bfree, state.f_files, state.f_ffree), 0)
        self.assertTrue(state.f_flag & os.ST_RDONLY)


if __name__ == "__main__":
    main()
