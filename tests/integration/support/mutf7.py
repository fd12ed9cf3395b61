"""Modified UTF-7, RFC 3501 section 5.1.3: how folder names travel."""

import base64
import re


def encode(name):
    """Turns "Entwürfe" into "Entw&APw-rfe"."""

    def shift(match):
        if match.group() == "&":
            return "&-"
        packed = base64.b64encode(match.group().encode("utf-16-be")).rstrip(b"=").replace(b"/", b",")
        return "&" + packed.decode() + "-"

    return re.sub(r"&|[^\x20-\x7e]+", shift, name)


def decode(name):
    """The reverse, for well-formed names."""

    def unshift(match):
        if not match.group(1):
            return "&"
        packed = match.group(1).replace(",", "/")
        return base64.b64decode(packed + "=" * (-len(packed) % 4)).decode("utf-16-be")

    return re.sub(r"&([^-]*)-", unshift, name)


def quoted(name):
    """The name as an IMAP quoted string, in modified UTF-7."""
    return '"' + encode(name).replace("\\", "\\\\").replace('"', '\\"') + '"'
