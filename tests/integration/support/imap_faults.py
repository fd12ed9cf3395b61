"""Actions for the scripted server's rules: what is done to a command in place of, or before, the truth.

An action is called with (session, tag) and returns True if the command is answered, False to go on with the truth.
"""

import threading


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
