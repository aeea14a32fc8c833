"""Text messages out, through the webhook of a gateway that the operator chooses; each is signed."""

from __future__ import annotations

import json
import unicodedata
from datetime import datetime

from backend.delivery import signatures
from backend.delivery.channels import GiveUp, Message, Outcome, RetryAt, Sent
from backend.delivery.outgoing import Line, NotAnswered, retry_after_s
from backend.settings import Settings
from backend.times import stamp

_GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)


class Sms:
    """The channel `sms`."""

    name = "sms"
    address_kinds: tuple[str, ...] = ()

    def __init__(self, settings: Settings) -> None:
        self._url = settings.sms_url
        self._secret = settings.sms_secret
        self._timeout_s = settings.provider_timeout_s
        self._line = Line()

    def send(self, message: Message, now: datetime) -> Outcome:
        """Hands the text to the gateway, which drops one whose `id` it has taken before."""
        told = {
            "id": str(message.delivery_id),
            "to": message.address.value,
            "text": plain(message.text),
            "valid_until": stamp(message.useful_until),
            "urgent": message.urgent,
        }
        body = json.dumps(told, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", signatures.HEADER: signatures.sign(self._secret, body, now)}
        try:
            answer = self._line.post(self._url, data=body, headers=headers, timeout=self._timeout_s)
        except NotAnswered as failure:
            return RetryAt(failure.code)
        return _outcome(answer.status_code, answer.content, retry_after_s(answer.headers.get("Retry-After"), now))


def plain(text: str) -> str:
    """The text in the alphabet of phones: one ô in it would make it cost, and be cut, as if it were Chinese."""
    return "".join(
        letter if letter in _GSM_7 else unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode() or "?"
        for letter in text.replace("’", "'")
    )


def _outcome(status: int, body: bytes, wait_s: float | None) -> Outcome:
    if 200 <= status < 300:
        return Sent(_id(body))
    if status in (408, 429) or status >= 500:
        return RetryAt(f"http_{status}", wait_s)
    if status in (401, 403):
        return GiveUp("signature", ours=True)
    if status in (410, 422):
        return GiveUp("number_refused")
    if status in (301, 302, 303, 307, 308, 404, 405):
        return GiveUp("endpoint", ours=True)
    return GiveUp(f"http_{status}", ours=True)


def _id(body: bytes) -> str | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    told = found.get("id") if isinstance(found, dict) else None
    return str(told)[:200] if told is not None else None
