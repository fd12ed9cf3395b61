"""RS256 JSON Web Tokens without a library: the key comes from the openssl CLI, signing is int pow()."""

import base64
import hashlib
import json
import re

from .certs import openssl

# DigestInfo of SHA-256, RFC 8017 section 9.2.
_SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")


def _base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class SigningKey:
    """An RSA key that signs tokens; `public_pem` is what a server checks them with."""

    def __init__(self, bits=2048):
        pem = openssl("genrsa", bits)
        self.public_pem = openssl("rsa", "-pubout", input=pem).decode()
        text = openssl("rsa", "-noout", "-text", input=pem).decode()
        self._modulus = self._number(text, "modulus")
        self._exponent = self._number(text, "privateExponent")

    @staticmethod
    def _number(text, field):
        digits = re.search(field + r":\s*((?:[0-9a-f]{2}:?\s*)+)", text).group(1)
        return int(re.sub(r"[^0-9a-f]", "", digits), 16)

    def sign(self, claims, key_id=None):
        """The claims as a compact JWS (RFC 7515) with RS256."""
        header = {"typ": "JWT", "alg": "RS256"} | ({"kid": key_id} if key_id else {})
        signed = ".".join(_base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
        length = (self._modulus.bit_length() + 7) // 8
        digest = _SHA256_PREFIX + hashlib.sha256(signed.encode()).digest()
        padded = b"\0\1" + b"\xff" * (length - len(digest) - 3) + b"\0" + digest
        signature = pow(int.from_bytes(padded, "big"), self._exponent, self._modulus)
        return signed + "." + _base64url(signature.to_bytes(length, "big"))
