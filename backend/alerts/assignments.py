"""Assignments: offering an alert to teams, one winner of the race, and the way to the scene and back.

Lock order everywhere: the alert's row first, then what belongs to it.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from backend import feed
from backend.alerts import views
from backend.alerts.engagement import live_of_team, tell_control_of_team
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
from backend.alerts.register import SYSTEM, Actor, announce, locked, own_cards, pending_assignments, record
from backend.alerts.views import AssignmentCard
from backend.database import new_id
from backend.delivery import fanout, policy, receipts, registrations, supervisors
from backend.delivery.channels import SUPERVISOR
from backend.delivery.models import Delivery
from backend.errors import Refused
from backend.people.models import Team
from backend.times import stamp


@dataclass(frozen=True)
class Offer:
    """One team to be asked, with the reasons that are stored and shown."""

    team_id: uuid.UUID
    distance_m: float | None
    reasons: tuple[dict[str, Any], ...]
    meet_at: dict[str, Any] | None = None


_CALL_SIGNS = select(Team.id, Team.call_sign).where(Team.id.in_(bindparam("teams", expanding=True)))


def offer(
    session: Session,
    alert: Alert,
    offers: Sequence[Offer],
    answer_by: datetime,
    round_no: int,
    now: datetime,
    *,
    actor: Actor = SYSTEM,
    by_hand: bool = False,
) -> list[Assignment]:
    """Asks teams to take the alert until `answer_by`; each hears of it with a delivery that it must receipt."""
    present, made = own_cards(session, alert), []
    asked = session.execute(_CALL_SIGNS, {"teams": [one.team_id for one in offers]})
    call_signs = {row.id: row.call_sign for row in asked}
    messages: list[Delivery] = []
    for one in offers:
        assignment = Assignment(
            id=new_id(),
            alert_id=alert.id,
            team_id=one.team_id,
            delivery_id=new_id(),
            slot=1,
            version=1,
            state=AssignmentState.OFFERED,
            by_hand=by_hand,
            round_no=round_no,
            distance_m=one.distance_m,
            reasons=list(one.reasons),
            meet_at=one.meet_at,
            offered_at=now,
            answer_by=answer_by,
            changed_at=now,
        )
        audience = feed.team(one.team_id)
        session.add(assignment)
        message = Delivery(
            id=assignment.delivery_id,
            audience=audience,
            channel="socket",
            alert_id=alert.id,
            created_at=now,
            useful_until=answer_by,
            body={"assignment_id": str(assignment.id)},
        )
        session.add(message)
        messages.append(message)
        feed.put(
            session,
            audience,
            "assignment.offered",
            {"assignment": views.agent_view(assignment, alert)},
            now,
            alert_id=alert.id,
            delivery_id=assignment.delivery_id,
        )
        made.append(assignment)
    fanout.say_again(session, messages, now, critical=alert.priority == 1)
    present.extend(AssignmentCard(one, call_signs[one.team_id]) for one in made)
    alert.round_no = round_no
    record(
        session,
        alert,
        actor,
        "offered",
        now,
        detail={"teams": [str(one.team_id) for one in offers], "round": round_no, "answer_by": stamp(answer_by)},
    )
    return made


def withdraw(
    session: Session,
    alert: Alert,
    assignment: Assignment,
    actor: Actor,
    why: str,
    now: datetime,
    *,
    reason: str | None = None,
) -> None:
    """Takes an offer or mission back; the team is told why."""
    end(session, alert, assignment, "withdraw", actor, "withdrawn", now, reason=reason, why=why)


def withdraw_pending(
    session: Session, alert: Alert, why: str, now: datetime, *, but: Collection[uuid.UUID] = ()
) -> list[Assignment]:
    """Ends everything still alive of an alert that needs nobody any more, without a further register line."""
    ended, freed = [], []
    for assignment in pending_assignments(session, alert):
        if assignment.id not in but:
            if assignment.state in ENGAGED:
                freed.append(assignment.team_id)
            move(assignment, "withdraw", now)
            assignment.ended_why = why
            say_withdrawn(session, alert, assignment, why, now)
            ended.append(assignment)
    receipts.settle(session, [assignment.delivery_id for assignment in ended], why, now)
    for team_id in freed:
        tell_control_of_team(session, team_id, None, now)
    return ended


def expire(session: Session, alert: Alert, now: datetime) -> list[Assignment]:
    """Ends the offers whose time to answer is over; the teams are told, one register line says which."""
    ended = [
        a
        for a in pending_assignments(session, alert)
        if a.state == AssignmentState.OFFERED and a.answer_by is not None and a.answer_by <= now
    ]
    for assignment in ended:
        move(assignment, "expire", now)
        assignment.ended_why = "no_answer"
        say_withdrawn(session, alert, assignment, "expired", now)
    if ended:
        _call_supervisor(session, alert, ended, now)
        offers = [assignment.delivery_id for assignment in ended]
        receipts.settle(session, offers, "expired", now)
        registrations.unheard(session, offers)
        record(session, alert, SYSTEM, "offer_expired", now, detail={"teams": [str(a.team_id) for a in ended]})
    return ended


def _call_supervisor(session: Session, alert: Alert, ended: Sequence[Assignment], now: datetime) -> None:
    cards = (card for card in own_cards(session, alert) if card.assignment in ended)
    anybody_has_it = any(card.received_at is not None for card in cards)
    spared = alert.drill or alert.under_review
    if not spared and policy.calls_supervisor(alert.priority, anybody_has_it=anybody_has_it):
        supervisors.call(session, SUPERVISOR, now, why="no_answer", alert_id=alert.id)


def release_team(session: Session, team_id: uuid.UUID, why: str, now: datetime) -> None:
    """Gives back everything a team still has, when it goes off duty or is cut off: others are asked at once."""
    for assignment in live_of_team(session, team_id):
        alert = locked(session, assignment.alert_id)
        session.refresh(assignment)
        if assignment_after(AssignmentState(assignment.state), "withdraw") is not None:
            withdraw(session, alert, assignment, SYSTEM, why, now)


def move(assignment: Assignment, step: str, now: datetime) -> None:
    """Takes one step of the assignment's lifecycle; refuses `action_impossible`."""
    after = assignment_after(AssignmentState(assignment.state), step)
    if after is None:
        raise Refused("action_impossible", state=assignment.state)
    assignment.state = after
    assignment.version += 1
    assignment.changed_at = now


