"""How a client shows the token endpoint who it is: a secret, a certificate's assertion, another's, or nothing."""

import threading

from . import jwt
from .token_answers import Refused, aadsts

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LONGEST_ASSERTION = 600


class Client:
    """The one application that is registered. Settings may be changed at any time."""

    def __init__(self, client_id, secret):
        self.id, self.secret = client_id, secret
        # A public client proves nothing, and must not: what it carries is in everybody's hands.
        self.public = False
        # What may stand in the secret's place: certificates (PEM), and assertions that others have signed.
        self.certificates, self.federated_tokens = [], []
        self.assertion_ids, self.assertion_algorithms = [], []
        self._lock = threading.Lock()

    def check(self, form, audience, now, always=False):
        """Refused unless the form proves who sends it. `always`: a grant that no public client may use."""
        if form.get("client_id") != self.id:
            text = f"Application with identifier '{form.get('client_id')}' was not found in the directory."
            raise Refused(aadsts(700016, "unauthorized_client", text, 400))
        proofs = {"client_secret", "client_assertion"} & set(form)
        if self.public and not always:
            if proofs:
                text = "Client is public so neither 'client_assertion' nor 'client_secret' should be presented."
                raise Refused(aadsts(700025, "invalid_client", text))
            return
        if not proofs:
            text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
            raise Refused(aadsts(7000218, "invalid_client", text))
        if len(proofs) > 1:
            raise Refused(aadsts(900144, "invalid_request", "Two proofs of one client.", 400))
        if "client_assertion" in form:
            self._check_assertion(form, audience, now)
        elif form["client_secret"] != self.secret:
            raise Refused(aadsts(7000215, "invalid_client", "Invalid client secret provided."))

    def _check_assertion(self, form, audience, now):
        """Everything that Microsoft asks of a certificate credential."""
        assertion = form["client_assertion"]
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise Refused(aadsts(900144, "invalid_request", "The assertion's type is not supported.", 400))
        with self._lock:
            if assertion in self.federated_tokens:
                return
        try:
            header, claims = jwt.read(assertion)
        except ValueError as error:
            raise Refused(aadsts(50027, "invalid_request", f"The assertion cannot be read: {error}", 400)) from None
        certificate = next((pem for pem in self.certificates if jwt.thumbprint(pem) == header.get("x5t#S256")), None)
        if certificate is None:
            text = f"The certificate with the thumbprint {header.get('x5t#S256')} is not registered."
            raise Refused(aadsts(700027, "invalid_client", text))
        if header.get("typ") != "JWT" or not jwt.is_signed_by(assertion, certificate):
            raise Refused(aadsts(700027, "invalid_client", "The assertion's signature is not valid."))
        not_before, expires = claims.get("nbf", claims.get("iat", 0)), claims.get("exp", 0)
        if not not_before <= now <= expires or expires - not_before > _LONGEST_ASSERTION:
            raise Refused(aadsts(700024, "invalid_client", "Client assertion is not within its valid time range."))
        if claims.get("aud") != audience or {claims.get("iss"), claims.get("sub")} != {self.id}:
            raise Refused(aadsts(50013, "invalid_client", "The assertion is for somebody else.", 400))
        self._note_use(claims.get("jti"), header["alg"])

    def _note_use(self, identifier, algorithm):
        with self._lock:
            if not identifier or identifier in self.assertion_ids:
                raise Refused(aadsts(50013, "invalid_client", "The assertion was used before.", 400))
            self.assertion_ids.append(identifier)
            self.assertion_algorithms.append(algorithm)
