"""A TCP relay that does to connections what bad networks do: it delays them, breaks them into pieces, ends, resets or
silences them at any byte. What it does to the n-th connection follows from the seed alone."""

import collections
import contextlib
import random
import select
import socket
import struct
import threading
from dataclasses import dataclass

# What can become of a connection, and how often. "late": a pause that is longer than the client waits, then the rest.
FATES = {"none": 10, "truncate": 30, "reset": 30, "silence": 10, "late": 10, "refuse": 7, "mute": 3}
_FURTHEST = 3_000_000  # No fault comes later in a connection, in bytes.
_PIECES_UNTIL = 4_000  # After so many bytes the pieces are larger, or nothing would ever arrive.


@dataclass
class Plan:
    """What is going to happen to one connection."""

    fate: str = "none"
    at: int = 0  # After so many bytes in that direction.
    down: bool = True  # Towards the client.
    pieces: bool = False
    hesitates: float = 0.0  # How probable a pause before a piece is.

    @classmethod
    def of(cls, seed, number):
        """The plan for the n-th connection."""
        rng = random.Random(f"{seed} {number}")
        fate = rng.choices(list(FATES), list(FATES.values()))[0]
        down = rng.random() < 0.85
        # As probable between 10 and 100 bytes as between 100,000 and a million: the login has its turn, too.
        at = int(_FURTHEST ** rng.uniform(0.15, 1.0)) if down else rng.randrange(1, 2_000)
        return cls(fate, at, down, rng.random() < 0.3, rng.choice((0.0, 0.0, 0.02, 0.1)))


class ChaosRelay:
    """Listens on loopback from construction on, in front of the server at `target` (a port)."""

    def __init__(self, target, seed):
        self._target, self._seed = target, seed
        self._lock, self._changed = threading.Lock(), threading.Event()
        self._stopped, self._bad, self._connections = False, True, 0
        self.acted = collections.Counter()  # fate -> how often it came to it.
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def honest(self):
        """From now on a good network. Connections that are there break."""
        self._turn(False)

    def chaotic(self):
        """The opposite."""
        self._turn(True)

    def stop(self):
        """Ends everything; the port refuses connections."""
        if not self._stopped:
            self._stopped = True
            self._turn(False)
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()

    def _turn(self, bad):
        with self._lock:
            self._bad = bad
            # Who has the old event ends.
            self._changed.set()
            self._changed = threading.Event()

    def _accept(self):
        while not self._stopped:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections += 1
                plan = Plan.of(self._seed, self._connections) if self._bad else Plan()
                rng = random.Random(f"{self._seed} {self._connections} pieces")
                link = _Link(self, client, plan, self._changed, rng)
            threading.Thread(target=link.run, args=(self._target,), daemon=True).start()

    def note(self, fate):
        """It came to this."""
        with self._lock:
            self.acted[fate] += 1


class _Link:
    """One connection; one thread does both directions, so that closing is closing."""

    def __init__(self, relay, client, plan, ended, rng):
        self._relay, self._client, self._plan, self._ended, self._rng = relay, client, plan, ended, rng
        self._passed = {True: 0, False: 0}  # Towards the client? -> bytes.
        self._silent = self._acted = False

    def run(self, target):
        """Relays until somebody hangs up, or fate does."""
        upstream = None
        with contextlib.suppress(OSError):
            if self._plan.fate == "refuse":
                self._relay.note("refuse")
                self._reset()
            else:
                self._silent = self._plan.fate == "mute"
                if self._silent:
                    self._relay.note("mute")
                upstream = socket.create_connection(("127.0.0.1", target))
                for one in (self._client, upstream):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    one.settimeout(20)
                self._relay_all(upstream)
        for one in (self._client, upstream):
            if one is not None:
                one.close()

    def _relay_all(self, upstream):
        while not self._ended.is_set():
            ready, _, _ = select.select([self._client, upstream], [], [], 0.1)
            for source in ready:
                data = source.recv(65_536)
                down = source is upstream
                if not data or not self._pass_on(data, down, self._client if down else upstream):
                    return

    def _pass_on(self, data, down, target):
        """False if the connection is over."""
        while data and not self._silent:
            piece = self._next_piece(data, down)
            here = self._plan.fate != "none" and down == self._plan.down and not self._acted
            left = self._plan.at - self._passed[down]
            if here and left <= len(piece):
                piece = piece[: max(left, 0)]
            if self._rng.random() < self._plan.hesitates:
                self._pause(self._rng.uniform(0.0, 0.3))
            target.sendall(piece)
            self._passed[down] += len(piece)
            data = data[len(piece) :]
            if here and left <= len(piece) and not self._act():
                return False
        return True

    def _next_piece(self, data, down):
        if not self._plan.pieces:
            return data
        most = 60 if self._passed[down] < _PIECES_UNTIL else 9_000
        return data[: self._rng.randint(1, most)]

    def _act(self):
        """What fate wants; True if the connection goes on."""
        self._acted = True
        fate = self._plan.fate
        self._relay.note(fate)
        if fate == "reset":
            self._reset()
        elif fate == "silence":
            self._silent = True
        elif fate == "late":
            self._pause(self._rng.uniform(1.0, 5.0))
        return fate in ("silence", "late")

    def _reset(self):
        self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _pause(self, seconds):
        self._ended.wait(seconds)

