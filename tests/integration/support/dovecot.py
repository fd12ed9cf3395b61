"""A private, real Dovecot 2.3 on loopback: nothing outside its own directory, no privileges, gone with the test.

It accepts XOAUTH2 and OAUTHBEARER with a JWT that it checks itself (signature, expiry, issuer), so
one client-credentials token opens any mailbox, as an application permission does. Users whose name
starts with "denied" cannot log in.
"""

import contextlib
import imaplib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import zlib
from pathlib import Path

from . import mutf7, process
from .certs import Authority
from .token_endpoint import TENANT

_NOBODY = 65534

_CONFIG = """
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/dovecot.log
listen = 127.0.0.1
protocols = imap
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 1
mail_home = {home}/users/%u
mail_location = maildir:~/mail:LAYOUT=fs:INBOX=~/inbox
maildir_stat_dirs = yes
mail_max_userip_connections = 1000
auth_mechanisms = {mechanisms}
auth_failure_delay = 0
auth_cache_size = 0
disable_plaintext_auth = no
rawlog_dir = {home}/users/%u/rawlog
mail_plugins = {mail_plugins}
ssl = yes
ssl_cert = <{authority.certificate}
ssl_key = <{authority.key}
login_log_format_elements = user=<%u> method=%m
namespace inbox {{
  inbox = yes
  separator = /
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  service_count = 0
  client_limit = 2000
  inet_listener imap {{
    port = {plain_port}
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
service imap {{
  process_limit = 2000
}}
service auth {{
  client_limit = 8000
}}
passdb {{
  driver = static
  deny = yes
  username_filter = denied*
}}
{passdbs}
userdb {{
  driver = static
  args = uid={uid} gid={gid} allow_all_users=yes
}}
protocol imap {{
  mail_plugins = {mail_plugins} {imap_plugins}
}}
"""

_OAUTH2_PASSDB = """
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {home}/oauth2.conf
}}
"""

_PASSWORD_PASSDB = """
passdb {{
  driver = static
  args = password={password}
}}
"""

_OAUTH2 = """
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={home}/keys/
issuers = {issuer}
username_attribute = {claim}
username_format = {form}
"""
# The token names an application, not a mailbox: both sides of the user name check become the same word.
_ANYBODY = {"claim": "sub", "form": "application"}
_PERSONAL = {"claim": "upn", "form": "%Lu"}

# What the test's own sessions say in ID, to be told from those of the client under test.
_HELPER = "mailboxfs-test-helper"


def available():
    """Is there a Dovecot to run?"""
    return shutil.which("dovecot", path=_path()) is not None


def _path():
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


