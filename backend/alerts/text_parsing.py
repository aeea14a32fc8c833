"""Reading an alert that came as a text message: the compact form that an app writes, or somebody's own words. Pure.

`mobile_contract/sms.md` is the contract. Nothing is refused and nothing is lost: whatever cannot be understood stays
in the description.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from backend.alerts.categories import Category
from backend.alerts.reading import clean_text, number
from backend.alerts.text_words import Names, understand
from backend.network.names import folded

LETTERS: Mapping[str, Category] = {
    "S": Category.SEXUAL_CONTACT,
    "H": Category.SEXUAL_NO_CONTACT,
    "U": Category.SEXIST_INSULT,
    "A": Category.ASSAULT,
    "N": Category.THREAT,
    "T": Category.THEFT,
    "M": Category.MEDICAL,
    "I": Category.ANTISOCIAL,
    "B": Category.SUSPICIOUS_OBJECT,
    "R": Category.DISCRIMINATION,
    "O": Category.OTHER,
}
"""The letter of each category in the compact form."""
SIGNATURE_BYTES = 5
_HEAD = re.compile(r"[A-Za-z][A-Za-z0-9]{1,15}=\d{1,3}(?=;)", re.ASCII)
_DIALABLE = re.compile(r"\+?[1-9]\d{7,14}", re.ASCII)
_NATIONAL = re.compile(r"0\d{7,14}", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9]{0,7}", re.ASCII)
_PROVIDERS = {"G": "gnss", "W": "wifi", "C": "cell", "F": "fused", "U": "unknown"}
_MODES = {"S": "cannot_talk", "V": "can_talk"}
_ROLES = {"V": "victim", "W": "witness"}


@dataclass(frozen=True)
class ReadText:
    """A text as understood: the body that the same alert would have by HTTP, and who says that he sent it."""

    body: dict[str, Any]
    compact: bool
    words: str | None = field(default=None, repr=False)
    """Whatever is not in attributes: it is the description."""
    alert_id: uuid.UUID | None = None
    device_id: uuid.UUID | None = None
    signed: str = field(default="", repr=False)
    signature: str | None = field(default=None, repr=False)

    def is_signed_with(self, secret: bytes) -> bool:
        """True when the text carries the signature that this phone's secret makes."""
        return hmac.compare_digest(signature_of(self.signed, secret).encode(), (self.signature or "").upper().encode())


def signature_of(signed: str, secret: bytes) -> str:
    """The attribute `k` for everything that stands before it: 8 characters that only the phone and we can make."""
    digest = hmac.new(secret, signed.encode("utf-8", "replace"), hashlib.sha256).digest()
    return base64.b32encode(digest[:SIGNATURE_BYTES]).decode("ascii")


def callback_number(sender: str) -> str | None:
    """A sender's number to call back, as E.164 where it can be told; none for a name or a short number."""
    plain = "".join(char for char in sender if char not in " .-()/\u00a0")
    plain = f"+{plain[2:]}" if plain.startswith("00") else plain
    if _NATIONAL.fullmatch(plain):
        return plain
    return f"+{plain.removeprefix('+')}" if _DIALABLE.fullmatch(plain) else None


def is_dialable(number: str) -> bool:
    """Whether a gateway can send to this number: E.164, and long enough to be a person's."""
    return number.startswith("+") and _DIALABLE.fullmatch(number) is not None


def short_id(given: uuid.UUID) -> str:
    """An id in the 22 characters that a text has room for."""
    return base64.urlsafe_b64encode(given.bytes).decode("ascii").rstrip("=")


def read_text(text: str, names: Names, observed_at: datetime) -> ReadText:
    """What a text says; never fails, whatever it holds."""
    said = clean_text(text)[0].strip()
    if _HEAD.match(said) is None:
        return _in_words(said, names)
    head, _, words = said.partition(next((char for char in said if char.isspace()), " "))
    return _compact(head, words.strip(), names, observed_at)


