"""Assignments: offering an alert to teams, one winner of the race, and the way to the scene and back.

Lock order everywhere: the alert's row first, then what belongs to it.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend import feed
from backend.alerts import views
from backend.alerts.lifecycle import (
    ALERT_STEPS,
    ENGAGED,
    TAKEN,
    WAITING,
    AlertState,
    AssignmentState,
    assignment_after,
    derived_state,
)
from backend.alerts.models import Alert, Assignment
from backend.alerts.register import SYSTEM, Actor, announce, locked, pending_assignments, record
from backend.database import lock_rows, new_id
from backend.delivery import receipts
from backend.delivery.models import Delivery
from backend.errors import Refused
from backend.people.models import Team


@dataclass(frozen=True)
class Offer:
    """One team to be asked, with the reasons that are stored and shown."""

    team_id: uuid.UUID
    distance_m: float | None
    reasons: tuple[dict[str, Any], ...]


def offer(
    session: Session, alert: Alert, offers: Sequence[Offer], answer_by: datetime, round_no: int, now: datetime, *,
    actor: Actor = SYSTEM, by_hand: bool = False,
) -> list[Assignment]:
    """Asks teams to take the alert until `answer_by`; each hears of it with a delivery that it must receipt."""
    made = []
    for one in offers:
        assignment = Assignment(
            id=new_id(), alert_id=alert.id, team_id=one.team_id, delivery_id=new_id(), slot=1, version=1,
            state=AssignmentState.OFFERED, by_hand=by_hand, round_no=round_no, distance_m=one.distance_m,
            reasons=list(one.reasons), offered_at=now, answer_by=answer_by, changed_at=now)
        audience = feed.team(one.team_id)
        session.add(assignment)
        session.add(Delivery(id=assignment.delivery_id, audience=audience, channel="socket", alert_id=alert.id,
                             created_at=now, useful_until=answer_by))
        feed.put(session, audience, "assignment.offered", {"assignment": views.agent_view(assignment, alert)}, now,
                 alert_id=alert.id)
        made.append(assignment)
    alert.round_no = round_no
    record(session, alert, actor, "offered", now, detail={
        "teams": [str(one.team_id) for one in offers], "round": round_no, "answer_by": views.stamp(answer_by)})
    return made


def accept(session: Session, assignment_id: uuid.UUID, team_id: uuid.UUID, agent_id: uuid.UUID, now: datetime, *,
           device_at: str | None = None) -> tuple[Assignment, Alert]:
    """The team takes the alert; exactly one wins. Again by the winner: the same answer.

    Refuses `already_taken` with who has it, `team_unavailable` when the team works on another alert.
    """
    alert, assignment = _own(session, assignment_id, team_id)
    if assignment.state in ENGAGED:
        return assignment, alert
    reinforces = assignment.by_hand and alert.state in TAKEN
    possible = (alert.state in WAITING and alert.state != AlertState.ARMED) or reinforces
    if not possible or assignment_after(AssignmentState(assignment.state), "accept") is None:
        raise _taken(session, alert)
    # The team's row lock makes two accepts of one team, for two alerts, come one after the other.
    session.execute(lock_rows(session, select(Team.id).where(Team.id == team_id)))
    if _engaged_elsewhere(session, team_id, alert.id):
        raise Refused("team_unavailable")
    _move(assignment, "accept", now)
    assignment.accepted_at = now
    assignment.slot = _free_slot(session, alert.id) if reinforces else 1
    receipts.settle(session, [assignment.delivery_id], "accepted", now)
    record(session, alert, Actor("agent", agent_id), "accepted", now, step=None if reinforces else "take",
           device_at=device_at, detail={"team": str(team_id)})
    if not reinforces:
        _withdraw_others(session, alert, assignment, now)
    _tell(session, assignment, alert, now)
    announce(session, alert, now)
    return assignment, alert


def decline(session: Session, assignment_id: uuid.UUID, team_id: uuid.UUID, agent_id: uuid.UUID, now: datetime, *,
            reason: str | None = None, device_at: str | None = None) -> tuple[Assignment, Alert]:
    """The team cannot go; the next round is due at once when nobody else is being asked."""
    alert, assignment = _own(session, assignment_id, team_id)
    if assignment.state == AssignmentState.DECLINED:
        return assignment, alert
    _end(session, alert, assignment, "decline", Actor("agent", agent_id), "declined", now, reason=reason,
         device_at=device_at)
    return assignment, alert


def progress(session: Session, assignment_id: uuid.UUID, team_id: uuid.UUID, agent_id: uuid.UUID, step: str,
             now: datetime, *, device_at: str | None = None) -> tuple[Assignment, Alert]:
    """`set_off` or `arrive`: the team is on its way, or on the scene. A step already taken answers the same."""
    alert, assignment = _own(session, assignment_id, team_id)
    reached = {"set_off": {AssignmentState.EN_ROUTE, AssignmentState.ON_SCENE}, "arrive": {AssignmentState.ON_SCENE}}
    if assignment.state in reached[step]:
        return assignment, alert
    _move(assignment, step, now)
    _follow(session, alert, Actor("agent", agent_id), "set_off" if step == "set_off" else "arrived", now,
            detail={"team": str(team_id)}, device_at=device_at)
    _tell(session, assignment, alert, now)
    announce(session, alert, now)
    return assignment, alert


def clear(session: Session, assignment_id: uuid.UUID, team_id: uuid.UUID, agent_id: uuid.UUID, now: datetime, *,
          outcome: str | None = None, device_at: str | None = None) -> tuple[Assignment, Alert]:
    """The team has done its part and is free again; the operator still closes the case."""
    alert, assignment = _own(session, assignment_id, team_id)
    if assignment.state == AssignmentState.CLEARED:
        return assignment, alert
    _end(session, alert, assignment, "clear", Actor("agent", agent_id), "cleared", now, reason=outcome,
         device_at=device_at)
    return assignment, alert


def withdraw(session: Session, alert: Alert, assignment: Assignment, actor: Actor, why: str, now: datetime, *,
             reason: str | None = None) -> None:
    """Takes an offer or mission back; the team is told why."""
    _end(session, alert, assignment, "withdraw", actor, "withdrawn", now, reason=reason, why=why)


def withdraw_pending(session: Session, alert: Alert, why: str, now: datetime, *,
                     but: Collection[uuid.UUID] = ()) -> list[Assignment]:
    """Ends everything still alive of an alert that needs nobody any more, without a further register line."""
    ended = []
    for assignment in pending_assignments(session, alert.id):
        if assignment.id not in but:
            _move(assignment, "withdraw", now)
            assignment.ended_why = why
            _say_withdrawn(session, alert, assignment, why, now)
            ended.append(assignment)
    receipts.settle(session, [assignment.delivery_id for assignment in ended], why, now)
    return ended


def expire(session: Session, alert: Alert, now: datetime) -> list[Assignment]:
    """Ends the offers whose time to answer is over; the teams are told, one register line says which."""
    ended = [a for a in pending_assignments(session, alert.id)
             if a.state == AssignmentState.OFFERED and a.answer_by is not None and a.answer_by <= now]
    for assignment in ended:
        _move(assignment, "expire", now)
        assignment.ended_why = "no_answer"
        _say_withdrawn(session, alert, assignment, "expired", now)
    receipts.settle(session, [assignment.delivery_id for assignment in ended], "expired", now)
    if ended:
        record(session, alert, SYSTEM, "offer_expired", now, detail={"teams": [str(a.team_id) for a in ended]})
    return ended


def receipt(session: Session, delivery_id: uuid.UUID, audience: str, now: datetime, *, seen: bool) -> None:
    """Stores that a phone has a message, or that its person looked at it; the control room sees it at once."""
    delivery = receipts.find(session, delivery_id, audience)
    if delivery.alert_id is None:
        receipts.mark(delivery, now, seen=seen)
        return
    # The alert's row first: an accept holds it while it settles this delivery.
    alert = locked(session, delivery.alert_id)
    session.refresh(delivery)
    if receipts.mark(delivery, now, seen=seen):
        announce(session, alert, now, to_rider=False)


def live_of_team(session: Session, team_id: uuid.UUID) -> list[Assignment]:
    """The team's offers and missions that are still alive, oldest first."""
    return list(session.scalars(select(Assignment).where(
        Assignment.team_id == team_id, Assignment.state.in_((*ENGAGED, AssignmentState.OFFERED)))
        .order_by(Assignment.offered_at)))


