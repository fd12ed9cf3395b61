#!/usr/bin/env python3
"""The test servers themselves: what the mount tests rely on, without a mount."""

import imaplib
import json
import threading
import unittest
import urllib.error
import urllib.parse
import urllib.request

from support import dovecot, imap_fetch, jwt, mailgen, mutf7, process
from support.imap_faults import broken_body, bye, Gate, no
from support.imap_script_server import ImapScriptServer
from support.token_endpoint import CLIENT_ID, CLIENT_SECRET, SCOPE, TokenEndpoint, aadsts, too_many_requests

_FORM = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "scope": SCOPE}


def request_token(endpoint, **changes):
    """(HTTP status, decoded body) of one request."""
    try:
        with urllib.request.urlopen(
            endpoint.url, urllib.parse.urlencode(_FORM | changes).encode(), timeout=20
        ) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Names(unittest.TestCase):
    def test_modified_utf7_survives_a_round_trip(self):
        for name in ("INBOX", "Entwürfe & mehr", "送信済み/日本", "مهم", "📚 & -"):
            self.assertTrue(mutf7.encode(name).isascii())
            self.assertEqual(mutf7.decode(mutf7.encode(name)), name)
        self.assertEqual(mutf7.encode("台北"), "&U,BTFw-")


class Endpoint(unittest.TestCase):
    def setUp(self):
        self.endpoint = TokenEndpoint(jwt.SigningKey())
        self.addCleanup(self.endpoint.stop)

    def test_the_right_request_gets_a_token(self):
        status, answer = request_token(self.endpoint)
        self.assertEqual((status, answer["token_type"], answer["expires_in"]), (200, "Bearer", 3600))
        self.assertEqual(self.endpoint.requests, 1)

    def test_every_wrong_field_is_noticed(self):
        for field, code in {"grant_type": 70003, "client_id": 700016, "client_secret": 7000215, "scope": 70011}.items():
            with self.subTest(field):
                status, text = request_token(self.endpoint, **{field: "wrong"})
                self.assertGreaterEqual(status, 400)
                self.assertIn(f"AADSTS{code}", text)

    def test_faults_are_used_up_in_order(self):
        self.endpoint.faults += [aadsts(7000222), too_many_requests("7")]
        self.assertEqual(request_token(self.endpoint)[0], 401)
        self.assertEqual(request_token(self.endpoint), (429, "Too Many Requests"))
        self.assertEqual(request_token(self.endpoint)[0], 200)


class ScriptedServer(unittest.TestCase):
    def setUp(self):
        self.server = ImapScriptServer()
        self.addCleanup(self.server.stop)
        self.inbox = self.server.mailbox("ada").inbox.fill(5)

    def login(self):
        client = imaplib.IMAP4("127.0.0.1", self.server.port, timeout=20)
        self.addCleanup(client.shutdown)
        client.login("ada", "x")
        return client

    def test_bodies_are_served_and_counted(self):
        client = self.login()
        client.select("INBOX", readonly=True)
        _, data = client.uid("FETCH", "2", "(BODY.PEEK[])")
        self.assertEqual(data[0][1], self.inbox.get(2).body)
        self.assertEqual((self.server.bodies(), self.server.bodies(uid=2), self.server.bodies(uid=3)), (1, 1, 0))
        self.assertEqual(self.server.violations, [])

    def test_anything_but_reading_is_a_violation(self):
        client = self.login()
        client.select("INBOX", readonly=True)
        client.uid("FETCH", "1", "(BODY[])")
        client.uid("FETCH", "1", "(RFC822)")
        client.uid("STORE", "1", "+FLAGS", r"(\Seen)")
        client.select("INBOX")
        self.assertEqual(len(self.server.violations), 4)

    def test_rules_apply_where_and_as_often_as_asked(self):
        client = self.login()
        self.server.on("EXAMINE", no("later"), times=1, folder="INBOX")
        self.assertEqual(client.select("INBOX", readonly=True)[0], "NO")
        self.assertEqual(client.select("INBOX", readonly=True)[0], "OK")
        self.server.on("NOOP", bye())
        with self.assertRaises(imaplib.IMAP4.abort):
            client.noop()

    def test_a_gate_holds_until_it_is_released(self):
        client = self.login()
        client.select("INBOX", readonly=True)
        gate = self.server.on("BODY", Gate(), uid=1)
        reader = threading.Thread(target=client.uid, args=("FETCH", "1", "(BODY.PEEK[])"))
        reader.start()
        process.wait_until(lambda: gate.waiting == 1, what="the gate")
        self.assertTrue(reader.is_alive())
        gate.release()
        reader.join(20)
        self.assertFalse(reader.is_alive())

    def test_a_body_can_break_in_the_middle(self):
        client = self.login()
        client.select("INBOX", readonly=True)
        self.server.on("BODY", broken_body(100), uid=1)
        with self.assertRaises((imaplib.IMAP4.abort, OSError)):
            client.uid("FETCH", "1", "(BODY.PEEK[])")

    def test_header_fields_are_cut_out_of_the_message(self):
        section = imap_fetch.section(
            b"A: 1\r\nSubject: x\r\n y\r\nB: 2\r\n\r\nSubject: body\r\n", "HEADER.FIELDS (SUBJECT)"
        )
        self.assertEqual(section, b"Subject: x\r\n y\r\n\r\n")


