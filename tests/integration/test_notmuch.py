#!/usr/bin/env python3
"""A mail indexer that knows nothing of IMAP finds mail in the mount, and reads each message once."""

import shutil
import tempfile
import unittest
from pathlib import Path

from support import process
from support.imap_script_server import ImapScriptServer
from support.imap_store import sample
from support.mount import every_file, password_account, uid_of
from support.testcase import MountTest, main

USER = "ada@example.org"
CONFIG = """
[database]
path={index}
mail_root={mail}
[new]
tags=new
[search]
exclude_tags=
[maildir]
synchronize_flags=false
"""


@unittest.skipUnless(shutil.which("notmuch"), "there is no notmuch")
class Notmuch(MountTest):
    def setUp(self):
        super().setUp()
        self.imap = self.server(ImapScriptServer())
        self.mailbox = self.imap.mailbox(USER)
        self.mailbox.inbox.fill(20)
        self.archive = self.mailbox.folder("Archive/2021")
        # notmuch does not take names as long as file systems do, and gives everything up then.
        self.archive.add(sample(100, subject=99 * "very long "), uid=100)
        for uid, subject in enumerate(("Bridge drawings", "=?utf-8?Q?K=C3=BCndigungsfrist?="), 101):
            self.archive.add(sample(uid, subject=subject), uid=uid)
        self.box = self.mount(password_account(self.imap, [USER]), refresh_interval=0.2)
        self.scratch = Path(tempfile.mkdtemp(prefix="notmuch-"))
        self.addCleanup(shutil.rmtree, self.scratch)
        (self.scratch / "index").mkdir()
        config = CONFIG.format(index=self.scratch / "index", mail=self.box.mountpoint)
        (self.scratch / "config").write_text(config, encoding="utf-8")

    def notmuch(self, *words):
        environment = self.box.environment() | {"NOTMUCH_CONFIG": str(self.scratch / "config")}
        return process.run(["notmuch", *words], env=environment, timeout=120, check=True).stdout

    def found(self, *words):
        """The files that a search names, relative to the mountpoint."""
        paths = self.notmuch("search", "--output=files", *words).splitlines()
        return sorted(str(Path(path).relative_to(self.box.mountpoint)) for path in paths)

    def test_what_is_indexed_is_found_and_not_read_again(self):
        self.notmuch("new")
        files = every_file(self.box.mountpoint)
        self.assertEqual(self.found("*"), files)
        self.assertEqual(self.imap.bodies(), len(files))
        by_uid = {uid_of(name): name for name in files}
        self.assertEqual(self.found('subject:"Bridge drawings"'), [by_uid[101]])
        self.assertEqual(self.found("subject:Kündigungsfrist"), [by_uid[102]])
        self.assertEqual(self.found("id:7@example.org"), [by_uid[7]])

        self.box.remount()
        self.imap.forget()
        self.assertIn("No new mail", self.notmuch("new"))
        self.archive.add(sample(103, subject="Load tables"), uid=103)
        process.wait_until(lambda: len(self.box.messages(USER, "Archive", "2021")) == 4, what="the new message")
        self.notmuch("new")
        self.assertEqual([uid_of(name) for name in self.found('subject:"Load tables"')], [103])
        self.assertEqual(self.found("*"), every_file(self.box.mountpoint))
        self.assertEqual(self.imap.bodies(), 1)


if __name__ == "__main__":
    main()
