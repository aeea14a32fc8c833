"""Signatures of webhooks, both ways: who sent this body, and when. Pure: the caller says what time it is.

The header is `X-Vigie-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256(secret, "<t>." + body)>`.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta

HEADER = "X-Vigie-Signature"
WINDOW = timedelta(minutes=5)
"""How far the sender's clock may be from ours; an older body is somebody playing it again."""


def sign(secret: str, body: bytes, now: datetime) -> str:
    """The header's value for a body that is sent now."""
    at = int(now.timestamp())
    return f"t={at},v1={_digest(secret, at, body)}"


def is_signed(secret: str, body: bytes, header: str | None, now: datetime) -> bool:
    """True when somebody who knows the secret signed exactly this body within five minutes of now.

    Several `v1` may stand there while a secret is being changed; one that is right is enough.
    """
    if not secret or not header:
        return False
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit() and len(times[0]) <= 12):
        return False
    at = int(times[0])
    if abs(now.timestamp() - at) > WINDOW.total_seconds():
        return False
    right = _digest(secret, at, body).encode()
    # Each is compared in full: how long that takes tells nobody how much of a guess was right.
    found = [hmac.compare_digest(right, value.encode("utf-8", "replace")) for name, _, value in parts if name == "v1"]
    return any(found)


def _digest(secret: str, at: int, body: bytes) -> str:
    return hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
