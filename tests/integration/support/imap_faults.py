"""Actions for the scripted server's rules: what is done to a command in place of, or before, the truth.

An action is called with (session, tag) and returns True if the command is answered, False to go on with the truth.
"""

import random
import threading

# The marker of the subject, the marker of the body, typographic quotes: as Exchange writes it.
PLACEHOLDER = (
    'From: "Microsoft Exchange Server 2010" <>\r\n'
    "Subject: Retrieval using the IMAP4 protocol failed for the following message: %(uid)d\r\n"
    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    "The server couldn\u2019t retrieve the following message:\r\n\r\nSubject: \u201cQuarterly report\u201d\r\n"
    "From: \u201cAda\u201d\r\nSent date: 10/1/2022\r\n\r\nThe message hasn\u2019t been deleted. You might be able to "
    "view it using either Outlook or Outlook Web App.\r\n"
).encode()


class Dropped(Exception):
    """The session ends without another word."""


def no(text="Refused."):
    """Tagged NO."""
    return lambda session, tag: session.tagged(tag, f"NO {text}")


def bad(text="Command Argument Error. 12"):
    """Tagged BAD."""
    return lambda session, tag: session.tagged(tag, f"BAD {text}")


def bye(text="Connection is closed. 14"):
    """Untagged BYE, then the end."""

    def action(session, _tag):
        session.write(f"* BYE {text}\r\n".encode())
        session.flush()
        raise Dropped

    return action


def drop():
    """The connection breaks."""

    def action(_session, _tag):
        raise Dropped

    return action


def garbage(data=b"\0\xff{{{ ** garbage\r\n" * 3):
    """Bytes that are no IMAP, then nothing more of the answer but the tagged OK."""

    def action(session, tag):
        session.write(data)
        return session.tagged(tag, "OK completed.")

    return action


def only_ok():
    """Tagged OK without any data: what Exchange says for a message that it cannot convert."""
    return lambda session, tag: session.tagged(tag, "OK completed.")


def broken_body(sent, then=None):
    """For BODY: announces the whole body, sends its first `sent` bytes, then breaks (or does `then`)."""

    def action(session, tag):
        position, message = session.current
        session.write(b"* %d FETCH (UID %d BODY[] {%d}\r\n" % (position, message.uid, len(message.body)))
        session.write(message.body[:sent])
        session.flush()
        if then is not None:
            then(session, tag)
        raise Dropped

    return action


def stub():
    """For BODY: Exchange's placeholder for a message that it cannot convert, in place of the message."""

    def action(session, _tag):
        session.shape.body = PLACEHOLDER % {b"uid": session.current[1].uid}
        return False

    return action


def instead(text):
    """For BODY: NIL, "" or {0} in place of the body's literal."""

    def action(session, _tag):
        session.shape.instead = text
        return False

    return action


def silent():
    """For BODY: no word about this message; the others of the command come."""

    def action(session, _tag):
        session.shape.silent = True
        return False

    return action


def reset():
    """The connection ends with a RST."""
    return lambda session, _tag: session.reset()


def then(*actions):
    """One action after the other; the last one's word counts."""

    def run(session, tag):
        answered = False
        for action in actions:
            answered = action(session, tag)
        return answered

    return run


def at_random(chance, seed, action):
    """The action to some of the commands, to which ones is the same in each run."""
    dice, lock = random.Random(seed), threading.Lock()

    def perhaps(session, tag):
        with lock:
            hit = dice.random() < chance
        return hit and action(session, tag)

    return perhaps


def bare(line):
    """A line that is no IMAP."""

    def action(session, _tag):
        session.write(f"{line}\r\n".encode())
        session.flush()
        return True

    return action


class Throttle:
    """Refuses for a while, from its first command on, and tells how long; so `times` times.

    `early` counts the commands that came before the pause was over, though it had been told.
    """

    def __init__(self, milliseconds, times=1, *, condition="BAD", hang_up=False):
        self._pause, self._times = milliseconds / 1000, times
        self._text = f"{condition} Request is throttled. Suggested Backoff Time: {milliseconds} milliseconds"
        self._hang_up, self._lock, self._until = hang_up, threading.Lock(), None
        self.early = self.hits = 0

    def __call__(self, session, tag):
        with self._lock:
            now = session.server.clock()
            running = self._until is not None and now < self._until
            if not running and self.hits >= self._times:
                return False
            self.early += running
            if not running:
                self.hits += 1
                self._until = now + self._pause
        session.tagged(tag, self._text)
        if self._hang_up:
            raise Dropped
        return True


def delay(seconds):
    """Late, but right."""

    def action(session, _tag):
        session.server.stopping.wait(seconds)
        return False

    return action


class Gate:
    """Silence until release() (or the server's end); then the truth. `waiting` counts who is being kept."""

    def __init__(self):
        self._open = threading.Event()
        self._lock = threading.Lock()
        self.waiting = 0

    def release(self):
        """Lets all go on, now and later."""
        self._open.set()

    def __call__(self, session, _tag):
        with self._lock:
            self.waiting += 1
        try:
            while not self._lets_in():
                if session.server.stopping.is_set() or session.peer_is_gone():
                    raise Dropped
        finally:
            with self._lock:
                self.waiting -= 1
        return False

    def _lets_in(self):
        """May one who has been kept go on? Waits a little for it."""
        return self._open.wait(0.05)


class Turnstile(Gate):
    """A Gate that also lets a single one through at each admit()."""

    def __init__(self):
        super().__init__()
        self._tickets = threading.Semaphore(0)

    def admit(self):
        """Lets one go on, now or as soon as it comes."""
        self._tickets.release()

    def _lets_in(self):
        return self._open.is_set() or self._tickets.acquire(timeout=0.05)


class Rule:
    """Made by ImapScriptServer.on(). `hits` counts how often it applied."""

    def __init__(self, server, command, action, times, conditions):
        self._server, self.command, self.action, self._times, self._conditions = (
            server,
            command,
            action,
            times,
            conditions,
        )
        self.hits = 0

    def remove(self):
        """The rule no longer applies."""
        self._server.rules.remove(self)

    def applies(self, command, facts):
        """Does it apply to this command now? Counts it if so."""
        if self.command not in ("*", command) or any(
            facts.get(key) != value for key, value in self._conditions.items()
        ):
            return False
        if self._times is not None and self.hits >= self._times:
            return False
        self.hits += 1
        return True
