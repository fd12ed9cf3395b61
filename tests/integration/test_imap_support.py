#!/usr/bin/env python3
"""The scripted IMAP server itself: that it complains of bad clients, and is who it pretends to be."""

import base64
import re
import socket
import struct
import time
import unittest

from support import imap_fault_names, process
from support.imap_fetch import ODDITIES
from support.imap_personalities import PERSONALITIES
from support.imap_script_server import ImapScriptServer


class Client:
    """Speaks as a test wants it to, and as no client should."""

    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")
        self.greeting = self.line()

    def line(self):
        """The next line of the server, "" at the end."""
        return self._file.readline().decode("utf-8", "replace").rstrip("\r\n")

    def send(self, text):
        """Sends lines."""
        self._socket.sendall(text.encode())

    def until(self, tag):
        """All lines up to that tag's, or to the end; a literal is a line of its own, whatever it holds."""
        lines = [self.line()]
        while lines[-1] and not lines[-1].startswith(tag + " "):
            literal = re.search(r"\{(\d+)\}$", lines[-1])
            if literal:
                lines.append(self._file.read(int(literal[1])).decode("utf-8", "replace"))
            lines.append(self.line())
        return lines

    def do(self, text):
        """One command, and all that is said to it."""
        self.send(f"t {text}\r\n")
        return self.until("t")

    def log_in(self, user="ada"):
        """With a token; the answer."""
        response = base64.b64encode(f"user={user}\1auth=Bearer token\1\1".encode()).decode()
        return "\n".join(self.do(f"AUTHENTICATE XOAUTH2 {response}"))

    def close(self):
        """Leaves without a word."""
        self._file.close()
        self._socket.close()

    def reset(self):
        """Leaves, with a RST."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()


class FakeServer(unittest.TestCase):
    def serve(self, personality="exchange", *faults, **options):
        self.server = ImapScriptServer(personality, **options)
        self.addCleanup(self.server.stop)
        self.server.mailbox("ada").inbox.fill(5)
        self.faults = [imap_fault_names.install(self.server, one) for one in faults]
        return self.server

    def client(self, examine=True):
        client = Client(self.server.port)
        self.addCleanup(client.close)
        self.assertIn(" OK", client.log_in())
        if examine:
            client.do("EXAMINE INBOX")
        return client

    def assert_complains(self, *words):
        self.assertEqual(len(self.server.violations), len(words), self.server.violations)
        for violation, word in zip(self.server.violations, words):
            self.assertIn(word, violation)


class Complaints(FakeServer):
    def test_a_second_command_while_one_is_outstanding(self):
        for second in ("b NOOP\r\n", "b LOGOUT\r\n"):
            self.serve()
            client = self.client()
            client.send("a UID FETCH 1:* (UID FLAGS)\r\n" + second)
            client.until("b")
            self.assert_complains("two commands outstanding")

    def test_a_second_command_that_comes_while_the_first_is_answered(self):
        self.serve()
        gate = self.server.on("NOOP", imap_fault_names.faults.Gate())
        client = self.client()
        client.send("a NOOP\r\n")
        process.wait_until(lambda: gate.waiting, what="the first command")
        client.send("b CAPABILITY\r\n")
        gate.release()
        client.until("b")
        self.assert_complains("two commands outstanding")

    def test_done_literals_and_one_after_the_other_are_no_second_command(self):
        self.serve()
        client = self.client()
        client.do('EXAMINE "INBOX"')
        client.send("l EXAMINE {5+}\r\nINBOX\r\n")
        client.until("l")
        client.send("m EXAMINE {5}\r\n")
        self.assertTrue(client.line().startswith("+"))
        client.send("INBOX\r\n")
        client.until("m")
        client.send("i IDLE\r\n")
        self.assertTrue(client.line().startswith("+"))
        client.send("DONE\r\n")
        client.until("i")
        client.do("LOGOUT")
        self.assert_complains()

    def test_servers_that_take_several_commands_at_a_time(self):
        self.serve("plain")
        client = self.client()
        client.send("a NOOP\r\nb NOOP\r\n")
        client.until("b")
        self.assert_complains()

    def test_imap4rev2_breaks_the_session(self):
        self.serve("exchange-rev2")
        client = self.client()
        self.assertIn("ENABLE IMAP4rev2", client.do("CAPABILITY")[0])
        self.assertIn("* SEARCH 1 2", client.do("UID SEARCH UID 1:*")[0])
        client.do("ENABLE IMAP4rev2")
        self.assertTrue(client.do("UID SEARCH UID 1:*")[0].startswith("* ESEARCH"))
        self.assertIn("BAD", client.do('LSUB "" "*"')[-1])
        self.assert_complains("ENABLE IMAP4rev2")

    def test_lines_that_are_too_long(self):
        for personality, length in (("exchange", 10_240), ("yahoo", 1000)):
            self.serve(personality)
            client = self.client()
            line = "t UID FETCH "
            numbers = ",".join(["11"] * 5000)
            self.assertIn("OK", client.do((line + numbers)[: length - 8].rstrip(",")[2:] + " (UID)")[-1])
            self.assert_complains()
            self.assertIn("BAD", client.do((line + numbers)[2:length] + " (UID)")[-1])
            self.assert_complains("octets")

    def test_more_bads_than_the_server_takes(self):
        self.serve()
        client = self.client()
        for _ in range(10):
            self.assertIn("BAD", client.do("FROBNICATE")[-1])
        self.assert_complains()
        client.send("t FROBNICATE\r\n")
        client.until("t")
        self.assertEqual(client.line(), "* BYE Connection closed. 14")
        self.assert_complains("more than 10 BADs")

    def test_leaving_without_logout(self):
        def gone():
            return self.server.connections == 0

        self.serve(strict_logout=True)
        self.client().do("LOGOUT")
        process.wait_until(gone, what="the end")
        self.assert_complains()
        client = self.client()
        client.send("i IDLE\r\n")
        client.line()
        client.close()
        process.wait_until(gone, what="the end")
        self.assert_complains("without LOGOUT")
        self.server.violations.clear()
        # Not the client's fault: the server, a reset, or an answer that was given up.
        client = self.client()
        self.server.drop_all()
        self.client().reset()
        process.wait_until(gone, what="the end")
        self.assert_complains()

    def test_what_exchange_does_not_know(self):
        self.serve()
        client = self.client()
        for command in ('LIST "" "*" RETURN (STATUS (MESSAGES))', "UID FETCH 2 ()", "UID FETCH 2 (X-GM-MSGID)"):
            self.assertIn("BAD Command Argument Error. 1", client.do(command)[-1])
        self.assertIn("[BADCHARSET (US-ASCII)]", client.do("UID SEARCH CHARSET UTF-8 ALL")[-1])
        self.assertEqual(client.do('LSUB "" "*"'), ["t OK LSUB completed."])


class Personalities(FakeServer):
    def test_each_has_its_greeting_and_its_capabilities(self):
        for name, personality in PERSONALITIES.items():
            with self.subTest(name):
                self.serve(name)
                client = Client(self.server.port)
                self.addCleanup(client.close)
                self.assertEqual(client.greeting, "* OK " + personality.greeting)
                self.assertEqual(client.do("CAPABILITY")[0], "* CAPABILITY " + personality.before_login)
                answer = client.log_in()
                self.assertEqual("CAPABILITY" in answer, personality.told != "")
                self.assertEqual(client.do("CAPABILITY")[0], "* CAPABILITY " + personality.after_login)
                self.assertNotEqual(personality.before_login, personality.after_login)

    def test_a_message_of_gmail_stands_in_several_folders(self):
        self.serve("gmail")
        mailbox = self.server.furnished("ada")
        placed = mailbox.deliver(b"Subject: x\r\n\r\n", "INBOX", "Work")
        self.assertEqual(sorted(placed), ["INBOX", "Work", "[Gmail]/All Mail"])
        client = self.client(examine=False)
        found = set()
        for folder, message in placed.items():
            client.do(f'EXAMINE "{folder}"')
            answer = client.do(f"UID FETCH {message.uid} (X-GM-MSGID X-GM-THRID X-GM-LABELS)")[0]
            found.add(answer.partition("X-GM-MSGID")[2])
        self.assertEqual(len(found), 1)
        self.assertIn(r'X-GM-LABELS ("\\Inbox" "Work")', answer)
        self.assertIn(r'* LIST (\HasChildren \Noselect) "/" "[Gmail]"', client.do('LIST "" "*"'))
        self.assertIn("NO", client.do('EXAMINE "[Gmail]"')[-1])
        self.assertTrue(any("STATUS" in line for line in client.do('LIST "" "*" RETURN (STATUS (MESSAGES))')))

    def test_a_refusal_with_a_challenge_waits_for_its_answer(self):
        self.serve("gmail", accept=lambda user, secret: False)
        client = Client(self.server.port)
        self.addCleanup(client.close)
        response = base64.b64encode(b"user=ada\1auth=Bearer x\1\1").decode()
        client.send(f"t AUTHENTICATE XOAUTH2 {response}\r\n")
        self.assertIn('"status": "401"', base64.b64decode(client.line()[2:]).decode())
        client.send("\r\n")
        self.assertIn("[AUTHENTICATIONFAILED]", client.line())
        self.assert_complains()

    def test_gmail_refuses_the_sixteenth_connection(self):
        self.serve("gmail")
        for _ in range(15):
            self.client(examine=False)
        last = Client(self.server.port)
        self.addCleanup(last.close)
        self.assertIn("Too many simultaneous connections", last.log_in())

    def test_a_session_that_left_without_logout_counts_for_a_minute(self):
        now = [1000.0]
        self.serve("exchange", "connection-limit:1", clock=lambda: now[0])
        self.client(examine=False).close()
        process.wait_until(lambda: self.server.connections == 0, what="the end")
        late = Client(self.server.port)
        self.addCleanup(late.close)
        self.assertIn("* BYE", late.log_in())
        now[0] += 61
        self.client()

    def test_yahoo_shows_the_newest_ten_thousand(self):
        self.serve("yahoo")
        self.server.mailbox("ada").generated("INBOX", 12_000)
        self.assertEqual(self.client().do("EXAMINE INBOX")[0], "* 10000 EXISTS")


class Faults(FakeServer):
    ARGUMENTS = {
        "throttle": ":FETCH:2000",
        "slow": ":1000",
        "drop-in-literal": ":2:10",
        "connection-limit": ":16",
        "alias": ":countess",
        "login-delay": ":0.1",
        "greeting-delay": ":0.1",
    }

    def test_each_can_be_named(self):
        for name, fault in imap_fault_names.FAULTS.items():
            with self.subTest(name):
                arguments = self.ARGUMENTS.get(name, ":2" if fault.usage.startswith(":UID") else "")
                self.serve("exchange", name + arguments)
        for wrong in ("frobnicate", "stub", "stub:x", "size-zero:1", "throttle:FETCH"):
            with self.assertRaises(ValueError):
                imap_fault_names.install(self.server, wrong)

    def fetched(self, *faults, items="(BODY.PEEK[])", uid=2):
        self.serve("exchange", *faults)
        return "\n".join(self.client().do(f"UID FETCH {uid} {items}"))

    def test_what_they_do_to_a_message(self):
        self.assertIn("Retrieval using the IMAP4 protocol failed", self.fetched("stub:2"))
        self.assertEqual(self.fetched("ok-no-data:2"), "t OK FETCH completed.")
        self.assertIn("BODY[] NIL)", self.fetched("nil-body:2"))
        self.assertIn('BODY[] "")', self.fetched("empty-body:2"))
        self.assertIn("[UNAVAILABLE]", self.fetched("unavailable:2"))
        true = self.server.mailbox("ada").inbox.get(2).stated_size()
        self.assertIn(f"RFC822.SIZE {3 * true})", self.fetched("size-triple", items="(RFC822.SIZE)"))
        self.assertIn("UID 2 FLAGS ()", self.fetched(items="(FLAGS RFC822.SIZE)"))
        self.assertRegex(self.fetched("items-reordered", items="(FLAGS)"), r"FLAGS \(\) UID 2")
        self.assertEqual(self.fetched("split-fetch", items="(FLAGS RFC822.SIZE)").count("* 2 FETCH"), 2)
        self.assertIn("* 3 FETCH (FLAGS (\\Seen))", self.fetched("flags-noise"))
        self.assertIn("* 1 FETCH", self.fetched("old-message-for-star", uid="5:*"))
        self.assertIn("ENVELOPE (NIL", self.fetched("broken-structure"))
        self.assertIn("BODY[] {", self.fetched("partial-ignored", items="(BODY.PEEK[]<0.10>)"))
        self.assertIn("BODY[]<0> {10}", self.fetched(items="(BODY.PEEK[]<0.10>)"))
        self.serve("exchange", "regenerate")
        client = self.client()
        self.assertNotEqual(client.do("UID FETCH 2 (BODY.PEEK[])"), client.do("UID FETCH 2 (BODY.PEEK[])"))

    def test_each_of_several_has_its_turn(self):
        self.serve("exchange", "stub:2", "ok-no-data:3", "login-delay:0.01", "throttle:BODY:20000:0")
        client = self.client()
        self.assertIn("Retrieval using the IMAP4 protocol failed", "\n".join(client.do("UID FETCH 2 (BODY.PEEK[])")))
        self.assertEqual(client.do("UID FETCH 3 (BODY.PEEK[])"), ["t OK FETCH completed."])
        self.assertIn("Subject: Message number 4", "\n".join(client.do("UID FETCH 4 (BODY.PEEK[])")))

    def test_a_throttle_knows_who_came_too_early(self):
        now = [0.0]
        self.serve("exchange", "throttle:EXAMINE:2000", clock=lambda: now[0])
        (throttle,) = self.faults
        client = self.client(examine=False)
        self.assertIn("Suggested Backoff Time: 2000", client.do("EXAMINE INBOX")[-1])
        self.assertEqual(throttle.early, 0)
        client.do("EXAMINE INBOX")
        self.assertEqual(throttle.early, 1)
        now[0] = 2.5
        self.assertIn("OK", client.do("EXAMINE INBOX")[-1])

    def test_answers_can_be_slow(self):
        self.serve("exchange", "slow:2000")
        begun = time.monotonic()
        self.client().do("UID FETCH 2 (BODY.PEEK[])")
        self.assertGreater(time.monotonic() - begun, 0.2)

    def test_unconnected_sessions(self):
        self.serve("exchange", "not-connected")
        client = self.client(examine=False)
        for _ in range(3):
            self.assertIn("BAD User is authenticated but not connected.", client.do("CAPABILITY")[-1])
        client.send("t NOOP\r\n")
        self.assertEqual(client.line(), "* BYE Connection closed. 14")

    def test_every_oddity_has_a_name_for_the_command_line(self):
        self.assertLessEqual(set(ODDITIES), set(imap_fault_names.FAULTS))


if __name__ == "__main__":
    unittest.main(verbosity=2)
