#!/usr/bin/env python3
"""mailboxfs check: for every way to fail, its stable words, and that the advice names the right step."""

import re

from support import jwt
from support.accounts import microsoft_account
from support.certs import Authority
from support.imap_faults import at_random, bad, bare, bye, drop, no, only_ok, then
from support.imap_script_server import EXCHANGE, ImapScriptServer
from support.login import Login
from support.mount import password_account
from support.oauth_testcase import CONFIG, LOGIN, NETWORK, OK, WARNING, Report
from support.testcase import MountTest, main
from support.token_answers import Fault, aadsts, oauth_error, too_many_requests
from support.token_endpoint import CLIENT_ID, TENANT, TokenEndpoint

ADA, BOB = "ada@example.org", "bob@example.org"
OBJECT_ID = "9d2a2d1c-3333-3333-3333-4f1f0c8a7b6e"
LOG_IN = re.compile(r"\n    mailboxfs login -c \S.* '?test'?\n")
NOT_CONNECTED = bad("User is authenticated but not connected.")
NEW_PRINCIPAL = f'\n    New-ServicePrincipal -AppId {CLIENT_ID} -ObjectId {OBJECT_ID} -DisplayName "mailboxfs"\n'
ADD_PERMISSION = (
    f"\n    Add-MailboxPermission -Identity '{ADA}' -User {OBJECT_ID} -AccessRights FullAccess -AutoMapping $false\n"
)
ENABLE_IMAP = f"\n    Set-CASMailbox -Identity '{ADA}' -ImapEnabled $true\n"

# cause: (OAuth's error, AADSTS codes, what the advice must name).
REFUSALS = {
    "secret-wrong": ("invalid_client", [7000215], ["Value", "Certificates & secrets", CLIENT_ID]),
    "secret-expired": ("invalid_client", [7000222], ["New client secret", CLIENT_ID]),
    "app-not-in-tenant": ("unauthorized_client", [700016, 700011], [TENANT, CLIENT_ID, "Application (client) ID"]),
    "app-disabled": ("unauthorized_client", [7000112, 70001], ["Enterprise applications", "Enabled for users"]),
    "tenant-unknown": ("invalid_request", [90002], [TENANT, "Directory (tenant) ID"]),
    "wrong-cloud": ("invalid_request", [90038, 900382, 900432], ['"provider"', "microsoft365-gcc-high"]),
    "resource-unknown": ("invalid_resource", [500011], ["https://outlook.office365.com/.default", "subscription"]),
    "no-subscription": ("unauthorized_client", [650052], ["licence"]),
    "permission-missing": (
        "invalid_client",
        [650056, 650057, 65005],
        ["Office 365 Exchange Online > Application permissions > IMAP.AccessAsApp", "Grant admin consent"],
    ),
    "consent-missing": (
        "consent_required",
        [65001, 90094],
        [f"/{TENANT}/adminconsent?client_id={CLIENT_ID}\n", "Grant admin consent"],
    ),
    "scope-malformed": ("invalid_scope", [70011, 1002012], ["https://outlook.office365.com/.default"]),
    "scope-several": ("invalid_scope", [28002, 700022], ["https://outlook.office365.com/.default"]),
    "parameter-missing": ("invalid_request", [900144], ['"client_id"']),
    "secret-missing": ("invalid_client", [7000218], ['"client_secret"', "Allow public client flows"]),
    "secret-unwanted": ("invalid_client", [700025], ["public client", "Remove"]),
    "certificate-unregistered": ("invalid_client", [700027, 700030], ["Upload", "thumbprint"]),
    "assertion-rejected": ("invalid_client", [50012, 50013, 500133, 700024], ["\n    timedatectl set-ntp true\n"]),
    "federation-mismatch": ("invalid_client", [700211, 700212, 700213], ["Federated credentials", "Subject"]),
    "federation-unsupported": ("invalid_client", [700229], ["certificate", "managed identity"]),
    "conditional-access": ("interaction_required", [53003, 530032, 50131], ["Conditional Access", "Sign-in logs"]),
    "security-defaults": ("invalid_grant", [530035], ["security defaults"]),
    "interaction-needed": ("interaction_required", [50074, 50076, 50079], ["second factor", LOG_IN]),
    "login-revoked": ("invalid_grant", [50173], ["password was changed", LOG_IN]),
    "login-expired": ("invalid_grant", [700082, 70008, 70043], ["expired", LOG_IN]),
    "user-disabled": ("invalid_grant", [50057], ["disabled", "Users"]),
    "user-unknown": ("invalid_grant", [50034], ["no such user", LOG_IN]),
    "password-wrong": ("invalid_grant", [50126], ["password is wrong", LOG_IN]),
    "tenant-needed": ("invalid_request", [50194, 9001023], ['"tenant"', "Directory (tenant) ID"]),
    "code-unusable": ("invalid_grant", [54005, 501481], [LOG_IN]),
    "authorization-pending": ("authorization_pending", [70016], [LOG_IN]),
    "device-code-wrong": ("bad_verification_code", [70018], [LOG_IN]),
    "device-code-expired": ("expired_token", [70019], [LOG_IN]),
    "request-loop": ("invalid_grant", [50196], ["five minutes"]),
    "transient": ("temporarily_unavailable", [90055, 90006, 90012, 90024, 90033, 90090, 50033], ["passes", "trace ID"]),
}
PASSING = {"transient": NETWORK, "authorization-pending": NETWORK}


