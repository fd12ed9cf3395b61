#!/usr/bin/env python3
"""The link that benchmarks are measured over: it is never faster than it says, and changes nothing."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

from support import process

EMULATOR = sys.argv.pop(1)


class Echo:
    """Sends back what it gets, once the client has closed its side: so each direction is measured alone."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    @staticmethod
    def _answer(client):
        with client:
            pieces = []
            while piece := client.recv(65536):
                pieces.append(piece)
            client.sendall(b"".join(pieces))

    def stop(self):
        """Ends what has not been accepted."""
        self._listener.close()


class Link(unittest.TestCase):
    def start(self, rtt, mbit):
        echo = Echo()
        self.addCleanup(echo.stop)
        self.link = subprocess.Popen(
            [EMULATOR, "--to", str(echo.port), "--rtt", str(rtt), "--mbit", str(mbit)],
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=process.die_with_parent(signal.SIGTERM),
        )
        self.addCleanup(self.end)
        self.port = int(self.link.stdout.readline())

    def end(self):
        self.link.terminate()
        self.link.stdout.close()
        self.link.wait(20)

    def counts(self):
        """What has gone through it."""
        self.link.send_signal(signal.SIGUSR1)
        return json.loads(self.link.stdout.readline())

    def exchange(self, data):
        """What comes back, and after how long."""
        begun = time.monotonic()
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := client.recv(65536):
                answer += piece
        return answer, time.monotonic() - begun

    def test_a_connection_and_a_question_cost_two_round_trips(self):
        self.start(rtt=100, mbit=1000)
        answer, took = self.exchange(b"hello")
        self.assertEqual(answer, b"hello")
        self.assertGreaterEqual(took, 0.2)
        self.assertEqual(self.counts(), {"up": 5, "down": 5, "connections": 1})

    def test_all_connections_share_the_bandwidth(self):
        self.start(rtt=0, mbit=40)
        data = [random.Random(number).randbytes(250_000) for number in range(4)]
        answers = {}
        begun = time.monotonic()
        clients = [threading.Thread(target=lambda n=n: answers.update({n: self.exchange(data[n])[0]})) for n in range(4)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(60)
        took = time.monotonic() - begun
        self.assertEqual([answers.get(number) for number in range(4)], data)
        # A megabyte each way, and nothing comes back before some of it has gone up.
        self.assertGreaterEqual(took, 0.25)
        self.assertEqual(self.counts(), {"up": 1_000_000, "down": 1_000_000, "connections": 4})

    def test_a_server_that_is_not_there_is_a_connection_that_ends(self):
        self.start(rtt=10, mbit=10)
        with socket.create_server(("127.0.0.1", 0)) as other:
            nobody = other.getsockname()[1]
        self.link.terminate()
        self.link.wait(20)
        self.link.stdout.close()
        self.link = subprocess.Popen(
            [EMULATOR, "--to", str(nobody), "--rtt", "10", "--mbit", "10"], stdout=subprocess.PIPE, text=True
        )
        self.port = int(self.link.stdout.readline())
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            self.assertEqual(self.exchange(b"x")[0], b"")

    def test_bad_arguments_are_told(self):
        for arguments in (["--to", "0"], ["--speed", "9"], []):
            done = subprocess.run([EMULATOR, *arguments], capture_output=True, text=True, check=False, timeout=20)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn("link_emulator: ", done.stderr)


if __name__ == "__main__":
    if not os.path.exists(EMULATOR):
        sys.exit(f"{EMULATOR} is not there")
    unittest.main(verbosity=2)
