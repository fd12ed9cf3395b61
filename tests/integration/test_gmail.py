#!/usr/bin/env python3
"""A message of Gmail under several labels is one file with several names: one inode, one body, stored once by backups."""

import os
import tarfile
import tempfile
from pathlib import Path

from support import process
from support.imap_store import sample
from support.mount import uid_of
from support.testcase import FakeTest, main, read

LABELS = ("INBOX", "Work", "[Gmail]/Starred")


class Gmail(FakeTest):
    def setUp(self):
        super().setUp()
        self.fake("gmail", messages=0)
        self.imap.furnished(self.USER)
        self.mailbox = self.imap.mailbox(self.USER)
        self.body = sample(1, 50_000)
        self.under = self.mailbox.deliver(self.body, *LABELS)
        self.alone = self.mailbox.deliver(sample(2, 3000), "INBOX")
        self.box()
        self.scratch = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="mailboxfs-gmail-")))

    def path(self, label):
        """Of the message under this label, or None."""
        return self.paths(*label.split("/")).get(self.under[label].uid)

    def states(self, *labels):
        """lstat of the names under these labels, all of which are listed first."""
        paths = [self.path(label) for label in labels or LABELS]
        return [os.lstat(path) for path in paths]

    def take_away(self, label):
        """At the server."""
        self.mailbox.folder(label).expunge(self.under[label].uid)

    def walk(self):
        """What rsync and tar see of the mailbox: {name: lstat}."""
        return {
            os.path.join(top, name): os.lstat(os.path.join(top, name))
            for top, _, names in os.walk(self.mounted.path(self.USER))
            for name in names
        }

    def test_three_labels_are_one_file(self):
        states = self.states()
        self.assertEqual({state.st_nlink for state in states}, {3})
        self.assertEqual(len({(state.st_ino, state.st_size, state.st_mtime) for state in states}), 1)
        other = os.lstat(self.paths()[self.alone["INBOX"].uid])
        self.assertEqual(other.st_nlink, 1)
        self.assertNotEqual(other.st_ino, states[0].st_ino)
        self.assertEqual(self.imap.bodies(), 0)
        for label in LABELS:
            self.assertEqual(read(self.path(label)), self.body)
        self.assertEqual(self.imap.bodies(), 1)
        # "All Mail" has it as well, but is not shown.
        self.assertEqual(len(self.walk()), 4)
        self.assertEqual(self.mounted.status()["messages"], 4)

    def test_rsync_and_tar_store_it_once(self):
        self.walk()  # How many names a message has is known when all folders have been listed.
        target = self.scratch / "copy"
        command = ["rsync", "-aH", "--stats", f"{self.mounted.path(self.USER)}/", target]
        process.run(command, timeout=60, check=True)
        self.assertEqual(self.imap.bodies(), 2)
        copies = [
            os.lstat(target / label / os.path.basename(self.path(label))) for label in LABELS
        ]
        self.assertEqual({(copy.st_ino, copy.st_nlink) for copy in copies}, {(copies[0].st_ino, 3)})
        again = process.run(command, timeout=60, check=True).stdout
        self.assertIn("Number of regular files transferred: 0", again)
        archive = self.scratch / "all.tar"
        process.run(["tar", "-C", self.mounted.path(self.USER), "-cf", archive, "."], timeout=60, check=True)
        with tarfile.open(archive) as tar:
            entries = [entry for entry in tar.getmembers() if entry.isfile() or entry.islnk()]
            self.assertEqual(sorted(entry.islnk() for entry in entries), [False, False, True, True])
        self.assertEqual(self.imap.bodies(), 2)
        # In the next mount, too.
        self.mounted.remount()
        again = process.run(command, timeout=60, check=True).stdout
        self.assertIn("Number of regular files transferred: 0", again)
        self.assertEqual(self.imap.bodies(), 2)

    def test_a_first_backup_may_see_the_names_come_and_the_second_mends_that(self):
        target = self.scratch / "copy"
        command = ["rsync", "-aH", f"{self.mounted.path(self.USER)}/", target]
        process.run(command, timeout=60, check=True)
        process.run(command, timeout=60, check=True)
        copies = [os.lstat(target / label / os.path.basename(self.path(label))) for label in LABELS]
        self.assertEqual({copy.st_nlink for copy in copies}, {3})
        self.assertEqual(self.imap.bodies(), 2)

    def test_a_label_that_is_taken_away_is_one_name_less(self):
        kept = self.path("INBOX")
        inode = self.states()[0].st_ino
        with open(kept, "rb") as file:
            self.take_away("Work")
            self.wait_for(lambda: self.path("Work") is None, "the name goes")
            self.wait_for(lambda: os.lstat(kept).st_nlink == 2, "the others tell")
            self.assertEqual(os.fstat(file.fileno()).st_nlink, 2)
            self.assertEqual(file.read(), self.body)
        self.assertEqual({state.st_ino for state in self.states("INBOX", "[Gmail]/Starred")}, {inode})
        # And one more.
        again = self.mailbox.folder("Work").add(self.body, gmail_id=self.under["INBOX"].gmail_id)
        self.wait_for(lambda: again.uid in self.paths("Work"), "the new name comes")
        self.assertEqual(os.lstat(self.paths("Work")[again.uid]).st_ino, inode)
        self.wait_for(lambda: os.lstat(kept).st_nlink == 3, "the others tell again")
        self.assertEqual(self.imap.bodies(), 1)

    def test_the_inode_outlives_the_label_that_it_was_first_seen_under(self):
        names = {label: os.path.basename(self.path(label)) for label in LABELS}
        inode = self.states()[0].st_ino
        self.take_away("INBOX")
        self.wait_for(lambda: self.path("INBOX") is None, "the name goes")
        for remounted in (False, True):
            if remounted:
                self.mounted.remount()
            states = self.states("Work", "[Gmail]/Starred")
            self.assertEqual({(state.st_ino, state.st_nlink) for state in states}, {(inode, 2)})
        self.assertEqual(os.path.basename(self.path("Work")), names["Work"])
        # Nothing is cached yet.
        self.assertEqual(self.imap.bodies(), 0)
        self.assertEqual(read(self.path("Work")), self.body)
        self.assertEqual(self.imap.bodies(folder="Work"), 1)
        self.assertEqual(read(self.path("[Gmail]/Starred")), self.body)
        self.assertEqual(self.imap.bodies(), 1)

    def test_whoever_opens_a_name_gets_the_message_though_another_name_has_just_gone(self):
        self.mounted.unmount()
        self.mounted.config["refresh_interval"] = 3600
        self.mounted.write_config()
        self.mounted.start()
        self.states()
        paths = {label: self.path(label) for label in LABELS}
        self.take_away("INBOX")
        self.assertEqual(read(paths["Work"]), self.body)
        self.assertEqual(self.imap.bodies(folder="Work"), 1)
        self.wait_for(lambda: os.lstat(paths["Work"]).st_nlink == 2, "the kernel hears of it")
        self.assertEqual(uid_of(os.path.basename(paths["Work"])), self.under["Work"].uid)

    def test_whole_labels_go(self):
        inode = self.states()[0].st_ino
        kept = self.path("[Gmail]/Starred")
        del self.mailbox.folders["Work"]
        del self.mailbox.folders["INBOX"]
        self.mailbox.folder("INBOX")
        self.wait_for(lambda: "Work" not in os.listdir(self.mounted.path(self.USER)), "the label goes")
        self.wait_for(lambda: not self.paths(), "the inbox is another one")
        self.wait_for(lambda: os.lstat(kept).st_nlink == 1, "one name is left")
        self.assertEqual(os.lstat(kept).st_ino, inode)
        self.assertEqual(read(kept), self.body)

    def test_renumbering_changes_nothing(self):
        self.states()
        before = self.walk()
        work = self.path("Work")
        for folder in (self.mailbox.folder("Work"), self.mailbox.inbox):
            folder.renumber()
            folder.add(sample(3, 1000))
        # What is new comes with what has been renumbered.
        self.wait_for(lambda: len(self.walk()) == len(before) + 2, "the folders are listed again")
        after = self.walk()
        for path, state in before.items():
            self.assertEqual((after[path].st_ino, after[path].st_nlink), (state.st_ino, state.st_nlink), path)
        self.assertEqual(read(work), self.body)
        self.assertEqual(self.imap.bodies(), 1)

    def test_fsck_finds_nothing(self):
        self.states()
        read(self.path("INBOX"))
        self.take_away("INBOX")
        self.wait_for(lambda: self.path("INBOX") is None, "the name goes")
        self.mounted.unmount()
        done = self.mounted.command("fsck", "-c", self.mounted.config_file)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.mounted.start()
        self.assertEqual(read(self.path("Work")), self.body)
        self.assertEqual(self.imap.bodies(), 1)


main()