class CheckTest(MountTest):
    """A scripted Exchange behind verified TLS, and a token endpoint."""

    capabilities = EXCHANGE

    @classmethod
    def setUpClass(cls):
        cls.key = jwt.SigningKey()

    def setUp(self):
        super().setUp()
        self.endpoint = TokenEndpoint(self.key)
        self.addCleanup(self.endpoint.stop)
        # Made only for its directory, which is gone with it.
        self.files = self.mount(start=False, accounts={}).directory
        self.imap = self.listen()
        for user in (ADA, BOB):
            self.imap.mailbox(user).inbox.fill(7)

    def listen(self, **options):
        authority = Authority(self.files / f"tls-{len(list(self.files.iterdir()))}")
        imap = self.server(ImapScriptServer(authority=authority, **({"capabilities": self.capabilities} | options)))
        imap.authority = authority
        return imap

    def box(self, users=(ADA,), imap=None, start=False, **auth):
        return self.mount(
            microsoft_account(imap or self.imap, self.endpoint, list(users), **auth), start=start, timeouts={"login": 20}
        )

    def check(self, box, *words):
        return Report(box.command("check", "--json", "-c", box.config_file, *words, timeout=120))

    def assert_names(self, found, words):
        for word in words:
            pattern = word if isinstance(word, re.Pattern) else re.compile(re.escape(word))
            self.assertRegex(found["advice"] + "\n", pattern)

    def assert_finding(self, report, identifier, verdict, cause, exit_code, words=()):
        found = report.of(identifier)
        self.assertEqual((found["verdict"], found.get("cause")), (verdict, cause), report.text)
        self.assertEqual(report.exit_code, exit_code, report.text)
        self.assert_names(found, words)
        return found