def engaged_on(session: Session, team_id: uuid.UUID) -> uuid.UUID | None:
    """The alert that the team has accepted and not cleared, or None."""
    return session.scalar(select(Assignment.alert_id).where(
        Assignment.team_id == team_id, Assignment.state.in_(ENGAGED)).limit(1))


def release_team(session: Session, team_id: uuid.UUID, why: str, now: datetime) -> None:
    """Gives back everything a team still has, when it goes off duty or is cut off: others are asked at once."""
    for assignment in live_of_team(session, team_id):
        alert = locked(session, assignment.alert_id)
        session.refresh(assignment)
        if assignment_after(AssignmentState(assignment.state), "withdraw") is not None:
            withdraw(session, alert, assignment, SYSTEM, why, now)


def _own(session: Session, assignment_id: uuid.UUID, team_id: uuid.UUID) -> tuple[Alert, Assignment]:
    assignment = session.get(Assignment, assignment_id)
    if assignment is None or assignment.team_id != team_id:
        raise Refused("assignment_unknown")
    alert = locked(session, assignment.alert_id)
    session.refresh(assignment)
    return alert, assignment


def _move(assignment: Assignment, step: str, now: datetime) -> None:
    after = assignment_after(AssignmentState(assignment.state), step)
    if after is None:
        raise Refused("action_impossible", state=assignment.state)
    assignment.state = after
    assignment.version += 1
    assignment.changed_at = now


