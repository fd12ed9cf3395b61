"""A throwaway certificate authority with one server certificate, and an RSA key for tokens (openssl CLI)."""

import os
import subprocess
from pathlib import Path

_EXTENSIONS = """
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:FALSE
subjectAltName = {names}
extendedKeyUsage = serverAuth
authorityKeyIdentifier = keyid
[req]
distinguished_name = dn
[dn]
"""


def openssl(*words, **options):
    """Runs the openssl CLI; its error text becomes the exception."""
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, check=False, **options)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {words[0]}: {done.stderr.decode(errors='replace')}")
    return done.stdout


class Authority:
    """Files in `directory`: ca.pem to trust, server.pem and server.key for servers on loopback."""

    def __init__(self, directory, names=("DNS:localhost", "IP:127.0.0.1"), days=2):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.ca = self.directory / "ca.pem"
        self.certificate = self.directory / "server.pem"
        self.key = self.directory / "server.key"
        config = self.directory / "openssl.cnf"
        config.write_text(_EXTENSIONS.format(names=",".join(names)), encoding="utf-8")
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        ca_key, request = self.directory / "ca.key", self.directory / "server.csr"
        openssl(
            *("req", "-x509", *curve, "-keyout", ca_key, "-out", self.ca, "-days", days),
            *("-subj", "/CN=mailboxfs test CA", "-config", config, "-extensions", "ca"),
        )
        openssl(
            "req", "-new", *curve, "-keyout", self.key, "-out", request, "-subj", "/CN=localhost", "-config", config
        )
        openssl(
            *("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", ca_key, "-CAcreateserial"),
            *("-out", self.certificate, "-days", days, "-extfile", config, "-extensions", "server"),
        )
        os.chmod(self.key, 0o644)  # A server under another user reads it; it protects nothing.
