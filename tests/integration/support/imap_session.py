"""One connection of the scripted server: the part of IMAP4rev1 that a reader needs (RFC 3501)."""

import base64
import re
import time
from dataclasses import dataclass

from . import mutf7
from .imap_faults import Dropped
from .imap_fetch import Fetch

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
_AFTER_LOGIN = {"LIST", "LSUB", "EXAMINE", "FETCH", "IDLE", "STATUS", "SEARCH", "COMPRESS", "UNSELECT"}
_UNCONNECTED = "BAD User is authenticated but not connected."


@dataclass
class Seen:
    """One command line, or one body within a FETCH ("BODY")."""

    moment: float
    user: str | None
    folder: str | None
    command: str
    text: str
    uid: int | None = None


class Session(Fetch):
    """One connection, served by one thread. `arguments` are those of the command that is being answered."""

    def __init__(self, server, connection):
        super().__init__(server, connection)
        self.user, self.arguments = None, ""
        self.answers_left = None  # Of an unconnected session: then the connection is closed.
        self._is_rev2 = False

    def run(self):
        """Greets and serves until the end."""
        personality = self.server.personality
        if not self.broken("GREETING", "*"):
            self.write(f"* OK {personality.greeting}\r\n".encode())
            self.flush()
        while True:
            text = self.command()
            tag, _, rest = text.partition(" ")
            word, _, arguments = rest.partition(" ")
            word = word.upper()
            if word == "UID":
                word, _, arguments = arguments.partition(" ")
                word = word.upper()
            if not self.too_long(tag):
                self._dispatch(tag, word, arguments, by_uid=rest[:4].upper() == "UID ", text=rest)
            if word == "LOGOUT":
                return

    def broken(self, command, tag, **facts):
        """Applies the rules; True if one of them gave the answer."""
        facts = {"user": self.user, "folder": self.folder_name()} | facts
        for action in self.server.actions_for(command, facts):
            self.disturbed = self.by_rule = True
            try:
                if action(self, tag):
                    return True
            finally:
                self.by_rule = False
        return False

    def has(self, capability):
        """Is it offered now?"""
        return capability in self.server.capabilities_of(self.user).split()

    def _dispatch(self, tag, word, arguments, by_uid, text):
        name = "HEADERS" if word == "FETCH" and not re.search(r"BODY(\.PEEK)?\[\]", arguments, re.I) else word
        folder = self.folder_name()
        if word in ("EXAMINE", "STATUS"):
            folder = self._named(arguments)[0]
        self.arguments = arguments
        shown = text if word not in ("LOGIN", "AUTHENTICATE") else word
        if name != "FETCH":
            self.server.note(Seen(time.monotonic(), self.user, folder, name, shown))
        if word in _FORBIDDEN:
            self._refuse(tag, arguments, text)
            return
        if word not in ("LOGIN", "AUTHENTICATE", "FETCH") or name == "HEADERS":
            if self.broken(name, tag, folder=folder):
                return
        if self.answers_left is not None and word != "LOGOUT":
            self._answer_unconnected(tag)
            return
        handler = getattr(self, "_do_" + word.lower(), None)
        if handler is None or (self.user is None and word in _AFTER_LOGIN):
            self.tagged(tag, "BAD Command Error. 12")
        else:
            handler(tag, arguments, by_uid)

    def _refuse(self, tag, arguments, text):
        """What could change something at the server, or break it."""
        self.server.violation(text)
        if text.upper().startswith("ENABLE") and "IMAP4REV2" in arguments.upper() and self.has("IMAP4rev2"):
            self._is_rev2 = self.server.personality.broken_by_rev2
            self.write(b"* ENABLED IMAP4rev2\r\n")
            self.tagged(tag, "OK ENABLE completed.")
            return
        self.tagged(tag, "NO This server is for reading only.")

    def _answer_unconnected(self, tag):
        self.answers_left -= 1
        if self.answers_left < 0:
            self.write(b"* BYE Connection closed. 14\r\n")
            self.flush()
            raise Dropped
        self.tagged(tag, _UNCONNECTED)

    def _done(self, tag, word):
        self.tagged(tag, "OK " + self.server.personality.word(word))

    # -- Without a folder.

    def _do_capability(self, tag, _arguments, _by_uid):
        self.write(f"* CAPABILITY {self.server.capabilities_of(self.user)}\r\n".encode())
        self._done(tag, "CAPABILITY")

    def _do_noop(self, tag, _arguments, _by_uid):
        self._tell_changes()
        self._done(tag, "NOOP")

    _do_check = _do_noop

    def _do_logout(self, tag, _arguments, _by_uid):
        self.said_goodbye = True
        self.write(f"* BYE {self.server.personality.goodbye}".rstrip().encode() + b"\r\n")
        self._done(tag, "LOGOUT")

    def _do_id(self, tag, _arguments, _by_uid):
        self.write(f"* ID {self.server.personality.identity}\r\n".encode())
        self._done(tag, "ID")

    def _do_namespace(self, tag, _arguments, _by_uid):
        self.write(b'* NAMESPACE (("" "/")) NIL NIL\r\n')
        self._done(tag, "NAMESPACE")

    def _do_compress(self, tag, _arguments, _by_uid):
        if not self.has("COMPRESS=DEFLATE"):
            self.tagged(tag, "BAD Command Error. 12")
            return
        self._done(tag, "COMPRESS")
        self.start_deflate()

    def _do_unselect(self, tag, _arguments, _by_uid):
        self._folder, self._known = None, []
        self._done(tag, "UNSELECT")

    # -- Logins.

    def _do_login(self, tag, arguments, _by_uid):
        user, password = _strings(arguments)[:2]
        if self.has("LOGINDISABLED"):
            self.server.violation("LOGIN though the server has LOGINDISABLED")
        self._enter(tag, "LOGIN", "LOGIN", user, password)

    def _do_authenticate(self, tag, arguments, _by_uid):
        mechanism, _, initial = arguments.partition(" ")
        mechanism = mechanism.upper()
        if not self.has("AUTH=" + mechanism):
            self.tagged(tag, "NO Unsupported mechanism.")
            return
        if initial and self.odd("sasl-ir-refused"):
            self.tagged(tag, "BAD Command Error. 12")
            return
        if not initial:
            self.write(self.server.go_on(""))
            self.flush()
            initial = self.line().decode()
        fields = base64.b64decode(initial).decode()
        if mechanism == "PLAIN":
            _, user, secret = fields.split("\0")
        elif mechanism == "XOAUTH2":
            user, secret = re.fullmatch("user=(.*)\1auth=Bearer (.*)\1\1", fields).groups()
        elif mechanism == "OAUTHBEARER":
            user, secret = re.fullmatch("n,a=(.*?),\1.*auth=Bearer (.*)\1\1", fields).groups()
            user = user.replace("=2C", ",").replace("=3D", "=")
        else:
            self.tagged(tag, "NO Unsupported mechanism.")
            return
        self._enter(tag, "AUTHENTICATE", mechanism, user, secret)

    def _enter(self, tag, word, mechanism, user, secret):
        if self.broken(word, tag, user=user):
            return
        personality = self.server.personality
        primary = self.server.aliases.get(user, user)
        if primary not in self.server.mailboxes or not self.server.accept(user, secret):
            self._challenge(mechanism)
            self.tagged(tag, "NO " + personality.refused.format(word=word, user=user))
            return
        if not self.server.has_room_for(primary) and personality.too_many != "unconnected":
            self.disturbed = True
            if personality.too_many.startswith("BYE"):
                self.write(f"* {personality.too_many}\r\n".encode())
                self.flush()
                raise Dropped
            self.tagged(tag, personality.too_many)
            return
        opens = self.server.has_room_for(primary) and user == primary and self.server.opens()
        self.user = primary
        self.server.note_login(primary)
        if not opens:
            self.disturbed, self.answers_left = True, 3
        self._welcome(tag, word, user)

    def _challenge(self, mechanism):
        """The reason of a refusal, as tokens have it, which the client must answer before it hears of the refusal."""
        reason = self.server.personality.challenges.get(mechanism)
        if reason is None:
            return
        self.write(b"+ " + base64.b64encode(reason.encode()) + b"\r\n")
        self.flush()
        answer = self.line()
        if answer != (b"AQ==" if mechanism == "OAUTHBEARER" else b""):
            self.server.violation(f"{mechanism}: the failure challenge was answered {answer!r}")

    def _welcome(self, tag, word, user):
        personality = self.server.personality
        offered = self.server.capabilities_of(self.user)
        text = personality.logged_in.format(word=word, user=user)
        if personality.told == "untagged":
            self.write(f"* CAPABILITY {offered}\r\n".encode())
        if personality.told == "code":
            text = f"[CAPABILITY {offered}] {text}"
        self.tagged(tag, "OK " + text)

    # -- Folders.

    def _named(self, arguments):
        """(name, Folder or None) of the folder that is meant."""
        wire = _strings(arguments)[0]
        mailbox = self.server.mailboxes.get(self.user)
        folder = mailbox.find(wire) if mailbox else None
        return (folder.name if folder else wire), folder

    def _do_list(self, tag, arguments, _by_uid):
        extended = arguments.startswith("(") or "RETURN" in arguments.upper()
        if extended and not self.has("LIST-EXTENDED"):
            self.tagged(tag, "BAD Command Argument Error. 12")
            return
        reference, pattern = _strings(re.sub(r"^\([^)]*\) ", "", arguments))[:2]
        status = re.search(r"STATUS \(([^)]*)\)", arguments, re.I)
        if not pattern:
            self.write(b'* LIST (\\Noselect) "/" ""\r\n')
        elif reference == "":
            wanted = re.compile("".join({"*": ".*", "%": "[^/]*"}.get(c, re.escape(c)) for c in pattern) + r"\Z", re.S)
            for folder in list(self.server.mailboxes[self.user].folders.values()):
                if not wanted.match(folder.wire):
                    continue
                self.write(f'* LIST ({folder.attributes}) "/" '.encode() + folder.shown() + b"\r\n")
                if status and folder.is_selectable():
                    self._send_status(folder, status.group(1))
        self._done(tag, "LIST")

    def _do_lsub(self, tag, _arguments, _by_uid):
        """Nobody has subscribed to anything."""
        self.tagged(tag, "BAD Command Error. 12" if self._is_rev2 else "OK LSUB completed.")

    def _do_examine(self, tag, arguments, _by_uid):
        name, folder = self._named(arguments)
        self._folder = None
        if folder is None:
            self.tagged(tag, f"NO {name} doesn't exist.")
            return
        if not folder.is_selectable():
            self.tagged(tag, "NO " + (folder.refusal or f"{name} cannot be selected."))
            return
        self._folder, self._known = folder, self._visible(folder)
        self.write(
            (
                f"* {len(self._known)} EXISTS\r\n* 0 RECENT\r\n"
                "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $MDNSent)\r\n"
                "* OK [PERMANENTFLAGS ()] Permanent flags\r\n"
                f"* OK [UIDVALIDITY {folder.uid_validity}] UIDVALIDITY value\r\n"
                f"* OK [UIDNEXT {folder.uid_next()}] The next unique identifier value\r\n"
            ).encode()
        )
        self.tagged(tag, "OK [READ-ONLY] " + self.server.personality.word("EXAMINE"))

    def _visible(self, folder):
        """The UIDs that this server shows."""
        newest = self.server.personality.newest
        return folder.uids() if newest is None else folder.uids()[-newest:]

    def _do_status(self, tag, arguments, _by_uid):
        name, folder = self._named(arguments)
        if folder is None:
            self.tagged(tag, f"NO {name} doesn't exist.")
            return
        self._send_status(folder, arguments.rpartition("(")[2])
        self._done(tag, "STATUS")

    def _send_status(self, folder, wanted):
        values = {
            "MESSAGES": len(self._visible(folder)),
            "UIDNEXT": folder.uid_next(),
            "UIDVALIDITY": folder.uid_validity,
            "RECENT": 0,
            "UNSEEN": 0,
        }
        items = " ".join(f"{item} {values[item]}" for item in re.findall(r"[A-Z]+", wanted.upper()))
        self.write(b"* STATUS " + folder.shown() + f" ({items})\r\n".encode())

    # -- News.

    def _do_idle(self, tag, _arguments, _by_uid):
        if not self.has("IDLE"):
            self.tagged(tag, "BAD Command Error. 12")
            return
        if self.odd("exists-before-idle") and self._folder is not None:
            self.write(b"* %d EXISTS\r\n" % len(self._known))
        self.write(b"+ IDLE accepted, awaiting DONE command.\r\n")
        self.flush()
        self.patience(0.05)
        try:
            while not self.has_line():
                try:
                    self.receive()
                except TimeoutError:
                    if not self.odd("mute-idle"):
                        self._tell_changes()
                    self.flush()
                if self.server.stopping.is_set():
                    raise Dropped
        finally:
            self.patience()
        if self.line().upper() != b"DONE":
            self.tagged(tag, "BAD Command Error. 12")
        else:
            self._done(tag, "IDLE")

    def _tell_changes(self):
        """Untagged EXPUNGE and EXISTS for what has changed since the client last heard of it."""
        if self._folder is None:
            return
        now = self._visible(self._folder)
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
        if "CHARSET" in arguments.upper():
            self.tagged(tag, "NO [BADCHARSET (US-ASCII)] The specified charset is not supported.")
            return
        asked = re.fullmatch(r"UID (\d+)(:\*)?", arguments.strip(), re.I)
        first = int(asked.group(1)) if asked else 0
        uids = self._visible(self._folder)
        last = first if asked and asked.group(2) is None else max(uids, default=0)
        found = [] if self.odd("empty-search") else [uid for uid in uids if first <= uid <= last]
        if self._is_rev2:
            self.write(f'* ESEARCH (TAG "{tag}") UID\r\n'.encode())
        else:
            self.write(b"* SEARCH" + b"".join(b" %d" % uid for uid in found) + b"\r\n")
        self._done(tag, "SEARCH")


def _strings(text):
    """The leading atoms and quoted strings of an argument list."""
    return [
        re.sub(r"\\(.)", r"\1", quoted) if quoted or not atom else atom
        for quoted, atom in re.findall(r'"((?:[^"\\]|\\.)*)"|([^\s"()]+)', text)
    ]
