"""The scripted server's faults by name, as `NAME:ARGUMENT:...`, for tests and for tests/fake_imap.py --fault.

    imap_fault_names.install(server, "throttle:FETCH:2000")
"""

from dataclasses import dataclass

from . import imap_faults as faults
from .imap_fetch import ODDITIES

_SEED = 7  # Of what happens at random: the same in each run.


@dataclass(frozen=True)
class Fault:
    """`usage` is what stands after the name; `make(server, *arguments)` does it."""

    usage: str
    what: str
    make: object


def _on(server, command, action, times=None, **conditions):
    """server.on(), where FETCH means headers and bodies."""
    for one in ("HEADERS", "BODY") if command == "FETCH" else (command,):
        server.on(one, action, times, **conditions)
    return action


def _for_uid(action):
    return lambda server, uid: server.on("BODY", action(), uid=int(uid))


def _throttle(server, command, milliseconds, times="1"):
    return _on(server, command.upper(), faults.Throttle(int(milliseconds), int(times)))


def _bye_expired(server, command="BODY", times="1"):
    return server.on(command.upper(), faults.bye("Session invalidated - AccessTokenExpired"), int(times))


def _not_connected(server, chance="1", seed=_SEED):
    dice = faults.random.Random(int(seed))
    chance = float(chance)
    server.opens = lambda: dice.random() >= chance


def _odd_sizes(change):
    def make(server):
        server.stated_size = change

    return make


def _drop_in_literal(server, uid, octets, times=None):
    return server.on("BODY", faults.broken_body(int(octets)), times and int(times), uid=int(uid))


def _silence(server, command="*"):
    return _on(server, command.upper(), faults.Gate())


def _rst(server, command="BODY", times="1"):
    return _on(server, command.upper(), faults.reset(), int(times))


def _slow(server, bytes_per_second):
    server.bytes_per_second = int(bytes_per_second)


def _login_delay(server, seconds):
    for command in ("AUTHENTICATE", "LOGIN"):
        server.on(command, faults.delay(float(seconds)))


def _connection_limit(server, count):
    server.connection_limit = int(count)


def _alias(server, name, primary=None):
    """Without `primary` it is one of the first mailbox."""
    server.aliases[name] = primary or next(iter(server.mailboxes))


def _odd(name):
    return lambda server: server.oddities.add(name)


FAULTS = {
    "throttle": Fault(":COMMAND:MILLISECONDS[:TIMES]", "BAD Request is throttled, and for how long", _throttle),
    "bye-expired": Fault("[:COMMAND[:TIMES]]", "BYE Session invalidated - AccessTokenExpired", _bye_expired),
    "not-connected": Fault("[:CHANCE[:SEED]]", "logins are accepted, but the mailbox is not opened", _not_connected),
    "stub": Fault(":UID", "Exchange's placeholder in place of the message", _for_uid(faults.stub)),
    "ok-no-data": Fault(":UID", "OK without the body", _for_uid(faults.silent)),
    "nil-body": Fault(":UID", "NIL in place of the body", _for_uid(lambda: faults.instead(b"NIL"))),
    "empty-body": Fault(":UID", "an empty string in place of the body", _for_uid(lambda: faults.instead(b'""'))),
    "zero-body": Fault(":UID", "a literal of no octets", _for_uid(lambda: faults.instead(b"{0}\r\n"))),
    "unavailable": Fault(
        ":UID",
        "NO [UNAVAILABLE] for one message, as at Yahoo",
        _for_uid(lambda: faults.no("[UNAVAILABLE] UID FETCH Server error - Please try again later")),
    ),
    "poison": Fault(":UID", "fetching it ends the connection, always", _for_uid(faults.drop)),
    "size-triple": Fault("", "RFC822.SIZE is three times too large", _odd_sizes(lambda true: 3 * true)),
    "size-minus-one": Fault("", "RFC822.SIZE is one too small", _odd_sizes(lambda true: true - 1)),
    "size-zero": Fault("", "RFC822.SIZE is 0", _odd_sizes(lambda true: 0)),
    "drop-in-literal": Fault(":UID:OCTETS[:TIMES]", "the connection breaks in the body", _drop_in_literal),
    "silence": Fault("[:COMMAND]", "no answer (to this command), ever", _silence),
    "rst": Fault("[:COMMAND[:TIMES]]", "the connection is reset", _rst),
    "slow": Fault(":BYTES_PER_SECOND", "all answers come slowly", _slow),
    "login-delay": Fault(":SECONDS", "logins take their time", _login_delay),
    "greeting-delay": Fault(
        ":SECONDS", "the greeting comes late", lambda server, s: server.on("GREETING", faults.delay(float(s)))
    ),
    "connection-limit": Fault(
        ":COUNT", "connections of one user; those without LOGOUT count for 60 s more", _connection_limit
    ),
    "overquota": Fault(
        "",
        "BYE [OVERQUOTA], as at Gmail when the day's volume is used up",
        lambda server: _on(server, "FETCH", faults.bye("[OVERQUOTA] Account exceeded command or bandwidth limits.")),
    ),
    "alias": Fault(":NAME[:PRIMARY]", "a user name that can log in, but opens nothing", _alias),
} | {name: Fault("", what, _odd(name)) for name, what in ODDITIES.items()}


def install(server, text):
    """Does what `text` says and returns what has come of it (a Rule, a Gate, a Throttle, None). ValueError if there is
    no such fault, or its arguments are wrong."""
    name, *arguments = text.split(":")
    fault = FAULTS.get(name)
    if fault is None:
        raise ValueError(f"there is no fault {name!r}")
    try:
        return fault.make(server, *arguments)
    except (TypeError, ValueError):
        raise ValueError(f"{text!r}: the fault is {name}{fault.usage}") from None
