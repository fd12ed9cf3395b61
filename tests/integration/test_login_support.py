#!/usr/bin/env python3
"""The suite's token endpoint itself, where people log in: refresh tokens, device codes, authorization codes."""

import base64
import hashlib
import secrets
import threading
import unittest
import urllib.parse

from support import jwt, process
from support.endpoint_testcase import PROOF, EndpointTest, send
from support.token_endpoint import CLIENT_ID, CLIENT_SECRET, USER_SCOPE

_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


class Refreshing(EndpointTest):
    def form(self, token, **more):
        return PROOF | {"grant_type": "refresh_token", "refresh_token": token} | more

    def test_each_use_gives_a_new_one_and_the_old_is_refused(self):
        login = self.endpoint.log_in("grace@example.org")
        first = login.newest
        answer = self.good(self.form(first))
        second = answer["refresh_token"]
        self.assertNotEqual(first, second)
        self.assertEqual((login.newest, login.refreshed), (second, 1))
        self.assertEqual(jwt.read(answer["access_token"])[1]["upn"], "grace@example.org")
        self.good(self.form(second, scope=USER_SCOPE))
        self.refused("invalid_grant", self.form(first))
        self.refused("invalid_grant", self.form(login.newest), blamed=False)
        self.assertEqual(self.endpoint.refresh.reuses, 1)

    def test_without_rotation_and_with_mercy(self):
        first = self.endpoint.log_in().newest
        self.endpoint.refresh.rotation = False
        self.assertNotIn("refresh_token", self.good(self.form(first)))
        self.endpoint.refresh.rotation, self.endpoint.refresh.strict = True, False
        self.good(self.form(first))
        self.good(self.form(first))
        self.assertEqual(self.endpoint.refresh.reuses, 1)

    def test_revoked_and_never_given_out(self):
        token = self.endpoint.log_in().newest
        self.endpoint.refresh.revoke(700082)
        self.assertEqual(self.refused("invalid_grant", self.form(token), blamed=False), 700082)
        self.refused("invalid_grant", self.form("invented"))
        self.refused("invalid_scope", self.form(token, scope="https://graph.microsoft.com/Mail.Read"))

    def test_a_public_client_shows_no_secret_and_any_other_must(self):
        token = self.endpoint.log_in().newest
        bare = {name: value for name, value in self.form(token).items() if name != "client_secret"}
        self.assertEqual(self.refused("invalid_client", bare), 7000218)
        self.endpoint.client.public = True
        self.assertEqual(self.refused("invalid_client", self.form(token)), 700025)
        self.endpoint.problems.clear()
        self.good(bare)

    def test_refreshes_that_overlap_are_noticed(self):
        token = self.endpoint.log_in().newest
        self.endpoint.refresh.rotation = False
        self.endpoint.hold()
        threads = [threading.Thread(target=send, args=(self.endpoint.url, self.form(token))) for _ in range(2)]
        for number, thread in enumerate(threads, 1):
            thread.start()
            process.wait_until(lambda number=number: self.endpoint.held == number, what="a request that is held")
        self.endpoint.release()
        for thread in threads:
            thread.join(20)
        self.assertEqual(len(self.endpoint.problems), 1)
        self.endpoint.problems.clear()
        self.good(self.form(token))