class Tokens(CheckTest):
    def person(self):
        """A mailbox whose owner has logged in."""
        endpoint = self.endpoint
        endpoint.client.public = endpoint.devices.approves_at_once = True
        box = self.box(
            method="device-code", client_secret=None, scope=endpoint.user_scope, device_endpoint=endpoint.device_url
        )
        with Login(box) as login:
            self.assertEqual(login.finish(), OK, login.shown)
        return box

    def test_every_aadsts_code_has_a_cause_and_the_right_advice(self):
        application, person = self.box(), self.person()
        for cause, (error, codes, words) in REFUSALS.items():
            box = person if LOG_IN in words else application
            for code in codes:
                with self.subTest(code):
                    self.endpoint.always = aadsts(code, error, "Text of the endpoint.", 400)
                    report = self.check(box)
                    exit_code = PASSING.get(cause, LOGIN)
                    found = self.assert_finding(report, "token", "failed", cause, exit_code, words)
                    self.assertEqual(report.failed(), {"token": cause}, "one layer fails, and it is the last")
                    for word in (f"AADSTS{code}", "7f2b1c00-0000-4000-8000-00000000cafe", "2026-11-22 10:00:00Z"):
                        self.assertIn(word, found["evidence"])
        self.assertEqual(self.imap.all_connections, 0, "nobody logs in without a token")

    def test_refusals_without_a_number(self):
        box = self.box()
        for fault, cause, exit_code, words in [
            (oauth_error("invalid_client"), "client-refused", LOGIN, ['"client_id"']),
            (oauth_error("unauthorized_client"), "client-unauthorized", LOGIN, [CLIENT_ID]),
            (oauth_error("invalid_grant"), "grant-invalid", LOGIN, ['"scope"']),
            (oauth_error("invalid_scope"), "scope-malformed", LOGIN, ["https://outlook.office365.com/.default"]),
            (oauth_error("access_denied"), "access-denied", LOGIN, ["must allow it"]),
            (too_many_requests("60"), "throttled", NETWORK, ["pause"]),
            (Fault(503, "busy"), "server-trouble", NETWORK, ["passes"]),
            (Fault(302, "", {"Location": "https://example.org/"}), "redirected", NETWORK, [self.endpoint.url]),
            (Fault(404, "what?"), "not-found", NETWORK, [self.endpoint.url]),
            (Fault(200, "<html>"), "unexpected-answer", NETWORK, [self.endpoint.url]),
        ]:
            with self.subTest(cause):
                self.endpoint.always = fault
                self.assert_finding(self.check(box), "token", "failed", cause, exit_code, words)

    def test_claims(self):
        for identifier, cause, claims, exit_code, words in [
            ("token-audience", "wrong-audience", {"aud": "https://graph.microsoft.com"}, LOGIN, ["/.default"]),
            ("token-roles", "roles-missing", {"roles": None}, LOGIN, ["IMAP.AccessAsApp", "Grant admin consent"]),
            ("token-roles", "pop-only", {"roles": ["POP.AccessAsApp"]}, LOGIN, ["IMAP.AccessAsApp"]),
            ("token-roles", "delegated-token", {"idtyp": "user", "scp": "x"}, LOGIN, ["client-credentials"]),
            ("token-lifetime", "token-expired", {"exp": 1600000000}, LOGIN, ["timedatectl set-ntp true"]),
            ("token-app", "other-app", {"appid": OBJECT_ID}, WARNING, ['"client_id"']),
            ("token-tenant", "other-tenant", {"tid": OBJECT_ID}, WARNING, ['"tenant"']),
        ]:
            with self.subTest(cause):
                self.endpoint.claims = claims
                report = self.check(self.box())
                verdict = "failed" if exit_code == LOGIN else "warning"
                self.assert_finding(report, identifier, verdict, cause, exit_code, words)
                self.assertEqual(bool(report.all_of("login")), exit_code != LOGIN, "a login that cannot succeed")

    def test_the_object_id_is_shown_with_the_commands_to_compare(self):
        found = self.check(self.box()).of("token-object")
        self.assertIn(OBJECT_ID, found["evidence"])
        self.assert_names(found, [f"\n    Get-ServicePrincipal | Where-Object AppId -eq {CLIENT_ID} ", NEW_PRINCIPAL])

    def test_a_tenant_in_another_cloud(self):
        self.endpoint.cloud = "microsoftonline.us"
        report = self.check(self.box())
        self.assert_finding(report, "tenant", "failed", "wrong-cloud", LOGIN, ['"provider" to microsoft365-gcc-high'])
        self.assertEqual(self.endpoint.requests, 0, "no secret goes to the wrong cloud")

    def test_a_secret_that_is_a_secrets_id(self):
        secret = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
        box = self.box()
        path = box.directory / "secret"
        path.write_text(secret, encoding="ascii")
        path.chmod(0o600)
        account = box.config["accounts"]["test"]
        account["provider"], account["auth"]["tenant"] = "custom", None
        account["auth"] |= {"client_secret": {"file": str(path)}, "token_endpoint": self.endpoint.url}
        box.write_config()
        self.endpoint.always = aadsts(7000215)
        report = self.check(box)
        self.assertIn("secret's ID", report.of("token")["evidence"])
        self.assertNotIn(secret, report.text + report.errors)


