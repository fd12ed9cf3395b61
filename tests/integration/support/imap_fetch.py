"""FETCH of the scripted server: messages as they are asked for, or as bad servers send them."""

import bisect
import re
import time
from dataclasses import dataclass

from . import mutf7
from .imap_wire import Wire

# What a server may always do to its answers (ImapScriptServer.oddities): name -> what it is.
ODDITIES = {
    "items-reordered": "FETCH items come in another order, the UID last",
    "split-fetch": "each message comes in two responses, the second of them without UID",
    "flags-noise": "FLAGS of other messages come in between, without their UIDs",
    "old-message-for-star": "UID FETCH n:* names a message that is older than n, too",
    "broken-structure": "BODYSTRUCTURE and ENVELOPE come though nobody asked, malformed",
    "partial-ignored": "BODY.PEEK[]<0.100> is answered with the whole body",
    "regenerate": "a body is another one at each FETCH, with another length",
    "empty-search": "SEARCH never finds anything",
    "exists-before-idle": "EXISTS comes before IDLE is accepted",
    "mute-idle": "IDLE tells no news",
    "news-everywhere": "news come between the answers of a UID FETCH, too",
    "sasl-ir-refused": "an initial response is answered BAD",
    "plus-without-space": "continuation requests are a + alone",
}
_GMAIL_ITEMS = ("X-GM-MSGID", "X-GM-THRID", "X-GM-LABELS")
# As seen by authors of mail clients.
_BROKEN = (
    b'BODYSTRUCTURE ("text" "plain" ("charset" "utf-8") NIL NIL "7BIT" -1 12 NIL "inline" NIL NIL)',
    b'BODYSTRUCTURE (("text" "plain" NIL NIL NIL "7BIT" 5 1 NIL (NIL NIL) NIL NIL)(NIL NIL NIL NIL NIL "7BIT" 0 NIL '
    b'NIL NIL NIL) "mixed" NIL NIL NIL)',
    b'ENVELOPE (NIL "\xe2\x80\x9craw\xe2\x80\x9d" ((\xe2\x80\x9cMicrosoft Exchange Server\xe2\x80\x9d NIL NIL '
    b'".MISSING-HOST-NAME.")) NIL NIL NIL NIL NIL NIL NIL)',
    b"BODYSTRUCTURE ()",
    b"ENVELOPE (NIL)",
    b'BODYSTRUCTURE ("multipart" "mixed" NIL NIL NIL "7BIT" -1 {5}\r\n)((" NIL)',
)


@dataclass
class Shape:
    """How one message is answered; actions for BODY change it."""

    body: bytes | None = None  # Instead of the truth.
    instead: bytes | None = None  # Instead of a literal: NIL, or an empty string.
    silent: bool = False  # No word about this message.


class Fetch(Wire):
    """The part of a Session that answers FETCH."""

    def __init__(self, server, connection):
        super().__init__(server, connection)
        self._folder, self._known = None, []
        self.current = None  # (sequence number, Message) of the body being asked for.
        self.shape = Shape()

    def odd(self, name):
        """Has the server this oddity?"""
        return name in self.server.oddities

    def folder_name(self):
        """The folder that is open, or None."""
        return self._folder.name if self._folder else None

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
        known = r"BODY\.PEEK\[[^]]*\](<[0-9.]+>)?|UID|FLAGS|INTERNALDATE|RFC822\.SIZE|[() ]"
        if self.has("X-GM-EXT-1"):
            known += "|" + "|".join(_GMAIL_ITEMS)
        if re.sub(known, "", items) or not re.search("[A-Z]", items):
            self.tagged(tag, "BAD Command Argument Error. 11")
            return
        if by_uid and self.odd("news-everywhere"):
            self._tell_changes()
        for position, uid in self._chosen(wanted, by_uid):
            message = self._folder.get(uid)
            if message is not None and self._send_message(tag, position, message, items):
                return
        self.tagged(tag, "OK " + self.server.personality.word("FETCH"))

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
        if self.odd("old-message-for-star") and "*" in wanted and known:
            chosen.add(0)
        return [(index + 1, known[index]) for index in sorted(chosen)]

    def _send_message(self, tag, position, message, items):
        """One message's untagged FETCH; True if a rule has ended the command."""
        parts = [*self._facts(message, items), *self._gmail(message, items)]
        for name, origin, length in re.findall(r"BODY\.PEEK\[([^]]*)\](?:<(\d+)\.(\d+)>)?", items):
            self.shape = Shape()
            if not name:
                self.server.note_body(self, message, items)
                self.current = (position, message)
                if self.broken("BODY", tag, uid=message.uid):
                    return True
            parts.append(self._section(message, name, origin, length))
        if not self.shape.silent:
            self._put(position, b"UID %d" % message.uid, parts)
        self.shape = Shape()
        return False

    def _facts(self, message, items):
        if "FLAGS" in items:
            yield b"FLAGS (%s)" % " ".join(message.flags).encode()
        if "INTERNALDATE" in items:
            when = time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime(message.date))
            yield b'INTERNALDATE "%s"' % when.encode()
        if "RFC822.SIZE" in items:
            size = message.stated_size()
            if message.size is None and self.server.stated_size is not None:
                size = self.server.stated_size(size)
            yield b"RFC822.SIZE %d" % size

    def _gmail(self, message, items):
        number = message.gmail_id or 1_300_000_000_000_000_000 + self._folder.uid_validity * 1_000_000 + message.uid
        if "X-GM-MSGID" in items:
            yield b"X-GM-MSGID %d" % number
        if "X-GM-THRID" in items:
            yield b"X-GM-THRID %d" % (message.thread_id or number)
        if "X-GM-LABELS" in items:
            yield b"X-GM-LABELS (%s)" % " ".join(map(mutf7.quoted, message.labels)).encode()

    def _section(self, message, name, origin, length):
        data = section(message.body if self.shape.body is None else self.shape.body, name)
        if not name and self.odd("regenerate"):
            data = self.server.regenerated(data)
        shown = f"BODY[{name}]"
        if origin and not self.odd("partial-ignored"):
            data, shown = data[int(origin) : int(origin) + int(length)], f"{shown}<{origin}>"
        if not name and self.shape.instead is not None:
            return b"%s %s" % (shown.encode(), self.shape.instead)
        return b"%s {%d}\r\n%s" % (shown.encode(), len(data), data)

    def _put(self, position, uid, parts):
        """Writes what there is about a message, in the server's way."""
        if self.odd("flags-noise") and len(self._known) > 1:
            other = position % len(self._known) + 1
            self.write(b"* %d FETCH (FLAGS (\\Seen))\r\n" % other)
        if self.odd("broken-structure"):
            parts.insert(0, _BROKEN[position % len(_BROKEN)])
        if self.odd("split-fetch") and len(parts) > 1:
            half = len(parts) // 2
            self.write(b"* %d FETCH (%s)\r\n" % (position, b" ".join([uid, *parts[:half]])))
            self.write(b"* %d FETCH (%s)\r\n" % (position, b" ".join(parts[half:])))
            return
        items = [*reversed(parts), uid] if self.odd("items-reordered") else [uid, *parts]
        self.write(b"* %d FETCH (%s)\r\n" % (position, b" ".join(items)))


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
