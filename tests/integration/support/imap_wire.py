"""The bytes of one connection of the scripted server, and the rules that clients must keep whatever they ask for."""

import fcntl
import re
import socket
import ssl
import struct
import termios
import zlib

from .imap_faults import Dropped

_TCP_ESTABLISHED = 1  # As in linux/tcp_states.h.
_PATIENCE = 120


class Wire:
    """One connection, used by one thread but for what says otherwise.

    `outstanding` is the command that is being answered. `disturbed` is set once the server has done something to this
    session that no client can be blamed for; `by_rule` while it does.
    """

    def __init__(self, server, connection):
        self.server, self._connection = server, connection
        self._in, self._out, self._ended = b"", [], False
        self._inflate = self._deflate = None
        self._bads, self._own_bads, self._pipelined, self.line_length = 0, 0, False, 0
        self.outstanding, self.disturbed, self.by_rule = None, False, False
        self.hung_up = self.said_goodbye = False

    # -- Out.

    def write(self, data):
        """Buffers; large answers leave in pieces."""
        self._out.append(data)
        if len(self._out) > 500 or len(data) > 100_000:
            self.flush()

    def flush(self):
        """Sends what is buffered."""
        data, self._out = b"".join(self._out), []
        if data and self._deflate is not None:
            data = self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        pace = self.server.bytes_per_second
        if not pace:
            self._connection.sendall(data)
            return
        piece = max(1, pace // 10)
        for start in range(0, len(data), piece):
            self._connection.sendall(data[start : start + piece])
            if self.server.stopping.wait(0.1):
                raise Dropped

    def tagged(self, tag, text):
        """The end of a command's answer; True, for actions."""
        self._look_for_pipelining()
        self.write(f"{tag} {text}".rstrip().encode() + b"\r\n")
        self.flush()
        self.outstanding = None
        if text.startswith("BAD"):
            self._count_bad()
        return True

    def say(self, data):
        """Sends something out of turn, from any thread: nobody else may be writing."""
        self.disturbed = True
        self._connection.sendall(data)

    def cut(self):
        """Breaks the connection, from any thread."""
        self.disturbed = True
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # Already gone.

    def reset(self):
        """Breaks it so that the client gets a RST, and what is under way is lost."""
        self.disturbed = True
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._connection.close()
        raise Dropped

    def start_deflate(self):
        """All that follows is compressed (RFC 4978)."""
        self._deflate = zlib.compressobj(wbits=-15)
        self._inflate = zlib.decompressobj(wbits=-15)

    # -- In.

    def peer_is_gone(self):
        """Has the client closed the connection? For those who wait. From any thread; reads nothing."""
        try:
            state = self._connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        except OSError:
            return True
        return state != _TCP_ESTABLISHED

    def _unread(self):
        """So many octets have not reached the client."""
        return struct.unpack("i", fcntl.ioctl(self._connection.fileno(), termios.TIOCOUTQ, b"    "))[0]

    def patience(self, seconds=_PATIENCE):
        """How long receive() waits before its TimeoutError."""
        self._connection.settimeout(seconds)

    def receive(self):
        """Waits for more."""
        try:
            data = b"" if self._ended else self._connection.recv(65536)
        except ConnectionError:
            data, self.disturbed = b"", True
        if not data:
            self.hung_up = True
            # A client that gives an answer up in its middle cannot say LOGOUT: nor has it read all.
            self.disturbed = self.disturbed or self._unread() > 0
            raise Dropped
        self._in += data if self._inflate is None else self._inflate.decompress(data)

    def has_line(self):
        """Has a whole line come?"""
        return b"\n" in self._in

    def line(self):
        """The next line, without its end."""
        while not self.has_line():
            self.receive()
        line, _, self._in = self._in.partition(b"\n")
        return line.rstrip(b"\r")

    def command(self):
        """One command with its literals pasted in as quoted strings; `line_length` is that of its lines."""
        raw = self.line()
        self.line_length = len(raw)
        text = raw.decode("utf-8", "surrogateescape")
        while literal := re.search(r"\{(\d+)(\+?)\}$", text):
            if not literal.group(2):
                self.write(self.server.go_on("go on"))
                self.flush()
            size = int(literal.group(1))
            while len(self._in) < size:
                self.receive()
            value, self._in = self._in[:size].decode("utf-8", "surrogateescape"), self._in[size:]
            quoted = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
            rest = self.line()
            self.line_length += len(rest)
            text = text[: literal.start()] + quoted + rest.decode("utf-8", "surrogateescape")
        self.outstanding = text
        return text

    # -- Rules.

    def _look_for_pipelining(self):
        """Before a command is answered nothing else may have come."""
        if not self.server.personality.one_command_at_a_time or self._pipelined or self.outstanding is None:
            return
        if not self._in and not self._ended:
            self._connection.settimeout(0)
            try:
                data = self._connection.recv(65536)
                self._ended = not data
                self._in += data if self._inflate is None else self._inflate.decompress(data)
            except (BlockingIOError, ssl.SSLWantReadError):
                pass
            except OSError:
                self._ended = True
            finally:
                self.patience()
        if self._ended:
            self.disturbed = True  # The client has given up, and could not say so.
        # What is no IMAP at all is somebody else who has lost his way.
        if self._in and re.match(r"[!-~]+ [A-Za-z]+", self.outstanding):
            self._pipelined = True
            self.server.violation(f"two commands outstanding: {self._in[:60]!r} came during {self._shown()!r}")

    def _shown(self):
        """What is outstanding, without its secrets."""
        words = (self.outstanding or "").split(" ")
        return " ".join(words[: 2 if len(words) > 1 and words[1].upper() in ("LOGIN", "AUTHENTICATE") else 8])

    def too_long(self, tag):
        """Refuses a command line that is too long; is it?"""
        personality = self.server.personality
        if self.line_length <= personality.longest_command:
            return False
        self.server.violation(f"a command line of {self.line_length} octets: {self._shown()[:80]}")
        return self.tagged(tag, personality.too_long)

    def _count_bad(self):
        self._bads += 1
        self._own_bads += not self.by_rule
        most = self.server.personality.most_bads
        if most is not None and self._bads > most:
            if self._own_bads > most:
                self.server.violation(f"more than {most} BADs in one session")
            self.write(b"* BYE Connection closed. 14\r\n")
            self.flush()
            raise Dropped
