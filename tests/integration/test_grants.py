#!/usr/bin/env python3
"""Certificates and federated tokens, end to end: the endpoint verifies what it is sent, Dovecot what it has issued."""

import json
import os
import unittest

from support import dovecot
from support.accounts import microsoft_account
from support.certs import openssl
from support.oauth_testcase import CONFIG, LOGIN, OK, OAuthTest
from support.testcase import main


@unittest.skipUnless(dovecot.available(), "there is no Dovecot")
class Grants(OAuthTest):
    def setUp(self):
        super().setUp()
        account = microsoft_account(self.dovecot, self.endpoint, self.users, client_secret=None)
        self.auth = account["auth"]
        self.box = self.mount(account, start=False)

    def file(self, name, content, mode=0o600):
        return self.place(self.box, name, content, mode)

    def pair(self):
        return self.certificate(self.box)

    def assert_works(self, **auth):
        self.auth.update(auth)
        self.box.write_config()
        self.box.start()
        self.assert_listed(self.box)
        self.assert_no_problems()
        self.assertEqual(self.endpoint.requests, 1)
        self.box.unmount()

    def test_a_certificate_and_its_key(self):
        key, pem = self.pair()
        self.assert_works(certificate=self.file("app.pem", pem, 0o644), private_key={"file": self.file("app.key", key)})
        self.assertEqual(self.endpoint.assertion_algorithms, ["PS256"])

    def test_a_certificate_and_its_key_in_one_file_with_rs256(self):
        self.assert_works(certificate=self.file("app.pem", "".join(self.pair())), assertion_algorithm="RS256")
        self.assertEqual(self.endpoint.assertion_algorithms, ["RS256"])

    def test_an_encrypted_key(self):
        key, pem = self.pair()
        encrypted = openssl("pkcs8", "-topk8", "-passout", "pass:open sesame", input=key.encode())
        self.assertIn(b"ENCRYPTED", encrypted)
        self.assert_works(
            certificate=self.file("app.pem", pem, 0o644),
            private_key={"file": self.file("app.key", encrypted)},
            private_key_passphrase={"file": self.file("app.passphrase", "open sesame\n")},
        )

    def test_a_certificate_that_is_not_registered(self):
        both = "".join(self.pair())
        self.endpoint.certificates.clear()
        self.auth["certificate"] = self.file("app.pem", both)
        self.box.write_config()
        done = self.box.command("check", "-c", self.box.config_file)
        self.assertEqual(done.returncode, LOGIN, done.stdout)
        self.assertIn("AADSTS700027", done.stdout)
        self.assertNotIn("eyJ", done.stdout + done.stderr, "an assertion")

    def test_a_federated_token_is_read_for_each_request(self):
        self.endpoint.lifetime = 1
        self.endpoint.federated_tokens += ["first.federated.token", "second.federated.token"]
        path = self.file("token", "first.federated.token\n", 0o644)
        self.auth["federated_token_file"] = path
        self.box.write_config()
        self.box.start()
        self.assert_listed(self.box)
        self.endpoint.federated_tokens.remove("first.federated.token")
        self.file("token", "second.federated.token\n", 0o644)
        done = self.box.command("check", "-c", self.box.config_file)
        self.assertEqual(done.returncode, OK, done.stdout)
        self.assert_no_problems()

    def assert_mistake(self, key, words, **auth):
        """One clear line that names the key, and nothing is mounted."""
        before = dict(self.auth)
        self.auth.update(auth)
        self.box.write_config()
        self.auth.clear()
        self.auth.update(before)
        done = self.box.command("mount", "-c", self.box.config_file, self.box.mountpoint)
        self.assertEqual(done.returncode, CONFIG, done.stderr)
        (line,) = done.stderr.splitlines()
        self.assertRegex(line, rf"accounts\.test\.auth(\.|: ){key}: ")
        for word in words:
            self.assertIn(word, line)
        self.assertNotIn("MII", line, "part of a key or certificate")
        self.assertFalse(os.path.ismount(self.box.mountpoint), json.dumps(auth))

    def test_mistakes(self):
        key, pem = self.pair()
        both = self.file("both.pem", key + pem)
        readable = self.file("readable.pem", key + pem, 0o644)
        certificate = self.file("app.pem", pem, 0o644)
        token = self.file("token", "a.b.c", 0o644)
        secret = {"file": self.file("secret", "value")}
        self.assert_mistake("client_secret", ["certificate", "federated_token_file"])
        self.assert_mistake("client_secret", ["certificate"], certificate=both, client_secret=secret)
        self.assert_mistake("federated_token_file", [], certificate=both, federated_token_file=token)
        self.assert_mistake("federated_token_file", [], client_secret=secret, federated_token_file=token)
        self.assert_mistake("certificate", ["chmod 600"], certificate=readable)
        self.assert_mistake("certificate", ["does not exist"], certificate=str(self.box.directory / "missing"))
        self.assert_mistake("private_key", ['"certificate"'], client_secret=secret, private_key=secret)
        self.assert_mistake("private_key", ["no private key"], certificate=certificate, private_key=secret)
        self.assert_mistake("assertion_algorithm", ["PS256"], certificate=both, assertion_algorithm="HS256")
        other = {"file": self.file("other.key", self.pair()[0])}
        self.assert_mistake("private_key", ["certificate"], certificate=certificate, private_key=other)


if __name__ == "__main__":
    main()
