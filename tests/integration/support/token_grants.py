"""What the token endpoint answers, as long as no fault is in the way: every grant, and what comes before the token."""

import json
import time

from . import token_discovery
from .token_answers import Fault, Refused, aadsts, page
from .token_machines import JWT_BEARER

AS_ISSUED = object()  # For `expires_in`: the truth.
_ASIDE = {"offline_access", "openid", "profile", "email"}  # Scopes that open no mailbox.
_POSTED = ("token", "v1", "devicecode")


class Grants:
    """The part of a TokenEndpoint that reads requests by its settings."""

    def serve(self, kind, tenant, request):
        """The answer to a request of this kind; Refused if there is something wrong with it."""
        if tenant in ("common", "organizations", "consumers") and tenant not in self.domains:
            raise Refused(aadsts(50194, "invalid_request", f"The application cannot be used over /{tenant}.", 400))
        if tenant is not None and tenant not in (self.tenant, *self.domains):
            error = "invalid_tenant" if kind == "discovery" else "invalid_request"
            raise Refused(aadsts(90002, error, f"Tenant '{tenant}' not found. Check the tenant ID.", 400))
        if kind is None:
            raise Refused(page("There is nothing here.", 404))
        if (request.method == "POST") != (kind in _POSTED):
            raise Refused(page("Not with this method.", 405))
        return getattr(self, "_" + kind)(request)

    # -- Tokens.

    def _token(self, request):
        grants = {
            "client_credentials": self._client_credentials,
            "refresh_token": self._refresh,
            "urn:ietf:params:oauth:grant-type:device_code": self._device_code,
            "authorization_code": self._authorization_code,
            JWT_BEARER: self._jwt_bearer,
        }
        grant = grants.get(request.form.get("grant_type"))
        if grant is None:
            raise Refused(aadsts(70003, "unsupported_grant_type", "The grant type is not supported.", 400))
        return grant(request.form, self.base_url + request.path)

    def _now(self):
        return time.time() + self.date_skew

    def _client_credentials(self, form, address):
        self.client.check(form, address, self._now(), always=True)
        self._check_application_scope(form.get("scope", ""))
        if "resource" in form:
            raise Refused(aadsts(901002, "invalid_request", "The 'resource' request parameter is not supported.", 400))
        return self._give(self.issue())

    def _check_application_scope(self, scope):
        if scope == self.scope:
            return
        if len(scope.split()) > 1:
            raise Refused(aadsts(28002, "invalid_scope", f"The scope '{scope}' has more than one resource.", 400))
        if scope.startswith("https://") and not scope.endswith("/.default"):
            raise Refused(aadsts(1002012, "invalid_scope", f"The scope '{scope}' does not end in /.default.", 400))
        if scope.startswith("https://"):
            text = f"The resource principal named {scope.removesuffix('/.default')} was not found in the tenant."
            raise Refused(aadsts(500011, "invalid_resource", text, 400))
        raise Refused(aadsts(70011, "invalid_scope", f"The scope '{scope}' is not valid.", 400))

    def _v1(self, request):
        """The older endpoint: `resource` in place of `scope`, and strings in place of numbers."""
        form = request.form
        if form.get("grant_type") != "client_credentials":
            raise Refused(aadsts(70003, "unsupported_grant_type", "The grant type is not supported.", 400))
        self.client.check(form, self.base_url + request.path, self._now(), always=True)
        if form.get("resource") != self.resource or "scope" in form:
            text = f"The resource principal named {form.get('resource')} was not found in the tenant."
            raise Refused(aadsts(500011, "invalid_resource", text, 400))
        now = int(time.time())
        times = {"expires_on": str(now + self.lifetime), "not_before": str(now - 5), "resource": self.resource}
        return self._give(self.issue(), **times, expires_in=str(self.lifetime))

    def _imds(self, request):
        self.identities.check(request)
        return self._give(self.issue(), ext_expires_in=None, **self.identities.answer(self.lifetime))

    def _jwt_bearer(self, form, address):
        subject = self.accounts.redeem(form.get("assertion", ""), address, self._now())
        return self._give(self._user_token(subject))

    def _refresh(self, form, address):
        self.client.check(form, address, self._now())
        if form.get("scope"):
            self._check_user_scope(form["scope"])
        login, new = self.refresh.redeem(form.get("refresh_token", ""))
        token = self._user_token(login.user)
        if new is not None:
            self.refresh.came_with[token] = new
        answer = self._give(token, scope=login.scope, refresh_token=new)
        answer.sent = lambda: self.refresh.finish(login)
        return answer

    def _device_code(self, form, address):
        self.client.check(form, address, self._now())
        return self._begin(self.devices.poll(form.get("device_code", "")))

    def _authorization_code(self, form, address):
        self.client.check(form, address, self._now())
        return self._begin(self.codes.redeem(form))

    def _begin(self, agreed):
        """The first tokens of a login; `agreed` says who and what."""
        offline = "offline_access" in agreed.scope.split() or "offline_access" not in self.user_scope
        refresh_token = self.refresh.begin(agreed.user, agreed.scope).newest if offline else None
        return self._give(self._user_token(agreed.user), scope=agreed.scope, refresh_token=refresh_token)

    def _user_token(self, user):
        permissions = "IMAP.AccessAsUser.All"
        return self.issue(
            roles=None, scp=permissions, idtyp="user", upn=user, appidacr=str(int(not self.client.public))
        )

    def _give(self, token, **more):
        expires_in = self.lifetime if self.expires_in is AS_ISSUED else self.expires_in
        if self.expires_in_as_text and expires_in is not None:
            expires_in = str(expires_in)
        answer = {"token_type": "Bearer", "expires_in": expires_in, "ext_expires_in": expires_in, "access_token": token}
        answer = {name: value for name, value in (answer | more).items() if value is not None}
        with self._lock:
            self.tokens.append(answer["access_token"])
        return Fault(status=200, body=json.dumps(answer), delay=self.delay)

    # -- Before the token.

    def _check_user_scope(self, scope):
        if set(scope.split()) - _ASIDE != set(self.user_scope.split()) - _ASIDE:
            raise Refused(aadsts(70011, "invalid_scope", f"The scope '{scope}' is not valid.", 400))

    def _devicecode(self, request):
        if request.form.get("client_id") != self.client.id:
            text = f"Application with identifier '{request.form.get('client_id')}' was not found in the directory."
            raise Refused(aadsts(700016, "unauthorized_client", text, 400))
        self._check_user_scope(request.form.get("scope", ""))
        return Fault(status=200, body=json.dumps(self.devices.begin(request.form["scope"], self.person_url)))

    def _person(self, request):
        """Where a person enters the code: with `user_code` that is all there is to it; `no` declines."""
        user_code = request.query.get("user_code", "").strip().upper()
        if not user_code:
            form = (
                '<form>Code: <input name="user_code"><button>Yes</button><button name="no" value="1">No</button></form>'
            )
            return page(form)
        state = "declined" if "no" in request.query else "approved"
        known = self.devices.decide(user_code, state, request.query.get("user", "ada@example.org"))
        return page(f"The login is {state}." if known else "That code is not known.", 200 if known else 400)

    def _authorize(self, request):
        if request.query.get("client_id") != self.client.id:
            text = f"Application with identifier '{request.query.get('client_id')}' was not found in the directory."
            raise Refused(aadsts(700016, "unauthorized_client", text, 400))
        self._check_user_scope(request.query.get("scope", ""))
        return self.codes.authorize(request.query)

    def _discovery(self, request):
        if request.path.startswith("/.well-known/"):
            return token_discovery.plain(self.base_url)
        return token_discovery.microsoft(self.base_url, self.tenant, self.region, self.cloud)
