#!/usr/bin/env python3
"""Exchange Online as it is, in its folders: I18 to I21 of the list in tests/README.md."""

import errno
import os

from support import mount
from support.testcase import FakeTest, main, read

# What LIST sends for a name, where a quoted string is not what it sends; and what the file is called.
ODD_NAMES = {
    "Entwürfe": (b'"Entw&APw-rfe"', "Entwürfe"),
    "Old\treports": (b"Old\treports", "Old%09reports"),
    "trailing ": (b'"trailing "', "trailing%20"),
    "weird {5}": (b"{9}\r\nweird {5}", "weird {5}"),
    'quo"te\\d': (b'"quo\\"te\\\\d"', 'quo"te\\d'),
    "bad &&name": (b'"bad &&name"', "bad %26%26name"),
    "..": (b'".."', "%2E."),
    "Case": (b"Case", "Case"),
    "case": (b"case", "case"),
}
LONG = "L" * 300


class Names(FakeTest):
    def test_i18_odd_names(self):
        self.fake(messages=1)
        mailbox = self.imap.mailbox(self.USER)
        for number, (name, (listed, _)) in enumerate(ODD_NAMES.items()):
            wire = {"bad &&name": "bad &&name", "Old\treports": "Old\treports"}.get(name)
            mailbox.odd_folder(name, listed=listed, wire=wire).fill(number + 1)
        mailbox.odd_folder(LONG, listed=f'"{LONG}"'.encode()).fill(3)
        # Special use is told though nobody offered it.
        mailbox.odd_folder("Sent", attributes=r"\Marked \HasNoChildren \Sent").fill(2)
        box = self.box()
        found = set(os.listdir(box.path(self.USER)))
        (cut,) = (name for name in found if name.startswith("LLL"))
        self.assertLessEqual(len(cut), 255)
        self.assertEqual(found, {"INBOX", "Sent", cut} | {shown for _, shown in ODD_NAMES.values()})
        for number, (name, (_, shown)) in enumerate(ODD_NAMES.items()):
            with self.subTest(name):
                paths = self.paths(shown)
                self.assertEqual(sorted(paths), list(range(1, number + 2)))
                self.assertEqual(read(paths[1]), mailbox.folders[name].get(1).body)
        self.assertEqual(len(self.paths(cut)), 3)

    def test_i19_a_folder_that_cannot_be_opened_spoils_no_other(self):
        # Its name at the server is "Sales/2022": LIST shows it without the slash.
        self.fake()
        mailbox = self.imap.furnished(self.USER)
        mailbox.odd_folder("Sales2022", refusal="The specified mailbox does not exist").fill(3)
        mailbox.folder("Sent Items").fill(3)
        box = self.box()
        self.assertIn("Sent Items", os.listdir(box.path(self.USER)))
        self.assert_all_is_read()
        self.assertEqual(len(self.paths("Sent Items")), 3)
        try:
            self.assertNotEqual(os.listdir(box.path(self.USER, "Sales2022")), [], "what cannot be read is not empty")
            self.fail("nobody can know what is in there")
        except OSError as error:
            self.assertIn(error.errno, (errno.EIO, errno.ENOENT))
        self.assert_all_is_read()

    def test_i19_what_holds_no_mail_is_not_shown_and_status_says_so(self):
        self.fake()
        mailbox = self.imap.mailbox(self.USER)
        own = ("Kontakte", "Agenda", "Sent Items", "Projects/Calendar")
        for name in ("Calendar", "Calendar/Birthdays", "Contacts", "Tasks", "Files") + own:
            mailbox.folder(name).fill(2)
        box = self.box()
        self.assertEqual(sorted(os.listdir(box.path(self.USER))), ["Agenda", "INBOX", "Kontakte", "Projects", "Sent Items"])
        self.assertEqual(len(self.paths("Projects", "Calendar")), 2)
        hidden = ["Calendar", "Calendar/Birthdays", "Contacts", "Files", "Tasks"]
        self.assertEqual(box.status()["mailboxes"][0]["hidden_folders"], hidden)
        self.assertEqual(box.status()["mailboxes"][0]["profile"], "exchange")
        self.assertIn(f"not shown: {', '.join(hidden)}\n", box.command("status", box.mountpoint).stdout)

    def test_i19_what_is_shown_can_be_configured(self):
        self.fake()
        mailbox = self.imap.mailbox(self.USER)
        for name in ("Calendar", "Tasks", "Journal", "Archive/2019", "Archive/2020"):
            mailbox.folder(name).fill(1)
        account = mount.password_account(self.imap, [self.USER])
        account["folders"] = {"include": ["Calendar"], "exclude": ["Archive/2019"]}
        box = self.mount(account)
        self.assertEqual(sorted(os.listdir(box.path(self.USER))), ["Archive", "Calendar", "INBOX"])
        self.assertEqual(os.listdir(box.path(self.USER, "Archive")), ["2020"])

    def test_i20_folders_are_listed_in_the_plainest_way(self):
        # LIST with RETURN is BAD, and nobody has subscribed to anything.
        for personality in ("exchange", "plain", "icloud", "yahoo"):
            with self.subTest(personality):
                imap = self.fake(personality, messages=2)
                imap.mailbox(self.USER).folder("Projects/2022").fill(2)
                box = self.box()
                self.assertEqual(sorted(os.listdir(box.path(self.USER))), ["INBOX", "Projects"])
                self.assertEqual(len(self.paths("Projects", "2022")), 2)
                self.assertEqual(imap.count("LSUB"), 0)
                asked = [seen.text for seen in imap.seen if seen.command == "LIST"]
                self.assertEqual([text for text in asked if "RETURN" in text], [])


