"""What must be visible of a mailbox that changes, and random operations on it and on its mount.

An operation is [name, a, b]: two numbers that choose among what there is at that moment, so that a sequence from which
operations were removed still means something.
"""

import errno
import itertools
import os
import time
from dataclasses import dataclass, field

from . import mount, process
from .imap_script_server import ImapScriptServer

USER = "ada@example.org"
NAMES = ("Archive", "Größe & Gewicht", "Lists", "plans", "Sent")
# Servers with few and with many extensions.
PERSONALITIES = ("exchange", "plain", "icloud", "yahoo")
# How often each comes.
OPERATIONS = {
    "deliver": 14,
    "expunge": 8,
    "edit": 5,
    "flags": 3,
    "create": 3,
    "rename": 2,
    "delete": 2,
    "renumber": 3,
    "folders": 5,
    "missing": 3,
    "list": 14,
    "stat": 10,
    "read": 12,
    "read_by_uid": 4,
    "read_blindly": 8,
    "hold": 4,
    "read_held": 6,
    "evict": 2,
    "remount": 2,
    "kill": 1,
}
# A listing that takes longer may be the one before, and is looked at again.
_GRACE = 2.5


class Different(AssertionError):
    """The mount's answer is not the model's."""


def random_operations(rng, count):
    """So many operations."""
    names = rng.choices(list(OPERATIONS), list(OPERATIONS.values()), k=count)
    return [[name, rng.randrange(1_000), rng.randrange(1_000)] for name in names]


@dataclass
class Known:
    """One message that lives, by its serial number, which is in its subject."""

    serial: int
    body: bytes
    message: object  # The server's.
    uids: set = field(default_factory=set)  # All that it had in this folder.
    inode: int | None = None  # As it was first seen under this folder's name.
    name: str | None = None
    exact: bool = False  # It was opened: its size is the exact one for ever.


