"""What a push carries: ids and neutral words; who, where and what, the app asks for with its own token. Pure."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from typing import Any

from backend.delivery.channels import TEST, Message

VERSION = "1"
LONGEST_S = 28 * 86_400
"""How long a push service keeps a message at most."""


def data(message: Message) -> dict[str, str]:
    """What the app reads, in FCM as in web push: text only, as FCM asks."""
    told = {
        "v": VERSION,
        "kind": message.kind,
        "delivery_id": str(message.delivery_id),
        "exp": str(int(message.useful_until.timestamp())),
        "title": message.title,
        "text": message.text,
    }
    if message.alert_id is not None:
        told["alert_id"] = str(message.alert_id)
    if message.assignment_id is not None:
        told["assignment_id"] = str(message.assignment_id)
    return told


def is_high(message: Message) -> bool:
    """Whether the phone is to be woken from its sleep at once; a test takes the way that an offer would take."""
    return message.urgent or message.kind == TEST


def useful_s(message: Message, now: datetime) -> int:
    """Whole seconds for which the message is of use; the push service keeps it no longer."""
    return min(LONGEST_S, max(0, int((message.useful_until - now).total_seconds())))


def fcm(message: Message, now: datetime) -> dict[str, Any]:
    """FCM's `message`: on Android data, from which the app makes its notification; on iOS a neutral alert."""
    high = is_high(message)
    target = "fid" if message.address.kind == "fcm_fid" else "token"
    aps: dict[str, Any] = {
        "alert": {"title": message.title, "body": message.text},
        "sound": "default",
        "mutable-content": 1,
        "interruption-level": "time-sensitive" if high else "active",
    }
    return {
        target: message.address.value,
        "data": data(message),
        "android": {"priority": "HIGH" if high else "NORMAL", "ttl": f"{useful_s(message, now)}s"},
        "apns": {
            "headers": {
                "apns-push-type": "alert",
                "apns-priority": "10" if high else "5",
                "apns-expiration": str(int(message.useful_until.timestamp())),
                "apns-collapse-id": str(message.alert_id or message.delivery_id),
            },
            "payload": {"aps": aps},
        },
    }


def webpush_headers(message: Message) -> dict[str, str]:
    """RFC 8030's headers but TTL: how urgent it is, and which waiting message it takes the place of."""
    return {"Urgency": "high" if is_high(message) else "normal", "Topic": _topic(message)}


def _topic(message: Message) -> str:
    # Of this browser only: equal topics would tell a push service which people are called to the same alert.
    about = f"{message.alert_id or message.delivery_id}\n{message.address.value}"
    return base64.urlsafe_b64encode(hashlib.sha256(about.encode()).digest()[:24]).decode()