class Logins(CheckTest):
    # What is done to which command: (cause, exit code, what the advice must name).
    ANSWERS = [
        ("AUTHENTICATE", no("AUTHENTICATE failed."), "login-refused", LOGIN,
         [NEW_PRINCIPAL, ADD_PERMISSION, ENABLE_IMAP, "primary"]),
        ("NAMESPACE", NOT_CONNECTED, "not-connected", LOGIN,
         ["1. The application has no permission", ADD_PERMISSION, NEW_PRINCIPAL, ENABLE_IMAP, "alias", "an hour"]),
        ("NAMESPACE", then(NOT_CONNECTED, bye("Connection closed. 14")), "not-connected", LOGIN, [ADD_PERMISSION]),
        ("AUTHENTICATE", no("Server Unavailable. 15"), "server-unavailable", NETWORK, ["some minutes"]),
        ("AUTHENTICATE", bare("Server Unavailable."), "server-unavailable", NETWORK, ["some minutes"]),
        ("AUTHENTICATE", bye("Connection closed. 14"), "connection-closed", NETWORK, ["too many connections"]),
        ("GREETING", bye("Connection closed. 14"), "connection-closed", NETWORK, ["too many connections"]),
        ("AUTHENTICATE", drop(), "connection-closed", NETWORK, ["some minutes"]),
        ("GREETING", bare("HTTP/1.1 400 Bad Request"), "not-imap", NETWORK, ["993"]),
        ("AUTHENTICATE", bad("Request is throttled. Suggested Backoff Time: 92415 milliseconds"), "throttled",
         NETWORK, ["pause"]),
        ("AUTHENTICATE", no("[UNAVAILABLE] Maximum number of connections from user+IP exceeded"),
         "too-many-connections", NETWORK, ["mail_max_userip_connections"]),
    ]  # fmt: skip

    def test_every_answer_to_a_login_has_a_cause_and_the_right_advice(self):
        box = self.box()
        for command, action, cause, exit_code, words in self.ANSWERS:
            with self.subTest(f"{command}: {cause}"):
                self.imap.heal()
                self.imap.on(command, action)
                report = self.check(box)
                self.assert_finding(report, "login", "failed", cause, exit_code, words)
                self.assertEqual(report.of("login")["subject"], "test/" + ADA)

    def test_the_pause_is_told(self):
        self.imap.on("AUTHENTICATE", bad("Request is throttled. Suggested Backoff Time: 92415 milliseconds"))
        self.assertIn("93 s", self.check(self.box()).of("login")["evidence"])

    def test_a_server_without_tokens(self):
        imap = self.listen(capabilities="IMAP4rev1 AUTH=PLAIN")
        imap.mailbox(ADA)
        report = self.check(self.box(imap=imap))
        self.assert_finding(report, "login", "failed", "no-token-login", LOGIN, ['"method": "password"'])

    def test_passwords(self):
        for capabilities, cause, exit_code, words in [
            ("IMAP4rev1 LOGINDISABLED", "password-login-disabled", LOGIN, ["LOGINDISABLED"]),
            ("IMAP4rev1", "password-refused", LOGIN, ["user name"]),
        ]:
            imap = self.server(ImapScriptServer(capabilities=capabilities, accept=lambda user, secret: False))
            imap.mailbox(ADA)
            box = self.mount(password_account(imap, [ADA]), start=False)
            self.assert_finding(self.check(box), "login", "failed", cause, exit_code, words)

    def test_a_secret_that_cannot_be_read(self):
        box = self.mount(password_account(self.imap, [ADA], password={"command": ["false"]}), start=False)
        box.config["accounts"]["test"]["imap"] = {
            "host": "localhost", "port": self.imap.port, "ca_file": str(self.imap.authority.ca)}  # fmt: skip
        box.write_config()
        self.assert_finding(self.check(box), "login", "failed", "secret-unreadable", CONFIG, ["chmod 600"])

    def test_random_trouble_is_counted_and_mounting_works(self):
        users = [f"user{number}@example.org" for number in range(8)]
        for user in users:
            self.imap.mailbox(user).inbox.fill(2)
        self.imap.on("NAMESPACE", at_random(0.28, 7, NOT_CONNECTED))
        box = self.box(users, start=True)
        for user in users:
            self.assertEqual(len(box.messages(user, "INBOX")), 2)
        box.unmount()
        self.imap.heal()
        rule = self.imap.on("NAMESPACE", at_random(0.28, 7, NOT_CONNECTED))
        report = self.check(box)
        self.assertEqual((report.exit_code, report.failed()), (WARNING, {}), report.text)
        told = {check["subject"]: check for check in report.all_of("login") if check["verdict"] == "warning"}
        self.assertTrue(told, report.text)
        for check in told.values():
            self.assertEqual(check["cause"], "not-connected-sometimes")
            opened, tried = map(int, re.search(r"(\d) of (\d) logins", check["evidence"]).groups())
            self.assertTrue(0 < opened < tried and tried >= 5, check)
            self.assert_names(check, ["now and then", "by itself"])
        self.assertGreater(rule.hits, len(users))
        self.assertEqual(len(report.all_of("message")), len(users), "the checks go on")

    def test_one_mailbox_opens_and_another_does_not(self):
        self.imap.on("AUTHENTICATE", no("AUTHENTICATE failed."), user=BOB)
        box = self.box([ADA, BOB])
        report = self.check(box)
        words = [ADD_PERMISSION.replace(ADA, BOB)]
        self.assert_finding(report, "mailboxes", "warning", "some-refused", LOGIN, words)
        self.assertNotIn(ADA, report.of("mailboxes")["advice"])
        self.assertEqual(self.check(box, ADA).exit_code, OK)
        self.imap.on("AUTHENTICATE", no("AUTHENTICATE failed."))
        report = self.check(box)
        words = [NEW_PRINCIPAL.rstrip(), "Enterprise application"]
        self.assert_finding(report, "mailboxes", "warning", "all-refused", LOGIN, words)


