#!/usr/bin/env python3
"""Exchange Online as it is, from one command to the next: I12 to I17 of the list in tests/README.md."""

import errno
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from support import mount
from support.imap_faults import Dropped, Gate, Throttle, bad, broken_body, bye
from support.imap_store import sample
from support.testcase import FakeTest, main, read, try_read

EXPIRED = "Session invalidated - AccessTokenExpired"


def half_a_line(session, _tag):
    """The connection ends within a response."""
    session.write(b"* 1 FETCH (UID 1 FL")
    session.flush()
    raise Dropped


def bye_within_a_literal(session, _tag):
    """Bytes that could be a BYE are the body's; then the connection ends."""
    position, message = session.current
    session.write(b"* %d FETCH (UID %d BODY[] {%d}\r\n" % (position, message.uid, len(message.body)))
    session.write(message.body[: len(message.body) // 2] + f"\r\n* BYE {EXPIRED}\r\n".encode())
    session.flush()
    raise Dropped


class Commands(FakeTest):
    def test_i12_no_command_line_is_too_long(self):
        # UIDs far apart, which no range can join.
        self.fake(messages=0)
        for number in range(1500):
            self.inbox.add(uid=1_000_000_000 + 3 * number)
        self.box(timeouts=self.DEADLINES | {"total": 60})
        self.assertEqual(len(self.paths()), 1500)

    def test_i12_a_server_that_answers_bad_is_not_asked_for_ever(self):
        self.fake(messages=3)
        rule = self.imap.on("EXAMINE", bad())
        self.box(timeouts=self.DEADLINES | {"total": 30})
        with self.assertRaises(OSError):
            os.listdir(self.mounted.path(self.USER, "INBOX"))
        self.assertLessEqual(rule.hits, 10)
        self.imap.heal()
        self.wait_for(lambda: isinstance(try_list(self.mounted.path(self.USER, "INBOX")), list), "the recovery")

    def test_i17_never_two_commands_at_a_time(self):
        # The server itself complains if it has to.
        self.fake(messages=60)
        self.box()
        paths = list(self.paths().values())
        readers = [threading.Thread(target=lambda i=i: [read(path) for path in paths[i::6]]) for i in range(6)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(60)
        self.assert_all_is_read()
        self.assertEqual(self.imap.violations, [])


def try_list(path):
    """The names, or the number of the error."""
    try:
        return os.listdir(path)
    except OSError as error:
        return error.errno


class ExpiredTokens(FakeTest):
    def setUp(self):
        super().setUp()
        self.fake("exchange-2026", messages=5)
        self.large = self.inbox.add(sample(6, 500_000))

    def test_i13_before_the_answer(self):
        self.box()
        paths = self.paths()
        for command, path in (("BODY", paths[1]), ("EXAMINE", None), ("HEADERS", None)):
            with self.subTest(command):
                rule = self.imap.on(command, bye(EXPIRED), times=1)
                if path is not None:
                    self.assertEqual(read(path), self.inbox.get(1).body)
                else:
                    self.inbox.add()
                    self.wait_for(lambda: sorted(self.paths()) == self.inbox.uids(), "the new message")
                self.assertEqual(rule.hits, 1)

    def test_i13_within_a_literal(self):
        self.box()
        paths = self.paths()
        for uid, action in ((2, bye_within_a_literal), (3, broken_body(0)), (6, broken_body(100_000))):
            with self.subTest(uid):
                rule = self.imap.on("BODY", action, times=1, uid=uid)
                self.assertEqual(read(paths[uid]), self.inbox.get(uid).body)
                self.assertEqual(rule.hits, 1)

    def test_i13_what_was_read_of_a_literal_is_not_mixed_with_another(self):
        # Its beginning may be shown before the BYE comes, as bytes of the body.
        self.box()
        path = self.paths()[6]
        self.imap.on("BODY", bye_within_a_literal, times=1, uid=6)
        self.assertIn(try_read(path), (self.large.body, errno.ESTALE))
        self.assert_mends(path, self.large.body)

    def test_i13_while_idle(self):
        self.box()
        paths = self.paths()
        self.assertEqual(read(paths[1]), self.inbox.get(1).body)
        # Between commands, and in IDLE.
        for waiting in (lambda: True, lambda: self.imap.count("IDLE") > idles):
            idles = self.imap.count("IDLE")
            self.wait_for(waiting, "IDLE")
            self.imap.tell_all(f"* BYE {EXPIRED}")
            self.inbox.add()
            self.wait_for(lambda: sorted(self.paths()) == self.inbox.uids(), "the new message")
        self.assert_all_is_read()


class Throttling(FakeTest):
    """With one connection, so that nothing is under way when the pause is asked for."""

    def throttled_box(self, seconds=60):
        return self.box(imap={"connections": 1}, timeouts={"connect": 5, "login": 20, "stall": 20, "total": seconds})

    def test_i14_the_pause_is_kept(self):
        for command in ("LIST", "EXAMINE", "HEADERS", "BODY"):
            for throttle in (Throttle(700), Throttle(700, condition="NO"), Throttle(700, hang_up=True)):
                with self.subTest(command):
                    self.fake(messages=3)
                    self.imap.on(command, throttle)
                    self.throttled_box()
                    self.assert_all_is_read()
                    self.assertEqual((throttle.hits, throttle.early), (1, 0))
                    self.mounted.unmount()

    def test_i14_a_huge_pause_is_told_at_once(self):
        self.fake(messages=3)
        throttle = Throttle(3_000_000)
        self.imap.on("BODY", throttle)
        self.throttled_box()
        for path in self.paths().values():
            begun = time.monotonic()
            self.assertIsInstance(try_read(path), int)
            self.assertLess(time.monotonic() - begun, 30)
        self.assertEqual((throttle.hits, throttle.early), (1, 0))

    def test_i14_a_pause_is_the_whole_accounts_and_outlives_the_mount(self):
        other = "bob@example.org"
        self.fake(messages=3)
        self.imap.mailbox(other).inbox.fill(3)
        self.imap.on("BODY", Throttle(3_000_000), user=self.USER)
        account = mount.password_account(self.imap, [self.USER, other], connections=1)
        self.mounted = self.mount(account, timeouts=self.DEADLINES)
        theirs = self.mounted.path(other, "INBOX", self.mounted.messages(other, "INBOX")[0])
        self.assertIsInstance(try_read(next(iter(self.paths().values()))), int)
        self.assertEqual(try_read(theirs), errno.EIO)
        self.assertEqual(self.imap.bodies(user=other), 0)
        self.mounted.remount()
        self.imap.heal()
        self.assertEqual(try_read(theirs), errno.EIO)
        told = next(iter(self.mounted.status()["accounts"].values()))
        self.assertGreater(told["paused_for_seconds"], 60)
        self.assertIn("throttled", told["pause_reason"])
        self.assertEqual(self.imap.bodies(user=other), 0)

    def test_i14_who_is_listing_elsewhere_keeps_it_too(self):
        other = "bob@example.org"
        self.fake(messages=3)
        self.imap.mailbox(other).inbox.fill(300)
        account = mount.password_account(self.imap, [self.USER, other], connections=1, header_batch=100)
        self.mounted = self.mount(account, timeouts={"connect": 5, "login": 20, "stall": 20, "total": 60})
        own = next(iter(self.paths().values()))
        gate, moments = Gate(), []

        def hold_the_first(session, tag):
            moments.append(session.server.clock())
            return gate(session, tag) if len(moments) == 1 else False

        self.imap.on("HEADERS", hold_the_first, user=other)
        self.imap.on("BODY", throttle := Throttle(3000), user=self.USER)
        with ThreadPoolExecutor(2) as readers:
            listing = readers.submit(self.mounted.messages, other, "INBOX")
            self.wait_for(lambda: gate.waiting, "the first headers")
            reading = readers.submit(read, own)
            self.wait_for(lambda: throttle.hits, "the pause")
            # The answer is on its way to the one connection; what comes of it is what `status` tells.
            self.wait_for(lambda: self.mounted.status()["accounts"]["test"]["paused_for_seconds"] > 0, "status")
            told = self.imap.clock()
            gate.release()
            self.assertEqual(len(listing.result(60)), 300)
            self.assertEqual(reading.result(60), self.inbox.get(1).body)
        self.assertGreater(moments[1] - told, 1)

    def test_i14_a_pause_that_is_none(self):
        for text in ("0 milliseconds", "-5 milliseconds", "soon", ""):
            with self.subTest(text):
                self.fake(messages=3)
                self.imap.on("EXAMINE", bad(f"Request is throttled. Suggested Backoff Time: {text}"))
                self.throttled_box(3)
                # No hail of commands, whatever was said: a tenth of a second is the least.
                self.assertIsInstance(try_list(self.mounted.path(self.USER, "INBOX")), int)
                self.assertLess(self.imap.count("EXAMINE"), 10)
                self.mounted.unmount()


class LostConnections(FakeTest):
    def test_i15_bye_after_idling(self):
        self.fake()
        self.box()
        self.assert_all_is_read()
        self.imap.tell_all("* BYE Connection is closed. 13")
        self.inbox.add()
        self.wait_for(lambda: len(self.paths()) == 11, "the new message")
        self.assert_all_is_read()

    def test_i15_silence_ends_at_the_deadline(self):
        self.fake()
        self.box()
        path = self.paths()[4]
        gate = self.imap.on("BODY", Gate(), uid=4)
        begun = time.monotonic()
        self.assert_errno(errno.ETIMEDOUT, read, path)
        self.assertLess(time.monotonic() - begun, self.DEADLINES["total"] + 20)
        gate.release()
        self.imap.heal()
        self.assert_mends(path, self.inbox.get(4).body)

    def test_i15_reset_in_a_literal_and_half_a_line(self):
        self.fake()
        large = self.inbox.add(sample(11, 3_000_000))
        self.box()
        path = self.paths()[11]
        rule = self.imap.on("BODY", broken_body(1_500_000, lambda session, _: session.reset()), times=1, uid=11)
        self.assertEqual(read(path), large.body)
        self.assertEqual(rule.hits, 1)
        rule = self.imap.on("HEADERS", half_a_line, times=1)
        self.inbox.add()
        self.wait_for(lambda: len(self.paths()) == 12, "the new message")
        self.assertEqual(rule.hits, 1)
        self.assert_all_is_read()


class News(FakeTest):
    def test_i16_news_between_the_answers(self):
        self.fake("exchange", "news-everywhere", "flags-noise")
        self.box(imap={"connections": 1})
        paths = self.paths()
        for uid in (3, 5, 7):
            self.inbox.expunge(uid - 1)
            self.inbox.add()
            self.assertEqual(read(paths[uid]), self.inbox.get(uid).body)
        self.wait_for(lambda: sorted(self.paths()) == self.inbox.uids(), "the news")
        self.assert_all_is_read()

    def test_i16_exists_before_idle_is_accepted(self):
        self.fake("exchange", "exists-before-idle")
        self.box(refresh_interval=3600)
        self.assert_all_is_read()
        self.wait_for(lambda: self.imap.count("IDLE"), "IDLE")
        self.inbox.add()
        # Told by IDLE: nobody asks for an hour.
        self.wait_for(lambda: len(self.paths()) == 11, "the new message")
        self.assertLess(self.imap.count("IDLE"), 20)

    def test_i16_an_idle_that_never_tells_is_not_relied_on(self):
        self.fake("exchange", "mute-idle")
        self.box(refresh_interval=1)
        self.assert_all_is_read()
        self.wait_for(lambda: self.imap.count("IDLE"), "IDLE")
        self.inbox.add()
        self.wait_for(lambda: len(self.paths()) == 11, "the new message")


if __name__ == "__main__":
    main()
