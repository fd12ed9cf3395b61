"""A mailboxfs mount in a directory of its own, with its configuration, index, cache and log."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from . import process
from .token_endpoint import CLIENT_ID, CLIENT_SECRET, SCOPE, TENANT

_SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|Assertion .* failed")


def binary():
    """The program under test: MAILBOXFS in the environment."""
    return os.environ["MAILBOXFS"]


def fuse_is_there():
    """Can anything be mounted here?"""
    return os.path.exists("/dev/fuse")


def is_mounted(path):
    """Does the kernel know a mount at this path? Does not touch the mount itself."""
    wanted = os.fsencode(path).replace(b" ", rb"\040")
    with open("/proc/self/mountinfo", "rb") as table:
        return any(line.split()[4] == wanted for line in table)


def clear_away(path):
    """Detaches whatever is mounted there, dead daemons included."""
    while is_mounted(path):
        process.run(["fusermount3", "-u", "-z", path], timeout=20, check=True)


def password_account(server, users, password="open sesame", **imap):
    """An account on a scripted server (or Dovecot's plain port): AUTH=PLAIN on loopback without TLS."""
    return {
        "imap": {"host": "127.0.0.1", "port": getattr(server, "plain_port", server.port), "tls": "none"} | imap,
        "auth": {"method": "password", "password": password},
        "mailboxes": users,
    }


def oauth_account(server, endpoint, users, secret=CLIENT_SECRET, **imap):
    """An account with client credentials over verified TLS, as with Microsoft 365."""
    return {
        "provider": "microsoft365",
        "imap": {"host": "localhost", "port": server.port, "ca_file": str(server.authority.ca)} | imap,
        "auth": {
            "method": "client-credentials",
            "tenant": TENANT,
            "client_id": CLIENT_ID,
            "client_secret": secret,
            "token_endpoint": endpoint.base_url + "/{tenant}/oauth2/v2.0/token",
            "scope": SCOPE,
        },
        "mailboxes": users,
    }


class Mount:
    """Not mounted until start(); unmount() and start() again keep the index and the cache."""

    def __init__(self, config, timeouts=None, read_ahead=None):
        self.directory = Path(tempfile.mkdtemp(prefix="mailboxfs-"))
        self.mountpoint = self.directory / "mnt"
        self.mountpoint.mkdir()
        self.config_file = self.directory / "config.json"
        self.log_file = self.directory / "log"
        self.pid, self._process = None, None
        self.config = {
            "cache": {"directory": str(self.directory / "cache")}
            | ({} if read_ahead is None else {"read_ahead": read_ahead}),
            "state": {"directory": str(self.directory / "state")},
            "timeouts": {"connect": 30, "login": 60, "stall": 30, "total": 150} | (timeouts or {}),
        } | config
        self.write_config()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    def write_config(self):
        """Writes self.config to its file, as private as one with a secret must be."""
        self.config_file.write_text(json.dumps(self.config, indent=1), encoding="utf-8")
        self.config_file.chmod(0o600)

    def environment(self):
        """Nothing of the person's own reaches the program."""
        runtime = self.directory / "runtime"
        runtime.mkdir(mode=0o700, exist_ok=True)
        keep = {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS") or name == "PATH"}
        return keep | {"HOME": str(self.directory), "XDG_RUNTIME_DIR": str(runtime), "LANG": "C.UTF-8"}

    def command(self, *words, **options):
        """Runs `mailboxfs WORDS` in this mount's environment."""
        return process.run([binary(), *words], env=self.environment() | options.pop("env", {}), **options)

    def start(self, *words, log_level="debug", env=None):
        """Mounts, in the foreground as a child of ours; returns when it is mounted."""
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    binary(),
                    "mount",
                    "-f",
                    "-c",
                    str(self.config_file),
                    "--log-level",
                    log_level,
                    *words,
                    str(self.mountpoint),
                ],
                env=self.environment() | (env or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=process.die_with_parent(signal.SIGTERM),
            )
        self.pid = self._process.pid
        process.wait_until(lambda: is_mounted(self.mountpoint) or self._process.poll() is not None, 60, "the mount")
        if self._process.poll() is not None:
            raise AssertionError(f"mailboxfs ended with {self._process.returncode}:\n{self.log()}")
        os.stat(self.mountpoint)
        return self

    def unmount(self):
        """`mailboxfs unmount`; the daemon must end well."""
        self.command("unmount", self.mountpoint, check=True)
        code = self._process.wait(30)
        self._process = None
        if code != 0:
            raise AssertionError(f"the daemon ended with {code}:\n{self.log()[-4000:]}")
        self.check_sanitizers()

    def remount(self):
        """unmount() and start(): a new process on the same index and cache."""
        self.unmount()
        return self.start()

    def kill9(self):
        """Kills the daemon and clears the dead mount away."""
        self._process.kill()
        self._process.wait(10)
        self._process = None
        clear_away(self.mountpoint)

    def check_sanitizers(self):
        """A report of a sanitizer is a failure wherever it appears."""
        found = _SANITIZER.search(self.log())
        if found:
            raise AssertionError(self.log()[max(0, found.start() - 200) : found.start() + 6000])

    def close(self):
        """Ends the mount in whatever state it is and removes the directory; returns the log."""
        try:
            if self._process is not None:
                if self._process.poll() is None:
                    self._process.terminate()
                    try:
                        self._process.wait(20)
                    except subprocess.TimeoutExpired:
                        self._process.kill()
                        self._process.wait(10)
                        raise AssertionError("the daemon did not end within 20 s of SIGTERM") from None
                self.check_sanitizers()
        finally:
            self._process = None
            clear_away(self.mountpoint)
            log = self.log()
            shutil.rmtree(self.directory, ignore_errors=True)
        return log

    # -- Looking at it.

    def log(self):
        """What the daemon wrote so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def status(self):
        """`mailboxfs status --json` as a dict."""
        return json.loads(self.command("status", "--json", self.mountpoint, check=True).stdout)

    def path(self, *names):
        """A path below the mountpoint."""
        return self.mountpoint.joinpath(*names)

    def messages(self, *names):
        """Sorted file names of the messages in a folder."""
        return sorted(entry.name for entry in os.scandir(self.path(*names)) if entry.is_file(follow_symlinks=False))


def uid_of(name):
    """The UID in a message's file name (default template)."""
    return int(str(name).rsplit(".", 2)[-2])


def every_file(top):
    """All files below `top`, as paths relative to it, sorted."""
    found = []
    for directory, _, files in os.walk(top, onerror=_raise):
        found += [os.path.relpath(os.path.join(directory, name), top) for name in files]
    return sorted(found)


def _raise(error):
    raise error
