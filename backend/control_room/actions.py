"""What an operator does with an alert. Every function expects the alert's row lock (`register.locked`)."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.alerts import assignments
from backend.alerts.assignments import Offer, withdraw_pending
from backend.alerts.claims import claim
from backend.alerts.details import weigh
from backend.alerts.lifecycle import OVER, PENDING, TAKEN, WAITING, AlertState, AssignmentState, derived_state
from backend.alerts.models import Alert, Assignment
from backend.alerts.raising import promote
from backend.alerts.register import Actor, announce, pending_assignments, record, tell_teams
from backend.errors import Refused
from backend.geo import Point, distance_m
from backend.people.models import Team, TeamPosition

BY_HAND_ANSWER_S = 30


def mark_seen(session: Session, alert: Alert, actor: Actor, now: datetime) -> None:
    """A person has looked at it: the sound ends."""
    if alert.seen_at is None:
        alert.seen_at, alert.seen_by = now, actor.id
        record(session, alert, actor, "seen", now)
        announce(session, alert, now)


def acknowledge(session: Session, alert: Alert, actor: Actor, now: datetime) -> None:
    """An operator takes care of it; teams are still being asked, and it comes back when nothing follows."""
    if alert.state in OVER:
        raise Refused("alert_over", state=alert.state)
    if alert.acknowledged_by == actor.id and alert.acknowledged_at is not None:
        return
    if alert.seen_at is None:
        alert.seen_at, alert.seen_by = now, actor.id
    alert.acknowledged_at, alert.acknowledged_by = now, actor.id
    record(session, alert, actor, "acknowledged", now)
    announce(session, alert, now)


def assign(session: Session, alert: Alert, team_id: uuid.UUID, actor: Actor, now: datetime) -> None:
    """Asks a team by hand, whatever the rounds say; the rounds wait for its answer.

    Refuses `team_unknown`, and `team_unavailable` when it is off duty or busy with another alert.
    """
    if alert.state in OVER:
        raise Refused("alert_over", state=alert.state)
    if alert.state not in WAITING | TAKEN:
        # Resolved or in other hands: no team could accept it. Taken up again, it can be assigned.
        raise Refused("action_impossible", state=alert.state)
    if alert.state == AlertState.ARMED:
        promote(session, alert, actor, now, tell=False)
    team = session.get(Team, team_id)
    if team is None or not team.active:
        raise Refused("team_unknown", field="team_id")
    busy = session.scalar(
        select(Assignment).where(Assignment.team_id == team_id, Assignment.state.in_(PENDING)).limit(1)
    )
    if busy is not None and busy.alert_id == alert.id:
        return
    if team_id not in claim(session, [team_id]):
        raise Refused("team_unavailable", field="team_id")
    place = session.get(TeamPosition, team_id)
    metres = None
    if place is not None and alert.lat is not None and alert.lon is not None:
        metres = distance_m(Point(alert.lat, alert.lon), Point(place.lat, place.lon))
    answer_by = now + timedelta(seconds=BY_HAND_ANSWER_S)
    offer = Offer(team_id, metres, ({"code": "by_hand"},))
    assignments.offer(session, alert, [offer], answer_by, alert.round_no, now, actor=actor, by_hand=True)
    if alert.state in WAITING:
        # Offers of the running round end before: they must not hold their teams until this one ends.
        alert.next_round_at = min(answer_by, alert.next_round_at or answer_by)
    announce(session, alert, now)


def withdraw(
    session: Session, alert: Alert, assignment_id: uuid.UUID, actor: Actor, now: datetime, reason: str | None
) -> None:
    """Takes a team off; when nobody else works on the alert, others are asked at once."""
    assignment = session.get(Assignment, assignment_id)
    if assignment is None or assignment.alert_id != alert.id:
        raise Refused("assignment_unknown")
    if assignment.state in PENDING:
        assignments.withdraw(session, alert, assignment, actor, "operator", now, reason=reason)


def close(
    session: Session,
    alert: Alert,
    actor: Actor,
    now: datetime,
    *,
    closing_code: str,
    legal_class: str | None,
    note: str | None,
) -> None:
    """Ends the case with a code; every team still on it is free again."""
    if alert.state == AlertState.CLOSED and alert.closing_code == closing_code:
        return
    if alert.state == AlertState.ARMED:
        promote(session, alert, actor, now, tell=False)
    alert.closing_code, alert.legal_class, alert.closed_at = closing_code, legal_class, _end_of(alert, now)
    record(
        session,
        alert,
        actor,
        "closed",
        now,
        step="close",
        reason=note,
        detail={"closing_code": closing_code, "legal_class": legal_class},
    )
    withdraw_pending(session, alert, "closed", now)
    announce(session, alert, now)


def reopen(session: Session, alert: Alert, actor: Actor, now: datetime, reason: str) -> None:
    """Takes an ended alert up again; teams are asked at once, unless one has stayed on the scene."""
    alert.closing_code, alert.legal_class = None, None
    alert.merged_into, alert.cancel, alert.handed_over_to = None, None, None
    if not alert.duress:
        # Under duress the phone goes on showing the end that it was told: these two say when.
        alert.closed_at, alert.cancel_requested_at = None, None
    alert.next_round_at, alert.round_no, alert.opened_at = now, 0, now
    record(session, alert, actor, "reopened", now, step="reopen", reason=reason)
    if derived_state([AssignmentState(one.state) for one in pending_assignments(session, alert)]) is not None:
        assignments.follow(session, alert, actor, "team_still_there", now, detail={})
    announce(session, alert, now)


def merge(session: Session, alert: Alert, into: uuid.UUID, actor: Actor, now: datetime) -> None:
    """Joins this alert to another about the same thing; each rider sees her own record alone.

    Expects both locks (`register.lock_in_order`): the other must not end while this one is hung on to it.
    """
    if into == alert.id:
        raise Refused("merge_impossible", field="into")
    if alert.merged_into == into:
        return
    target = session.get(Alert, into)
    if target is None or target.state in OVER or target.exercise != alert.exercise:
        raise Refused("merge_impossible", field="into")
    alert.merged_into, alert.closed_at = into, _end_of(alert, now)
    record(session, alert, actor, "merged", now, step="merge", detail={"into": str(into)})
    withdraw_pending(session, alert, "merged", now)
    announce(session, alert, now)
    # Two people say so: what is left of the two weighs more.
    target.similar = sorted({*target.similar, str(alert.id)})
    weigh(target)
    record(session, target, actor, "corroborated", now, detail={"by": str(alert.id)})
    announce(session, target, now)


def _end_of(alert: Alert, now: datetime) -> datetime:
    # Under duress, the phone has been told of the first end; a second one would show that there was more.
    return alert.closed_at if alert.duress and alert.closed_at is not None else now


def confirm_cancel(session: Session, alert: Alert, actor: Actor, now: datetime) -> None:
    """The operator is sure that the rider is safe: the alert ends and its teams are free."""
    if alert.state == AlertState.CANCELLED:
        return
    if alert.cancel != "requested" and not alert.duress:
        raise Refused("action_impossible", state=alert.state)
    alert.cancel, alert.closed_at = "confirmed", _end_of(alert, now)
    record(session, alert, actor, "cancelled", now, step="cancel")
    withdraw_pending(session, alert, "cancelled", now)
    announce(session, alert, now)


def refuse_cancel(session: Session, alert: Alert, actor: Actor, now: datetime) -> None:
    """The operator is not sure: the alert goes on."""
    if alert.cancel == "refused":
        return
    if alert.cancel != "requested":
        raise Refused("action_impossible", state=alert.state)
    alert.cancel = "refused"
    record(session, alert, actor, "cancel_refused", now)
    announce(session, alert, now)


def hand_over(session: Session, alert: Alert, actor: Actor, now: datetime, *, to: str, note: str | None) -> None:
    """Police or rescue have it now; our teams are free unless they are on the scene."""
    if alert.state == AlertState.HANDED_OVER and alert.handed_over_to == to:
        return
    alert.handed_over_to = to
    record(session, alert, actor, "handed_over", now, step="hand_over", reason=note, detail={"to": to})
    there = [one.id for one in pending_assignments(session, alert) if one.state == AssignmentState.ON_SCENE]
    withdraw_pending(session, alert, "handed_over", now, but=there)
    announce(session, alert, now)


def set_priority(session: Session, alert: Alert, actor: Actor, now: datetime, *, priority: int, reason: str) -> None:
    """The operator knows better than the table; the rounds run by the new priority from the next one on."""
    if alert.state in OVER:
        raise Refused("alert_over", state=alert.state)
    alert.priority_set = priority
    weigh(alert)
    if alert.state in WAITING and alert.needs_human and alert.state != AlertState.ARMED:
        alert.next_round_at = now
    record(session, alert, actor, "priority_set", now, reason=reason, detail={"priority": priority})
    announce(session, alert, now)
    tell_teams(session, alert, now)