def _end(session: Session, alert: Alert, assignment: Assignment, step: str, actor: Actor, action: str, now: datetime, *,
         reason: str | None = None, device_at: str | None = None, why: str | None = None) -> None:
    _move(assignment, step, now)
    assignment.ended_why = why
    if step == "decline":
        assignment.decline_reason = reason
    receipts.settle(session, [assignment.delivery_id], step, now)
    _follow(session, alert, actor, action, now, detail={"team": str(assignment.team_id)}, reason=reason,
            device_at=device_at, cleared=step == "clear")
    if alert.state in WAITING and not _somebody_asked(session, alert):
        alert.next_round_at = now
    if step == "withdraw":
        _say_withdrawn(session, alert, assignment, why or "operator", now)
    _tell(session, assignment, alert, now)
    announce(session, alert, now)


def _follow(session: Session, alert: Alert, actor: Actor, action: str, now: datetime, *, detail: dict[str, Any],
            reason: str | None = None, device_at: str | None = None, cleared: bool = False) -> None:
    """Records the change and brings the alert to the state that its assignments now say."""
    session.flush()
    states = [AssignmentState(a.state) for a in pending_assignments(session, alert.id)]
    state, target = AlertState(alert.state), derived_state(states)
    step: str | None = None
    if state in TAKEN and target is None:
        step = "resolve" if cleared else "release"
    elif target is not None and target != state and state in TAKEN | WAITING:
        step = next((name for name, (sources, to) in ALERT_STEPS.items() if to == target and state in sources), None)
    if step == "release":
        alert.next_round_at = now
    record(session, alert, actor, action, now, step=step, detail=detail, reason=reason, device_at=device_at)


def _somebody_asked(session: Session, alert: Alert) -> bool:
    return any(a.state == AssignmentState.OFFERED for a in pending_assignments(session, alert.id))


def _withdraw_others(session: Session, alert: Alert, winner: Assignment, now: datetime) -> None:
    session.flush()
    call_sign = session.scalar(select(Team.call_sign).where(Team.id == winner.team_id))
    ended = []
    for other in pending_assignments(session, alert.id):
        if other.id != winner.id and other.state == AssignmentState.OFFERED:
            _move(other, "withdraw", now)
            other.ended_why = "taken"
            _say_withdrawn(session, alert, other, "taken", now, taken_by=call_sign)
            ended.append(other.delivery_id)
    receipts.settle(session, ended, "taken", now)


def _engaged_elsewhere(session: Session, team_id: uuid.UUID, alert_id: uuid.UUID) -> bool:
    return session.scalar(select(Assignment.id).where(
        Assignment.team_id == team_id, Assignment.alert_id != alert_id, Assignment.state.in_(ENGAGED)).limit(1)) is not None


def _free_slot(session: Session, alert_id: uuid.UUID) -> int:
    used = set(session.scalars(select(Assignment.slot).where(
        Assignment.alert_id == alert_id, Assignment.state.in_(ENGAGED))))
    return next(slot for slot in range(1, len(used) + 2) if slot not in used)


def _taken(session: Session, alert: Alert) -> Refused:
    row = session.execute(
        select(Team.call_sign, Assignment.accepted_at).join(Assignment, Assignment.team_id == Team.id)
        .where(Assignment.alert_id == alert.id, Assignment.accepted_at.is_not(None))
        .order_by(Assignment.accepted_at.desc()).limit(1)).first()
    return Refused("already_taken", by=row.call_sign if row else None, at=views.stamp(row.accepted_at) if row else None,
                   state=alert.state)


def _say_withdrawn(session: Session, alert: Alert, assignment: Assignment, why: str, now: datetime, *,
                   taken_by: str | None = None) -> None:
    data = {"assignment_id": str(assignment.id), "alert_id": str(alert.id), "reason": why}
    if taken_by is not None:
        data["taken_by"] = taken_by
    feed.put(session, feed.team(assignment.team_id), "assignment.withdrawn", data, now, alert_id=alert.id)


def _tell(session: Session, assignment: Assignment, alert: Alert, now: datetime) -> None:
    feed.put(session, feed.team(assignment.team_id), "assignment.changed",
             {"assignment": views.agent_view(assignment, alert)}, now, alert_id=alert.id)
