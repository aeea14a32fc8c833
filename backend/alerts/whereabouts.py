"""Where a rider is: the position that the phone measured, the place that its owner named.

Pure: standard library and other pure files only. Rules: reliability_security_ux.md §2.4 (B01-B06), standards.md §6.3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from backend.alerts.reading import Reader, clean_text, number

VAGUE_M = 500.0
HALF_EARTH_M = 20_038_000  # a circle that holds every place says nothing
TO_95 = 1.62  # radius of 95 % from one of 68 %: sqrt(ln 20 / ln 3.125), Rayleigh
_PROVIDERS = frozenset({"gnss", "wifi", "cell", "fused", "manual", "qr", "unknown"})


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


def read_position(reader: Reader) -> tuple[Position | None, bool]:
    """(the position, whether it names a place where no rider of ours can be)."""
    value = reader.body.get("position")
    if value is None:
        return None, False
    if not isinstance(value, dict):
        reader.warn("location_invalid", "position")
        return None, False
    latitude, lat_text = number(value.get("latitude"))
    longitude, lon_text = number(value.get("longitude"))
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
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


def _accuracy(reader: Reader, value: dict[str, Any]) -> float | None:
    if value.get("accuracy_m") is None:
        return None
    accuracy, _ = number(value["accuracy_m"])
    if accuracy is None or not 0 < accuracy <= HALF_EARTH_M:
        reader.warn("accuracy_invalid", "position.accuracy_m")
        return None
    # Android and iOS mean 68 % by accuracy, browsers 95 %; left out is 68 %: too wide a circle misleads nobody.
    return accuracy if value.get("accuracy_confidence") == 95 else accuracy * TO_95


def _age_ms(reader: Reader, value: dict[str, Any]) -> int:
    age, _ = number(value.get("fix_age_ms", 0) or 0)
    if age is None or not 0 <= age <= 86_400_000:
        reader.warn("field_ignored", "position.fix_age_ms")
        return 0
    return int(age)


def read_place(value: object, reader: Reader | None = None) -> Place:
    """The place that the rider named; each unusable part left out."""
    reader = reader or Reader({})
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
        if part is not None and (
            not isinstance(part, str) or len(part) > (40 if name in ("vehicle_number", "carriage") else 80)
        ):
            reader.warn("field_ignored", f"place.{name}")
            part = None
        parts[name] = clean_text(part)[0].strip() or None if part is not None else None
    direction = value.get("direction_id")
    if direction is not None and (isinstance(direction, bool) or direction not in (0, 1)):
        reader.warn("field_ignored", "place.direction_id")
        direction = None
    return Place(direction_id=None if direction is None else int(direction), **parts)
