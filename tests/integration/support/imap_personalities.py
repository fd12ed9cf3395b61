"""Who the scripted server pretends to be: what real servers say and refuse, as data.

Texts and limits are those seen in traces of the servers. What a server does wrong only at times is no part of
its personality: that is a fault, see imap_fault_names.py.
"""

import json
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Personality:
    """One kind of server. Capabilities differ before and after the login; `told` says how the new ones come: "" not at
    all, "code" in the OK, "untagged" in a response of their own."""

    name: str
    greeting: str
    before_login: str
    after_login: str
    told: str = ""
    identity: str = '("name" "Script" "version" "1")'
    logged_in: str = "{word} completed."
    refused: str = "{word} failed."
    goodbye: str = "Microsoft Exchange Server IMAP4 server signing off."
    done: str = "{word} completed."
    # What is sent before the refusal, by mechanism; the client must answer it.
    challenges: dict = field(default_factory=dict)
    # Connections of one user, and what the login of one more is answered; "unconnected": OK, and then nothing works.
    connections: int | None = None
    too_many: str = "BYE Connection closed. 14"
    # Rules for clients.
    one_command_at_a_time: bool = True
    longest_command: int = 10_240
    too_long: str = "BAD Command Error. 10"
    most_bads: int | None = 10
    # Only so many of the newest messages of a folder are shown.
    newest: int | None = None
    broken_by_rev2: bool = False
    # What is there without anybody having made it: (name, attributes).
    folders: tuple = ()
    # Names from imap_fetch.ODDITIES that are this server's habit.
    oddities: frozenset = frozenset()

    def word(self, word):
        """The text after OK."""
        return self.done.format(word=word)


_LEAF, _PARENT = r"\HasNoChildren", r"\HasChildren"
_EXCHANGE_BEFORE = (
    "IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+"
)
_EXCHANGE_AFTER = (
    "IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT CLIENTACCESSRULES "
    "CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE CHILDREN IDLE NAMESPACE LITERAL+"
)
_EXCHANGE_2026 = (
    "IMAP4 IMAP4rev1 AUTH=XOAUTH2 LOGINDISABLED SASL-IR UIDPLUS MOVE ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+"
)
# Special-use attributes come although SPECIAL-USE is not offered; what is no mail is listed like mail.
_EXCHANGE_FOLDERS = (
    ("Archive", _LEAF),
    ("Calendar", _PARENT),
    ("Calendar/Birthdays", _LEAF),
    ("Contacts", _LEAF),
    ("Conversation History", _LEAF),
    ("Deleted Items", r"\HasNoChildren \Trash"),
    ("Drafts", r"\HasNoChildren \Drafts"),
    ("Files", _LEAF),
    ("Journal", _LEAF),
    ("Junk Email", r"\HasNoChildren \Junk"),
    ("Notes", _LEAF),
    ("Outbox", _LEAF),
    ("RSS Feeds", _LEAF),
    ("Sent Items", r"\HasNoChildren \Sent"),
    ("Sync Issues", _PARENT),
    ("Sync Issues/Conflicts", _LEAF),
    ("Sync Issues/Local Failures", _LEAF),
    ("Sync Issues/Server Failures", _LEAF),
    ("Tasks", _LEAF),
)

_GMAIL_FOLDERS = (
    ("[Gmail]", r"\HasChildren \Noselect"),
    ("[Gmail]/All Mail", r"\All \HasNoChildren"),
    ("[Gmail]/Drafts", r"\Drafts \HasNoChildren"),
    ("[Gmail]/Important", r"\HasNoChildren \Important"),
    ("[Gmail]/Sent Mail", r"\HasNoChildren \Sent"),
    ("[Gmail]/Spam", r"\HasNoChildren \Junk"),
    ("[Gmail]/Starred", r"\Flagged \HasNoChildren"),
    ("[Gmail]/Trash", r"\HasNoChildren \Trash"),
)
_GMAIL_REFUSAL = json.dumps({"status": "401", "schemes": "Bearer", "scope": "https://mail.google.com/"})
_OTHER_FOLDERS = (("Drafts", r"\HasNoChildren \Drafts"), ("Sent", r"\HasNoChildren \Sent"))

EXCHANGE = Personality(
    name="exchange",
    greeting="The Microsoft Exchange IMAP4 service is ready. [VABFAFMAVAA=]",
    before_login=_EXCHANGE_BEFORE,
    after_login=_EXCHANGE_AFTER,
    folders=_EXCHANGE_FOLDERS,
)

EXCHANGE_2026 = Personality(
    name="exchange-2026",
    greeting="Microsoft Exchange IMAP4 service ready. 0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0 "
    "(tcpproxy/15.21.0406.000 BACKENDAUTHENTICATE) [VABFAFMAVAA=]",
    before_login=_EXCHANGE_2026,
    after_login=_EXCHANGE_2026 + " CLIENTACCESSRULES CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE",
    folders=_EXCHANGE_FOLDERS,
)

EXCHANGE_REV2 = Personality(
    name="exchange-rev2",
    greeting=EXCHANGE_2026.greeting,
    before_login=_EXCHANGE_2026,
    after_login=_EXCHANGE_AFTER + " ENABLE IMAP4rev2 BACKENDAUTHENTICATE-IR",
    broken_by_rev2=True,
    folders=_EXCHANGE_FOLDERS,
)