@unittest.skipUnless(dovecot.available(), "there is no Dovecot")
class RealServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.endpoint = TokenEndpoint(jwt.any_key())
        cls.addClassCleanup(cls.endpoint.stop)
        cls.dovecot = dovecot.Dovecot(cls.endpoint.key)
        cls.addClassCleanup(cls.dovecot.close)
        cls.dovecot.start()

    def authenticate(self, user, token, mechanism="XOAUTH2"):
        answer = {
            "XOAUTH2": f"user={user}\1auth=Bearer {token}\1\1",
            "OAUTHBEARER": f"n,a={user},\1host=localhost\1port=143\1auth=Bearer {token}\1\1",
        }[mechanism].encode()
        client = imaplib.IMAP4("127.0.0.1", self.dovecot.plain_port, timeout=20)
        self.addCleanup(client.shutdown)
        client.authenticate(mechanism, lambda challenge: b"\1" if challenge else answer)
        return client

    def test_one_token_opens_every_mailbox_and_nothing_else_does(self):
        token = request_token(self.endpoint)[1]["access_token"]
        for user in ("ada@example.org", "sales@example.org"):
            self.dovecot.add_user(user)
            self.authenticate(user, token)
            self.authenticate(user, token, "OAUTHBEARER")
        for bad in (
            self.endpoint.issue(lifetime=-60),
            self.endpoint.issue(iss="https://elsewhere/"),
            token[:-8] + "AAAAAAAA",
        ):
            with self.assertRaises(imaplib.IMAP4.error):
                self.authenticate("ada@example.org", bad)
        with self.assertRaises(imaplib.IMAP4.error):
            self.authenticate("denied@example.org", token)
        with self.assertRaises(imaplib.IMAP4.error):
            client = imaplib.IMAP4("127.0.0.1", self.dovecot.plain_port, timeout=20)
            self.addCleanup(client.shutdown)
            client.login("ada@example.org", "x")

    def test_delivered_mail_keeps_flags_and_date(self):
        messages = [("Grüße/日本", message, (r"\Seen",), 1_000_000_000) for message in mailgen.oddities().values()]
        self.dovecot.deliver_all("mail@example.org", messages)
        found = self.dovecot.messages("mail@example.org", "Grüße/日本")
        self.assertEqual(len(found), len(messages))
        self.assertEqual(found[1], (messages[0][1], (r"\Seen",), 1_000_000_000))
        self.assertIn("Grüße/日本", self.dovecot.folders("mail@example.org"))

    def test_commands_of_the_client_are_seen_and_those_of_the_test_are_not(self):
        self.dovecot.deliver("log@example.org", "INBOX", b"Subject: x\r\n\r\nbody\r\n")
        client = self.authenticate("log@example.org", self.endpoint.issue())
        client.select("INBOX")
        client.uid("FETCH", "1", "(BODY[])")
        commands = "\n".join(self.dovecot.commands_seen("log@example.org"))
        self.assertIn("SELECT INBOX", commands)
        self.assertIn("UID FETCH 1 (BODY[])", commands)
        self.assertNotIn("APPEND", commands)


if __name__ == "__main__":
    unittest.main(verbosity=2)