def end(
    session: Session,
    alert: Alert,
    assignment: Assignment,
    step: str,
    actor: Actor,
    action: str,
    now: datetime,
    *,
    reason: str | None = None,
    device_at: str | None = None,
    why: str | None = None,
) -> None:
    """Ends one team's part; when nobody works on the alert any more it is resolved, or others are asked at once."""
    was_engaged = assignment.state in ENGAGED
    move(assignment, step, now)
    assignment.ended_why = why
    if step == "decline":
        assignment.decline_reason = reason
    receipts.settle(session, [assignment.delivery_id], step, now)
    follow(
        session,
        alert,
        actor,
        action,
        now,
        detail={"team": str(assignment.team_id)},
        reason=reason,
        device_at=device_at,
        cleared=step == "clear",
    )
    if alert.state in WAITING and not _somebody_asked(session, alert):
        alert.next_round_at = now
    if step == "withdraw":
        say_withdrawn(session, alert, assignment, why or "operator", now)
    tell_team(session, assignment, alert, now)
    if was_engaged:
        tell_control_of_team(session, assignment.team_id, None, now)  # a team works on one alert at most
    announce(session, alert, now)


def follow(
    session: Session,
    alert: Alert,
    actor: Actor,
    action: str,
    now: datetime,
    *,
    detail: dict[str, Any],
    reason: str | None = None,
    device_at: str | None = None,
    cleared: bool = False,
) -> None:
    """Records the change and brings the alert to the state that its assignments now say."""
    states = [AssignmentState(a.state) for a in pending_assignments(session, alert)]
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
    return any(a.state == AssignmentState.OFFERED for a in pending_assignments(session, alert))


def say_withdrawn(
    session: Session, alert: Alert, assignment: Assignment, why: str, now: datetime, *, taken_by: str | None = None
) -> None:
    """Tells a team that an offer or mission is gone, and why."""
    data = {"assignment_id": str(assignment.id), "alert_id": str(alert.id), "reason": why}
    if taken_by is not None:
        data["taken_by"] = taken_by
    feed.put(session, feed.team(assignment.team_id), "assignment.withdrawn", data, now, alert_id=alert.id)


def tell_team(session: Session, assignment: Assignment, alert: Alert, now: datetime) -> None:
    """Tells a team how its offer or mission stands now."""
    feed.put(
        session,
        feed.team(assignment.team_id),
        "assignment.changed",
        {"assignment": views.agent_view(assignment, alert)},
        now,
        alert_id=alert.id,
    )
