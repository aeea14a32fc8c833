"""The world outside, small and real: Google's push, a web push service, a text gateway; HTTP servers on 127.0.0.1.

They check what the real ones check, answer what a test tells them to, and remember what they were given.
"""

import base64
import hashlib
import hmac
import itertools
import json
import os
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import http_ece
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256

from tests.provider_server import Answer, Heard, Provider

__all__ = ["Answer", "FcmProvider", "Heard", "Provider", "PushService", "Pushed", "SmsGateway", "fcm_refusal"]
Json = dict[str, Any]


class FcmProvider(Provider):
    """Google's token endpoint and FCM's HTTP v1 `messages:send`; scripted answers are for messages, not for tokens."""

    def __init__(self, project: str = "demo") -> None:
        self.project = project
        self.tokens_asked = 0
        self.token_answer: Answer | None = None
        self.token_lasts_s = 3600
        self._valid: set[str] = set()
        self._numbers = itertools.count(1)
        super().__init__()
        self.fcm_url = f"{self.url}/v1/projects"

    @property
    def sent(self) -> list[Json]:
        """The `message` of each request to send, in order, whatever was answered."""
        return [one.json["message"] for one in list(self.heard)]

    def credentials(self, folder: Path, **changes: str) -> str:
        """The path of a service account's file, whose tokens come from here."""
        account = {
            "type": "service_account",
            "project_id": self.project,
            "private_key_id": "k1",
            "private_key": _private_key(),
            "client_email": f"push@{self.project}.iam.gserviceaccount.com",
            "token_uri": f"{self.url}/token",
        } | changes
        path = folder / f"{account['project_id'] or 'none'}.json"
        path.write_text(json.dumps(account))
        return str(path)

    def expire_tokens(self) -> None:
        """No token given so far is good any more."""
        self._valid.clear()

    def answer_to(self, heard: Heard) -> Answer:
        """Tokens are given whatever the script says."""
        if heard.path != "/token":
            return super().answer_to(heard)
        self.tokens_asked += 1
        asked = parse_qs(heard.body.decode())
        if self.token_answer is not None:
            return self.token_answer
        if not asked.get("assertion"):
            return Answer(400, {"error": "invalid_grant"})
        # As Google's: a new one ends none that was given before. Two workers would else take them from each other.
        given = f"token-{self.tokens_asked}"
        self._valid.add(f"Bearer {given}")
        return Answer(200, {"access_token": given, "expires_in": self.token_lasts_s, "token_type": "Bearer"})

    def deserved(self, heard: Heard) -> Answer:
        """200 for a good token and the right project; 401, 404 otherwise."""
        if heard.headers.get("authorization") not in self._valid:
            return fcm_refusal(401, "UNAUTHENTICATED", reason="ACCESS_TOKEN_EXPIRED")
        if heard.path != f"/v1/projects/{self.project}/messages:send":
            return fcm_refusal(404, "NOT_FOUND")
        return Answer(200, {"name": f"projects/{self.project}/messages/{next(self._numbers)}"})


