"""contrib/demo.sh: what the README's reader runs first ends as it should and leaves nothing behind."""

import os
import pathlib
import signal
import subprocess
import tempfile
import unittest

from support import process, testcase

DEMO = pathlib.Path(__file__).resolve().parents[2] / "contrib" / "demo.sh"
PATIENCE = 180


class DemoTest(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="mailboxfs-demo-test-")
        self.addCleanup(self.scratch.cleanup)
        os.chmod(self.scratch.name, 0o711)  # Root's mail server runs as nobody.
        self.environment = {**os.environ, "TMPDIR": self.scratch.name, "MAILBOXFS": os.environ["MAILBOXFS"]}

    def run_demo(self, *words):
        return process.run([DEMO, *words], timeout=PATIENCE, env=self.environment)

    def assert_nothing_left(self):
        self.assertEqual(os.listdir(self.scratch.name), [])
        self.assertNotIn(self.scratch.name, pathlib.Path("/proc/self/mountinfo").read_text())
        # All that the demo starts has its directory on the command line.
        left = process.run(["pgrep", "-f", "-a", self.scratch.name + "/"]).stdout
        self.assertEqual(left, "")

    def test_the_tour_without_a_terminal(self):
        tour = self.run_demo()
        self.assertEqual(tour.returncode, 0, tour.stdout + tour.stderr)
        self.assertIn("identical", tour.stdout)
        self.assertIn("Number of regular files transferred: 0", tour.stdout)
        self.assert_nothing_left()

    def test_a_command_runs_inside_the_mount_and_its_status_is_the_demos(self):
        result = self.run_demo("--", "sh", "-c", "ls; exit 7")
        self.assertEqual(result.returncode, 7, result.stderr)
        self.assertEqual(result.stdout.split(), ["ada@example.org", "sales@example.org"])
        self.assert_nothing_left()

    def end_by(self, signum, to_group):
        """Ends a demo whose command runs for ever; its exit status."""
        demo = subprocess.Popen(
            [DEMO, "--", "sh", "-c", "echo inside; exec sleep 1000"],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        try:
            self.assertEqual(demo.stdout.readline(), "inside\n")
            (os.killpg if to_group else os.kill)(demo.pid, signum)
            return demo.wait(timeout=PATIENCE)
        finally:
            if demo.poll() is None:
                os.killpg(demo.pid, signal.SIGKILL)
            demo.stdout.close()
            demo.wait()

    def test_ctrl_c_cleans_up(self):
        # The command ends by it, too.
        self.assertEqual(self.end_by(signal.SIGINT, to_group=True), 130)
        self.assert_nothing_left()

    def test_sigterm_cleans_up(self):
        self.assertEqual(self.end_by(signal.SIGTERM, to_group=False), 143)
        self.assert_nothing_left()

    def test_what_it_does_not_know_is_refused_before_anything_is_done(self):
        result = self.run_demo("--mount")
        self.assertEqual(result.returncode, 2)
        self.assertIn("usage", result.stderr)
        self.assertEqual(self.run_demo("--help").returncode, 0)
        self.assert_nothing_left()


if __name__ == "__main__":
    testcase.main()
