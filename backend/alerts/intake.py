"""Reading what a phone in distress sent: every field optional, each bad one put right or left out with a warning.

Pure: standard library and other pure files only. Rules: reliability_security_ux.md §2.4 (B01-B21), standards.md §6.3.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from backend.alerts.categories import Category
from backend.alerts.reading import Reader, clean_text, instant, number
from backend.alerts.whereabouts import Place, Position, read_place, read_position

_SERVER_FIELDS = frozenset({"id", "state", "version", "priority", "device_id", "duress", "received_at", "role"})
_CHANGES_ON_RETRY = frozenset({"armed", "sent_at", "queued_ms"})


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


def read_alert(body: dict[str, Any], received_at: datetime, *, late_s: int = 600) -> AlertContent:
    """The alert in a body that is already a JSON object; never refuses."""
    reader = Reader(body)
    for name in sorted(_SERVER_FIELDS & body.keys()):
        reader.warn("field_ignored", name)
    position, odd = read_position(reader)
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
    reader = Reader(body)
    return Details(
        category=_category(reader),
        reporter_role=reader.one_of("reporter_role", ("victim", "witness"), "") or None,
        contact_mode=reader.one_of("contact_mode", ("can_talk", "cannot_talk"), "") or None,
        description=_description(reader),
        place=read_place(body.get("place"), reader),
        warnings=tuple(reader.warnings),
    )


def sender_warnings(*, identity_stale: bool, id_derived: bool) -> tuple[str, ...]:
    """The codes of what is to be said about who sent an alert, not about what is in it."""
    return ("identity_stale",) * identity_stale + ("id_derived",) * id_derived


def content_hash(body: dict[str, Any]) -> bytes:
    """What makes two sendings of one id the same alert; a retry may change its clock fields and `armed`."""
    kept = {key: value for key, value in body.items() if key not in _CHANGES_ON_RETRY}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()).digest()


def _category(reader: Reader) -> Category | None:
    value = reader.body.get("category")
    if value is None:
        return None
    try:
        return Category(value)
    except ValueError:
        reader.warn("category_unknown", "category")
        return Category.OTHER


def _description(reader: Reader) -> str | None:
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


def _times(reader: Reader, received_at: datetime) -> tuple[datetime, str | None, int | None]:
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
    return estimate, clean_text(str(claim))[0][:40] if claim is not None else None, skew_ms


def _bounded_ms(value: float) -> int:
    return int(max(-(2**31) + 1, min(2**31 - 1, value)))
