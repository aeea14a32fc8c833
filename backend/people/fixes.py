"""Fixes: reading a position as a phone sends it, and judging whether it can be true.

Nothing here raises for what a phone sends: a glitch of its receiver is ordinary and becomes a code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

RefusalCode = Literal["off_duty", "stale", "future", "implausible", "invalid", "inaccurate", "older_than_last"]
STALE = timedelta(seconds=60)
AHEAD = timedelta(seconds=10)
FASTEST_MPS = 70.0
VAGUEST_M = 1000.0
UNKNOWN_ACCURACY_M = 50.0
BELIEVED_AFTER = 3
# Rayleigh: the radius that holds 95 % of the fixes is this many times the one that holds 68 %.
FROM_68_TO_95 = math.sqrt(math.log(20) / math.log(3.125))
PROVIDERS = frozenset({"gnss", "wifi", "cell", "fused", "manual", "qr", "unknown"})
_METRES_PER_DEGREE = math.pi * 6_371_008.8 / 180


@dataclass(frozen=True, slots=True)
class Fix:
    """Where something was at an instant; `accuracy_m` is the radius of 95 %."""

    latitude: float
    longitude: float
    fix_at: datetime
    accuracy_m: float | None = None
    heading_deg: float | None = None
    speed_mps: float | None = None
    provider: str = "unknown"
    vehicle_number: str | None = None
    stop_id: str | None = None


def accuracy_95(accuracy_m: object, confidence: object = None) -> float | None:
    """The radius of 95 %; Android and iOS send that of 68 %, and 0 or a negative number for none.

    Without a confidence it is 68 %, as those mean it: too wide a circle misleads nobody.
    """
    value = _number(accuracy_m)
    if value is None or value <= 0:
        return None
    return value if confidence == 95 else value * FROM_68_TO_95


def read_fix(raw: Mapping[str, Any], now: datetime) -> Fix | None:
    """The fix in a JSON object, without wrong optional fields; None when it names no place or no time."""
    latitude, longitude = _number(raw.get("latitude")), _number(raw.get("longitude"))
    fix_at = _instant_of(raw, now)
    if latitude is None or longitude is None or fix_at is None or not _is_place(latitude, longitude):
        return None
    speed, heading = _number(raw.get("speed_mps")), _number(raw.get("heading_deg"))
    provider = raw.get("provider")
    return Fix(
        latitude,
        longitude,
        fix_at,
        accuracy_m=accuracy_95(raw.get("accuracy_m"), raw.get("accuracy_confidence")),
        heading_deg=heading % 360 if heading is not None and 0 <= heading <= 360 else None,
        speed_mps=speed if speed is not None and 0 <= speed <= FASTEST_MPS else None,
        provider=provider if isinstance(provider, str) and provider in PROVIDERS else "unknown",
        vehicle_number=_label(raw.get("vehicle_number"), 40),
        stop_id=_label(raw.get("stop_id"), 100),
    )


def judge(fix: Fix, last: Fix | None, now: datetime) -> RefusalCode | None:
    """Why this fix cannot follow `last`; None when it can."""
    alone = _judge_alone(fix, now)
    if alone is not None or last is None:
        return alone
    elapsed_s = (fix.fix_at - last.fix_at).total_seconds()
    if elapsed_s <= 0:
        return "older_than_last"
    possible_m = FASTEST_MPS * elapsed_s + _doubt_m(fix) + _doubt_m(last)
    return "implausible" if metres_between(fix, last) > possible_m else None


def _judge_alone(fix: Fix, now: datetime) -> RefusalCode | None:
    if not _is_place(fix.latitude, fix.longitude):
        return "invalid"
    if fix.fix_at > now + AHEAD:
        return "future"
    if fix.fix_at < now - STALE:
        return "stale"
    return "inaccurate" if fix.accuracy_m is not None and fix.accuracy_m > VAGUEST_M else None


def judge_in_series(
    fix: Fix, last: Fix | None, doubted: tuple[Fix, ...], now: datetime
) -> tuple[RefusalCode | None, tuple[Fix, ...]]:
    """The judgement, and the fixes in doubt after it.

    A receiver that starts with one wrong fix would otherwise have every right one refused for ever: when three
    doubted fixes in a row agree with each other, they are believed.
    """
    code = judge(fix, last, now)
    if code is None:
        return None, ()
    if code != "implausible":
        return code, doubted
    agrees = bool(doubted) and judge(fix, doubted[-1], now) is None
    if doubted and not agrees and fix.fix_at <= doubted[-1].fix_at:
        return code, doubted
    doubted = (*doubted, fix) if agrees else (fix,)
    return (None, ()) if len(doubted) >= BELIEVED_AFTER else (code, doubted)


def metres_between(a: Fix, b: Fix) -> float:
    """Metres between two fixes as on a flat map: exact enough to tell a glitch from a drive."""
    east = (a.longitude - b.longitude + 540) % 360 - 180
    east *= math.cos(math.radians((a.latitude + b.latitude) / 2))
    return math.hypot(east, a.latitude - b.latitude) * _METRES_PER_DEGREE


def _doubt_m(fix: Fix) -> float:
    return UNKNOWN_ACCURACY_M if fix.accuracy_m is None else fix.accuracy_m


def _is_place(latitude: float, longitude: float) -> bool:
    if not (math.isfinite(latitude) and math.isfinite(longitude)):
        return False
    # (0, 0) is a receiver without a fix, not the Gulf of Guinea.
    return abs(latitude) <= 90 and abs(longitude) <= 180 and not (latitude == 0 and longitude == 0)


def _instant_of(raw: Mapping[str, Any], now: datetime) -> datetime | None:
    """When the fix was made: by its age (a monotonic clock) before by the phone's own clock."""
    age_ms, text = raw.get("fix_age_ms"), raw.get("fix_at")
    if age_ms is not None:
        age = _number(age_ms)
        # Beyond a day it is stale all the same, and timedelta would overflow on what a broken phone can send.
        return now - timedelta(milliseconds=min(age, 86_400_000)) if age is not None and age >= 0 else None
    if text is None:
        return now
    try:
        fix_at = datetime.fromisoformat(text) if isinstance(text, str) else None
        fix_at = fix_at.astimezone(UTC) if fix_at is not None and fix_at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
    # A clock a little ahead is ordinary; kept as sent, it would have the next fixes refused as older.
    return min(fix_at, now) if fix_at is not None and fix_at <= now + AHEAD else fix_at


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _label(value: object, longest: int) -> str | None:
    if not isinstance(value, str) or "\x00" in value:
        return None
    text = value.strip().encode("utf-8", "replace").decode("utf-8")
    return text if 0 < len(text) <= longest else None