def _in_words(said: str, names: Names) -> ReadText:
    found = understand(said, names)
    place = {
        "line_id": found.line_id,
        "stop_id": found.stop_id,
        "station": found.station,
        "vehicle_number": found.vehicle_number,
        "carriage": found.carriage,
    }
    body = _without_nothing(
        {
            "category": found.category,
            "reporter_role": "witness" if found.witness else None,
            "contact_mode": "can_talk" if found.can_talk else None,
            "description": said,
            "place": _without_nothing(place),
        }
    )
    return ReadText(body, compact=False, words=said or None)


def _compact(head: str, words: str, names: Names, observed_at: datetime) -> ReadText:
    signed, mark, _ = head.partition(";k=")
    given: dict[str, str] = {}
    unread: list[str] = []
    for part in head.split(";")[1:]:
        name, equals, value = part.partition("=")
        if not equals or _NAME.fullmatch(name.lower()) is None or name.lower() in given:
            unread.append(part)
        else:
            given[name.lower()] = value
    attributes = _Attributes(given, unread)
    alert_id, device_id = attributes.id("u"), attributes.id("d")
    body = _without_nothing(
        {
            "category": attributes.one_of("c", LETTERS),
            "contact_mode": attributes.one_of("m", _MODES),
            "reporter_role": attributes.one_of("r", _ROLES),
            "position": attributes.position(observed_at),
            "place": attributes.place(names),
        }
    )
    kept = " ".join(part for part in (words, *unread) if part)
    if kept:
        body["description"] = kept
    return ReadText(body, True, kept or None, alert_id, device_id, signed if mark else "", given.get("k"))


@dataclass
class _Attributes:
    """The attributes of one compact text; a value that cannot be read is put aside as it came."""

    given: dict[str, str]
    unread: list[str]

    def _aside(self, *names: str) -> None:
        self.unread.extend(f"{name}={self.given[name]}" for name in names if self.given.get(name))

    def id(self, name: str) -> uuid.UUID | None:
        value = self.given.get(name, "").rstrip("=")
        if not value:
            return None
        try:
            if len(value) == 22 and value.isascii():
                return uuid.UUID(bytes=base64.b64decode(f"{value}==", altchars=b"-_", validate=True))
        except (binascii.Error, ValueError):
            pass
        self._aside(name)
        return None

    def one_of(self, name: str, meanings: Mapping[str, str]) -> str | None:
        value = self.given.get(name, "")
        if value and value.upper() not in meanings:
            self._aside(name)
        return meanings.get(value.upper())

    def position(self, observed_at: datetime) -> dict[str, Any] | None:
        latitude, longitude = (number(self.given.get(name))[0] for name in ("lt", "lg"))
        if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
            self._aside("lt", "lg", "rd", "top")
            return None
        radius, confidence = (number(self.given.get(name))[0] for name in ("rd", "lc"))
        if radius is None:
            self._aside("rd")
        return _without_nothing(
            {
                "latitude": latitude,
                "longitude": longitude,
                "accuracy_m": radius,
                "accuracy_confidence": 95 if (confidence or 0) >= 95 else 68,
                "fix_age_ms": self._age_ms(observed_at),
                "provider": _PROVIDERS.get(self.given.get("pm", "").upper()),
            }
        )

    def _age_ms(self, observed_at: datetime) -> int | None:
        try:
            at = datetime.strptime(self.given.get("top", ""), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            self._aside("top")
            return None
        return max(0, round((observed_at - at).total_seconds() * 1000))

    def place(self, names: Names) -> dict[str, Any] | None:
        line, stop = self.given.get("l"), self.given.get("s")
        named = names.lines.get(folded(line)) if line else None
        line_id = named.line_id if named is not None else line
        stops = names.stops.get(folded(stop), ()) if stop else ()
        on_line = [one for one in stops if line_id in one.line_ids] or list(stops)
        station = {one.station for one in on_line}
        found = {
            "line_id": line_id,
            "vehicle_number": self.given.get("v"),
            "station": station.pop() if len(station) == 1 else None,
            "stop_id": stop if not on_line else None,
        }
        return _without_nothing(found) or None


def _without_nothing(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value not in (None, "", {})}