class World:
    """A server, a mount with a small cache, and what the mount must show. One thread."""

    def __init__(self, personality):
        self.imap = ImapScriptServer(personality)
        self.mailbox = self.imap.mailbox(USER)
        self._serials = itertools.count(1)
        self._folders = {"INBOX": []}  # {name: [Known]} in the order of the UIDs.
        self._serial_of = {}  # {inode: serial}, for ever: inodes are never used again.
        self._listed = {}  # {folder: its [Known] when it was last listed}; not if it has got another identity since.
        self._held = []  # (file object, Known)
        for _ in range(3):
            self._do_deliver(0, 0)
        self.box = mount.Mount(
            {
                "accounts": {"test": mount.password_account(self.imap, [USER])},
                "refresh_interval": 0,
                "cache": {"size": "1M"},
            },
            {"connect": 20, "login": 20, "stall": 20, "total": 60},
        )

    def __enter__(self):
        self.box.start()
        return self

    def __exit__(self, *_):
        for file, _ in self._held:
            os.close(file)
        self.box.close()
        self.imap.stop()

    def apply(self, operation):
        """One operation; Different if the mount shows something wrong."""
        name, a, b = operation
        try:
            getattr(self, "_do_" + name)(a, b)
        except OSError as error:
            raise Different(f"{operation}: {error}") from error
        if self.imap.violations:
            raise Different(f"{operation}: {self.imap.violations}")

    # -- What happens at the server.

    def _choose(self, a):
        names = list(self._folders)
        return names[a % len(names)]

    def _message(self, a, b):
        """(folder, Known) of a folder that is not empty, or (None, None)."""
        full = [name for name, messages in self._folders.items() if messages]
        if not full:
            return None, None
        folder = full[a % len(full)]
        return folder, self._folders[folder][b % len(self._folders[folder])]

    def _add(self, folder, message_id, size):
        serial = next(self._serials)
        head = (
            f"Date: Sat, 01 Oct 2022 12:00:00 +0000\r\nFrom: a@example.org\r\nSubject: Number s{serial}s\r\n"
            f"Message-ID: <{message_id or serial}@example.org>\r\n\r\n"
        ).encode()
        line = b"Line of message %d, one of many.\r\n" % serial
        body = head + line * (1 + size // len(line))
        lie = (None, None, lambda true: true * 3, lambda true: max(0, true - 1))[serial % 4]
        message = self.mailbox.folder(folder).add(body, size=lie)
        self._folders[folder].append(Known(serial, body, message, {message.uid}))

    def _do_deliver(self, a, b):
        self._add(self._choose(a), None, 400_000 if b % 15 == 0 else (b % 20) * 1_000)

    def _remove(self, folder, known):
        self.mailbox.folders[folder].expunge(known.message.uid)
        self._folders[folder].remove(known)

    def _do_expunge(self, a, b):
        folder, known = self._message(a, b)
        if known is not None:
            self._remove(folder, known)

    def _do_edit(self, a, b):
        """As programs edit: the old message goes, a new one has its Message-ID."""
        folder, known = self._message(a, b)
        if known is not None:
            self._remove(folder, known)
            self._add(folder, known.serial, len(known.body))

    def _do_flags(self, a, b):
        _, known = self._message(a, b)
        if known is not None:
            known.message.flags = (("\\Seen",), ("\\Flagged", "\\Seen"), ())[b % 3]

    def _do_create(self, a, _):
        name = NAMES[a % len(NAMES)]
        if name not in self._folders:
            self.mailbox.folder(name)
            self._folders[name] = []
            self._listed.pop(name, None)

    def _do_rename(self, a, b):
        others, name = [name for name in self._folders if name != "INBOX"], NAMES[b % len(NAMES)]
        if not others or name in self._folders:
            return
        old = others[a % len(others)]
        folder = self.mailbox.folders.pop(old)
        renamed = self.mailbox.folder(name)  # It has the name in all its forms.
        folder.name, folder.wire = renamed.name, renamed.wire
        self.mailbox.folders[name] = folder
        self._folders[name] = self._folders.pop(old)
        for gone in (old, name):
            self._listed.pop(gone, None)
        for known in self._folders[name]:
            # Another path is another file.
            known.inode, known.name, known.exact, known.uids = None, None, False, {known.message.uid}

    def _do_delete(self, a, _):
        others = [name for name in self._folders if name != "INBOX"]
        if others:
            name = others[a % len(others)]
            del self.mailbox.folders[name]
            del self._folders[name]
            self._listed.pop(name, None)

    def _do_renumber(self, a, _):
        folder = self._choose(a)
        self.mailbox.folders[folder].renumber()
        self._listed.pop(folder, None)
        for known in self._folders[folder]:
            known.uids.add(known.message.uid)

    # -- What is seen of it.

    def _do_folders(self, _a, _b):
        self._same("the mailbox", lambda: sorted(os.listdir(self.box.path(USER))), lambda: sorted(self._folders))

    def _do_missing(self, a, _):
        """A folder that was deleted, or has never been."""
        absent = [name for name in NAMES if name not in self._folders]
        if absent:
            self._do_folders(0, 0)
            self._must_be_absent(self.box.path(USER, absent[a % len(absent)]))

    def _must_be_absent(self, path):
        """Now, or when the kernel has heard of it."""

        def is_absent():
            try:
                os.stat(path)
            except OSError as error:
                return error.errno == errno.ENOENT
            return False

        process.wait_until(is_absent, 10, f"ENOENT for {path}")

    def _same(self, what, seen, right):
        """Compares. Who asks while the server is being asked joins that, and hears what was true a moment ago; who waits
        for long gets the listing before: then it is looked at once more."""
        for turn in range(3):
            begin = time.monotonic()
            try:
                answer = seen()
            except FileNotFoundError as error:
                answer = error
            late = time.monotonic() - begin > _GRACE
            if answer == right():
                return
            if turn > 0 and not late:
                break
        raise Different(f"{what}: {answer}, not {right()}")

    def _entries(self, folder):
        with os.scandir(self.box.path(USER, folder)) as entries:
            return {entry.name: entry.inode() for entry in entries}

    def _do_list(self, a, _):
        self._list(self._choose(a))

    def _list(self, folder):
        found = {}

        def seen():
            found.clear()
            found.update(self._entries(folder))
            return sorted(serial_in(name) for name in found)

        before = self._listed.get(folder, [])
        self._same(folder, seen, lambda: sorted(known.serial for known in self._folders[folder]))
        by_serial = {serial_in(name): (name, inode) for name, inode in found.items()}
        for known in self._folders[folder]:
            self._check_identity(folder, known, *by_serial[known.serial])
        alive = {known.serial for known in self._folders[folder]}
        for known in before:
            if known.serial not in alive and known.name is not None:
                self._must_be_absent(self.box.path(USER, folder, known.name))
        self._listed[folder] = list(self._folders[folder])

    def _check_identity(self, folder, known, name, inode):
        if known.inode is None:
            if mount.uid_of(name) not in known.uids:
                raise Different(f"{folder}/{name}: the UID is none of {known.uids}")
            known.inode, known.name = inode, name
        if (known.inode, known.name) != (inode, name):
            raise Different(f"{folder}/{name}, {inode} was {known.name}, {known.inode}")
        if self._serial_of.setdefault(inode, known.serial) != known.serial:
            raise Different(f"{folder}/{name}: inode {inode} was message {self._serial_of[inode]}")

    def _listed_message(self, a, b):
        """A message of a folder that has just been listed; its path and the Known, or None twice."""
        folder, known = self._message(a, b)
        if known is None:
            return None, None
        self._list(folder)
        return self.box.path(USER, folder, known.name), known

    def _do_stat(self, a, b):
        path, known = self._listed_message(a, b)
        if known is None:
            return
        state = os.stat(path)
        right = {len(known.body)} if known.exact else {len(known.body), known.message.stated_size()}
        if state.st_ino != known.inode or state.st_mtime != known.message.date or state.st_size not in right:
            raise Different(f"stat of {path}: {state}, not {known.inode}, {known.message.date}, {right}")

    def _check_content(self, path, known):
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            content = file.read()
        known.exact = True
        if content != known.body or size != len(known.body):
            sizes = f"{len(content)} bytes, {size} said fstat, it has {len(known.body)}"
            raise Different(f"{path}: {sizes}: {content[:200]}")

    def _do_read(self, a, b):
        path, known = self._listed_message(a, b)
        if known is not None:
            self._check_content(path, known)

    def _do_read_by_uid(self, a, b):
        path, known = self._listed_message(a, b)
        if known is not None:
            self._check_content(path.with_name(f"{known.message.uid}.eml"), known)

    def _do_read_blindly(self, a, b):
        """What was listed, and may be gone. (What is in a folder that was renumbered since has its own errors.)"""
        full = [name for name, messages in self._listed.items() if messages]
        if not full:
            return
        folder = full[a % len(full)]
        known = self._listed[folder][b % len(self._listed[folder])]
        try:
            self._check_content(self.box.path(USER, folder, known.name), known)
        except OSError as error:
            # ESTALE: its size was known, so that only read() asked the server.
            if known in self._folders[folder] or error.errno not in (errno.ENOENT, errno.ESTALE):
                raise

    def _do_hold(self, a, b):
        """Opens, and reads a little: from then on it can be read whatever happens."""
        path, known = self._listed_message(a, b)
        if known is None:
            return
        file = os.open(path, os.O_RDONLY)
        self._held.append((file, known))
        known.exact = True
        if os.pread(file, 10, 0) != known.body[:10]:
            raise Different(f"{path}: the first bytes are wrong")

    def _do_read_held(self, a, _):
        if self._held:
            file, known = self._held[a % len(self._held)]
            if os.pread(file, len(known.body) + 1, 0) != known.body:
                raise Different(f"message {known.serial}, which is open: wrong")

    def _do_evict(self, _a, _b):
        """Reads more than the cache holds."""
        for folder in list(self._folders):
            self._list(folder)
            for known in self._folders[folder]:
                self._check_content(self.box.path(USER, folder, known.name), known)

    def _let_go(self):
        for file, _ in self._held:
            os.close(file)
        self._held.clear()

    def _do_remount(self, _a, _b):
        self._let_go()
        self.box.remount()

    def _do_kill(self, _a, _b):
        self._let_go()
        self.box.kill9()
        self.box.start()


def serial_in(name):
    """Which message it is, by its subject."""
    return int(name.split("-s")[-1].split("s.")[0])


def failure_of(personality, operations):
    """Why this sequence fails on a fresh server and mount, and after how many operations; None if it does not."""
    with World(personality) as world:
        for done, operation in enumerate(operations, 1):
            try:
                world.apply(operation)
            except AssertionError as error:
                return str(error), done
    return None


def shrunk(operations, fails, deadline):
    """The shortest sequence found until the deadline (monotonic) that still fails: delta debugging."""
    size = max(1, len(operations) // 2)
    while time.monotonic() < deadline:
        start, removed = 0, False
        while start < len(operations) and time.monotonic() < deadline:
            rest = operations[:start] + operations[start + size :]
            if rest and fails(rest):
                operations, removed = rest, True
            else:
                start += size
        if size == 1 and not removed:
            break
        size = max(1, size // 2)
    return operations