GMAIL = Personality(
    name="gmail",
    greeting="Gimap ready for requests from 192.0.2.1 x12mb1234567",
    before_login="IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 XYZZY SASL-IR AUTH=XOAUTH2 "
    "AUTH=PLAIN AUTH=PLAIN-CLIENTTOKEN AUTH=OAUTHBEARER",
    after_login="IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 UIDPLUS COMPRESS=DEFLATE ENABLE "
    "MOVE CONDSTORE ESEARCH UTF8=ACCEPT LIST-EXTENDED LIST-STATUS LITERAL- SPECIAL-USE APPENDLIMIT=35651584",
    told="untagged",
    identity='("name" "GImap" "vendor" "Google, Inc." "support-url" "https://support.google.com/mail")',
    logged_in="{user} authenticated (Success)",
    refused="[AUTHENTICATIONFAILED] Invalid credentials (Failure)",
    goodbye="LOGOUT Requested",
    done="Success",
    challenges={"XOAUTH2": _GMAIL_REFUSAL, "OAUTHBEARER": _GMAIL_REFUSAL},
    connections=15,
    too_many="NO [ALERT] Too many simultaneous connections. (Failure)",
    one_command_at_a_time=False,
    longest_command=16_384,
    too_long="BAD Could not parse command",
    most_bads=None,
    folders=_GMAIL_FOLDERS,
)

ICLOUD = Personality(
    name="icloud",
    greeting="[CAPABILITY XAPPLEPUSHSERVICE IMAP4 IMAP4rev1 SASL-IR AUTH=ATOKEN AUTH=PTOKEN AUTH=XOAUTH2 AUTH=PLAIN] "
    "pv50p00im-a0102 2507B20",
    before_login="XAPPLEPUSHSERVICE IMAP4 IMAP4rev1 SASL-IR AUTH=ATOKEN AUTH=PTOKEN AUTH=XOAUTH2 AUTH=PLAIN",
    after_login="XAPPLEPUSHSERVICE IMAP4 IMAP4rev1 ACL QUOTA LITERAL+ NAMESPACE UIDPLUS CHILDREN BINARY UNSELECT SORT "
    "CATENATE URLAUTH LANGUAGE ESEARCH ESORT THREAD=ORDEREDSUBJECT CONDSTORE ENABLE QRESYNC CONTEXT=SEARCH "
    "CONTEXT=SORT WITHIN SASL-IR XAPPLELITERAL ID IDLE",
    told="code",
    logged_in="",
    goodbye="",
    done="",
    one_command_at_a_time=False,
    most_bads=None,
    folders=_OTHER_FOLDERS,
)

YAHOO = Personality(
    name="yahoo",
    greeting="[CAPABILITY IMAP4rev1 ID NAMESPACE OBJECTID UIDONLY PARTIAL APPENDLIMIT=41697280 AUTH=PLAIN "
    "AUTH=XOAUTH2 AUTH=OAUTHBEARER SASL-IR] IMAP4rev1 imapgate ready",
    before_login="IMAP4rev1 ID NAMESPACE OBJECTID UIDONLY PARTIAL APPENDLIMIT=41697280 AUTH=PLAIN AUTH=XOAUTH2 "
    "AUTH=OAUTHBEARER SASL-IR",
    after_login="IMAP4rev1 ID NAMESPACE OBJECTID UIDONLY PARTIAL APPENDLIMIT=41697280 UIDPLUS LITERAL+ CHILDREN",
    told="code",
    identity='("name" "Yahoo Mail" "vendor" "Yahoo")',
    goodbye="IMAP4rev1 Server logging out",
    longest_command=1000,
    too_long="BAD [CLIENTBUG] Command line too long",
    most_bads=None,
    newest=10_000,
    folders=_OTHER_FOLDERS,
)

PLAIN = Personality(
    name="plain",
    greeting="[CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID IDLE AUTH=PLAIN AUTH=XOAUTH2 AUTH=OAUTHBEARER] Ready.",
    before_login="IMAP4rev1 SASL-IR LITERAL+ ID IDLE AUTH=PLAIN AUTH=XOAUTH2 AUTH=OAUTHBEARER",
    after_login="IMAP4rev1 SASL-IR LITERAL+ ID IDLE NAMESPACE UIDPLUS UNSELECT CHILDREN SPECIAL-USE",
    told="code",
    identity='("name" "Plain")',
    logged_in="Logged in",
    refused="[AUTHENTICATIONFAILED] Authentication failed.",
    goodbye="Logging out",
    challenges={
        "XOAUTH2": json.dumps({"status": "401", "schemes": "bearer", "scope": "mail"}),
        "OAUTHBEARER": json.dumps({"status": "invalid_token", "scope": "mail"}),
    },
    too_many="NO [UNAVAILABLE] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)",
    one_command_at_a_time=False,
    longest_command=65_536,
    too_long="BAD Too long argument.",
    most_bads=None,
    folders=_OTHER_FOLDERS,
)

PERSONALITIES = {one.name: one for one in (EXCHANGE, EXCHANGE_2026, EXCHANGE_REV2, GMAIL, ICLOUD, YAHOO, PLAIN)}
