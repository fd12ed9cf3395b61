"""The in-memory mailboxes of the scripted server: cheap enough for 100,000 messages in a folder."""

import bisect
import itertools
import threading

_validities = itertools.count(1_600_000_001)


def sample(uid, size=400, subject=None):
    """A small message with a subject of its own, at least `size` bytes."""
    head = (
        f"Date: Sat, 01 Oct 2022 12:00:00 +0000\r\nFrom: Sender {uid} <sender{uid}@example.org>\r\n"
        f"Subject: {subject or f'Message number {uid}'}\r\nMessage-ID: <{uid}@example.org>\r\n\r\n"
    ).encode()
    line = b"Line of message %d, which stands for many others of its kind.\r\n" % uid
    return head + line * max(1, (size - len(head)) // len(line))


class Message:
    """One message. `size` is what RFC822.SIZE says: None for the truth, a number, or a function of the true size."""

    __slots__ = ("uid", "body", "flags", "date", "size")

    def __init__(self, uid, body, flags=(), date=None, size=None):
        self.uid, self.body, self.flags, self.size = uid, body, tuple(flags), size
        self.date = 1_664_625_600 + uid * 60 if date is None else date

    def stated_size(self):
        """The answer to RFC822.SIZE."""
        if self.size is None:
            return len(self.body)
        return self.size(len(self.body)) if callable(self.size) else self.size


class Folder:
    """Messages by ascending UID. Thread-safe as far as sessions read while the test adds and removes."""

    def __init__(self, name, attributes=r"\HasNoChildren"):
        self.name, self.attributes = name, attributes
        self.uid_validity = next(_validities)
        self._lock = threading.Lock()
        self._uids, self._messages, self._next = [], {}, 1

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

    def generated(self, name, count, make=sample):
        """A GeneratedFolder in place of whatever had this name."""
        self.folders[name] = GeneratedFolder(name, count, make)
        return self.folders[name]
