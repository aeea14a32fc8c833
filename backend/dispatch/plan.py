"""The dispatch plan: how wide, how many and how long each round asks, per priority and category.

Pure: standard library and other pure files only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from backend.alerts.categories import Category


class PlanRefused(ValueError):
    """A dispatch plan with a value that cannot be meant; the text says which and what would do."""


@dataclass(frozen=True)
class RoundPlan:
    """One round: teams within `radius_m`, at most `teams` of them, `answer_s` seconds to answer."""

    radius_m: int
    teams: int
    answer_s: int


_WIDE = (RoundPlan(2_000, 1, 20), RoundPlan(6_000, 2, 20), RoundPlan(20_000, 3, 20))
_CALM = (RoundPlan(2_000, 1, 30), RoundPlan(6_000, 1, 30))


@dataclass(frozen=True)
class DispatchPlan:
    """Rounds for each priority, or for one category where an installation wants it otherwise."""

    by_priority: dict[int, tuple[RoundPlan, ...]] = field(default_factory=lambda: {1: _WIDE, 2: _WIDE, 3: _CALM, 4: ()})
    by_category: dict[str, tuple[RoundPlan, ...]] = field(default_factory=dict)

    def rounds(self, priority: int, category: str | None) -> tuple[RoundPlan, ...]:
        """The rounds for one alert; an empty plan means: straight to the control room."""
        if category is not None and category in self.by_category and priority > 1:
            return self.by_category[category]
        return self.by_priority[priority]


def read_plan(document: Any) -> DispatchPlan:
    """The plan in a JSON document {"by_priority": {"1": [{radius_m, teams, answer_s}, …]}, "by_category": {…}}."""
    if not isinstance(document, dict) or not set(document) <= {"by_priority", "by_category"}:
        raise PlanRefused("the plan must be an object with by_priority and/or by_category")
    for name, given in document.items():
        if not isinstance(given, dict):
            raise PlanRefused(f"{name}: an object with a list of rounds for each key")
    plan = DispatchPlan()
    by_priority = dict(plan.by_priority)
    for key, rounds in document.get("by_priority", {}).items():
        if key not in ("1", "2", "3", "4"):
            raise PlanRefused(f"by_priority.{key}: priorities are 1 to 4")
        by_priority[int(key)] = _rounds(f"by_priority.{key}", rounds)
    by_category = {}
    for key, rounds in document.get("by_category", {}).items():
        if key not in {category.value for category in Category}:
            raise PlanRefused(f"by_category.{key}: no such category")
        by_category[key] = _rounds(f"by_category.{key}", rounds)
    if not by_priority[1]:
        raise PlanRefused("by_priority.1: immediate danger needs at least one round")
    return DispatchPlan(by_priority, by_category)


def _rounds(where: str, rounds: Any) -> tuple[RoundPlan, ...]:
    if not isinstance(rounds, list) or len(rounds) > 8:
        raise PlanRefused(f"{where}: a list of at most 8 rounds")
    found = tuple(_round(f"{where}[{index}]", one) for index, one in enumerate(rounds))
    for earlier, later in pairwise(found):
        if later.radius_m < earlier.radius_m:
            raise PlanRefused(f"{where}: radius_m must not shrink from round to round")
    return found


def _round(where: str, one: Any) -> RoundPlan:
    limits = {"radius_m": (100, 100_000), "teams": (1, 20), "answer_s": (5, 300)}
    if not isinstance(one, dict) or set(one) != set(limits):
        raise PlanRefused(f"{where}: exactly radius_m, teams and answer_s")
    for name, (low, high) in limits.items():
        value = one[name]
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise PlanRefused(f"{where}.{name}: a whole number from {low} to {high}, not {value!r}")
    return RoundPlan(**one)
