"""Web Push (RFC 8030, 8291, 8292) through pywebpush: browsers, and phones with UnifiedPush, which is the same."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from http_ece import ECEException
from py_vapid import Vapid02
from py_vapid.utils import b64urlencode
from pywebpush import WebPushException, webpush

from backend.delivery import payloads, subscriptions
from backend.delivery.breaker import Breaker
from backend.delivery.channels import AddressDead, GiveUp, Message, Outcome, RetryAt, Sent
from backend.delivery.outgoing import Line, NotAnswered, retry_after_s
from backend.delivery.subscriptions import Subscription, SubscriptionInvalid
from backend.settings import Settings, SettingsRefused

_NO_RATE = 10_000.0
"""The rate of the whole channel is held by whoever claims its messages."""
_RAW = re.compile(r"[A-Za-z0-9_-]{43}=?")


class WebPush:
    """The channel `webpush`."""

    name = "webpush"
    address_kinds: tuple[str, ...] = ("subscription",)

    def __init__(self, settings: Settings) -> None:
        """Refuses, in one line, a VAPID key or contact that push services would refuse."""
        self._settings = settings
        self._vapid = _key(settings.vapid_key)
        self.public_key: str = public_key(self._vapid)
        self._line = Line(public=True)
        # One each, in this process: Mozilla's push service may be away while Google's and Apple's are well.
        self._services: dict[str, Breaker] = {}

    def send(self, message: Message, now: datetime) -> Outcome:
        """Encrypts the message for the browser and hands it to the browser's push service."""
        settings = self._settings
        try:
            subscription = subscriptions.read(message.address.value)
        except SubscriptionInvalid:
            return GiveUp("subscription_invalid")
        service = subscriptions.service_of(subscription.endpoint, settings.webpush_hosts, here=settings.webpush_here)
        if service is None:
            return GiveUp("host_not_allowed")
        breaker = self._services.setdefault(service, Breaker(_NO_RATE))
        if breaker.room(now) < 1:
            return RetryAt("resting", one_of_many=True)
        breaker.spend(1, now)
        outcome = self._hand_over(subscription, message, now)
        breaker.note(outcome, now)
        return replace(outcome, one_of_many=True) if isinstance(outcome, RetryAt) else outcome

    def _hand_over(self, subscription: Subscription, message: Message, now: datetime) -> Outcome:
        settings = self._settings
        try:
            answer = webpush(
                subscription.info,
                json.dumps(payloads.data(message), ensure_ascii=False),
                vapid_private_key=self._vapid,
                vapid_claims={"sub": settings.vapid_contact},  # a new one each time: pywebpush writes into it
                ttl=payloads.useful_s(message, now),
                headers=dict(payloads.webpush_headers(message)),
                timeout=settings.provider_timeout_s,  # its own is close to three hours
                requests_session=self._line,
            )
        except NotAnswered as failure:
            return GiveUp(failure.code) if failure.code == "private_address" else RetryAt(failure.code)
        except WebPushException as refused:
            if refused.status_code is None:
                return GiveUp("subscription_invalid")
            return _refusal(refused.status_code, retry_after_s(refused.retry_after, now))
        except (ValueError, ECEException):
            return GiveUp("subscription_invalid")  # keys that are no point of the curve
        return Sent(
            answer.headers.get("Location", "")[-200:] or None if isinstance(answer, requests.Response) else None
        )


def _refusal(status: int, wait_s: float | None) -> Outcome:
    if status in (404, 410):
        return AddressDead(f"http_{status}")
    if status in (408, 429) or status >= 500:
        return RetryAt(f"http_{status}", wait_s)
    if status in (401, 403):
        return GiveUp("vapid", ours=True)
    return GiveUp(f"http_{status}", ours=True)


def public_key(key: Vapid02) -> str:
    """The `applicationServerKey` that belongs to a private key."""
    point = key.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return str(b64urlencode(point))


def _key(given: str) -> Vapid02:
    key = None
    try:
        # A path, or the key itself: PEM, or the raw number in base64url.
        if "-----BEGIN" in given:
            key = Vapid02.from_pem(given.replace("\\n", "\n").encode())
        elif _RAW.fullmatch(given):
            key = Vapid02.from_raw(given.encode())
        else:
            key = Vapid02.from_pem(Path(given).read_bytes())
    except OSError as error:
        # What was meant as a key may stand where a path is looked for: it is not repeated.
        raise SettingsRefused(f"VIGIE_VAPID_KEY is no key, and no file: {error.strerror or 'unreadable'}") from None
    except Exception:  # noqa: BLE001, S110 - a parser's own words may quote the key
        pass
    private = key.private_key if key is not None else None
    if key is None or not isinstance(private, ec.EllipticCurvePrivateKey) or private.curve.name != "secp256r1":
        raise SettingsRefused(
            "VIGIE_VAPID_KEY is no private key on P-256; unset, `flask --app backend.app push keys` makes one"
        )
    return key