def fcm_refusal(
    http: int, status: str, code: str | None = None, *, reason: str | None = None, **headers: str
) -> Answer:
    """A refusal as FCM writes it; its own code stands in the details, where there is one."""
    details: list[Json] = []
    if code is not None:
        details.append({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code})
    if reason is not None:
        details.append({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason})
    body = {"error": {"code": http, "status": status, "message": "as asked for", "details": details}}
    return Answer(http, body, {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass(frozen=True)
class Pushed:
    """One web push as the browser reads it."""

    browser: str
    payload: Json
    ttl: int
    urgency: str | None
    topic: str | None


@dataclass(frozen=True)
class _Browser:
    key: ec.EllipticCurvePrivateKey
    auth: bytes
    server_key: str


class PushService(Provider):
    """A web push service with its browsers: checks VAPID (RFC 8292), decrypts what was sent (RFC 8291)."""

    def __init__(self) -> None:
        self.pushed: list[Pushed] = []
        self._browsers: dict[str, _Browser] = {}
        super().__init__()

    def subscribe(self, server_key: str) -> Json:
        """What a browser's `PushSubscription.toJSON()` gives for a server's public key."""
        browser = _Browser(ec.generate_private_key(ec.SECP256R1()), os.urandom(16), server_key)
        name = _text(os.urandom(12))
        self._browsers[name] = browser
        keys = {"p256dh": _text(_point(browser.key.public_key())), "auth": _text(browser.auth)}
        return {"endpoint": f"{self.url}/push/{name}", "expirationTime": None, "keys": keys}

    def unsubscribe(self, subscription: Json) -> None:
        """The browser is gone: 410 from now on."""
        self._browsers.pop(subscription["endpoint"].rpartition("/")[2])

    def wait_for_pushed(self, count: int, timeout_s: float = 10) -> list[Pushed]:
        """What browsers got, as soon as there is so much."""
        with self.news:
            if not self.news.wait_for(lambda: len(self.pushed) >= count, timeout_s):
                raise AssertionError(f"{len(self.pushed)} of {count} pushes came in {timeout_s} s")
            return list(self.pushed)

    def deserved(self, heard: Heard) -> Answer:
        """As RFC 8030 says: 201, 410 for who is gone, 400 without a TTL, 403 for a signature that is not right."""
        name = heard.path.rpartition("/")[2]
        browser = self._browsers.get(name)
        if browser is None:
            return Answer(410)
        if not heard.headers.get("ttl", "").isdigit() or heard.headers.get("content-encoding") != "aes128gcm":
            return Answer(400)
        if wrong := self._wrong_with(heard.headers.get("authorization", ""), browser):
            return Answer(403, wrong)
        if len(heard.body) > 4096:
            return Answer(413)
        read = http_ece.decrypt(heard.body, private_key=browser.key, auth_secret=browser.auth, version="aes128gcm")
        headers = heard.headers
        pushed = Pushed(name, json.loads(read), int(headers["ttl"]), headers.get("urgency"), headers.get("topic"))
        with self.news:
            self.pushed.append(pushed)
            self.news.notify_all()
        return Answer(201, headers={"Location": f"{self.url}/message/{len(self.pushed)}"})

    def _wrong_with(self, authorization: str, browser: _Browser) -> str:
        scheme, _, rest = authorization.partition(" ")
        parts = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
        if scheme != "vapid" or not {"t", "k"} <= set(parts):
            return "no vapid"
        if parts["k"].rstrip("=") != browser.server_key.rstrip("="):
            return "another server's key than this browser subscribed to"
        signed, _, signature = parts["t"].rpartition(".")
        raw = _bytes(signature)
        r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _bytes(parts["k"]))
        try:
            key.verify(utils.encode_dss_signature(r, s), signed.encode(), ec.ECDSA(SHA256()))
        except InvalidSignature:
            return "not signed with this key"
        claims = json.loads(_bytes(signed.partition(".")[2]))
        if claims.get("aud") != self.url:
            return f"aud is {claims.get('aud')}"
        if not time.time() < claims.get("exp", 0) <= time.time() + 86_400:
            return "exp is not within a day"
        return "" if str(claims.get("sub", "")).startswith(("mailto:", "https:")) else "no contact"


class SmsGateway(Provider):
    """A text gateway: checks the signature of each webhook, and drops what it has taken before."""

    def __init__(self, secret: str = "gateway-secret") -> None:
        self.secret = secret
        self.texts: list[Json] = []
        super().__init__()

    def deserved(self, heard: Heard) -> Answer:
        """202 for a signed text; 401 for anything else."""
        header = dict(part.split("=", 1) for part in heard.headers.get("x-vigie-signature", "").split(",") if part)
        right = hmac.new(self.secret.encode(), f"{header.get('t')}.".encode() + heard.body, hashlib.sha256).hexdigest()
        if header.get("v1") != right:
            return Answer(401)
        text = heard.json
        with self.news:
            if all(text["id"] != one["id"] for one in self.texts):
                self.texts.append(text)
                self.news.notify_all()
        return Answer(202, {"id": f"gw-{text['id']}"})

    def wait_for_texts(self, count: int, timeout_s: float = 10) -> list[Json]:
        """The texts that were taken, as soon as there are so many."""
        with self.news:
            if not self.news.wait_for(lambda: len(self.texts) >= count, timeout_s):
                raise AssertionError(f"{len(self.texts)} of {count} texts came in {timeout_s} s")
            return list(self.texts)


@cache
def _private_key() -> str:
    # Once for all tests: finding primes takes longer than most of them.
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
