"""`mailboxfs login` as a person runs it: reads what it shows, plays the person, waits for its end."""

import os
import queue
import re
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from . import process
from .mount import binary

_PATIENCE = 60


class Login:
    """Runs from construction on; a context manager that leaves nothing running. `shown` is all that it has said."""

    def __init__(self, box, *words, account="test", env=None):
        self.shown = ""
        self._lines = queue.Queue()
        self.process = subprocess.Popen(
            [binary(), "login", "-c", str(box.config_file), *words, account],
            env=box.environment() | (env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=process.die_with_parent(),
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        process.stop(self.process)
        self._reader.join(10)
        self.process.stdout.close()

    def _read(self):
        while data := os.read(self.process.stdout.fileno(), 65536):
            self._lines.put(data.decode("utf-8", "replace"))
        self._lines.put(None)

    def wait_for(self, pattern):
        """The match of `pattern` in what is shown; AssertionError if the program ends, or takes too long, without."""
        end = time.monotonic() + _PATIENCE
        while not (found := re.search(pattern, self.shown)):
            try:
                piece = self._lines.get(timeout=max(0.1, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {pattern!r} was shown in {_PATIENCE} s:\n{self.shown}") from None
            if piece is None:
                self._lines.put(None)
                raise AssertionError(f"the login ended without {pattern!r}:\n{self.shown}")
            self.shown += piece
        return found

    def finish(self):
        """The exit code, after everything that is shown has been read."""
        code = self.process.wait(_PATIENCE)
        self._reader.join(10)
        while (piece := self._lines.get()) is not None:
            self.shown += piece
        self._lines.put(None)
        return code

    def command_line(self):
        """As others see it in the list of processes."""
        return Path(f"/proc/{self.process.pid}/cmdline").read_text(encoding="utf-8")

    def address(self, beginning):
        """The address shown that begins so, whole."""
        return self.wait_for(re.escape(beginning) + r"\S*(?=\s)").group()


def browse(address):
    """(status, text) of the page that a person's browser shows in the end; redirects are followed."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=_PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def redirect_of(address):
    """Where the server sends the browser, which does not go there."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    opener = urllib.request.build_opener(Stay, urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=_PATIENCE) as answer:
            raise AssertionError(f"no redirect: {answer.status}")
    except urllib.error.HTTPError as error:
        with error:
            return error.headers["Location"]


def query_of(address):
    """The parameters of an address."""
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query, strict_parsing=True))
