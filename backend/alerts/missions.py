"""What an agent's team does with an offer: take it (one winner), decline, set off, arrive, clear.

Lock order everywhere: the alert's row first, then what belongs to it.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.alerts.assignments import end, follow, move, say_withdrawn, tell_team, withdraw
from backend.alerts.claims import hold
from backend.alerts.engagement import tell_control_of_team
from backend.alerts.lifecycle import ENGAGED, PENDING, TAKEN, WAITING, AlertState, AssignmentState, assignment_after
from backend.alerts.models import Alert, Assignment
from backend.alerts.register import SYSTEM, Actor, announce, own_cards, pending_assignments, record
from backend.database import lock_rows
from backend.delivery import receipts
from backend.errors import Refused
from backend.people.duty import team_on_duty
from backend.people.models import Team
from backend.times import stamp

_OWN = lock_rows(
    select(Alert)
    .join(Assignment, Assignment.alert_id == Alert.id)
    .where(Assignment.id == bindparam("assignment_id"), Assignment.team_id == bindparam("team_id")),
    of=Alert,
).execution_options(populate_existing=True)
_ELSEWHERE = select(Assignment.alert_id, Assignment.state).where(
    Assignment.team_id == bindparam("team_id"),
    Assignment.alert_id != bindparam("alert_id"),
    Assignment.state.in_(PENDING),
)


def accept(
    session: Session,
    assignment_id: uuid.UUID,
    team_id: uuid.UUID,
    agent_id: uuid.UUID,
    now: datetime,
    *,
    device_at: str | None = None,
) -> tuple[Assignment, Alert]:
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
    if assignment.state == AssignmentState.EXPIRED:
        _refuse_gone_home(session, team_id)
    elsewhere = _pending_elsewhere(session, team_id, alert.id)
    if any(state in ENGAGED for state in elsewhere.values()):
        raise Refused("team_unavailable")
    assignment.slot = _free_slot(session, alert)
    move(assignment, "accept", now)
    assignment.accepted_at = now
    try:
        session.flush()
    except IntegrityError:
        # The team accepted another alert in the same moment. No lock on the team's row: whoever ends its shift
        # locks the team first and its alerts then, and the two would wait for each other.
        raise Refused("team_unavailable") from None
    receipts.settle(session, [assignment.delivery_id], "accepted", now)
    record(
        session,
        alert,
        Actor("agent", agent_id),
        "accepted",
        now,
        step=None if reinforces else "take",
        device_at=device_at,
        detail={"team": str(team_id)},
    )
    if not reinforces:
        _withdraw_others(session, alert, assignment, now)
    tell_team(session, assignment, alert, now)
    tell_control_of_team(session, team_id, alert.id, now)
    announce(session, alert, now)
    _free_for_others(session, team_id, elsewhere, now)
    return assignment, alert


def decline(
    session: Session,
    assignment_id: uuid.UUID,
    team_id: uuid.UUID,
    agent_id: uuid.UUID,
    now: datetime,
    *,
    reason: str | None = None,
    device_at: str | None = None,
) -> tuple[Assignment, Alert]:
    """The team cannot go; the next round is due at once when nobody else is being asked."""
    alert, assignment = _own(session, assignment_id, team_id)
    if assignment.state == AssignmentState.DECLINED:
        return assignment, alert
    end(
        session,
        alert,
        assignment,
        "decline",
        Actor("agent", agent_id),
        "declined",
        now,
        reason=reason,
        device_at=device_at,
    )
    return assignment, alert


def progress(
    session: Session,
    assignment_id: uuid.UUID,
    team_id: uuid.UUID,
    agent_id: uuid.UUID,
    step: str,
    now: datetime,
    *,
    device_at: str | None = None,
) -> tuple[Assignment, Alert]:
    """`set_off` or `arrive`: the team is on its way, or on the scene. A step already taken answers the same."""
    alert, assignment = _own(session, assignment_id, team_id)
    reached = {"set_off": {AssignmentState.EN_ROUTE, AssignmentState.ON_SCENE}, "arrive": {AssignmentState.ON_SCENE}}
    if assignment.state in reached[step]:
        return assignment, alert
    move(assignment, step, now)
    follow(
        session,
        alert,
        Actor("agent", agent_id),
        "set_off" if step == "set_off" else "arrived",
        now,
        detail={"team": str(team_id)},
        device_at=device_at,
    )
    tell_team(session, assignment, alert, now)
    announce(session, alert, now)
    return assignment, alert


def clear(
    session: Session,
    assignment_id: uuid.UUID,
    team_id: uuid.UUID,
    agent_id: uuid.UUID,
    now: datetime,
    *,
    outcome: str | None = None,
    device_at: str | None = None,
) -> tuple[Assignment, Alert]:
    """The team has done its part and is free again; the operator still closes the case."""
    alert, assignment = _own(session, assignment_id, team_id)
    if assignment.state == AssignmentState.CLEARED:
        return assignment, alert
    end(
        session,
        alert,
        assignment,
        "clear",
        Actor("agent", agent_id),
        "cleared",
        now,
        reason=outcome,
        device_at=device_at,
    )
    return assignment, alert


def _own(session: Session, assignment_id: uuid.UUID, team_id: uuid.UUID) -> tuple[Alert, Assignment]:
    alert = session.scalar(_OWN, {"assignment_id": assignment_id, "team_id": team_id})
    if alert is None:
        raise Refused("assignment_unknown")
    mine = (card.assignment for card in own_cards(session, alert) if card.assignment.id == assignment_id)
    return alert, next(mine)


def _refuse_gone_home(session: Session, team_id: uuid.UUID) -> None:
    # An expired offer is not taken back at the end of a shift, so that a late yes might come from nobody.
    if team_id not in hold(session, [team_id]):
        raise Refused("busy", retry_after_s=1)  # somebody asks it, or ends its shift, at this moment: try again
    if not team_on_duty(session, team_id):
        raise Refused("off_duty")


def _free_for_others(session: Session, team_id: uuid.UUID, asked: Collection[uuid.UUID], now: datetime) -> None:
    """Other alerts that this team was asked for need not wait for its answer: others are asked at once."""
    if not asked:
        return
    # Whoever holds such an alert now may wait for ours: passed over, its offer ends by itself.
    held = lock_rows(select(Alert).where(Alert.id.in_(asked)).order_by(Alert.id), skip_locked=True)
    for alert in session.scalars(held.execution_options(populate_existing=True)).all():
        for other in pending_assignments(session, alert):
            if other.team_id == team_id and other.state == AssignmentState.OFFERED:
                withdraw(session, alert, other, SYSTEM, "taken", now)


def _withdraw_others(session: Session, alert: Alert, winner: Assignment, now: datetime) -> None:
    call_sign = next(card.call_sign for card in own_cards(session, alert) if card.assignment is winner)
    ended = []
    for other in pending_assignments(session, alert):
        if other.id != winner.id and other.state == AssignmentState.OFFERED:
            move(other, "withdraw", now)
            other.ended_why = "taken"
            say_withdrawn(session, alert, other, "taken", now, taken_by=call_sign)
            ended.append(other.delivery_id)
    receipts.settle(session, ended, "taken", now)


def _pending_elsewhere(session: Session, team_id: uuid.UUID, alert_id: uuid.UUID) -> dict[uuid.UUID, str]:
    """What else the team is asked for or works on: states by alert."""
    rows = session.execute(_ELSEWHERE, {"team_id": team_id, "alert_id": alert_id})
    return {row.alert_id: row.state for row in rows}


def _free_slot(session: Session, alert: Alert) -> int:
    used = {one.slot for one in pending_assignments(session, alert) if one.state in ENGAGED}
    return next(slot for slot in range(1, len(used) + 2) if slot not in used)


def _taken(session: Session, alert: Alert) -> Refused:
    row = session.execute(
        select(Team.call_sign, Assignment.accepted_at)
        .join(Assignment, Assignment.team_id == Team.id)
        .where(Assignment.alert_id == alert.id, Assignment.accepted_at.is_not(None))
        .order_by(Assignment.accepted_at.desc())
        .limit(1)
    ).first()
    return Refused(
        "already_taken",
        by=row.call_sign if row else None,
        at=stamp(row.accepted_at) if row else None,
        state=alert.state,
    )
