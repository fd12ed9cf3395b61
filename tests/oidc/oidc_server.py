"""Runs server.mjs, npm's oidc-provider, and what people use it with: a browser that fills in its forms.

Its packages are installed beside a copy of it, in MAILBOXFS_OIDC_DIRECTORY, which meson puts into the build directory;
else in a temporary directory, for this run only.
"""

import contextlib
import fcntl
import functools
import html.parser
import http.cookiejar
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

_HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(_HERE.parent / "integration"))

from support import process  # noqa: E402
from support.certs import Authority, openssl  # noqa: E402

# It has every character that a careless form encoder would spoil; RFC 6749 appendix A.2 allows no others than ASCII.
SECRET = "aB+c/d&e=f%41~g h*_?"
SCOPE, USER_SCOPE = "imap", "openid offline_access imap"
RESOURCE = "https://imap.example.org/"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"

_SKIPPED = 77  # meson's word for it.
_OLDEST_NODE = 18
_INSTALLATION = 300  # Seconds.


class Missing(Exception):
    """Why the server cannot be had on this machine."""


@functools.cache
def installed():
    """The directory with server.mjs and node_modules; they are made if need be. Throws Missing."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise Missing(f"there is no {program}")
    version = process.run(["node", "--version"], check=True).stdout.strip()
    if int(version.lstrip("v").partition(".")[0]) < _OLDEST_NODE:
        raise Missing(f"node {version} is older than {_OLDEST_NODE}")
    given = os.environ.get("MAILBOXFS_OIDC_DIRECTORY")
    directory = Path(given or _temporary_directory())
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install(directory)
    return directory


def _temporary_directory():
    made = tempfile.TemporaryDirectory(prefix="mailboxfs-oidc-")
    _KEPT.append(made)
    return made.name


_KEPT = []  # Removed with the process.


def _install(directory):
    wanted = (_HERE / "package-lock.json").read_bytes()
    done = directory / "installed.json"
    shutil.copy(_HERE / "server.mjs", directory)
    if done.exists() and done.read_bytes() == wanted:
        return
    done.unlink(missing_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(_HERE / name, directory)
    words = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"]
    try:
        npm = process.run(words, timeout=_INSTALLATION, cwd=directory)
    except subprocess.TimeoutExpired:
        raise Missing(f"npm ci took longer than {_INSTALLATION} s") from None
    if npm.returncode != 0:
        raise Missing(f"npm ci ended with {npm.returncode}: {_one_line(npm.stderr)}")
    done.write_bytes(wanted)


def _one_line(text):
    """The beginning of what npm says, without the registry's address."""
    return re.sub(r"\bhttps?://\S+", "(address)", " / ".join(text.splitlines()[:4]))[:400]


