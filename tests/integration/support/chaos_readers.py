"""Programs that list, stat and read the messages of a mount all the time, and know what is right."""

import base64
import collections
import contextlib
import errno
import os
import random
import threading
import time
from pathlib import Path

from .mount import uid_of

# What a call may fail with because the network does. ESTALE would say that a message has changed, and here none does.
DOCUMENTED = {errno.EIO, errno.ETIMEDOUT}
# Estimates, as some servers make them.
LIES = (None, None, lambda size: size * 3, lambda size: size - 1, lambda size: 0)


def body_of(folder, uid):
    """A message that is like no other, and the same each time. Some are so large that they are read while they come."""
    rng = random.Random(f"{folder} {uid}")
    size = rng.choice((300_000, 500_000)) if uid % 60 == 7 else rng.randint(0, 40_000 if uid % 10 == 3 else 5_000)
    head = (
        f"Date: Sat, 01 Oct 2022 12:00:00 +0000\r\nFrom: Sender {uid} <sender{uid}@example.org>\r\n"
        f"Subject: Message {uid}\r\nMessage-ID: <{uid}.{rng.getrandbits(32):x}@example.org>\r\n\r\n"
    ).encode()
    # The last line may have no end.
    return head + base64.encodebytes(rng.randbytes(size * 3 // 4)).replace(b"\n", b"\r\n")[: size + uid % 3]


def fill(mailbox, folders):
    """Puts the messages of {folder: how many} there, and returns the Truth."""
    truth = {}
    for name, count in folders.items():
        folder = mailbox.folder(name)
        for uid in range(1, count + 1):
            folder.add(body_of(name, uid), size=LIES[uid % len(LIES)])
        truth[name] = {uid: folder.get(uid) for uid in folder.uids()}
    return truth


class Readers:
    """Some threads below `top`, where `truth` ({folder: {uid: Message}}) is mounted. What is wrong is noted in `wrong`;
    `unfit` is set then. A call may take `patience` seconds."""

    def __init__(self, top, truth, seed, patience):
        self._top, self._truth, self._seed, self._patience = Path(top), truth, seed, patience
        self._end, self.unfit, self._threads = threading.Event(), threading.Event(), []
        self._top_names = {name.split("/")[0] for name in truth}
        self._names = {name: {} for name in truth}  # {folder: {uid: file name}}, as they were first seen.
        self._inodes, self._exact = {}, set()  # {(folder, uid): inode}; whose exact size has been seen.
        self._epoch = 0  # Odd while nothing is mounted.
        self.counts, self.wrong = collections.Counter(), []
        self._lock = threading.Lock()
        self.slowest = 0.0

    def start(self, count=8):
        """Begins to read."""
        for number in range(count):
            rng = random.Random(f"{self._seed} reader {number}")
            thread = threading.Thread(target=self._run, args=(rng,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self):
        """Ends the threads. None may be stuck."""
        self._end.set()
        for thread in self._threads:
            thread.join(self._patience + 10)
            if thread.is_alive():
                self._note("a reader does not come back")
        self._threads = []

    @contextlib.contextmanager
    def while_nothing_is_mounted(self):
        """Calls that fail now, or have begun before, fail with a reason."""
        self._epoch += 1
        yield
        self._epoch += 1

    def unread(self, deadline):
        """Reads all messages, those that fail again until `deadline(path)` seconds are over: what was never read."""
        left = [(folder, uid) for folder, messages in self._truth.items() for uid in messages]
        begin, pause = time.monotonic(), threading.Event()
        while left and not self.wrong:
            left = [(folder, uid) for folder, uid in left if not self._is_readable(folder, uid)]
            left_in_time = [one for one in left if time.monotonic() - begin < deadline(self._path(*one))]
            if left and not left_in_time:
                break
            if left:
                pause.wait(0.5)
        return left

    # -- One thread.

    def _run(self, rng):
        deeds = {self._read_all: 10, self._read_a_part: 4, self._stat: 5, self._list: 3, self._list_folders: 1}
        while not self._end.is_set():
            deed = rng.choices(list(deeds), list(deeds.values()))[0]
            try:
                deed(rng)
            except Exception as error:  # A mistake of the test, not of the product.
                self._note(f"{deed.__name__}: {error!r}")
                raise

    def _note(self, text):
        with self._lock:
            self.wrong.append(text)
        self.unfit.set()

    def _count(self, what):
        with self._lock:
            self.counts[what] += 1

    def _call(self, what, function, *arguments):
        """What the function returns; None if it failed as it may."""
        epoch, begin = self._epoch, time.monotonic()

        def excused():
            return epoch % 2 == 1 or epoch != self._epoch

        result = None
        try:
            result = function(*arguments)
        except OSError as error:
            if not excused():
                name = errno.errorcode.get(error.errno, error.errno)
                self._count(f"failed {name}")
                if error.errno not in DOCUMENTED:
                    self._note(f"{what}: {name}")
        took = time.monotonic() - begin
        with self._lock:
            self.slowest = max(self.slowest, took)
        if took > self._patience and not excused():
            self._note(f"{what} took {took:.1f} s")
        return result

    def _list_folders(self, _rng):
        names = self._call("listing the mailbox", os.listdir, self._top)
        if names is not None:
            self._count("folders listed")
            if set(names) != self._top_names:
                self._note(f"the mailbox has {sorted(names)}")

    def _list(self, rng):
        folder = rng.choice(list(self._truth))
        found = self._call(f"listing {folder}", self._entries, folder)
        if found is None:
            return
        self._count("listed")
        seen = {uid_of(name): name for name in found}
        if seen.keys() != self._truth[folder].keys() or len(seen) != len(found):
            self._note(f"listing {folder}: {len(found)} messages, {len(self._truth[folder])} at the server")
        known = self._names[folder]
        for uid, name in seen.items():
            if known.setdefault(uid, name) != name:
                self._note(f"{folder}/{name} was {known[uid]}")
            self._check_inode(folder, uid, found[name])

    def _entries(self, folder):
        with os.scandir(self._top / folder) as entries:
            return {entry.name: entry.inode() for entry in entries if entry.name.endswith(".eml")}

    def _check_inode(self, folder, uid, inode):
        if self._inodes.setdefault((folder, uid), inode) != inode:
            self._note(f"{folder}, {uid}: inode {inode}, it was {self._inodes[folder, uid]}")

    def _any(self, rng):
        """(folder, UID) of a message, and whether its size must have been exact before."""
        folder = rng.choice(list(self._truth))
        uid = rng.choice(list(self._truth[folder]))
        return folder, uid, (folder, uid) in self._exact

    def _path(self, folder, uid):
        """By the name that was listed; before that, by the one that always works."""
        return self._top / folder / self._names[folder].get(uid, f"{uid}.eml")

    def _stat(self, rng):
        folder, uid, was_exact = self._any(rng)
        state = self._call(f"stat of {folder}, {uid}", os.stat, self._path(folder, uid))
        if state is None:
            return
        self._count("stat")
        self._check_inode(folder, uid, state.st_ino)
        message = self._truth[folder][uid]
        right = {len(message.body)} if was_exact else {len(message.body), message.stated_size()}
        if state.st_size not in right:
            self._note(f"stat of {folder}, {uid}: {state.st_size} bytes, it has {right}, exact before: {was_exact}")

    def _opened(self, folder, uid):
        """A file descriptor, if it can be had; its size has been looked at."""
        what = f"opening {folder}, {uid}"
        file = self._call(what, os.open, self._path(folder, uid), os.O_RDONLY)
        if file is None:
            return None
        state = self._call(what, os.fstat, file)
        if state is not None:
            if state.st_size != len(self._truth[folder][uid].body):
                self._note(f"{what}: {state.st_size} bytes, {len(self._truth[folder][uid].body)} at the server")
            self._check_inode(folder, uid, state.st_ino)
            self._exact.add((folder, uid))
        return file

    def _read_all(self, rng):
        folder, uid, _ = self._any(rng)
        self._is_readable(folder, uid, rng.choice((1_000, 10_000, 100_000, 1_000_000)))

    def _is_readable(self, folder, uid, at_a_time=1_000_000):
        file = self._opened(folder, uid)
        if file is None:
            return False
        with contextlib.closing(_File(file)):
            if not self._is_right(file, folder, uid, 0, None, at_a_time):
                return False
        self._count("read")
        return True

    def _read_a_part(self, rng):
        folder, uid, _ = self._any(rng)
        offset = rng.randint(0, len(self._truth[folder][uid].body) + 10)
        length = rng.randint(1, 20_000)
        file = self._opened(folder, uid)
        if file is None:
            return
        with contextlib.closing(_File(file)):
            if self._is_right(file, folder, uid, offset, offset + length, length):
                self._count("part read")

    def _is_right(self, file, folder, uid, offset, end, at_a_time):
        """Reads from there to the end, its own or the message's; False if something failed, or was wrong."""
        body = self._truth[folder][uid].body
        while end is None or offset < end:
            size = at_a_time if end is None else min(at_a_time, end - offset)
            data = self._call(f"reading {folder}, {uid}", os.pread, file, size, offset)
            if data is None:
                return False
            # Less than was asked for may come: the kernel gives what it has, and the error at the next call. But what
            # looks like the end is the end.
            right = body[offset : offset + size]
            if not right.startswith(data) or (not data and right):
                same = len(os.path.commonprefix([data, right]))
                self._note(
                    f"reading {size} bytes of {folder}, {uid} from {offset}: {len(data)} of {len(right)}, "
                    f"wrong after {same}: {data[same : same + 20]}, not {right[same : same + 20]}"
                )
                return False
            if not data:
                return True
            offset += len(data)
        return True


class _File:
    """Closes a descriptor; what close() of a dead mount says is of no interest."""

    def __init__(self, number):
        self._number = number

    def close(self):
        """As files have it."""
        with contextlib.suppress(OSError):
            os.close(self._number)
