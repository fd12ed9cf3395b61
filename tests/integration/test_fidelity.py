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


def corpus():
    """Real mail that is kept beside the repository: (folder, bytes, flags, date) for Dovecot."""
    top = Path(os.environ.get("MAILBOXFS_TEST_MAIL") or Path(__file__).resolve().parents[3] / "shared" / "mail")
    messages = []
    for directory, _, files in os.walk(top):
        # "cur" and its like are a Maildir's own names.
        folder = re.sub(r"\b(cur|new|tmp)\b", r"\1-", os.path.relpath(directory, top))
        for name in sorted(files):
            # IMAP's literals carry no NUL, and Dovecot refuses empty messages.
            body = read(os.path.join(directory, name)).replace(b"\0", b"")
            if body and name != "ORIGIN.md":
                messages.append(("INBOX" if folder == "." else folder, body, (), 1_500_000_000 + len(messages)))
    return messages


@unittest.skipUnless(dovecot.available(), "there is no Dovecot")
class Fidelity(MountTest):
    @classmethod
    def setUpClass(cls):
        cls.endpoint = TokenEndpoint(jwt.SigningKey())
        cls.addClassCleanup(cls.endpoint.stop)
        cls.dovecot = dovecot.Dovecot(cls.endpoint.key)
        cls.addClassCleanup(cls.dovecot.close)
        cls.dovecot.start()
        cls.mail = mailgen.mailboxes() | {CORPUS: corpus()}
        for user, messages in cls.mail.items():
            cls.dovecot.add_user(user)
            cls.dovecot.deliver_all(user, messages)

    def test_files_are_the_servers_bytes_and_nothing_changes_there(self):
        users = list(self.mail)
        before = {user: self.at_the_server(user) for user in users}
        mount = self.mount(oauth_account(self.dovecot, self.endpoint, users))
        self.assertEqual(sorted(os.listdir(mount.mountpoint)), sorted(users))
        checked = 0
        for user, folders in before.items():
            for folder, messages in folders.items():
                checked += len(messages)
                self.compare(mount.path(user, folder), messages)
            self.assertEqual(len(every_file(mount.path(user))), sum(map(len, folders.values())))
        self.assertGreater(checked, 150)
        mount.unmount()
        for user in users:
            self.assertEqual(self.at_the_server(user), before[user], f"{user}: mail or flags changed at the server")
            self.check_commands(user)

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
