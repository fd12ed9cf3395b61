"""A scripted IMAP server: in-memory mailboxes, a log of every command, and rules that break things on purpose.

    server = ImapScriptServer()
    server.mailbox("ada@example.org").inbox.fill(10)
    gate = server.on("BODY", Gate(), uid=3)         # downloads of UID 3 hang until gate.release()
    server.on("LIST", no("[UNAVAILABLE] later"), times=2)

Commands are named by their word ("EXAMINE", "LIST", "NOOP", ...); "HEADERS" is a FETCH without bodies, "BODY" one
message's BODY.PEEK[], "GREETING" the first line, "*" anything. What a client must never do is noted in `violations`:
commands that could change the mailbox or mark mail as read (they are refused), lines that are too long, a second command
before the first is answered (if the personality takes one at a time), more BADs in one session than it takes, and, with
`strict_logout`, leaving without LOGOUT.

Who the server pretends to be is its personality (imap_personalities.py); what it does to all its answers are its
`oddities` (imap_fetch.ODDITIES); faults by name, for the command line, are in imap_fault_names.py.
"""

import socket
import ssl
import threading
import time

from .imap_faults import Dropped, Gate, Rule
from .imap_personalities import PERSONALITIES
from .imap_session import Seen, Session
from .imap_store import Mailbox

# What Exchange Online has, which is next to nothing.
EXCHANGE = PERSONALITIES["exchange"].after_login

# A session that ended without LOGOUT counts among its user's connections for so many seconds.
_LINGERING = 60