class Devices(EndpointTest):
    def begin(self):
        status, _, answer = send(self.endpoint.device_url, {"client_id": CLIENT_ID, "scope": USER_SCOPE})
        self.assertEqual((status, answer["verification_uri"]), (200, self.endpoint.person_url))
        self.assertIn(answer["user_code"], answer["message"])
        return answer, PROOF | {"grant_type": _DEVICE, "device_code": answer["device_code"]}

    def test_pending_until_a_person_agrees(self):
        self.endpoint.devices.interval = 0
        answer, poll = self.begin()
        self.assertEqual(self.refused("authorization_pending", poll, blamed=False), 70016)
        self.assertEqual(send(f"{self.endpoint.person_url}?user_code={answer['user_code'].lower()}")[0], 200)
        tokens = self.good(poll)
        self.good(PROOF | {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]})
        self.refused("bad_verification_code", poll)
        self.assertEqual(send(self.endpoint.person_url + "?user_code=WRONG")[0], 400)

    def test_who_polls_too_early_is_slowed_down_and_blamed(self):
        _, poll = self.begin()
        self.refused("authorization_pending", poll, blamed=False)
        self.refused("slow_down", poll)
        self.assertEqual(self.endpoint.devices.devices[0].interval, 6)

    def test_slowing_down_is_in_the_script(self):
        self.endpoint.devices.interval = 0
        self.endpoint.devices.script += ["pending", "slow_down"]
        self.endpoint.devices.approves_at_once = True
        _, poll = self.begin()
        self.refused("authorization_pending", poll, blamed=False)
        self.refused("slow_down", poll, blamed=False)
        self.refused("slow_down", poll)

    def test_declined_expired_and_unknown(self):
        self.endpoint.devices.interval = 0
        _, poll = self.begin()
        self.assertTrue(self.endpoint.decline())
        self.refused("authorization_declined", poll, blamed=False)
        _, poll = self.begin()
        self.endpoint.devices.expire()
        self.assertEqual(self.refused("expired_token", poll, blamed=False), 70019)
        self.assertEqual(self.refused("bad_verification_code", poll | {"device_code": "x"}), 70018)
        self.refused("invalid_scope", {"client_id": CLIENT_ID, "scope": "mail"}, self.endpoint.device_url)


class Codes(EndpointTest):
    REDIRECT = "http://localhost:1/"

    def setUp(self):
        super().setUp()
        self.verifier = secrets.token_urlsafe(48)

    def browse(self, **changes):
        """What the browser is sent back with."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {"client_id": CLIENT_ID, "response_type": "code", "redirect_uri": self.REDIRECT, "scope": USER_SCOPE}
        query |= {"state": "s" * 16, "code_challenge": challenge, "code_challenge_method": "S256"} | changes
        status, headers, body = send(f"{self.endpoint.authorize_url}?{urllib.parse.urlencode(query)}")
        if status != 302:
            return status, body
        address, _, answer = headers["Location"].partition("?")
        self.assertEqual(address, query["redirect_uri"])
        return status, dict(urllib.parse.parse_qsl(answer, strict_parsing=True))

    def form(self, **changes):
        status, answer = self.browse()
        self.assertEqual((status, answer["state"]), (302, "s" * 16))
        form = {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": self.REDIRECT}
        return PROOF | form | {"code_verifier": self.verifier} | changes

    def test_a_code_is_good_for_one_login(self):
        form = self.form()
        self.assertIn("refresh_token", self.good(form))
        self.assertEqual(self.refused("invalid_grant", form), 54005)

    def test_every_wrong_field_is_noticed(self):
        for code, changes in [
            (501481, {"code_verifier": "v" * 43}),
            (501481, {"code_verifier": ""}),
            (500112, {"redirect_uri": "http://localhost:2/"}),
            (54005, {"code": "x"}),
        ]:
            self.assertEqual(self.refused("invalid_grant", self.form(**changes)), code, changes)
        for changes in (
            {"redirect_uri": "https://elsewhere.example.org/"},
            {"code_challenge_method": "plain"},
            {"code_challenge": ""},
            {"state": "short"},
            {"response_type": "token"},
            {"client_id": "other"},
            {"scope": "mail"},
            {"client_secret": CLIENT_SECRET},
        ):
            self.assertEqual(self.browse(**changes)[0], 400, changes)

    def test_the_person_may_refuse_and_the_answer_may_be_forged(self):
        self.endpoint.codes.error = "access_denied"
        self.assertEqual(self.browse()[1]["error"], "access_denied")
        self.endpoint.codes.error, self.endpoint.codes.changes = None, {"state": "of somebody else"}
        self.assertEqual(self.browse()[1]["state"], "of somebody else")

    def test_everything_secret_is_known(self):
        form = self.form()
        answer = self.good(form)
        known = self.endpoint.secrets()
        for secret in (form["code"], form["code_verifier"], answer["refresh_token"], CLIENT_SECRET):
            self.assertIn(secret, known)
        self.assertIn(answer["access_token"].split(".")[1], known)


if __name__ == "__main__":
    unittest.main(verbosity=2)
