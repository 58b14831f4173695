"""Servers that demand what the SDK's clients prove their caller with, and the files they read.

`CheckedSandbox` verifies a signature of AWS (SigV4) by its own arithmetic, hands out tokens for a
signed assertion of Google and for an identity token, and passes on what it accepts with the key of
the sandbox.
"""

import base64
import hashlib
import hmac
import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, quote

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.model.http_messages import JSON, HttpRequest, HttpResponse

SERVICE = "aws-external-anthropic"
REGION = "us-east-1"
KEY_ID = "AKIATEST"
WORKSPACE = "wrkspc_of_the_suite"
_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<id>\w+)/(?P<scope>(?P<day>\d{8})/[\w-]+/[\w-]+/aws4_request),"
    r" SignedHeaders=(?P<headers>[\w;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)
# How a caller authenticated.
AWS, GOOGLE, FEDERATED, BEARER = "aws", "google", "federated", "bearer"


class CheckedSandbox(Sandbox):
    """Passes on calls of one kind of caller, whose secret is the key of the sandbox."""

    calls = 0
    accepts = BEARER
    secret = ""
    #: How often a token was given out, and the calls that were refused here.
    tokens = 0
    refused: list[str]

    def handle(self, request: HttpRequest) -> HttpResponse:
        """The sandbox's answer, or a refusal."""
        if request.path in ("/token", "/v1/oauth/token"):
            return self._token(request)
        self.calls += 1
        if self.accepts == BEARER:
            return super().handle(request)
        problem = self._problem(request)
        if problem:
            self.refused = [*getattr(self, "refused", []), problem]
            return _error(401, problem)
        headers = {k: v for k, v in request.headers.items() if k != "authorization"}
        return super().handle(replace(request, headers=headers | {"x-api-key": self.secret}))

    def _problem(self, request: HttpRequest) -> str:
        if self.accepts == AWS:
            return signature_problem(request, self.secret)
        if request.header("authorization") != f"Bearer {self._issued(self.tokens)}":
            return "not the token that was given out last"
        if self.accepts == FEDERATED and "oauth-2025-04-20" not in request.header("anthropic-beta"):
            return "the beta of tokens is missing"
        return ""

    def _issued(self, number: int) -> str:
        return f"token-{number}-of-{self.accepts}"

    def _token(self, request: HttpRequest) -> HttpResponse:
        body = request.read(1 << 20)
        if self.accepts == GOOGLE:
            assertion = parse_qs(body.decode())["assertion"][0]
            is_good = _is_signed(assertion) and _claims(assertion)["iss"] == self.secret
        else:
            asked = json.loads(body)
            is_good = asked.get("assertion") == self.secret and bool(asked["federation_rule_id"])
        if not is_good:
            raw = json.dumps({"error": "invalid_grant", "error_description": "unknown caller"})
            return HttpResponse(status=400, headers={"content-type": JSON}, body=raw.encode())
        self.tokens += 1
        token = {"access_token": self._issued(self.tokens), "expires_in": 3600}
        raw = json.dumps(token | {"token_type": "Bearer"}).encode()
        return HttpResponse(headers={"content-type": JSON}, body=raw)


def _error(status: int, message: str) -> HttpResponse:
    error = {"type": "authentication_error", "message": message}
    raw = json.dumps({"type": "error", "error": error}).encode()
    return HttpResponse(status=status, headers={"content-type": JSON}, body=raw)


def signature_problem(request: HttpRequest, secret: str) -> str:
    """Why the signature is not the one of that secret, "" where it is; see AWS's own SigV4 page."""
    found = _SIGNED.fullmatch(request.header("authorization"))
    if found is None:
        return "not signed"
    names = found["headers"].split(";")
    if not {"host", "x-amz-date", "anthropic-workspace-id"} <= set(names):
        return f"not all of the headers are signed: {names}"
    query = "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
        for name, value in sorted(request.query.items())
    )
    headers = "".join(f"{name}:{' '.join(request.header(name).split())}\n" for name in names)
    body = hashlib.sha256(request.read(1 << 29)).hexdigest()
    canonical = "\n".join(
        (request.method, quote(request.path), query, headers, found["headers"], body)
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(("AWS4-HMAC-SHA256", request.header("x-amz-date"), found["scope"], digest))
    key = f"AWS4{secret}".encode()
    for part in found["scope"].split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    expected = hmac.new(key, text.encode(), "sha256").hexdigest()
    if f"/{REGION}/{SERVICE}/" not in f"/{found['scope']}/":
        return f"signed for another service: {found['scope']}"
    return "" if hmac.compare_digest(expected, found["signature"]) else "another signature"


@cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _claims(assertion: str) -> dict[str, str]:
    part = assertion.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def _is_signed(assertion: str) -> bool:
    signed, _, signature = assertion.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    _key().public_key().verify(raw, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return True


def google_account(path: Path, address: str, name: str) -> None:
    """Write the key file of a service account whose tokens come from that server."""
    pem = _key().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = {
        "type": "service_account",
        "project_id": "project-of-the-suite",
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": name,
        "client_id": "1",
        "token_uri": f"{address}/token",
    }
    path.write_text(json.dumps(account))


def aws_profiles(path: Path, *secrets: str) -> None:
    """Write the credentials file of AWS, in which each secret has a profile of its name."""
    path.write_text(
        "".join(
            f"[{secret}]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {secret}\n\n"
            for secret in secrets
        )
    )


def sdk_profile(folder: Path, name: str, token: str, **config: object) -> None:
    """Write a profile of the SDK whose token another program renews."""
    for part, content in (
        ("configs", {"authentication": {"type": "user_oauth"}, **config}),
        ("credentials", {"access_token": token, "type": "oauth_token", "version": "1.0"}),
    ):
        (folder / part).mkdir(exist_ok=True)
        path = folder / part / f"{name}.json"
        path.write_text(json.dumps(content))
        path.chmod(0o600)