class ImapScriptServer:
    """Listens on loopback from construction on. With `authority` (certs.Authority) it speaks TLS. `capabilities` are
    those of the personality, before and after the login, unless told otherwise."""

    def __init__(
        self,
        personality="exchange",
        *,
        authority=None,
        capabilities=None,
        accept=None,
        strict_logout=False,
        clock=time.monotonic,
        port=0,
    ):
        self.personality, self.capabilities = PERSONALITIES[personality], capabilities
        self.accept = accept or (lambda user, secret: True)
        self.strict_logout, self.clock = strict_logout, clock
        self.oddities = set(self.personality.oddities)
        self.stated_size = self.bytes_per_second = None
        self.aliases, self.connection_limit = {}, self.personality.connections
        self.opens = lambda: True  # Does the login that was just accepted open the mailbox?
        self._lingering, self._regenerated = [], 0
        self.mailboxes, self.rules = {}, []
        self.lock = threading.Lock()
        self.violations, self.seen = [], []
        self.connections = self.most_connections = self.all_connections = 0
        self.logins, self.user_connections, self.most_user_connections = {}, {}, {}
        self._context = None
        if authority is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(authority.certificate, authority.key)
        self.port, self._listener, self._sessions = port, None, set()
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    # -- For tests.

    def mailbox(self, user):
        """The user's Mailbox, made if missing. Users that were never asked for cannot log in."""
        return self.mailboxes.setdefault(user, Mailbox())

    def furnished(self, user):
        """The same with the folders that such a server has by itself."""
        return self.mailbox(user).furnish(self.personality)

    def on(self, command, action, times=None, **conditions):
        """Adds a rule in front of the others, which have their turn if its action gives no answer; conditions: user,
        folder, uid. Returns the action if it is a Gate, else the Rule."""
        rule = Rule(self, command, action, times, conditions)
        with self.lock:
            self.rules.insert(0, rule)
        return action if isinstance(action, Gate) else rule

    def heal(self):
        """Removes all rules; gates are released."""
        with self.lock:
            rules, self.rules = self.rules, []
        for rule in rules:
            if isinstance(rule.action, Gate):
                rule.action.release()

    def bodies(self, **facts):
        """How many message bodies were asked for (facts: user, folder, uid)."""
        return self.count("BODY", **facts)

    def count(self, command, **facts):
        """How often a command was seen."""
        with self.lock:
            return sum(
                1
                for seen in self.seen
                if seen.command == command and all(getattr(seen, key) == value for key, value in facts.items())
            )

    def forget(self):
        """Empties the log and the highest counts."""
        with self.lock:
            self.seen.clear()
            self.logins.clear()
            self.most_connections, self.all_connections = self.connections, 0
            self.most_user_connections = dict(self.user_connections)

    def start(self):
        """Listens (again), on the same port as before."""
        self.stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=512)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener, self.stopping), daemon=True).start()

    def stop(self):
        """Ends all sessions; the port refuses connections."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        # Closing alone would not wake the thread that waits in accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop_all()

    def drop_all(self):
        """Breaks all connections."""
        with self.lock:
            sessions = list(self._sessions)
        for session in sessions:
            session.cut()

    def tell_all(self, line, cut=True):
        """Says a line to everybody who waits, and breaks the connections then."""
        with self.lock:
            sessions = list(self._sessions)
        for session in sessions:
            try:
                session.say(line.encode() + b"\r\n")
            except OSError:
                pass  # Gone meanwhile.
            if cut:
                session.cut()

    # -- For sessions.

    def capabilities_of(self, user):
        """What is offered to who is logged in as `user` (None: nobody yet)."""
        if self.capabilities is not None:
            return self.capabilities
        return self.personality.before_login if user is None else self.personality.after_login

    def go_on(self, text):
        """A continuation request."""
        return b"+\r\n" if "plus-without-space" in self.oddities else f"+ {text}\r\n".encode()

    def regenerated(self, body):
        """The body as the server makes it this time."""
        with self.lock:
            self._regenerated += 1
            turn = self._regenerated
        return b"X-Boundary: =_%d%s\r\n%s" % (turn, b"x" * (turn % 50), body)

    def has_room_for(self, user):
        """Is one more connection of this user allowed?"""
        if self.connection_limit is None:
            return True
        with self.lock:
            now = self.clock()
            self._lingering = [(who, end) for who, end in self._lingering if end > now]
            lingering = sum(who == user for who, _ in self._lingering)
            return self.user_connections.get(user, 0) + lingering < self.connection_limit

    def _accept(self, listener, stopping):
        while not stopping.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            connection.settimeout(120)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
        except OSError:
            connection.close()
            return
        session = Session(self, connection)
        with self.lock:
            self._sessions.add(session)
            self.connections += 1
            self.all_connections += 1
            # A thread may not have noticed yet that its client has hung up.
            in_use = sum(not one.peer_is_gone() for one in self._sessions)
            self.most_connections = max(self.most_connections, in_use)
        try:
            session.run()
        except (Dropped, OSError, ValueError):
            pass
        finally:
            self._judge_the_end(session)
            with self.lock:
                self._sessions.discard(session)
                self.connections -= 1
                if session.user is not None:
                    self.user_connections[session.user] -= 1
            session.cut()
            connection.close()

    def _judge_the_end(self, session):
        """A client that leaves by itself says LOGOUT: its session would count for a while otherwise."""
        if session.user is None or session.said_goodbye or not session.hung_up:
            return
        with self.lock:
            self._lingering.append((session.user, self.clock() + _LINGERING))
        busy = session.outstanding is not None and "IDLE" not in session.outstanding.upper()
        if self.strict_logout and not session.disturbed and not busy and not self.stopping.is_set():
            self.violation(f"{session.user} left without LOGOUT")

    def note_login(self, user):
        """Counts a successful login."""
        with self.lock:
            self.logins[user] = self.logins.get(user, 0) + 1
            now = self.user_connections[user] = self.user_connections.get(user, 0) + 1
            self.most_user_connections[user] = max(self.most_user_connections.get(user, 0), now)

    def note(self, seen):
        """Adds to the log."""
        with self.lock:
            self.seen.append(seen)

    def note_body(self, session, message, items):
        """The same, for one body of a FETCH."""
        self.note(Seen(time.monotonic(), session.user, session.folder_name(), "BODY", items, message.uid))

    def violation(self, text):
        """Something that a client must never do."""
        with self.lock:
            self.violations.append(text)

    def actions_for(self, command, facts):
        """Those of the rules that apply, the newest first; whoever goes on to the next one makes it count as a hit."""
        with self.lock:
            rules = list(self.rules)
        for rule in rules:
            with self.lock:
                applies = rule in self.rules and rule.applies(command, facts)
            if applies:
                yield rule.action