class Changes(FakeTest):
    def test_i21_uidvalidity_changes_during_a_session(self):
        self.fake()
        box = self.box()
        before = {path.name: (os.stat(path).st_ino, read(path)) for path in self.paths().values()}
        self.imap.forget()
        self.inbox.renumber()
        asked = self.imap.count("HEADERS")
        self.wait_for(lambda: os.listdir(box.path(self.USER, "INBOX")) and self.imap.count("HEADERS") > asked, "LIST")
        after = {name: (os.stat(path).st_ino, read(path)) for name in before for path in [self.inbox_path(name)]}
        self.assertEqual(after, before)
        self.assertEqual(self.imap.bodies(), 0)

    def inbox_path(self, name):
        return self.mounted.path(self.USER, "INBOX", name)

    def test_i21_no_body_under_the_wrong_uidvalidity(self):
        # The same UIDs mean other messages now.
        self.fake(messages=0)
        for number in range(5):
            self.inbox.add(f"Subject: old {number}\r\nMessage-ID: <old{number}@x>\r\n\r\nold\r\n".encode())
        self.box(refresh_interval=3600)
        paths = self.paths()
        mailbox = self.imap.mailbox(self.USER)
        del mailbox.folders["INBOX"]
        new = mailbox.folder("INBOX")
        for number in range(5):
            new.add(f"Subject: new {number}\r\nMessage-ID: <new{number}@x>\r\n\r\nnew\r\n".encode())
        self.imap.drop_all()  # A session that is left alone goes on with the old folder.
        with self.assertRaises(OSError) as caught:
            read(paths[2])
        # The kernel asks again at ESTALE, and may come while the folder is being listed: EIO.
        self.assertIn(caught.exception.errno, (errno.ENOENT, errno.ESTALE, errno.EIO))

    def test_i21_a_folder_that_is_deleted_while_a_message_is_open(self):
        self.fake()
        mailbox = self.imap.mailbox(self.USER)
        mailbox.folder("Old").fill(5)
        box = self.box()
        paths = self.paths("Old")
        body = mailbox.folder("Old").get(2).body
        with open(paths[2], "rb") as file:
            self.assertEqual(file.read(10), body[:10])
            del mailbox.folders["Old"]
            self.wait_for(lambda: os.listdir(box.path(self.USER)) == ["INBOX"], "the new list of folders")
            file.seek(0)
            self.assertEqual(file.read(), body)
        self.assert_errno(errno.ENOENT, read, paths[3])
        self.assert_all_is_read()


if __name__ == "__main__":
    main()
