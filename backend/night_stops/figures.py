"""Figures of night stops: how many, how they ended, why and where. Pure: standard library only.

About places and hours, never about riders or drivers: there is no field of either to count by. A cell of fewer than
five is hidden, and where one hidden cell could be told from the total a second one is hidden with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

FEWEST = 5
Cell = TypeVar("Cell")


@dataclass(frozen=True)
class Wished:
    """What is counted of one request."""

    state: str
    hour: int
    line_id: str
    after_stop: str | None
    reject_code: str | None
    refusal_reason: str | None
    was_accepted: bool
    walk_saved_m: float | None


def aggregate(wishes: Iterable[Wished]) -> dict[str, Any]:
    """Requests, how many drivers were asked, how many accepted, codes, refusals by place, hours, metres not walked."""
    every = list(wishes)
    asked = [one for one in every if one.state != "rejected"]
    accepted = sum(one.was_accepted for one in asked)
    refused = Counter(
        (one.line_id, one.after_stop, one.refusal_reason) for one in asked if one.refusal_reason is not None
    )
    endings = Counter(one.reject_code if one.state == "rejected" else one.state for one in every)
    hours = hide(Counter(one.hour for one in every))
    places = hide(refused)
    shown = [{"line_id": line, "after_stop": stop, "reason": reason, "count": count}
             for (line, stop, reason), count in places.items() if count is not None]  # fmt: skip
    enough = len(asked) >= FEWEST and (accepted == 0 or accepted >= FEWEST)
    alighted = [one.walk_saved_m or 0.0 for one in asked if one.state == "alighted"]
    return {
        "requests": _few(len(every)),
        "asked": _few(len(asked)),
        "accepted": _few(accepted),
        "accepted_share": round(accepted / len(asked), 3) if enough else None,
        "by_code": [{"code": str(code), "count": count} for code, count in sorted(hide(endings).items(), key=_by_name)],
        "by_refusal_and_place": sorted(shown, key=lambda one: (-int(one["count"] or 0), str(one["line_id"]))),
        "hidden_places": len(places) - len(shown),
        "by_hour": [hours.get(hour, 0) for hour in range(24)],
        "metres_of_walking_avoided": round(sum(alighted)) if len(alighted) >= FEWEST else None,
    }


def hide(cells: Mapping[Cell, int]) -> dict[Cell, int | None]:
    """The cells without those that are too small, and without one more where a single one could be computed."""
    shown: dict[Cell, int | None] = {cell: count if count >= FEWEST else None for cell, count in cells.items()}
    left = {cell: count for cell, count in shown.items() if count is not None}
    if len(shown) - len(left) == 1 and left:
        shown[min(left, key=lambda cell: left[cell])] = None
    return shown


def _few(count: int) -> int | None:
    return count if count == 0 or count >= FEWEST else None


def _by_name(item: tuple[object, object]) -> str:
    return str(item[0])
