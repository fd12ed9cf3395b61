#!/usr/bin/env python3
"""Every file is, byte for byte, what the server sends for BODY[]; and the server has noticed no change."""

import os
import re
import unittest
from pathlib import Path

from support import dovecot, jwt, mailgen
from support.mount import every_file, oauth_account, uid_of
from support.testcase import MountTest, main, read
from support.token_endpoint import TokenEndpoint

CORPUS = "corpus@example.org"
# Commands that a reader needs. Anything else has to be argued for here.
_READING = re.compile(
    r"\S+ (CAPABILITY|NOOP|LOGOUT|IDLE|NAMESPACE|ID .*|LIST .*|EXAMINE .*|STATUS .*|ENABLE .*|COMPRESS DEFLATE|UNSELECT"
    r"|(UID )?SEARCH .*|(UID )?FETCH .*)|DONE",
    re.I,
)


def corpus_directory():
    """Where real mail is kept beside the repository, None if it is not there."""
    named = os.environ.get("MAILBOXFS_TEST_MAIL")
    top = Path(named or Path(__file__).resolve().parents[3] / "shared" / "mail")
    return top if named or top.is_dir() else None


def corpus(top):
    """The real mail as (folder, bytes, flags, date) for Dovecot."""
    messages = []
    for path in map(Path, every_file(top)):
        # "cur" and its like are a Maildir's own names.
        folder = re.sub(r"\b(cur|new|tmp)\b", r"\1-", str(path.parent))
        # IMAP's literals carry no NUL, and Dovecot refuses empty messages.
        body = read(top / path).replace(b"\0", b"")
        if body and path.name != "ORIGIN.md":
            messages.append(("INBOX" if folder == "." else folder, body, (), 1_500_000_000 + len(messages)))
    return messages


@unittest.skipUnless(dovecot.available(), "there is no Dovecot")
class Fidelity(MountTest):
    @classmethod
    def setUpClass(cls):
        cls.endpoint = TokenEndpoint(jwt.any_key())
        cls.addClassCleanup(cls.endpoint.stop)
        cls.dovecot = dovecot.Dovecot(cls.endpoint.key)
        cls.addClassCleanup(cls.dovecot.close)
        cls.dovecot.start()
        cls.mail = mailgen.mailboxes()
        if top := corpus_directory():
            cls.mail[CORPUS] = corpus(top)
        for user, messages in cls.mail.items():
            cls.dovecot.add_user(user)
            cls.dovecot.deliver_all(user, messages)

    def test_files_are_the_servers_bytes_and_nothing_changes_there(self):
        users = list(self.mail)
        before = {user: self.at_the_server(user) for user in users}
        mount = self.mount(oauth_account(self.dovecot, self.endpoint, users))
        self.assertEqual(sorted(os.listdir(mount.mountpoint)), sorted(users))
        checked = dict.fromkeys(users, 0)
        for user, folders in before.items():
            for folder, messages in folders.items():
                checked[user] += len(messages)
                self.compare(mount.path(user, folder), messages)
            self.assertEqual(len(every_file(mount.path(user))), sum(map(len, folders.values())))
        self.assertEqual(checked, {user: len(messages) for user, messages in self.mail.items()})
        mount.unmount()
        for user in users:
            self.assertEqual(self.at_the_server(user), before[user], f"{user}: mail or flags changed at the server")
            self.check_commands(user)

    def test_all_mail_there_is_was_loaded(self):
        loaded = {user: len(messages) for user, messages in self.mail.items()}
        self.assertGreater(loaded[mailgen.ADA] + loaded[mailgen.SALES], 150)
        if top := corpus_directory():
            files = [path for path in top.rglob("*") if path.is_file() and path.stat().st_size > 0]
            self.assertEqual(loaded[CORPUS], sum(path.name != "ORIGIN.md" for path in files))
            self.assertGreater(loaded[CORPUS], 0, f"{top} holds no mail")

    def at_the_server(self, user):
        """{folder: {uid: (bytes, flags, date)}}, by a client that has nothing of ours."""
        selectable = [folder for folder in self.dovecot.folders(user) if self.holds_messages(user, folder)]
        return {folder: self.dovecot.messages(user, folder) for folder in selectable}

    def holds_messages(self, user, folder):
        return any(known == folder for known, *_ in self.mail[user])

    def compare(self, directory, messages):
        files = {uid_of(entry.name): entry for entry in os.scandir(directory) if entry.is_file()}
        self.assertEqual(set(files), set(messages), directory)
        for uid, (body, _, date) in messages.items():
            entry = files[uid]
            content = read(entry.path)
            if content != body:
                self.fail(f"{entry.path}: {len(content)} bytes differ from the server's {len(body)}")
            state = os.stat(entry.path)
            self.assertEqual((state.st_size, state.st_blocks), (len(body), -(-len(body) // 512)), entry.path)
            self.assertEqual((state.st_mtime, state.st_ctime, state.st_nlink), (date, date, 1), entry.path)

    def check_commands(self, user):
        commands = self.dovecot.commands_seen(user)
        self.assertTrue(any("EXAMINE" in command for command in commands), "no commands were recorded")
        for command in commands:
            self.assertRegex(command, rf"^({_READING.pattern})$")
            if "FETCH" in command.upper():
                self.assertNotRegex(command.upper(), r"BODY\[|BINARY\[|\bRFC822(\.TEXT)?\b(?!\.SIZE|\.HEADER)")


if __name__ == "__main__":
    main()
