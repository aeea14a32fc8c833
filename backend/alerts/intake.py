"""Reading what a phone in distress sent: every field optional, each bad one put right or left out with a warning.

Pure: standard library and other pure files only. Rules: reliability_security_ux.md §2.4 (B01-B21), standards.md §6.3.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from backend.alerts.categories import Category

MAX_TEXT = 2_000
VAGUE_M = 500.0
TO_95 = 1.62  # radius of 95 % from one of 68 %: sqrt(ln 20 / ln 3.125), Rayleigh
_NUMBER = re.compile(r"^\s*[+-]?\d{1,3}([.,]\d{1,15})?\s*$")
_PROVIDERS = frozenset({"gnss", "wifi", "cell", "fused", "manual", "qr", "unknown"})
_SERVER_FIELDS = frozenset({"id", "state", "version", "priority", "device_id", "duress", "received_at", "role"})
_CHANGES_ON_RETRY = frozenset({"armed", "sent_at", "queued_ms"})


@dataclass(frozen=True)
class Position:
    """Where the rider is, with the radius that holds the truth in 95 % of cases, in metres."""

    latitude: float
    longitude: float
    accuracy_m: float | None = None
    age_ms: int = 0
    provider: str = "unknown"


@dataclass(frozen=True)
class Place:
    """What the rider named: line, vehicle, stop."""

    line_id: str | None = None
    direction_id: int | None = None
    vehicle_number: str | None = None
    stop_id: str | None = None
    station: str | None = None
    carriage: str | None = None

    @property
    def is_named(self) -> bool:
        """True when somebody can be sent there without a position."""
        return bool(self.vehicle_number or self.stop_id or self.station)


@dataclass(frozen=True)
class AlertContent:
    """An alert as understood, with the codes of what was wrong with it."""

    category: Category | None
    reporter_role: str
    contact_mode: str
    armed: bool
    exercise: bool
    description: str | None
    position: Position | None
    position_odd: bool
    place: Place
    observed_at: datetime
    device_observed_at: str | None
    skew_ms: int | None
    content_hash: bytes
    warnings: tuple[tuple[str, str | None], ...]


@dataclass
class _Reader:
    body: dict[str, Any]
    warnings: list[tuple[str, str | None]] = field(default_factory=list)

    def warn(self, code: str, name: str | None = None) -> None:
        if (code, name) not in self.warnings:
            self.warnings.append((code, name))

    def one_of(self, name: str, allowed: tuple[str, ...], otherwise: str) -> str:
        value = self.body.get(name)
        if value is None:
            return otherwise
        if value not in allowed:
            self.warn("field_ignored", name)
            return otherwise
        return str(value)

    def flag(self, name: str) -> bool:
        value = self.body.get(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        self.warn("field_ignored", name)
        return False


def read_alert(body: dict[str, Any], received_at: datetime, *, late_s: int = 600) -> AlertContent:
    """The alert in a body that is already a JSON object; never refuses."""
    reader = _Reader(body)
    for name in sorted(_SERVER_FIELDS & body.keys()):
        reader.warn("field_ignored", name)
    position, odd = _position(reader)
    place = read_place(reader.body.get("place"), reader)
    if position is None and not odd and not place.is_named and ("location_invalid", "position") not in reader.warnings:
        reader.warn("location_missing", "position")
    observed_at, claim, skew_ms = _times(reader, received_at)
    if received_at - observed_at > timedelta(seconds=late_s):
        reader.warn("late", "observed_at")
    return AlertContent(
        category=_category(reader),
        reporter_role=reader.one_of("reporter_role", ("victim", "witness"), "victim"),
        contact_mode=reader.one_of("contact_mode", ("can_talk", "cannot_talk"), "cannot_talk"),
        armed=reader.flag("armed"),
        exercise=reader.flag("exercise"),
        description=_description(reader),
        position=position,
        position_odd=odd,
        place=place,
        observed_at=observed_at,
        device_observed_at=claim,
        skew_ms=skew_ms,
        content_hash=content_hash(body),
        warnings=tuple(reader.warnings),
    )


@dataclass(frozen=True)
class Details:
    """What a rider told after sending; None where nothing (usable) was said."""

    category: Category | None
    reporter_role: str | None
    contact_mode: str | None
    description: str | None
    place: Place
    warnings: tuple[tuple[str, str | None], ...]


def read_details(body: dict[str, Any]) -> Details:
    """Details added to an alert that was sent first and described after; never refuses."""
    reader = _Reader(body)
    return Details(
        category=_category(reader),
        reporter_role=reader.one_of("reporter_role", ("victim", "witness"), "") or None,
        contact_mode=reader.one_of("contact_mode", ("can_talk", "cannot_talk"), "") or None,
        description=_description(reader),
        place=read_place(body.get("place"), reader),
        warnings=tuple(reader.warnings),
    )


def content_hash(body: dict[str, Any]) -> bytes:
    """What makes two sendings of one id the same alert; a retry may change its clock fields and `armed`."""
    kept = {key: value for key, value in body.items() if key not in _CHANGES_ON_RETRY}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()).digest()


def clean_text(value: str) -> tuple[str, bool, bool]:
    """(text that can be stored, whether characters were replaced, whether it was cut)."""
    # PostgreSQL refuses NUL and UTF-8 cannot carry a lone surrogate: the rest of the words must not be lost for it.
    cleaned = value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
    return cleaned[:MAX_TEXT], cleaned != value, len(cleaned) > MAX_TEXT


def number(value: object) -> tuple[float | None, bool]:
    """(the finite number meant, whether it had to be read out of a text); None when nothing can be meant."""
    if isinstance(value, str) and _NUMBER.match(value):
        return float(value.strip().replace(",", ".")), True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None, False
    try:
        found = float(value)
    except OverflowError:
        return None, False
    return (found, False) if math.isfinite(found) else (None, False)


def _category(reader: _Reader) -> Category | None:
    value = reader.body.get("category")
    if value is None:
        return None
    try:
        return Category(value)
    except ValueError:
        reader.warn("category_unknown", "category")
        return Category.OTHER


def _description(reader: _Reader) -> str | None:
    value = reader.body.get("description")
    if value is None:
        return None
    if not isinstance(value, str):
        reader.warn("field_ignored", "description")
        return None
    text, cleaned, cut = clean_text(value)
    if cleaned:
        reader.warn("text_cleaned", "description")
    if cut:
        reader.warn("text_cut", "description")
    return text or None


def _position(reader: _Reader) -> tuple[Position | None, bool]:
    """(the position, whether it names a place where no rider of ours can be)."""
    value = reader.body.get("position")
    if value is None:
        return None, False
    if not isinstance(value, dict):
        reader.warn("location_invalid", "position")
        return None, False
    latitude, lat_text = number(value.get("latitude"))
    longitude, lon_text = number(value.get("longitude"))
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:  # noqa: PLR2004 - degrees
        reader.warn("location_invalid", "position")
        return None, False
    if lat_text or lon_text:
        reader.warn("location_repaired", "position")
    if latitude == 0 and longitude == 0:
        reader.warn("out_of_area", "position")
        return None, True
    position = Position(latitude, longitude, _accuracy(reader, value), _age_ms(reader, value))
    provider = value.get("provider")
    if isinstance(provider, str) and provider in _PROVIDERS:
        position = replace(position, provider=provider)
    if position.accuracy_m is not None and position.accuracy_m > VAGUE_M:
        reader.warn("location_vague", "position")
    return position, False


def _accuracy(reader: _Reader, value: dict[str, Any]) -> float | None:
    if value.get("accuracy_m") is None:
        return None
    accuracy, _ = number(value["accuracy_m"])
    if accuracy is None or accuracy <= 0:
        reader.warn("accuracy_invalid", "position.accuracy_m")
        return None
    # Android and iOS mean 68 % by accuracy and say so; browsers mean 95 %.
    return accuracy * TO_95 if value.get("accuracy_confidence") == 68 else accuracy  # noqa: PLR2004 - per cent


def _age_ms(reader: _Reader, value: dict[str, Any]) -> int:
    age, _ = number(value.get("fix_age_ms", 0) or 0)
    if age is None or not 0 <= age <= 86_400_000:  # noqa: PLR2004 - a day in milliseconds
        reader.warn("field_ignored", "position.fix_age_ms")
        return 0
    return int(age)


def read_place(value: object, reader: _Reader | None = None) -> Place:
    """The place that the rider named; each unusable part left out."""
    reader = reader or _Reader({})
    if value is None:
        return Place()
    if not isinstance(value, dict):
        reader.warn("field_ignored", "place")
        return Place()
    parts: dict[str, str | None] = {}
    for name in ("line_id", "vehicle_number", "stop_id", "station", "carriage"):
        part = value.get(name)
        if isinstance(part, int) and not isinstance(part, bool) and abs(part) < 10**12:
            part = str(part)
        if part is not None and (not isinstance(part, str) or len(part) > (40 if name in ("vehicle_number", "carriage") else 80)):
            reader.warn("field_ignored", f"place.{name}")
            part = None
        parts[name] = clean_text(part)[0].strip() or None if part is not None else None
    direction = value.get("direction_id")
    if direction is not None and (isinstance(direction, bool) or direction not in (0, 1)):
        reader.warn("field_ignored", "place.direction_id")
        direction = None
    return Place(direction_id=direction, **parts)


def instant(value: object) -> datetime | None:
    """The instant in an RFC 3339 text with a zone; None for anything else."""
    if not isinstance(value, str) or len(value) > 40:  # noqa: PLR2004 - the longest RFC 3339 text is shorter
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _times(reader: _Reader, received_at: datetime) -> tuple[datetime, str | None, int | None]:
    """(when it happened by our clock, the phone's own claim, the phone's clock error in ms)."""
    claim = reader.body.get("observed_at")
    sent_at, observed = instant(reader.body.get("sent_at")), instant(claim)
    skew_ms = _bounded_ms((received_at - sent_at) / timedelta(milliseconds=1)) if sent_at else None
    queued, _ = number(reader.body.get("queued_ms"))
    estimate = received_at
    if queued is not None and 0 <= queued <= 30 * 86_400_000:
        estimate = received_at - timedelta(milliseconds=queued)
    elif sent_at and observed and timedelta(0) <= sent_at - observed <= timedelta(days=30):
        estimate = received_at - (sent_at - observed)
    elif observed and timedelta(0) <= received_at - observed <= timedelta(seconds=120):
        estimate = observed
    if claim is not None and (observed is None or abs(observed - estimate) > timedelta(seconds=120)):
        reader.warn("device_time_invalid", "observed_at")
    return estimate, str(claim)[:40] if claim is not None else None, skew_ms


def _bounded_ms(value: float) -> int:
    return int(max(-(2**31) + 1, min(2**31 - 1, value)))
