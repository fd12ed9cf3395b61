#!/usr/bin/env python3
"""How fast mail is copied out of a mount: beside mbsync, over the same link, and beside what the link itself allows.

usage: bench.py MAILBOXFS LINK_EMULATOR [--messages N] [--runs N] [--rtt MS] [--mbit N]

Prints one table of ratios. Nothing is judged but the bytes: what was copied must be what the server has."""

import argparse
import hashlib
import json
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent / "integration")]

from mail_generator import Generator  # noqa: E402
from support import dovecot, jwt, mount, process  # noqa: E402
from support.imap_script_server import ImapScriptServer  # noqa: E402

USER, PASSWORD = "ada@example.org", "opensesame"


class Link:
    """A running link_emulator in front of a port."""

    def __init__(self, options, port):
        self._bits = options.mbit * 1e6
        self._process = subprocess.Popen(
            [options.emulator, "--to", str(port), "--rtt", str(options.rtt), "--mbit", str(options.mbit)],
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=process.die_with_parent(signal.SIGTERM),
        )
        self.port = int(self._process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.stdout.close()
        self._process.wait(20)

    def seconds(self):
        """How long the link takes at least for what has come down over it."""
        self._process.send_signal(signal.SIGUSR1)
        return json.loads(self._process.stdout.readline())["down"] * 8 / self._bits


class Table:
    """Ratios of several runs, by row."""

    def __init__(self):
        self._rows = {}

    def add(self, row, bar, ratio):
        """One run's."""
        self._rows.setdefault((row, bar), []).append(ratio)

    def __str__(self):
        lines = [f"{'':58} {'min':>7} {'median':>7} {'max':>7}   bar"]
        for (row, bar), ratios in self._rows.items():
            median = statistics.median(ratios)
            verdict = "" if median <= bar else "  MISSED"
            lines.append(f"{row:58} {min(ratios):7.2f} {median:7.2f} {max(ratios):7.2f}   {bar:.2f}{verdict}")
        return "\n".join(lines)


def timed(command):
    """Runs it; seconds, and seconds of CPU of it and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.monotonic()
    subprocess.run(command, check=True, timeout=900, stdout=subprocess.DEVNULL)
    took = time.monotonic() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def cpu_of(pid):
    """Seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def digests_of(directory):
    """Of all files in it; line ends are mbsync's own affair."""
    return sorted(
        hashlib.sha256(path.read_bytes()).hexdigest() for path in Path(directory).iterdir() if path.is_file()
    )


class Copy:
    """A mailbox, a link to it, and what copies it; all of a run's own."""

    def __init__(self, options, link, account):
        self.top = Path(tempfile.mkdtemp(prefix="bench-"))
        self.box = mount.Mount({"accounts": {"bench": account}}, {"total": 600})
        self.link, self.options = link, options

    def __enter__(self):
        self.box.start(log_level="warning")
        return self

    def __exit__(self, *_):
        self.box.close()
        shutil.rmtree(self.top)

    def rsync(self):
        """Seconds, the daemon's CPU, and the seconds that the link needs for what has come."""
        cpu, wire = cpu_of(self.box.pid), self.link.seconds()
        took, _ = timed(["rsync", "-a", f"{self.box.path(USER, 'INBOX')}/", f"{self.top}/copy"])
        return took, cpu_of(self.box.pid) - cpu, self.link.seconds() - wire


def mbsync_config(top, link, authority):
    """For one mailbox, into a Maildir below `top`."""
    (top / "mail").mkdir()
    config = top / "mbsyncrc"
    config.write_text(
        f"IMAPAccount bench\nHost localhost\nPort {link.port}\nUser {USER}\nPass {PASSWORD}\nSSLType IMAPS\n"
        f"CertificateFile {authority.ca}\nAuthMechs LOGIN\n\nIMAPStore far\nAccount bench\n\n"
        f"MaildirStore near\nPath {top}/mail/\nInbox {top}/mail/INBOX\nSubFolders Verbatim\n\n"
        "Channel bench\nFar :far:\nNear :near:\nPatterns INBOX\nSync Pull\nCreate Near\nSyncState *\n",
        encoding="utf-8",
    )
    return ["mbsync", "-q", "-c", str(config), "bench"]


def run_dovecot(options, table, messages):
    """Real Dovecot over TLS, COMPRESS for both."""
    right = sorted(hashlib.sha256(message).hexdigest() for message, _ in messages)
    with dovecot.Dovecot(jwt.any_key(), password=PASSWORD) as server:
        server.deliver_all(USER, [("INBOX", message, (), date) for message, date in messages])
        for run in range(options.runs):
            with Link(options, server.port) as link, tempfile.TemporaryDirectory(prefix="bench-") as top:
                command = mbsync_config(Path(top), link, server.authority)
                cold, mbsync_cpu = timed(command)
                again, _ = timed(command)
            account = {
                "imap": {"host": "localhost", "port": 0, "ca_file": str(server.authority.ca)},
                "auth": {"method": "password", "password": PASSWORD},
                "mailboxes": [USER],
            }
            with Link(options, server.port) as link:
                account["imap"]["port"] = link.port
                with Copy(options, link, account) as copy:
                    took, cpu, wire = copy.rsync()
                    second, _, _ = copy.rsync()
                    if digests_of(copy.top / "copy") != right:
                        sys.exit("bench: what was copied is not what the server has")
            print(f"run {run + 1}: rsync {took:.2f} s, link {wire:.2f} s, mbsync {cold:.2f} s; again {second:.2f} s, "
                  f"mbsync {again:.2f} s; CPU {cpu:.2f} s, mbsync {mbsync_cpu:.2f} s", flush=True)
            table.add("cold rsync -a / mbsync", 0.9, took / cold)
            table.add("cold rsync -a / bytes on the wire over the bandwidth", 1.25, took / wire)
            table.add("rsync -a without changes / mbsync", 0.5, second / again)
            table.add("CPU of the daemon, cold rsync -a / mbsync", 1.5, cpu / mbsync_cpu)


def run_exchange(options, table, messages):
    """The scripted server as Exchange: four connections, neither COMPRESS nor pipelining."""
    for run in range(options.runs):
        server = ImapScriptServer("exchange")
        try:
            inbox = server.mailbox(USER).inbox
            for message, _ in messages:
                inbox.add(message)
            with Link(options, server.port) as link:
                account = {
                    "imap": {"host": "127.0.0.1", "port": link.port, "tls": "none", "connections": 4},
                    "auth": {"method": "password", "password": PASSWORD},
                    "mailboxes": [USER],
                }
                with Copy(options, link, account) as copy:
                    took, _, wire = copy.rsync()
        finally:
            server.stop()
        print(f"run {run + 1}, as Exchange: rsync {took:.2f} s, link {wire:.2f} s", flush=True)
        table.add("Exchange's profile: cold rsync -a / bytes over bandwidth", 1.5, took / wire)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mailboxfs")
    parser.add_argument("emulator")
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rtt", type=float, default=40)
    parser.add_argument("--mbit", type=float, default=200)
    options = parser.parse_args()
    os.environ["MAILBOXFS"] = options.mailboxfs
    generator = Generator()
    messages = [generator.message(number) for number in range(options.messages)]
    octets = sum(len(message) for message, _ in messages)
    print(f"{len(messages)} messages, {octets / 1e6:.0f} MB; RTT {options.rtt:g} ms, {options.mbit:g} Mbit/s", flush=True)
    table = Table()
    run_dovecot(options, table, messages)
    run_exchange(options, table, messages)
    print(table)


if __name__ == "__main__":
    main()
