"""Sample mail for the demo and the fidelity test: the same bytes at every run.

`mailboxes()` gives {address: [(folder, message, flags, seconds since 1970), ...]}.
"""

import base64
import random
import textwrap
from email.header import Header
from email.utils import formatdate

ADA = "ada@example.org"
SALES = "sales@example.org"

_START = 1_664_600_000  # 1 October 2022.
_DAY = 86_400

_PEOPLE = [
    ("Ada Lovelace", "ada@example.org"),
    ("Grace Hopper", "grace@example.net"),
    ("José Núñez", "jose@example.com"),
    ("Zoë Müller", "zoe@example.de"),
    ("山田 太郎", "taro@example.jp"),
    ("ليلى حسن", "layla@example.eg"),
]

_SUBJECTS = {
    "INBOX": [
        "Quarterly report attached",
        "Lunch on Friday?",
        "Re: Minutes of the meeting",
        "Invoice 2022-117",
        "Grüße aus München",
        "Ihr Vertrag: Kündigungsfrist läuft ab",
        "会議の議事録",
        "تقرير المبيعات",
        "🎉 It is done! 🎉",
        "Re: AW: Fwd: Παράδοση αύριο",
        "Reçu n° 4711 / été",
        "Łódź – plan podróży",
    ],
    "Archive/2021": ["Budget 2021", "Travel expenses", "Welcome aboard", "Server maintenance on Sunday"],
    "Archive/2022": ["Budget 2022", "Price list", "Your order has shipped", "Call for papers"],
    "Projects/Bridge": ["Drawings, second revision", "Load tables", "Site visit: photographs"],
    "Projects/Größe & Gewicht": ["Maße prüfen", "Prüfbericht Nr. 12", "Rückfrage zur Überweisung"],
    "Entwürfe": ["Entwurf: Angebot"],
    "送信済み": ["Re: 会議の議事録", "御礼"],
    "مهم": ["عاجل", "موعد الاجتماع"],
    "Lists/c++ 📚": ["[std] Re: modules", "[std] ranges and views", "[std] a question about lifetimes"],
}

_WORDS = (
    "the of bridge report number and we have seen to our regret that delivery is late but will arrive by next "
    "week please find attached all drawings with best wishes from team about prices for steel concrete"
).split()


def _text(rng, paragraphs=3):
    lines = []
    for _ in range(paragraphs):
        lines += textwrap.wrap(" ".join(rng.choices(_WORDS, k=60)).capitalize() + ".", 72) + [""]
    return "\r\n".join(lines)


def _encoded(text):
    """RFC 2047 where needed; folded."""
    return Header(text, None if text.isascii() else "utf-8", maxlinelen=76).encode(linesep="\r\n")


def _address(person):
    name, address = person
    return f"{_encoded(name)} <{address}>"


def _headers(rng, number, date, subject, to, extra=()):
    sender = rng.choice(_PEOPLE)
    lines = [
        f"Return-Path: <{sender[1]}>",
        f"Received: from mx.example.net (mx.example.net [192.0.2.{number % 250}])\r\n\tby mail.example.org with ESMTPS"
        f" id {number:08x};\r\n\t{formatdate(date + 3)}",
        f"Date: {formatdate(date)}",
        f"From: {_address(sender)}",
        f"To: {to}",
        *([] if subject is None else [f"Subject: {_encoded(subject)}"]),
        f"Message-ID: <{number:06d}.{rng.getrandbits(48):012x}@example.net>",
        "MIME-Version: 1.0",
        *extra,
    ]
    return "\r\n".join(lines) + "\r\n"


def _base64_lines(data):
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


def _plain(rng, headers):
    return (
        headers
        + "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        + _text(rng)
        + "\r\n-- \r\nGrüße / 敬具\r\n"
    ).encode()


def _html(rng, headers):
    mark = f"=_alternative_{rng.getrandbits(64):016x}"
    body = _text(rng)
    return (
        headers + f'Content-Type: multipart/alternative; boundary="{mark}"\r\n\r\n'
        f"--{mark}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n{body}\r\n"
        f"--{mark}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        f'<html><body style=3D"color:#333"><p>{body}</p><p>Gr=C3=BC=C3=9Fe</p></body></html>\r\n--{mark}--\r\n'
    ).encode()


def _attachment(rng, headers, size):
    mark = f"=_mixed_{rng.getrandbits(64):016x}"
    start = (
        headers + f'Content-Type: multipart/mixed; boundary="{mark}"\r\n\r\n'
        "This is a multi-part message in MIME format.\r\n"
        f"--{mark}\r\nContent-Type: text/plain\r\n\r\n{_text(rng, 1)}\r\n"
        f"--{mark}\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
        "Content-Disposition: attachment; filename*=utf-8''Pr%C3%BCfbericht.pdf\r\n\r\n"
    ).encode()
    return start + _base64_lines(rng.randbytes(size)) + f"--{mark}--\r\n".encode()


