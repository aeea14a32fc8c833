"""What became of the ids of the network before: many feeds number their stops anew at every publication. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple

from backend.geo import Point, distance_m

SAME_STOP_M = 30.0
MOST_NAMED = 50


class Known(NamedTuple):
    """A line or a stop under its id: what else it can be recognised by."""

    id: str
    name: Hashable
    point: Point | None = None


def changes(old: Iterable[Known], new: Iterable[Known]) -> dict[str, Any]:
    """{kept, added: numbers; renamed: old id -> new id of the same name and place; gone: ids (the first fifty)}."""
    before, after = {one.id: one for one in old}, {one.id: one for one in new}
    fresh: dict[Hashable, list[Known]] = defaultdict(list)
    for one in after.values():
        if one.id not in before:
            fresh[one.name].append(one)
    renamed: dict[str, str] = {}
    gone: list[str] = []
    for one in before.values():
        if one.id in after:
            continue
        match = _nearest(one, fresh[one.name])
        if match is None:
            gone.append(one.id)
        else:
            renamed[one.id] = match.id
            fresh[one.name].remove(match)
    return {
        "kept": len(before.keys() & after.keys()), "renamed": renamed, "gone": sorted(gone)[:MOST_NAMED],
        "gone_count": len(gone), "added": sum(map(len, fresh.values())),
    }


def _nearest(one: Known, others: list[Known]) -> Known | None:
    if one.point is None:
        return others[0] if len(others) == 1 else None
    near = [
        (distance, other.id, other) for other in others
        if other.point is not None and (distance := distance_m(one.point, other.point)) <= SAME_STOP_M
    ]
    return min(near)[2] if near else None