class Servers(CheckTest):
    def test_all_is_well(self):
        report = self.check(self.box([ADA, BOB]))
        self.assertEqual((report.exit_code, report.failed()), (OK, {}), report.text)
        for identifier in (
            *("configuration", "fuse", "state-directory", "cache-directory"),
            *("authority-dns", "authority-connection", "authority-tls", "tenant", "clock", "token"),
            *("token-audience", "token-roles", "token-app", "token-tenant", "token-object", "token-lifetime"),
            *("token-size", "mail-dns", "mail-connection", "mail-tls", "server", "capabilities", "connections"),
            *("read-receipts", "calendar-notices", "mailboxes"),
        ):
            report.of(identifier)
        for identifier in ("login", "folders", "message", "sizes", "idle"):
            self.assertEqual(len(report.all_of(identifier)), 2, identifier)
        self.assertIn("Microsoft Exchange", report.of("server")["evidence"])
        self.assert_names(
            report.of("read-receipts"),
            [f"\n    '{ADA}','{BOB}' | ForEach-Object {{ Set-CASMailbox -Identity $_ -ImapUseProtocolDefaults $false "
             "-ImapSuppressReadReceipt $true }\n"],
        )  # fmt: skip

    def test_on_a_mount(self):
        box = self.box(start=True)
        report = Report(box.command("check", "--json", "--mount", box.mountpoint))
        self.assertEqual((report.exit_code, report.failed()), (OK, {}), report.text)
        self.assertEqual(report.all_of("fuse"), [], "what the mount needed is proven")
        report.of("login", ADA)

    def test_mail_hosts_that_cannot_be_reached(self):
        box = self.box()
        imap = box.config["accounts"]["test"]["imap"]
        del imap["ca_file"]
        box.write_config()
        words = ["mailboxfs test CA", '"ca_file"']
        self.assert_finding(self.check(box), "mail-tls", "failed", "tls", NETWORK, words)
        plain = self.server(ImapScriptServer())
        imap["port"] = plain.port
        box.write_config()
        self.assert_finding(self.check(box), "mail-tls", "failed", "tls", NETWORK)
        plain.stop()
        self.assert_finding(self.check(box), "mail-connection", "failed", "connection", NETWORK, [str(plain.port)])
        imap["host"] = "imap.invalid"
        box.write_config()
        self.assert_finding(self.check(box), "mail-dns", "failed", "dns", NETWORK, ["getent ahosts imap.invalid"])

    def test_sizes_and_messages(self):
        inbox = self.imap.mailbox(ADA).inbox
        for uid in inbox.uids():
            inbox.get(uid).size = lambda true: 3 * true
        large = inbox.add(b"Subject: large\r\n\r\n" + b"x" * 3_000_000)
        self.imap.on("BODY", only_ok(), uid=1)
        report = self.check(self.box())
        found = report.of("sizes")
        self.assertEqual(found["verdict"], "info")
        self.assertIn("4 of 4", found["evidence"])
        self.assertIn("exact size from their first opening", found["advice"])
        self.assert_finding(report, "message", "warning", "message-unfetchable", WARNING, ["EIO"])
        self.assertIn("UID 1", report.of("message")["evidence"])
        self.assertEqual(self.imap.bodies(uid=large.uid), 0, "a sample is small")
        self.assertLessEqual(self.imap.bodies(), 6)

    def test_folders_and_inboxes_that_cannot_be_read(self):
        for command, identifier, cause in (
            ("LIST", "folders", "folders-unlisted"), ("EXAMINE", "message", "inbox-unreadable")):  # fmt: skip
            self.imap.heal()
            self.imap.on(command, no("Not today."))
            report = self.check(self.box())
            self.assert_finding(report, identifier, "failed", cause, NETWORK)
            self.assertEqual(report.of("login")["verdict"], "ok")


if __name__ == "__main__":
    main()
