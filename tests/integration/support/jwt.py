"""RS256 JSON Web Tokens without a library: the key comes from the openssl CLI, signing is int pow()."""

import base64
import functools
import hashlib
import json
import re
import tempfile
from pathlib import Path

from .certs import openssl

# DigestInfo of SHA-256, RFC 8017 section 9.2.
_SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")


def _base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _from_base64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def read(token):
    """(header, claims) of a compact JWS, unverified."""
    parts = token.split(".")
    if len(parts) != 3:
        raise ValueError("not a compact JWS")
    return tuple(json.loads(_from_base64url(part)) for part in parts[:2])


def is_signed_by(token, certificate):
    """Has the key of this certificate (PEM) signed the token, by the algorithm that it names?"""
    return is_signed_with(token, openssl("x509", "-noout", "-pubkey", input=certificate.encode()).decode())


def is_signed_with(token, public_pem):
    """Belongs the token's signature to this public key (PEM), by the algorithm that the token names?"""
    padding = {"PS256": ["rsa_padding_mode:pss", "rsa_pss_saltlen:32"], "RS256": ["rsa_padding_mode:pkcs1"]}
    algorithm = read(token)[0].get("alg")
    if algorithm not in padding:
        return False
    signed, _, signature = token.rpartition(".")
    options = [word for option in padding[algorithm] for word in ("-sigopt", option)]
    with tempfile.TemporaryDirectory() as directory:
        key, blob = Path(directory, "key"), Path(directory, "signature")
        key.write_text(public_pem, encoding="ascii")
        blob.write_bytes(_from_base64url(signature))
        try:
            openssl("dgst", "-sha256", "-verify", key, *options, "-signature", blob, input=signed.encode())
        except RuntimeError:
            return False
    return True


def thumbprint(certificate):
    """x5t#S256 of a certificate (PEM)."""
    return _base64url(hashlib.sha256(openssl("x509", "-outform", "DER", input=certificate.encode())).digest())


@functools.cache
def any_key():
    """One for all who need a key that signs tokens, and not one of their own."""
    return SigningKey()


@functools.cache
def any_client_key():
    """The same for keys of clients, of whom 2048 bits are wanted."""
    return SigningKey(2048)


class SigningKey:
    """An RSA key that signs tokens; `public_pem` is what a server checks them with, `private_pem` (PKCS#8) what others
    sign with."""

    def __init__(self, bits=1024):
        # It protects nothing, and one of 2048 bits takes twenty times as long to make.
        pem = openssl("genrsa", bits)
        self.private_pem = openssl("pkcs8", "-topk8", "-nocrypt", input=pem).decode()
        self.public_pem = openssl("rsa", "-pubout", input=pem).decode()
        text = openssl("rsa", "-noout", "-text", input=pem).decode()
        self._modulus = self._number(text, "modulus")
        self._primes = [self._number(text, field) for field in ("prime1", "prime2")]
        self._exponents = [self._number(text, field) for field in ("exponent1", "exponent2")]
        self._coefficient = self._number(text, "coefficient")

    @staticmethod
    def _number(text, field):
        digits = re.search(field + r":\s*((?:[0-9a-f]{2}:?\s*)+)", text).group(1)
        return int(re.sub(r"[^0-9a-f]", "", digits), 16)

    def sign(self, claims, key_id=None, headers=None):
        """The claims as a compact JWS (RFC 7515) with RS256."""
        header = {"typ": "JWT", "alg": "RS256"} | ({"kid": key_id} if key_id else {}) | (headers or {})
        signed = ".".join(_base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
        length = (self._modulus.bit_length() + 7) // 8
        digest = _SHA256_PREFIX + hashlib.sha256(signed.encode()).digest()
        padded = b"\0\1" + b"\xff" * (length - len(digest) - 3) + b"\0" + digest
        # RFC 8017 section 5.2.1, step 2b: a quarter of the time.
        parts = [pow(int.from_bytes(padded, "big"), *pair) for pair in zip(self._exponents, self._primes, strict=True)]
        signature = parts[1] + (parts[0] - parts[1]) * self._coefficient % self._primes[0] * self._primes[1]
        return signed + "." + _base64url(signature.to_bytes(length, "big"))