class OidcServer:
    """Serves until stop(). `issuer` is https, with `authority.ca` to trust; `plain_url` is the same server by http.

    `certificates` are those (PEM) of the clients "with-certificate" and "native-with-certificate". `events` is what
    the server told so far, each a dict with "event".
    """

    def __init__(self, certificates=()):
        directory = installed()
        self.home = Path(tempfile.mkdtemp(prefix="oidc-"))
        self.authority = Authority(self.home / "tls")
        self.events, self._changed = [], threading.Condition()
        with (self.home / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["node", str(directory / "server.mjs")],
                cwd=self.home,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                preexec_fn=process.die_with_parent(),
            )
        self._reader = threading.Thread(target=self._read_events, daemon=True)
        self._reader.start()
        tls = {"certificate": str(self.authority.certificate), "key": str(self.authority.key)}
        public_key = self.home / "public.pem"
        settings = {"tls": tls, "secret": SECRET, "certificates": list(certificates), "public_key": str(public_key)}
        ready = self._say(settings, "ready")
        self.issuer, self.plain_url = ready["issuer"], f"http://localhost:{ready['plain_port']}"
        self.public_pem = public_key.read_text(encoding="ascii")

    def stop(self):
        """Ends it, and removes its files."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        process.stop(self._process)
        self._reader.join(10)
        self._process.stdout.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def _read_events(self):
        for line in self._process.stdout:
            with self._changed:
                self.events.append(json.loads(line))
                self._changed.notify_all()
        with self._changed:
            self.events.append({"event": "ended"})
            self._changed.notify_all()

    def _say(self, message, answer):
        """Sends it; the next event of the name `answer`."""
        with self._changed:
            before = len(self.events)
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()
        with self._changed:
            self._changed.wait_for(lambda: self._later(before, answer, "ended"), 60)
            for event in self._later(before, answer):
                return event
        raise RuntimeError(f"the OpenID provider does not answer:\n{(self.home / 'log').read_text(errors='replace')}")

    def _later(self, before, *names):
        return [event for event in self.events[before:] if event["event"] in names]

    # -- What a test wants of it.

    def set_lifetime(self, seconds):
        """Of the access tokens from now on."""
        self._say({"lifetime": seconds}, "done")

    def revoke(self):
        """Forgets what users have granted, as an administrator would."""
        self._say({"revoke": True}, "done")

    def forget_events(self):
        """The counts begin anew."""
        with self._changed:
            self.events.clear()

    def grants(self, grant_type=None):
        """The token requests that were answered with a token."""
        self._say({}, "done")  # After what it has told before.
        with self._changed:
            events = self._later(0, "grant")
        return [event for event in events if grant_type in (None, event["grant_type"])]

    def authorizations(self):
        """The authorization requests and device codes that it has taken."""
        self._say({}, "done")  # After what it has told before.
        with self._changed:
            return self._later(0, "authorization")

    def errors(self):
        """What it refused, but for the answers to those who ask early whether the person is done."""
        self._say({}, "done")  # After what it has told before.
        with self._changed:
            return [event for event in self._later(0, "error") if event["error"] != "authorization_pending"]

    def endpoint(self, name):
        """Of OpenID discovery, by way of http: "token_endpoint"."""
        with urllib.request.urlopen(f"{self.plain_url}/.well-known/openid-configuration", timeout=20) as answer:
            return json.load(answer)[name]

    def post(self, endpoint, **fields):
        """(HTTP status, decoded answer) of a request by hand; `endpoint` as for endpoint()."""
        data = urllib.parse.urlencode(fields).encode()
        try:
            with urllib.request.urlopen(self.endpoint(endpoint), data, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def browser(self):
        """A new one."""
        return Browser(ssl.create_default_context(cafile=str(self.authority.ca)))

    def log_in(self, client_id="native"):
        """A refresh token, from somebody who has logged in with another program."""
        _, asked = self.post("device_authorization_endpoint", client_id=client_id, scope=USER_SCOPE)
        self.browser().approve(asked["verification_uri_complete"])
        fields = {"grant_type": DEVICE_CODE, "client_id": client_id, "device_code": asked["device_code"]}
        return self.post("token_endpoint", **fields)[1]["refresh_token"]


def new_certificate():
    """(key, certificate) in PEM."""
    words = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "-", "-subj", "/CN=mailboxfs", "-days", "2")
    key, end, pem = openssl(*words).decode().partition("-----END PRIVATE KEY-----\n")
    return key + end, pem


def main(run_tests):
    """Runs them; skipped loudly where the server cannot be had."""
    try:
        installed()
    except Missing as missing:
        print(f"SKIPPED: {missing}; the OAuth grants were not tried against oidc-provider")
        sys.exit(_SKIPPED)
    run_tests()


class _Page(html.parser.HTMLParser):
    """What a person could do on it: its form, with what is filled in, and the link to leave."""

    def __init__(self, text):
        super().__init__()
        self.action, self.fields, self.cancel = None, {}, None
        self._link = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "form":
            self.action = attributes["action"]
        elif tag == "input" and attributes.get("name"):
            self.fields[attributes["name"]] = attributes.get("value", "")
        elif tag == "button" and attributes.get("name") == "abort":
            self.fields["abort"] = None
        elif tag == "a":
            self._link = attributes["href"]

    def handle_data(self, data):
        if data.strip() == "[ Cancel ]":
            self.cancel = self._link


class Browser:
    """Follows redirects, keeps cookies, and fills in forms as one person would."""

    def __init__(self, context, user="ada@example.org"):
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=context),
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()),
        )
        self._user = user

    def _load(self, url, fields=None):
        data = None if fields is None else urllib.parse.urlencode(fields).encode()
        request = urllib.request.Request(url, data, {"Accept": "text/html"})
        with self._opener.open(request, timeout=60) as answer:
            return answer.url, answer.read().decode()

    def approve(self, url, code=None):
        """Opens the page and says yes until nothing is asked any more; the last page's text. `code`: to type in."""
        filled_in = {"login": self._user, "password": "any", "user_code": code}
        url, text = self._load(url)
        for _ in range(10):
            page = _Page(text)
            if page.action is None:
                return text
            fields = {name: value or filled_in[name] for name, value in page.fields.items() if name != "abort"}
            url, text = self._load(urllib.parse.urljoin(url, page.action), fields)
        raise AssertionError(f"the forms have no end:\n{text}")

    def refuse(self, url, code=None):
        """Opens the page and leaves it by its [ Cancel ] or [ Abort ]; the last page's text."""
        url, text = self._load(url)
        page = _Page(text)
        if page.cancel is None and "abort" not in page.fields:
            fields = {name: value or code for name, value in page.fields.items()}
            url, text = self._load(urllib.parse.urljoin(url, page.action), fields)
            page = _Page(text)
        if page.cancel is not None:
            return self._load(urllib.parse.urljoin(url, page.cancel))[1]
        return self._load(urllib.parse.urljoin(url, page.action), page.fields | {"abort": "yes"})[1]
