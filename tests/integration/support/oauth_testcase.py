"""The base of the tests that log in with tokens: a Dovecot per class, a token endpoint per test."""

import json
import os

from . import dovecot, jwt
from .certs import openssl
from .testcase import MountTest
from .token_endpoint import TokenEndpoint

OK, WARNING, CONFIG, LOGIN, NETWORK = range(5)


class Report:
    """What `mailboxfs check --json` has said."""

    def __init__(self, done):
        self.text, self.errors = done.stdout, done.stderr
        document = json.loads(done.stdout)
        self.checks, self.exit_code = document["checks"], document["exit_code"]
        if self.exit_code != done.returncode:
            raise AssertionError(f"exit status {done.returncode}, but {done.stdout}")

    def all_of(self, identifier, subject=""):
        """The checks with this id, whose subject contains `subject`."""
        return [check for check in self.checks if check["id"] == identifier and subject in check["subject"]]

    def of(self, identifier, subject=""):
        """The only such check."""
        found = self.all_of(identifier, subject)
        if len(found) != 1:
            raise AssertionError(f"{len(found)} checks are {identifier!r} of {subject!r}:\n{self.text}{self.errors}")
        return found[0]

    def failed(self):
        """{id: cause} of what has failed."""
        return {check["id"]: check.get("cause") for check in self.checks if check["verdict"] == "failed"}


class OAuthTest(MountTest):
    """`self.endpoint` and `self.dovecot` share a key; every mailbox in `users` has one message, `BODY`."""

    users = ["ada@example.org"]
    BODY = b"Subject: hello\r\n\r\nbody\r\n"

    @classmethod
    def setUpClass(cls):
        cls.key = jwt.any_key()
        cls.dovecot = dovecot.Dovecot(cls.key, **cls.dovecot_options())
        cls.addClassCleanup(cls.dovecot.close)
        cls.dovecot.start()
        for user in cls.users:
            cls.dovecot.deliver(user, "INBOX", cls.BODY)

    @classmethod
    def dovecot_options(cls):
        """For the constructor."""
        return {}

    def setUp(self):
        super().setUp()
        self.endpoint = TokenEndpoint(self.key)
        self.addCleanup(self.endpoint.stop)

    def check(self, box, *words, **options):
        """The Report of `mailboxfs check`."""
        return Report(box.command("check", "--json", "-c", box.config_file, *words, **options))

    def place(self, box, name, content, mode=0o600):
        """A file beside the configuration; its path as text."""
        path = box.directory / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return str(path)

    def certificate(self, box):
        """(key, certificate) in PEM; the endpoint knows the certificate."""
        key = openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048").decode()
        path = self.place(box, "new.key", key)
        pem = openssl("req", "-x509", "-new", "-key", path, "-subj", "/CN=mailboxfs", "-days", "2").decode()
        os.unlink(path)
        self.endpoint.client.certificates.append(pem)
        return key, pem

    def assert_listed(self, box, *users):
        """Each mailbox shows its messages."""
        for user in users or self.users:
            self.assertEqual(len(box.messages(user, "INBOX")), 1, user)

    def fails(self, box, user=None):
        """The errno of looking into a mailbox, None if that works."""
        try:
            os.listdir(box.path(user or self.users[0], "INBOX"))
        except OSError as error:
            return error.errno
        return None

    def assert_no_problems(self):
        """The client has done nothing wrong."""
        self.assertEqual(self.endpoint.problems, [])
