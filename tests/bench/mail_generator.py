"""Mail as people have it, made of a seed: sizes are log-normal with a median of 8 KB, every seventh has attachments."""

import base64
import math
import random
import textwrap

_MEDIAN, _SPREAD, _ATTACHED, _LARGEST = 5_500, 1.1, 0.15, 8_000_000
_ATTACHMENT = 62_000  # The median.


class Generator:
    """An endless mailbox: the n-th message is always the same."""

    def __init__(self, seed=1):
        self._seed = seed
        rng = random.Random(seed)
        letters = "etaoinshrdlucmfwypvbgkjqxz"
        weights = [12, 9, 8, 8, 7, 7, 6, 6, 6, 4, 4, 3, 3, 2, 2, 2, 2, 2, 1, 1, 2, 1, 0.2, 0.1, 0.1, 0.1]
        self._words = ["".join(rng.choices(letters, weights, k=rng.randint(2, 11))) for _ in range(4_000)]
        self._ranks = [1 / (rank + 3) for rank in range(len(self._words))]

    def message(self, number):
        """Its bytes, with CRLF, and its date in seconds since 1970."""
        rng = random.Random(f"{self._seed} {number}")
        date = 1_600_000_000 + number * 3_000 + rng.randrange(3_000)
        text = self._text(rng, rng.lognormvariate(math.log(_MEDIAN), _SPREAD))
        subject = " ".join(rng.choices(self._words, k=rng.randint(2, 8))).capitalize()
        head = (
            f"Return-Path: <{rng.choice(self._words)}@example.org>\n"
            f"Received: from mx{rng.randrange(9)}.example.net by mail.example.org; id {rng.getrandbits(64):016x}\n"
            f"From: {rng.choice(self._words).capitalize()} <{rng.choice(self._words)}@example.org>\n"
            f"To: Ada <ada@example.org>\nSubject: {subject}\nMessage-ID: <{rng.getrandbits(96):024x}@example.org>\n"
            "MIME-Version: 1.0\n"
        )
        if rng.random() >= _ATTACHED:
            return _crlf(f"{head}Content-Type: text/plain; charset=utf-8\n\n{text}\n"), date
        octets = min(int(rng.lognormvariate(math.log(_ATTACHMENT), 1.1)), _LARGEST)
        attached = base64.encodebytes(rng.randbytes(octets)).decode()
        return _crlf(
            f'{head}Content-Type: multipart/mixed; boundary="=_b"\n\n--=_b\nContent-Type: text/plain\n\n{text}\n--=_b\n'
            f"Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n{attached}\n--=_b--\n"
        ), date

    def _text(self, rng, octets):
        words = rng.choices(self._words, self._ranks, k=max(5, int(octets / 6.5)))
        return textwrap.fill(" ".join(words), 76, break_long_words=False, break_on_hyphens=False)


def _crlf(text):
    return text.replace("\n", "\r\n").encode()