def _signed(rng, headers):
    mark = f"=_signed_{rng.getrandbits(64):016x}"
    return (
        headers + 'Content-Type: multipart/signed; protocol="application/pgp-signature"; micalg=pgp-sha256;\r\n'
        f'\tboundary="{mark}"\r\n\r\n--{mark}\r\nContent-Type: text/plain\r\n\r\n{_text(rng, 1)}\r\n--{mark}\r\n'
        "Content-Type: application/pgp-signature; name=signature.asc\r\n\r\n-----BEGIN PGP SIGNATURE-----\r\n\r\n"
        + _base64_lines(rng.randbytes(300)).decode()
        + f"-----END PGP SIGNATURE-----\r\n\r\n--{mark}--\r\n"
    ).encode()


def oddities(rng=None):
    """Messages that trip careless programs: {what: bytes}."""
    rng = rng or random.Random(7)
    odd = {
        "dots": b"Subject: dots\r\n\r\n.\r\n..\r\n.leading dot\r\n\r\n.\r\n",
        "no final newline": b"Subject: no final newline\r\n\r\nlast line",
        "no body": b"Subject: no body\r\nFrom: a@example.org\r\n\r\n",
        "no headers": b"\r\nonly a body\r\n",
        "empty subject": b"Subject: \r\nFrom: a@example.org\r\n\r\nbody\r\n",
        "no subject": b"From: a@example.org\r\n\r\nbody\r\n",
        "8-bit header": b"Subject: caf\xe9 \xff\xfe raw\r\nFrom: x@example.org\r\n\r\nbody \x80\x81\r\n",
        "UTF-8 header": "Subject: Grüße 🚀 raw UTF-8\r\n\r\nbody\r\n".encode(),
        "bare LF": b"Subject: bare LF\r\n\r\none\ntwo\nthree\r\n",
        "looks like IMAP": b"Subject: A004 OK FETCH completed\r\n\r\nA004 OK done\r\n"
        b"* 7 FETCH (UID 7 BODY[] {3}\r\nabc)\r\n{5}\r\n",
        "path in subject": b"Subject: ../../etc/passwd -rf $(reboot) `id` \x07\r\n\r\nbody\r\n",
        "slash subject": b'Subject: a/b\\c:d*e?f"g<h>i|j\r\n\r\nbody\r\n',
        "bidi subject": "Subject: invoice\u202efdp.exe\u200b\r\n\r\nbody\r\n".encode(),
        "broken RFC 2047": b"Subject: =?utf-8?B?####?= =?x?Q?y =?utf-8?Q?=ff=fe?=\r\n\r\nbody\r\n",
        "From line": b"Subject: From line\r\n\r\nFrom here on\r\n>From there\r\n",
        "blank lines": b"Subject: blank lines\r\n\r\n" + b"\r\n" * 500,
    }
    long_name = "Sehr " * 400 + "lang"
    odd["long subject"] = f"Subject: {_encoded(long_name)}\r\n\r\nbody\r\n".encode()
    odd["very long header line"] = b"X-Long: " + b"x" * 70_000 + b"\r\nSubject: very long header line\r\n\r\nbody\r\n"
    odd["many headers"] = b"".join(b"X-H%d: v\r\n" % n for n in range(2000)) + b"Subject: many headers\r\n\r\nbody\r\n"
    odd["very long body line"] = b"Subject: very long body line\r\n\r\n" + b"y" * 200_000 + b"\r\n"
    odd["all bytes"] = (
        b"Subject: all bytes\r\n\r\n" + bytes(range(1, 256)).replace(b"\r", b"").replace(b"\n", b"") + b"\r\n"
    )
    odd["random 8-bit"] = b"Subject: random 8-bit\r\n\r\n" + rng.randbytes(50_000).translate(None, b"\0\r\n") + b"\r\n"
    return odd


def mailboxes(large=20_000_000):
    """Two mailboxes with nested folders; `large` is the size of the largest message, in bytes."""
    rng = random.Random(1815)
    made, number = {ADA: [], SALES: []}, 0
    for address, messages in made.items():
        repeat = 3 if address == ADA else 1
        for folder, subjects in _SUBJECTS.items():
            for subject in subjects * repeat:
                number += 1
                date = _START + number * _DAY // 3
                headers = _headers(rng, number, date, subject, address)
                build = rng.choice(
                    [_plain, _plain, _html, _signed, lambda r, h: _attachment(r, h, r.randrange(1_000, 90_000))]
                )
                flags = rng.choice([(), (r"\Seen",), (r"\Seen", r"\Answered"), (r"\Flagged",)])
                messages.append((folder, build(rng, headers), flags, date))
    number += 1
    date = _START + 200 * _DAY
    headers = _headers(rng, number, date, "Site plan, full resolution (20 MB)", ADA)
    # Base64 makes 4 from 3, and adds a line end to 76.
    made[ADA].append(("Projects/Bridge", _attachment(rng, headers, int(large * 57 / 78)), (), date))
    for offset, message in enumerate(oddities(rng).values()):
        made[ADA].append(("Odd ones", message, (), _START + offset * 3600))
    return made
