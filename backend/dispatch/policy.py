"""What the next step of dispatch is, and why. Pure: standard library and other pure files only."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from backend.dispatch.intercept import Meeting
from backend.dispatch.plan import RoundPlan


@dataclass(frozen=True)
class Candidate:
    """A team that is on duty, free, and has a fresh position."""

    team_id: uuid.UUID
    distance_m: float | None
    same_vehicle: bool = False
    same_station: bool = False
    fix_age_s: float = 0.0
    no_answer_before: bool = False
    meeting: Meeting | None = None

    @property
    def is_there(self) -> bool:
        """Aboard the same vehicle or in the same station: nearer than anybody in the street."""
        return self.same_vehicle or self.same_station


@dataclass(frozen=True)
class Situation:
    """One waiting alert as the policy sees it."""

    rounds: tuple[RoundPlan, ...]
    round_no: int
    asked_until: datetime | None
    hold: str | None
    candidates: Sequence[Candidate]


@dataclass(frozen=True)
class AskTeams:
    """Offer the alert to these teams until `answer_by`."""

    round_no: int
    teams: tuple[Candidate, ...]
    answer_by: datetime


@dataclass(frozen=True)
class Wait:
    """Somebody is being asked still: look again then."""

    until: datetime


@dataclass(frozen=True)
class CallControlRoom:
    """Nobody can be asked: a person must take it; look again then, somebody may have become free."""

    reason: str
    again_at: datetime
    round_no: int


Step = AskTeams | Wait | CallControlRoom


def next_step(situation: Situation, now: datetime, reminder_s: int) -> Step:
    """Asks the best teams of the next round that has any, each round wider; else calls the control room.

    A team in the same vehicle or station is asked in any round, whatever its distance. When all rounds are over the
    last one is tried again at each reminder, then also with teams that did not answer before. Between two askings a
    person is called: `round_no` one above the last round says that it has just been done.
    """
    if situation.asked_until is not None and situation.asked_until > now:
        return Wait(situation.asked_until)
    again_at = now + timedelta(seconds=reminder_s)
    if not situation.rounds:
        return CallControlRoom("control_room_only", again_at, situation.round_no)
    reachable = _reachable(situation)
    total = len(situation.rounds)
    for number in range(min(situation.round_no + 1, total), total + 1):
        plan = situation.rounds[number - 1]
        chosen = _within(reachable, plan, second_pass=situation.round_no > total)
        if chosen:
            return AskTeams(number, chosen, now + timedelta(seconds=plan.answer_s))
    if situation.hold is not None:
        # The rounds have not begun for the teams in the street: they do once the place is known.
        return CallControlRoom(situation.hold, again_at, min(situation.round_no, total))
    return CallControlRoom("nobody_left", again_at, total + 1)


def _reachable(situation: Situation) -> list[Candidate]:
    if situation.hold is None:
        return list(situation.candidates)
    if situation.hold in ("late", "restored"):
        return []  # the vehicle that was named has long gone on; what a backup knows may be over
    return [one for one in situation.candidates if one.is_there]


def _within(candidates: Sequence[Candidate], plan: RoundPlan, *, second_pass: bool) -> tuple[Candidate, ...]:
    eligible = [
        one
        for one in candidates
        if (one.is_there or one.meeting or (one.distance_m is not None and one.distance_m <= plan.radius_m))
        and (second_pass or not one.no_answer_before)
    ]
    return tuple(sorted(eligible, key=rank)[: plan.teams])


def rank(one: Candidate) -> tuple[bool, bool, bool, float, float, str]:
    """What to sort candidates by: same vehicle, same station, who meets the vehicle soonest, then distance.

    Who did not answer comes last.
    """
    distance = one.distance_m if one.distance_m is not None else float("inf")
    meets_in = one.meeting.stop.eta_s if one.meeting is not None else float("inf")
    return (one.no_answer_before, not one.same_vehicle, not one.same_station, meets_in, distance, str(one.team_id))


def reasons(candidate: Candidate, place_in_round: int) -> tuple[dict[str, Any], ...]:
    """Why this team: codes with values, stored with the offer and shown to operator and team."""
    found: list[dict[str, Any]] = []
    if candidate.same_vehicle:
        found.append({"code": "same_vehicle"})
    if candidate.same_station:
        found.append({"code": "same_station"})
    if candidate.meeting is not None and not candidate.same_vehicle:
        stop = candidate.meeting.stop
        found.append({"code": "intercept_stop", "value": stop.eta_s, "stop": stop.name, "stop_id": stop.stop_id})
    if candidate.distance_m is not None:
        code = (
            "closest_by_distance"
            if place_in_round == 0 and not (candidate.is_there or candidate.meeting)
            else "distance"
        )
        found.append({"code": code, "value": round(candidate.distance_m)})
    found.append({"code": "position_age", "value": round(candidate.fix_age_s)})
    if candidate.no_answer_before:
        found.append({"code": "asked_again"})
    return tuple(found)


def shortfall(*, on_duty: int, engaged: int, stale: int, declined: int, outside: int) -> dict[str, int]:
    """Why nobody: how many teams each reason leaves out."""
    if on_duty == 0:
        return {"no_team_on_duty": 0}
    counts = {"all_engaged": engaged, "positions_too_old": stale, "all_declined": declined, "outside_radius": outside}
    return {code: count for code, count in counts.items() if count > 0}
