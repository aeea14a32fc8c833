"""Web push subscriptions: read from what a browser gave, and kept to push services that may be asked. Pure.

An endpoint is an address that a client gives and the server calls: whoever could name any would have the server call
machines inside the network for her.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field

_PATH = r"(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?"
# One strict form, rather than a parser: two parsers that read one address differently are how such lists are passed.
_HTTPS = re.compile(rf"https://([a-z0-9.-]{{1,253}})(:443)?{_PATH}", re.IGNORECASE | re.ASCII)
_HERE = re.compile(rf"http://127\.0\.0\.1:[0-9]{{1,5}}{_PATH}", re.ASCII)


class SubscriptionInvalid(ValueError):
    """A text that is no usable subscription."""


@dataclass(frozen=True)
class Subscription:
    """Where a browser's push service takes messages for it, and the keys that only the browser can read with."""

    endpoint: str = field(repr=False)
    p256dh: str = field(repr=False)
    auth: str = field(repr=False)

    @property
    def info(self) -> dict[str, object]:
        """As `PushSubscription.toJSON()` writes it."""
        return {"endpoint": self.endpoint, "keys": {"p256dh": self.p256dh, "auth": self.auth}}


def read(text: str) -> Subscription:
    """The subscription in the JSON text of `PushSubscription.toJSON()`."""
    try:
        found = json.loads(text)
        endpoint, keys = found["endpoint"], found["keys"]
        p256dh, auth = keys["p256dh"], keys["auth"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise SubscriptionInvalid("not the JSON text of PushSubscription.toJSON()") from None
    if not isinstance(endpoint, str) or not endpoint.startswith(("https://", "http://")):
        raise SubscriptionInvalid("endpoint is not an address")
    point = _bytes(p256dh)
    if len(point) != 65 or point[0] != 4:
        raise SubscriptionInvalid("keys.p256dh is not an uncompressed point of P-256")
    if len(_bytes(auth)) != 16:
        raise SubscriptionInvalid("keys.auth is not 16 bytes")
    return Subscription(endpoint, p256dh, auth)


def may_be_called(endpoint: str, hosts: Collection[str], *, here: bool = False) -> bool:
    """True for an https address, on port 443, of a listed host; `*.example.org` lists every host below example.org.

    `here` also allows http on 127.0.0.1, for tests.
    """
    return service_of(endpoint, hosts, here=here) is not None


def service_of(endpoint: str, hosts: Collection[str], *, here: bool = False) -> str | None:
    """The push service that an address belongs to, as it is listed; None for one that may not be called."""
    if here and _HERE.fullmatch(endpoint):
        return endpoint.split("/")[2]
    match = _HTTPS.fullmatch(endpoint)
    if match is None:
        return None
    host = match[1].lower()
    return next((each for each in hosts if host == each or (each.startswith("*.") and host.endswith(each[1:]))), None)


def _bytes(text: object) -> bytes:
    if not isinstance(text, str):
        raise SubscriptionInvalid("a key is not text")
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise SubscriptionInvalid("a key is not base64url") from None
