"""Reading the points of a rider's trail: each bad one refused alone. Pure but for the fixes that it shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from backend.alerts.rider_actions import TrailPoint
from backend.people.fixes import read_fix

MAX_POINTS = 50
MAX_SEQ = 2**31 - 1


def read_trail(raw: Sequence[Any], now: datetime) -> tuple[list[TrailPoint], list[dict[str, Any]]]:
    """(the usable points, the refused ones as {index, code}); of two with one `point_seq` the first counts."""
    points: dict[int, TrailPoint] = {}
    refused: list[dict[str, Any]] = []
    for index, one in enumerate(raw):
        seq = one.get("point_seq") if isinstance(one, Mapping) else None
        fix = read_fix(one, now) if isinstance(one, Mapping) else None
        if fix is None or isinstance(seq, bool) or not isinstance(seq, int) or not 0 <= seq <= MAX_SEQ:
            refused.append({"index": index, "code": "invalid"})
        elif seq not in points:
            points[seq] = TrailPoint(seq, fix.latitude, fix.longitude, fix.accuracy_m, fix.fix_at, fix.provider)
    return list(points.values()), refused
