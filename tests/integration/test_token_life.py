#!/usr/bin/env python3
"""Tokens that live for ten seconds, sessions that end with them, and a backup that must not notice."""

import threading
import time
import unittest

from support import dovecot, jwt, mailgen, process
from support.mount import every_file, oauth_account, uid_of
from support.testcase import MountTest, main, read
from support.token_endpoint import TokenEndpoint

_LIFETIME = 10
_DURATION = 60
# Smaller than the mail: nearly every read is a download.
_CACHE = "1M"
# In KiB/s: one copy lasts longer than a token.
_BANDWIDTH = 400


@unittest.skipUnless(dovecot.available(), "there is no Dovecot")
class TokenLife(MountTest):
    @classmethod
    def setUpClass(cls):
        cls.endpoint = TokenEndpoint(jwt.any_key(), lifetime=_LIFETIME)
        cls.addClassCleanup(cls.endpoint.stop)
        cls.dovecot = dovecot.Dovecot(cls.endpoint.key)
        cls.addClassCleanup(cls.dovecot.close)
        cls.dovecot.start()
        cls.mail = mailgen.mailboxes(large=3_000_000)
        for user, messages in cls.mail.items():
            cls.dovecot.add_user(user)
            cls.dovecot.deliver_all(user, messages)

    def setUp(self):
        super().setUp()
        account = oauth_account(self.dovecot, self.endpoint, list(self.mail))
        self.box = self.mount(account, start=False, refresh_interval=1)
        self.box.config["cache"]["size"] = _CACHE
        self.box.write_config()
        self.box.start()
        self.expected = {}
        for user, messages in self.mail.items():
            for folder in {folder for folder, *_ in messages}:
                held = self.dovecot.messages(user, folder)
                self.expected |= {(user, folder, uid): body for uid, (body, *_) in held.items()}

    def end_sessions_with_their_tokens(self):
        """In the background, as Exchange does; Dovecot itself looks at a token when somebody logs in, and not again."""
        over = threading.Event()

        def work():
            while not over.wait(_LIFETIME):
                self.dovecot.end_sessions()

        worker = threading.Thread(target=work)
        worker.start()
        self.addCleanup(worker.join)
        self.addCleanup(over.set)

    def back_up(self, target):
        done = process.run(["rsync", "-a", f"--bwlimit={_BANDWIDTH}", f"{self.box.mountpoint}/", f"{target}/"], timeout=200)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        found = {}
        for path in every_file(target):
            user, _, rest = path.partition("/")
            folder, _, name = rest.rpartition("/")
            found[user, folder, uid_of(name)] = path
        self.assertEqual(set(found), set(self.expected))
        for message, path in found.items():
            if read(target / path) != self.expected[message]:
                self.fail(f"{path}: not what the server has")
        process.remove_tree(target)

    def test_a_backup_over_many_tokens(self):
        self.end_sessions_with_their_tokens()
        begun, rounds = time.monotonic(), 0
        while (passed := time.monotonic() - begun) < _DURATION:
            self.back_up(self.box.directory / "backup")
            rounds += 1
        self.assertGreater(rounds, 1)
        fetched = sum(box["bodies_fetched"] for box in self.box.status()["mailboxes"])
        self.assertGreater(fetched, rounds * len(self.expected) / 2, "the cache has answered")
        # Renewed each time, and not more often.
        self.assertGreaterEqual(self.endpoint.requests, passed // _LIFETIME - 2)
        self.assertLessEqual(self.endpoint.requests, passed / 5 + 2)
        self.assertEqual(self.endpoint.problems, [])
        self.assertEqual(self.box.status()["requests"]["timed_out"], 0)


if __name__ == "__main__":
    main()