class Dovecot:
    """Start with start() or as a context manager, from the main thread.

    `port` is IMAPS with `authority.ca` to trust, `plain_port` is IMAP without TLS. `key` is a
    jwt.SigningKey; tokens of it are taken by the `mechanisms`, the first of which the test's own sessions
    use; with `password` set, PLAIN and LOGIN with that password are offered as well. With `personal` a token opens
    the mailbox in its claim "upn" only.
    """

    def __init__(
        self,
        key=None,
        *,
        mechanisms=("XOAUTH2", "OAUTHBEARER"),
        password=None,
        issuer=f"https://sts.windows.net/{TENANT}/",
        personal=False,
    ):
        self.home = Path(tempfile.mkdtemp(prefix="dovecot-"))
        self.authority = Authority(self.home / "tls")
        self.key, self.mechanisms, self.password, self.issuer = key, mechanisms, password, issuer
        self.personal, self.port, self.plain_port = personal, None, None
        self._process = None
        root = os.getuid() == 0
        # As root everything still runs as an ordinary user: one way of working to test, not two.
        self._ids = (_NOBODY, _NOBODY) if root else (os.getuid(), os.getgid())
        self._as_user = self._ids if root else None
        self._prepare()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.close()

    def _prepare(self):
        os.chmod(self.home, 0o755)
        for name in ("run", "state", "users", "keys/default/RS256"):
            (self.home / name).mkdir(parents=True)
        (self.home / "dovecot.log").touch()
        if self.key is not None:
            (self.home / "keys/default/RS256/default").write_text(self.key.public_pem, encoding="ascii")
        check = _PERSONAL if self.personal else _ANYBODY
        oauth2 = _OAUTH2.format(home=self.home, issuer=self.issuer, **check)
        (self.home / "oauth2.conf").write_text(oauth2, encoding="ascii")
        self._own(self.home)

    def _own(self, top):
        if self._as_user is None:
            return
        os.chown(top, *self._ids)
        for folder, folders, files in os.walk(top):
            for name in folders + files:
                os.chown(os.path.join(folder, name), *self._ids)

    def _write_config(self):
        import grp
        import pwd

        passdbs, mechanisms = "", []
        if self.key is not None:
            passdbs += _OAUTH2_PASSDB.format(home=self.home)
            mechanisms += self.mechanisms
        if self.password is not None:
            passdbs += _PASSWORD_PASSDB.format(password=self.password)
            mechanisms += ["PLAIN", "LOGIN"]
        modules = Path("/usr/lib/dovecot/modules")
        zlib = (modules / "lib30_imap_zlib_plugin.so").exists()
        config = _CONFIG.format(
            home=self.home,
            user=pwd.getpwuid(self._ids[0]).pw_name,
            group=grp.getgrgid(self._ids[1]).gr_name,
            uid=self._ids[0],
            gid=self._ids[1],
            mechanisms=" ".join(mechanisms),
            authority=self.authority,
            port=self.port,
            plain_port=self.plain_port,
            passdbs=passdbs,
            mail_plugins="zlib" if zlib else "",
            imap_plugins="imap_zlib" if zlib else "",
        )
        (self.home / "dovecot.conf").write_text(config, encoding="ascii")

    def start(self):
        """Starts it, on the same ports as before if it ran already; returns when it greets."""
        again = self.port is not None
        for _ in range(1 if again else 5):
            if not again:
                self.port, self.plain_port = process.free_port(), process.free_port()
            self._write_config()
            with (self.home / "stderr").open("ab") as errors:
                self._process = subprocess.Popen(
                    ["dovecot", "-F", "-c", str(self.home / "dovecot.conf")],
                    env={"PATH": _path()},
                    cwd=self.home,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    preexec_fn=process.die_with_parent(signal.SIGTERM, self._as_user),
                )
            if (
                process.wait_until(lambda: self._greets() or self._process.poll() is not None, what="Dovecot's start")
                and self._process.poll() is None
            ):
                return
        raise RuntimeError("Dovecot does not start:\n" + (self.home / "stderr").read_text() + self.log())

    def _greets(self):
        try:
            with socket.create_connection(("127.0.0.1", self.plain_port), timeout=2) as probe:
                return probe.recv(100).startswith(b"* OK")
        except OSError:
            return False

    def stop(self):
        """Ends it; its ports refuse connections until start()."""
        if self._process is None:
            return
        self.resume()
        family = process.children_of(self._process.pid)
        process.stop(self._process)
        for pid in family[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process = None

    def close(self):
        """stop(), and removes its directory."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def restart(self):
        """stop() and start() on the same ports."""
        self.stop()
        self.start()

    def pause(self):
        """Makes it silent: connections are accepted by the kernel, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self):
        """Ends pause()."""
        self._signal(signal.SIGCONT)

    def end_sessions(self):
        """Ends all sessions, so that clients must log in anew."""
        for pid in process.children_of(self._process.pid):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip() == "imap":
                    os.kill(pid, signal.SIGTERM)

    def _signal(self, signum):
        for pid in process.children_of(self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signum)

    def log(self):
        """The server's own log."""
        return (self.home / "dovecot.log").read_text(errors="replace")

    # -- Mail.

    def _token(self, user):
        now = int(time.time())
        return self.key.sign({"sub": "test", "upn": user, "iss": self.issuer, "iat": now - 5, "exp": now + 3600})

    def connect(self, user, tls=False):
        """A logged-in imaplib client for the test's own use (not recorded in commands_seen)."""
        self._user_directory(user)
        client = _login_client(self.port if tls else self.plain_port, self.authority if tls else None)
        if self.password is not None:
            client.login(user, self.password)
        else:
            name = {"XOAUTH2": f"user={user}\1", "OAUTHBEARER": f"n,a={user},\1"}[self.mechanisms[0]]
            answer = f"{name}auth=Bearer {self._token(user)}\1\1".encode()
            client.authenticate(self.mechanisms[0], lambda challenge: b"" if challenge else answer)
        client.xatom("ID", f'("name" "{_HELPER}")')
        return client

    def _user_directory(self, user):
        """Makes the user's home with a rawlog directory, which switches the recording on."""
        home = self.home / "users" / user
        if not home.exists():
            (home / "rawlog").mkdir(parents=True)
            self._own(home)
        return home

    def add_user(self, user):
        """Needed only for users that get no mail: commands are recorded from now on."""
        self._user_directory(user)

    def deliver(self, user, folder, message, flags=(), date=None):
        """Appends one message; `date` is seconds since 1970. Creates the folder."""
        self.deliver_all(user, [(folder, message, flags, date)])

    def deliver_all(self, user, messages):
        """Appends (folder, bytes, flags, seconds or None) in order, over one connection."""
        client = self.connect(user)
        known = {"INBOX"}
        for folder, message, flags, date in messages:
            if folder not in known:
                client.create(mutf7.quoted(folder))
                known.add(folder)
            when = None if date is None else time.strftime('"%d-%b-%Y %H:%M:%S +0000"', time.gmtime(date))
            status, data = client.append(mutf7.quoted(folder), f"({' '.join(flags)})", when, message)
            if status != "OK":
                raise AssertionError(f"APPEND to {folder}: {data}")
        client.logout()

    def create_folder(self, user, folder):
        """Makes an empty folder."""
        client = self.connect(user)
        client.create(mutf7.quoted(folder))
        client.logout()

    def expunge(self, user, folder, uid):
        """Removes one message for good."""
        client = self.connect(user)
        client.select(mutf7.quoted(folder))
        client.uid("STORE", str(uid), "+FLAGS.SILENT", r"(\Deleted)")
        client.expunge()
        client.logout()

    def messages(self, user, folder):
        """What the folder holds: {uid: (bytes, flags, INTERNALDATE in seconds)}."""
        client = self.connect(user)
        client.select(mutf7.quoted(folder), readonly=True)
        _, data = client.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])")
        client.logout()
        found = {}
        for part in data:
            if isinstance(part, tuple):
                head, body = part
                uid = int(head.partition(b"UID ")[2].split()[0])
                moment = int(time.mktime(imaplib.Internaldate2tuple(head)))
                flags = sorted(flag.decode() for flag in imaplib.ParseFlags(head) if flag != rb"\Recent")
                found[uid] = (body, tuple(flags), moment)
        return found

    def folders(self, user):
        """Decoded names of all folders."""
        client = self.connect(user)
        _, lines = client.list()
        client.logout()
        names = []
        for line in lines:
            if isinstance(line, tuple):
                line = line[0].rpartition(b"{")[0] + b'"' + line[1] + b'"'
            if line:
                raw = line.decode().partition(' "/" ')[2].strip('"')
                names.append(mutf7.decode(raw.replace('\\"', '"').replace("\\\\", "\\")))
        return names

    def commands_seen(self, user):
        """Every line that clients have sent after login, in no particular order between sessions.

        Compressed sessions are told in clear.
        """
        lines = []
        for path in sorted((self.home / "users" / user / "rawlog").glob("*.in")):
            text = _rawlog_bytes(path.read_bytes()).decode(errors="replace")
            if _HELPER not in text:
                lines.extend(line for line in text.splitlines() if line)
        return lines


def _rawlog_bytes(recorded):
    """What the client sent: without the time in front of each line, and with DEFLATE undone."""
    sent = re.sub(rb"(?m)^\d+\.\d{6} ", b"", recorded)
    clear = re.match(rb"(?is).*?\r\n\S+ COMPRESS DEFLATE\r\n|\S+ COMPRESS DEFLATE\r\n", sent)
    if not clear:
        return sent
    return clear.group() + zlib.decompressobj(-zlib.MAX_WBITS).decompress(sent[clear.end() :])


def _login_client(port, authority):
    if authority is None:
        return imaplib.IMAP4("127.0.0.1", port, timeout=60)
    context = ssl.create_default_context(cafile=str(authority.ca))
    return imaplib.IMAP4_SSL("localhost", port, ssl_context=context, timeout=60)
