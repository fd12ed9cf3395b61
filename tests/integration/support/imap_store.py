"""The in-memory mailboxes of the scripted server: cheap enough for 100,000 messages in a folder."""

import bisect
import itertools
import threading
import time

from . import mutf7

_validities = itertools.count(1_600_000_001)
_numbers = itertools.count(1)


def sample(uid, size=400, subject=None):
    """A small message with a subject of its own, at least `size` bytes."""
    head = (
        f"Date: Sat, 01 Oct 2022 12:00:00 +0000\r\nFrom: Sender {uid} <sender{uid}@example.org>\r\n"
        f"Subject: {subject or f'Message number {uid}'}\r\nMessage-ID: <{uid}@example.org>\r\n\r\n"
    ).encode()
    line = b"Line of message %d, which stands for many others of its kind.\r\n" % uid
    return head + line * max(1, (size - len(head)) // len(line))


class Message:
    """One message. `size` is what RFC822.SIZE says: None for the truth, a number, or a function of the true size.
    What stands in several folders of Gmail has one `gmail_id` there."""

    __slots__ = ("uid", "body", "flags", "date", "size", "gmail_id", "thread_id", "labels")

    def __init__(self, uid, body, flags=(), date=None, size=None, gmail_id=None, thread_id=None, labels=()):
        self.uid, self.body, self.flags, self.size = uid, body, tuple(flags), size
        self.date = 1_664_625_600 + uid * 60 if date is None else date
        self.gmail_id, self.thread_id, self.labels = gmail_id, thread_id, labels

    def stated_size(self):
        """The answer to RFC822.SIZE."""
        if self.size is None:
            return len(self.body)
        return self.size(len(self.body)) if callable(self.size) else self.size


class Folder:
    """Messages by ascending UID. Thread-safe as far as sessions read while the test adds and removes.

    `wire` is its name as commands have it; `listed` is how LIST shows it, if that is not as a quoted string; `refusal`
    is why it cannot be opened, if it cannot.
    """

    def __init__(self, name, attributes=r"\HasNoChildren", *, wire=None, listed=None, refusal=None):
        self.name, self.attributes = name, attributes
        self.wire = mutf7.encode(name) if wire is None else wire
        self._listed, self.refusal = listed, refusal
        self.uid_validity = next(_validities)
        self._lock = threading.Lock()
        self._uids, self._messages, self._next = [], {}, 1

    def shown(self):
        """Its name in LIST."""
        if self._listed is not None:
            return self._listed
        return b'"%s"' % self.wire.replace("\\", "\\\\").replace('"', '\\"').encode()

    def is_selectable(self):
        """May it be opened?"""
        return self.refusal is None and r"\Noselect" not in self.attributes

    def add(self, body=None, *, uid=None, **properties):
        """Appends a message and returns it."""
        with self._lock:
            uid = uid or self._next
            message = Message(uid, sample(uid) if body is None else body, **properties)
            self._messages[uid] = message
            bisect.insort(self._uids, uid)
            self._next = max(self._next, uid + 1)
            return message

    def fill(self, count, **properties):
        """Appends `count` sample messages and returns the folder."""
        for _ in range(count):
            self.add(**properties)
        return self

    def expunge(self, uid):
        """Removes a message."""
        with self._lock:
            self._uids.remove(uid)
            del self._messages[uid]

    def renumber(self):
        """A new UIDVALIDITY: the messages get new UIDs in the same order."""
        with self._lock:
            self.uid_validity = next(_validities)
            first = self._next
            messages = [self._messages[uid] for uid in self._uids]
            for offset, message in enumerate(messages):
                message.uid = first + offset
            self._messages = {message.uid: message for message in messages}
            self._uids = sorted(self._messages)
            self._next = first + len(messages)

    def uids(self):
        """All UIDs, ascending; a snapshot."""
        with self._lock:
            return list(self._uids)

    def uid_next(self):
        """The UIDNEXT of EXAMINE."""
        return self._next

    def get(self, uid):
        """The message, or None if it is gone."""
        return self._messages.get(uid)


class GeneratedFolder(Folder):
    """UIDs 1 to `count`; each message is made when it is asked for."""

    def __init__(self, name, count, make=sample):
        super().__init__(name)
        self._uids, self._next, self._make = range(1, count + 1), count + 1, make

    def uids(self):
        return self._uids

    def get(self, uid):
        return Message(uid, self._make(uid)) if 0 < uid < self._next else None

    def add(self, *_, **__):
        raise TypeError("a generated folder does not change")

    expunge = renumber = add


class Mailbox:
    """One user's folders, in LIST's order. There is always an INBOX."""

    def __init__(self):
        self.folders = {"INBOX": Folder("INBOX")}

    @property
    def inbox(self):
        """The folder INBOX."""
        return self.folders["INBOX"]

    def folder(self, name):
        """The folder (name decoded, "/" between levels), made if missing, with its parents."""
        for depth in range(1, name.count("/") + 2):
            path = "/".join(name.split("/")[:depth])
            if path not in self.folders:
                self.folders[path] = Folder(path)
        return self.folders[name]

    def odd_folder(self, name, **properties):
        """A Folder that the server names in its own way."""
        self.folders[name] = Folder(name, **properties)
        return self.folders[name]

    def find(self, wire):
        """The folder that a command means, or None."""
        name = "INBOX" if wire.upper() == "INBOX" else wire
        return self.folders.get(name) or next((one for one in list(self.folders.values()) if one.wire == wire), None)

    def furnish(self, personality):
        """Makes what such a server has without anybody having made it."""
        for name, attributes in personality.folders:
            self.folder(name).attributes = attributes
        return self

    def deliver(self, body, *labels, thread_id=None, **properties):
        """One message of Gmail under several labels and in [Gmail]/All Mail; {folder's name: Message}."""
        number = 1_278_455_344_230_000_000 + next(_numbers)
        shown = tuple("\\" + label.title() if label == "INBOX" else label for label in labels)
        properties |= {"gmail_id": number, "thread_id": thread_id or number, "labels": shown}
        properties.setdefault("date", int(time.time()))
        return {name: self.folder(name).add(body, **properties) for name in (*labels, "[Gmail]/All Mail")}

    def generated(self, name, count, make=sample):
        """A GeneratedFolder in place of whatever had this name."""
        self.folders[name] = GeneratedFolder(name, count, make)
        return self.folders[name]
