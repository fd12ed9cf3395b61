"""A scripted IMAP server: in-memory mailboxes, a log of every command, and rules that break things on purpose.

    server = ImapScriptServer()
    server.mailbox("ada@example.org").inbox.fill(10)
    gate = server.on("BODY", Gate(), uid=3)         # downloads of UID 3 hang until gate.release()
    server.on("LIST", no("[UNAVAILABLE] later"), times=2)

Commands are named by their word ("EXAMINE", "LIST", "NOOP", ...); "HEADERS" is a FETCH without bodies, "BODY" one
message's BODY.PEEK[], "GREETING" the first line, "*" anything. A command that could change the mailbox or mark mail as
read is refused and noted in `violations`.
"""

import socket
import ssl
import threading

from .imap_faults import Dropped, Gate, Rule
from .imap_session import Session
from .imap_store import Mailbox

# What Exchange Online has, which is next to nothing.
EXCHANGE = "IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+"


class ImapScriptServer:
    """Listens on loopback from construction on. With `authority` (certs.Authority) it speaks TLS."""

    def __init__(self, *, authority=None, capabilities=EXCHANGE, accept=None):
        self.capabilities = capabilities
        self.accept = accept or (lambda user, secret: True)
        self.mailboxes, self.rules = {}, []
        self.lock = threading.Lock()
        self.violations, self.seen = [], []
        self.connections = self.most_connections = self.all_connections = 0
        self.logins, self.user_connections, self.most_user_connections = {}, {}, {}
        self._context = None
        if authority is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(authority.certificate, authority.key)
        self.port, self._listener, self._sessions = 0, None, set()
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    # -- For tests.

    def mailbox(self, user):
        """The user's Mailbox, made if missing. Users that were never asked for cannot log in."""
        return self.mailboxes.setdefault(user, Mailbox())

    def on(self, command, action, times=None, **conditions):
        """Adds a rule in front of the others; conditions: user, folder, uid. Returns the action if it is a
        Gate, else the Rule."""
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

    # -- For sessions.

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
            with self.lock:
                self._sessions.discard(session)
                self.connections -= 1
                if session.user is not None:
                    self.user_connections[session.user] -= 1
            session.cut()
            connection.close()

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

    def violation(self, text):
        """Something that a read-only client must never send."""
        with self.lock:
            self.violations.append(text)

    def rule_for(self, command, facts):
        """The action of the newest rule that applies, or None."""
        with self.lock:
            for rule in self.rules:
                if rule.applies(command, facts):
                    return rule.action
        return None
