#!/usr/bin/env python3
"""What is counted of meson's logs. These are as meson 1.0 and GoogleTest 1.12 write them, but for what nobody reads."""

import json
import tempfile
import unittest
from pathlib import Path

import summarise

JUNIT = """<?xml version='1.0' encoding='utf-8'?>
<testsuites tests="0" errors="0" failures="0">
  <testsuite name="mailboxfs.mailboxfs:mount+threads / mount.MountWaitTest" tests="2" failures="0" skipped="1">
    <testcase name="StopEndsRunAndUnmounts" status="run" time="0.006" classname="MountWaitTest" />
    <testcase name="AbortedConnectionEndsRunAndItsWaits" status="run" time="0" classname="MountWaitTest">
      <skipped message="x.cpp:1&#x0A;only root may" />
    </testcase>
  </testsuite>
  <testsuite name="mailboxfs.mailboxfs:unit+threads / base.Slow/Deadline" tests="1" failures="0" skipped="1">
    <testcase name="Passes/0" status="run" time="0" classname="Slow/Deadline"><skipped message="" /></testcase>
  </testsuite>
  <testsuite name="mailboxfs" tests="2" errors="0" failures="0" skipped="1">
    <testcase name="notmuch" classname="mailboxfs" time="0.1"><skipped /></testcase>
    <testcase name="style" classname="mailboxfs" time="0.1" />
  </testsuite>
</testsuites>
"""


class Summarise(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.log = Path(directory.name) / "testlog.json"

    def count(self, results, must_mount=True, junit=None):
        self.log.write_text("".join(json.dumps({"name": name, "result": r}) + "\n" for name, r in results.items()))
        if junit is not None:
            (self.log.parent / "testlog.junit.xml").write_text(junit)
        *counts, lines = summarise.summarise(self.log, must_mount)
        return tuple(counts), lines

    def test_tests_are_counted(self):
        results = {"mailboxfs:unit / a": "OK", "mailboxfs:scripts / b": "EXPECTEDFAIL", "mailboxfs:unit / c": "TIMEOUT"}
        self.assertEqual(self.count(results), ((2, 1, 0), ["failed: mailboxfs:unit / c (TIMEOUT)"]))

    def test_a_mount_test_that_was_skipped_has_failed_where_something_can_be_mounted(self):
        results = {"mailboxfs:unit / a": "SKIP", "mailboxfs:mount / b": "SKIP", "mailboxfs:mount+threads / c": "SKIP"}
        self.assertEqual(self.count(results)[0], (0, 2, 1))
        self.assertEqual(self.count(results, must_mount=False)[0], (0, 0, 3))

    def test_skipped_cases_are_counted_beside_their_program(self):
        results = {
            "mailboxfs:mount+threads / mount": "OK",
            "mailboxfs:unit+threads / base": "OK",
            "mailboxfs:scripts / notmuch": "SKIP",
            "mailboxfs:scripts / style": "OK",
        }
        counts, lines = self.count(results, junit=JUNIT)
        self.assertEqual(counts, (3, 1, 2))
        (failed,) = (line for line in lines if line.startswith("failed: "))
        self.assertIn("MountWaitTest.AbortedConnectionEndsRunAndItsWaits", failed)
        counts, lines = self.count(results, must_mount=False, junit=JUNIT)
        self.assertEqual(counts, (3, 0, 3))
        self.assertEqual([line for line in lines if not line.startswith("skipped: ")], [])

    def test_what_was_skipped_is_told_with_the_reason(self):
        outputs = [
            {"name": "mailboxfs:oidc / oidc", "result": "SKIP", "stdout": "installing\nSKIPPED: there is no npm\n"}
        ]
        outputs.append({"name": "mailboxfs:unit / base", "result": "OK", "stdout": "all is well\n"})
        self.log.write_text("".join(json.dumps(output) + "\n" for output in outputs))
        *_, lines = summarise.summarise(self.log, True)
        self.assertEqual(lines, ["skipped: mailboxfs:oidc / oidc: SKIPPED: there is no npm"])

    def test_without_logs_nothing_has_passed(self):
        self.assertEqual(summarise.summarise(self.log, True), (0, 0, 0, []))


if __name__ == "__main__":
    unittest.main(verbosity=2)
