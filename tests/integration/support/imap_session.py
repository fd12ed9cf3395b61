"""One connection of the scripted server: the part of IMAP4rev1 that a reader needs (RFC 3501)."""

import base64
import bisect
import re
import socket
import time
from dataclasses import dataclass

from . import mutf7
from .imap_faults import Dropped

_TCP_ESTABLISHED = 1  # As in linux/tcp_states.h.
_FORBIDDEN = {
    "SELECT",
    "STORE",
    "EXPUNGE",
    "CLOSE",
    "COPY",
    "MOVE",
    "APPEND",
    "CREATE",
    "DELETE",
    "RENAME",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "SETACL",
    "REPLACE",
    "ENABLE",
}


@dataclass
class Seen:
    """One command line, or one body within a FETCH ("BODY")."""

    moment: float
    user: str | None
    folder: str | None
    command: str
    text: str
    uid: int | None = None


class Session:
    """One connection, served by one thread."""

    def __init__(self, server, connection):
        self.server, self._connection = server, connection
        self.user, self._folder, self._known = None, None, []
        self.current = None  # (sequence number, Message) of the body being asked for.
        self.arguments = ""  # Of the command that is being answered.
        self._in, self._out = b"", []

    # -- Bytes.

    def write(self, data):
        """Buffers; large answers leave in pieces."""
        self._out.append(data)
        if len(self._out) > 500 or len(data) > 100_000:
            self.flush()

    def flush(self):
        """Sends what is buffered."""
        data, self._out = b"".join(self._out), []
        if data:
            self._connection.sendall(data)

    def tagged(self, tag, text):
        """The end of a command's answer; True, for actions."""
        self.write(f"{tag} {text}\r\n".encode())
        self.flush()
        return True

    def cut(self):
        """Breaks the connection, from any thread."""
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # Already gone.

    def peer_is_gone(self):
        """Has the client closed the connection? For those who wait. From any thread; reads nothing."""
        return self._connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != _TCP_ESTABLISHED

    def _receive(self):
        data = self._connection.recv(65536)
        if not data:
            raise Dropped
        self._in += data

    def _line(self):
        while b"\n" not in self._in:
            self._receive()
        line, _, self._in = self._in.partition(b"\n")
        return line.rstrip(b"\r")

    def _command(self):
        """One command with its literals pasted in as quoted strings."""
        text = self._line().decode("utf-8", "surrogateescape")
        while literal := re.search(r"\{(\d+)(\+?)\}$", text):
            if not literal.group(2):
                self.write(b"+ go on\r\n")
                self.flush()
            size = int(literal.group(1))
            while len(self._in) < size:
                self._receive()
            value, self._in = self._in[:size].decode("utf-8", "surrogateescape"), self._in[size:]
            quoted = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
            text = text[: literal.start()] + quoted + self._line().decode("utf-8", "surrogateescape")
        return text

    # -- Commands.

    def run(self):
        """Greets and serves until the end."""
        if not self._broken("GREETING", "*"):
            self.write(b"* OK The Microsoft Exchange IMAP4 service is ready. [VABFAFMAVAA=]\r\n")
            self.flush()
        while True:
            text = self._command()
            tag, _, rest = text.partition(" ")
            word, _, arguments = rest.partition(" ")
            word = word.upper()
            if word == "UID":
                word, _, arguments = arguments.partition(" ")
                word = word.upper()
            self._dispatch(tag, word, arguments, by_uid=rest[:4].upper() == "UID ", text=rest)
            if word == "LOGOUT":
                return

    def _broken(self, command, tag, **facts):
        """Applies the rules; True if one of them gave the answer."""
        facts = {"user": self.user, "folder": self._folder.name if self._folder else None} | facts
        action = self.server.rule_for(command, facts)
        return action is not None and action(self, tag)

    def _dispatch(self, tag, word, arguments, by_uid, text):
        name = "HEADERS" if word == "FETCH" and not re.search(r"BODY(\.PEEK)?\[\]", arguments, re.I) else word
        folder = self._folder.name if self._folder else None
        if word in ("EXAMINE", "STATUS"):
            folder = mutf7.decode(_strings(arguments)[0])
        self.arguments = arguments
        shown = text if word not in ("LOGIN", "AUTHENTICATE") else word
        if name != "FETCH":
            self.server.note(Seen(time.monotonic(), self.user, folder, name, shown))
        if word in _FORBIDDEN:
            self.server.violation(text)
            self.tagged(tag, "NO This server is for reading only.")
            return
        if word not in ("LOGIN", "AUTHENTICATE", "FETCH") or name == "HEADERS":
            if self._broken(name, tag, folder=folder):
                return
        handler = getattr(self, "_do_" + word.lower(), None)
        if handler is None or (self.user is None and word in ("LIST", "EXAMINE", "FETCH", "IDLE", "STATUS", "SEARCH")):
            self.tagged(tag, "BAD Command Error. 12")
        else:
            handler(tag, arguments, by_uid)

    def _do_capability(self, tag, _arguments, _by_uid):
        self.write(f"* CAPABILITY {self.server.capabilities}\r\n".encode())
        self.tagged(tag, "OK CAPABILITY completed.")

    def _do_noop(self, tag, _arguments, _by_uid):
        self._tell_changes()
        self.tagged(tag, "OK NOOP completed.")

    _do_check = _do_noop

    def _do_logout(self, tag, _arguments, _by_uid):
        self.write(b"* BYE Microsoft Exchange Server IMAP4 server signing off.\r\n")
        self.tagged(tag, "OK LOGOUT completed.")

    def _do_id(self, tag, _arguments, _by_uid):
        self.write(b'* ID ("name" "Script" "version" "1")\r\n')
        self.tagged(tag, "OK ID completed")

    def _do_namespace(self, tag, _arguments, _by_uid):
        self.write(b'* NAMESPACE (("" "/")) NIL NIL\r\n')
        self.tagged(tag, "OK NAMESPACE completed.")

    def _do_unselect(self, tag, _arguments, _by_uid):
        self._folder, self._known = None, []
        self.tagged(tag, "OK UNSELECT completed.")

    def _do_login(self, tag, arguments, _by_uid):
        user, password = _strings(arguments)[:2]
        self._enter(tag, "LOGIN", user, password)

    def _do_authenticate(self, tag, arguments, _by_uid):
        mechanism, _, initial = arguments.partition(" ")
        if not initial:
            self.write(b"+ \r\n")
            self.flush()
            initial = self._line().decode()
        fields = base64.b64decode(initial).decode()
        if mechanism.upper() == "PLAIN":
            _, user, secret = fields.split("\0")
        elif mechanism.upper() == "XOAUTH2":
            user, secret = re.fullmatch("user=(.*)\1auth=Bearer (.*)\1\1", fields).groups()
        elif mechanism.upper() == "OAUTHBEARER":
            user, secret = re.fullmatch("n,a=(.*?),\1.*auth=Bearer (.*)\1\1", fields).groups()
            user = user.replace("=2C", ",").replace("=3D", "=")
        else:
            self.tagged(tag, "NO Unsupported mechanism.")
            return
        self._enter(tag, "AUTHENTICATE", user, secret)

    def _enter(self, tag, word, user, secret):
        if self._broken(word, tag, user=user):
            return
        if user not in self.server.mailboxes or not self.server.accept(user, secret):
            self.tagged(tag, f"NO {word} failed.")
            return
        self.user = user
        self.server.note_login(user)
        self.tagged(tag, f"OK {word} completed.")

    def _do_list(self, tag, arguments, _by_uid):
        reference, pattern = _strings(arguments)[:2]
        if not pattern:
            self.write(b'* LIST (\\Noselect) "/" ""\r\n')
        elif reference == "":
            wanted = re.compile("".join({"*": ".*", "%": "[^/]*"}.get(c, re.escape(c)) for c in pattern) + r"\Z", re.S)
            for name, folder in list(self.server.mailboxes[self.user].folders.items()):
                if wanted.match(mutf7.encode(name)):
                    self.write(f'* LIST ({folder.attributes}) "/" {mutf7.quoted(name)}\r\n'.encode())
        self.tagged(tag, "OK LIST completed.")

    def _do_examine(self, tag, arguments, _by_uid):
        name = mutf7.decode(_strings(arguments)[0])
        folder = self.server.mailboxes[self.user].folders.get("INBOX" if name.upper() == "INBOX" else name)
        if folder is None:
            self._folder = None
            self.tagged(tag, f"NO {name} doesn't exist.")
            return
        self._folder, self._known = folder, folder.uids()
        self.write(
            (
                f"* {len(self._known)} EXISTS\r\n* 0 RECENT\r\n"
                "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $MDNSent)\r\n"
                "* OK [PERMANENTFLAGS ()] Permanent flags\r\n"
                f"* OK [UIDVALIDITY {folder.uid_validity}] UIDVALIDITY value\r\n"
                f"* OK [UIDNEXT {folder.uid_next()}] The next unique identifier value\r\n"
            ).encode()
        )
        self.tagged(tag, "OK [READ-ONLY] EXAMINE completed.")

    def _do_status(self, tag, arguments, _by_uid):
        name = mutf7.decode(_strings(arguments)[0])
        folder = self.server.mailboxes[self.user].folders.get(name)
        if folder is None:
            self.tagged(tag, f"NO {name} doesn't exist.")
            return
        values = {
            "MESSAGES": len(folder.uids()),
            "UIDNEXT": folder.uid_next(),
            "UIDVALIDITY": folder.uid_validity,
            "RECENT": 0,
            "UNSEEN": 0,
        }
        items = " ".join(f"{item} {values[item]}" for item in re.findall(r"[A-Z]+", arguments.rpartition("(")[2]))
        self.write(f"* STATUS {mutf7.quoted(name)} ({items})\r\n".encode())
        self.tagged(tag, "OK STATUS completed.")

    def _do_idle(self, tag, _arguments, _by_uid):
        self.write(b"+ IDLE accepted, awaiting DONE command.\r\n")
        self.flush()
        self._connection.settimeout(0.05)
        try:
            while b"\n" not in self._in:
                try:
                    self._receive()
                except TimeoutError:
                    self._tell_changes()
                    self.flush()
                if self.server.stopping.is_set():
                    raise Dropped
        finally:
            self._connection.settimeout(120)
        if self._line().upper() != b"DONE":
            self.tagged(tag, "BAD Command Error. 12")
        else:
            self.tagged(tag, "OK IDLE completed.")

    def _tell_changes(self):
        """Untagged EXPUNGE and EXISTS for what has changed since the client last heard of it."""
        if self._folder is None:
            return
        now = self._folder.uids()
        if now is self._known or now == self._known:
            return
        current, known = set(now), list(self._known)
        for position in range(len(known) - 1, -1, -1):
            if known[position] not in current:
                self.write(f"* {position + 1} EXPUNGE\r\n".encode())
                del known[position]
        if len(now) > len(known):
            self.write(f"* {len(now)} EXISTS\r\n".encode())
        self._known = now

    def _do_search(self, tag, arguments, by_uid):
        if self._folder is None or not by_uid:
            self.tagged(tag, "BAD Command Error. 12")
            return
        asked = re.fullmatch(r"UID (\d+)(:\*)?", arguments.strip(), re.I)
        first = int(asked.group(1)) if asked else 0
        last = first if asked and asked.group(2) is None else max(self._folder.uids(), default=0)
        found = [uid for uid in self._folder.uids() if first <= uid <= last]
        self.write(b"* SEARCH" + b"".join(b" %d" % uid for uid in found) + b"\r\n")
        self.tagged(tag, "OK SEARCH completed.")

    # -- FETCH.

    def _do_fetch(self, tag, arguments, by_uid):
        if self._folder is None:
            self.tagged(tag, "BAD Command received in Invalid state.")
            return
        wanted, _, items = arguments.partition(" ")
        items = items.upper()
        if re.search(r"\bBODY\[|\bRFC822(?!\.(SIZE|HEADER))\b|\bRFC822\.TEXT", items):
            self.server.violation("FETCH " + arguments)
            self.tagged(tag, "NO This server is for reading only.")
            return
        unknown = re.sub(r"BODY\.PEEK\[[^]]*\](<[0-9.]+>)?|UID|FLAGS|INTERNALDATE|RFC822\.SIZE|[() ]", "", items)
        if unknown:
            self.tagged(tag, "BAD Command Argument Error. 11")
            return
        for position, uid in self._chosen(wanted, by_uid):
            message = self._folder.get(uid)
            if message is not None and self._send_message(tag, position, message, items):
                return
        self.tagged(tag, "OK FETCH completed.")

    def _chosen(self, wanted, by_uid):
        """(sequence number, UID) pairs of a sequence or UID set, in ascending order."""
        known = self._known
        chosen = set()
        for part in wanted.split(","):
            ends = [
                (known[-1] if by_uid else len(known)) if end == "*" and known else int(end.replace("*", "0"))
                for end in part.split(":")
            ]
            low, high = min(ends), max(ends)
            if by_uid:
                chosen.update(range(bisect.bisect_left(known, low), bisect.bisect_right(known, high)))
            else:
                chosen.update(range(max(low, 1) - 1, min(high, len(known))))
        return [(index + 1, known[index]) for index in sorted(chosen)]

    def _send_message(self, tag, position, message, items):
        """One untagged FETCH; True if a rule has ended the command."""
        parts = [b"UID %d" % message.uid]
        if "FLAGS" in items:
            parts.append(b"FLAGS (%s)" % " ".join(message.flags).encode())
        if "INTERNALDATE" in items:
            when = time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime(message.date))
            parts.append(b'INTERNALDATE "%s"' % when.encode())
        if "RFC822.SIZE" in items:
            parts.append(b"RFC822.SIZE %d" % message.stated_size())
        for name, origin, length in re.findall(r"BODY\.PEEK\[([^]]*)\](?:<(\d+)\.(\d+)>)?", items):
            if not name:
                self.server.note(Seen(time.monotonic(), self.user, self._folder.name, "BODY", items, message.uid))
                self.current = (position, message)
                if self._broken("BODY", tag, uid=message.uid):
                    return True
            data = section(message.body, name)
            shown = f"BODY[{name}]"
            if origin:
                data, shown = data[int(origin) : int(origin) + int(length)], f"{shown}<{origin}>"
            parts.append(b"%s {%d}\r\n%s" % (shown.encode(), len(data), data))
        self.write(b"* %d FETCH (%s)\r\n" % (position, b" ".join(parts)))
        return False


def _strings(text):
    """The leading atoms and quoted strings of an argument list."""
    return [
        re.sub(r"\\(.)", r"\1", quoted) if quoted or not atom else atom
        for quoted, atom in re.findall(r'"((?:[^"\\]|\\.)*)"|([^\s"()]+)', text)
    ]


def section(body, name):
    """BODY.PEEK[name] of a message."""
    if not name:
        return body
    end = body.find(b"\r\n\r\n")
    header = body[: end + 2] if end >= 0 else body
    if body.startswith(b"\r\n"):
        header = b""
    if name == "HEADER":
        return header + b"\r\n"
    wanted = set(re.match(r"HEADER\.FIELDS \((.*)\)", name).group(1).replace('"', "").split())
    fields = re.findall(rb"(?m)^[^\s:]+[ \t]*:.*(?:\n[ \t].*)*\n?", header)
    return (
        b"".join(field for field in fields if field.partition(b":")[0].strip().decode("latin-1").upper() in wanted)
        + b"\r\n"
    )
