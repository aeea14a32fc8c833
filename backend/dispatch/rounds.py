"""Rounds: the due alerts, one at a time, each in a transaction of its own. Timers are rows; a restart loses none."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Integer, bindparam, select
from sqlalchemy.orm import Session

from backend import feed
from backend.alerts import assignments
from backend.alerts.claims import claim
from backend.alerts.details import weigh
from backend.alerts.lifecycle import WAITING, AlertState, AssignmentState
from backend.alerts.models import Alert
from backend.alerts.raising import promote
from backend.alerts.register import SYSTEM, announce, control_of, locked, pending_assignments, record
from backend.alerts.situation import situate
from backend.database import lock_rows
from backend.delivery import supervisors
from backend.delivery.channels import SUPERVISOR
from backend.dispatch import candidates, policy
from backend.dispatch.interception import meeting_card
from backend.dispatch.plan import DispatchPlan
from backend.dispatch.policy import AskTeams, CallControlRoom, Situation, Wait
from backend.dispatch.similar import similar_alerts
from backend.times import stamp


@dataclass(frozen=True)
class Rules:
    """What an installation has set for dispatch."""

    plan: DispatchPlan
    reminder_s: int = 30
    fresh_s: int = 60


_DUE = lock_rows(
    select(Alert)
    .where(
        Alert.next_round_at <= bindparam("now"),
        Alert.state.in_(WAITING),
        Alert.id.not_in(bindparam("skip", expanding=True)),
    )
    .order_by(Alert.next_round_at)
    .limit(bindparam("most", type_=Integer())),
    skip_locked=True,
)


def due_alerts(session: Session, now: datetime, skip: Collection[uuid.UUID] = (), limit: int = 1) -> Sequence[Alert]:
    """Alerts whose round is due, the longest waiting first, locked; rows that another worker holds are passed over."""
    found: Sequence[Alert] = session.scalars(_DUE, {"now": now, "skip": list(skip), "most": limit}).all()
    return found


def run(session: Session, alert: Alert, rules: Rules, now: datetime) -> None:
    """Takes the next step for one due alert: promote it, end old offers, ask teams, call the control room."""
    if alert.state == AlertState.ARMED:
        if alert.armed_until is not None and alert.armed_until > now:
            alert.next_round_at = alert.armed_until
            return
        promote(session, alert, SYSTEM, now, tell=False)
    expired = assignments.expire(session, alert, now)
    situate(session, alert, now)
    if alert.round_no == 0 and not alert.similar:
        _suggest_similar(session, alert)
    asked = candidates.asked_before(session, alert)
    place = candidates.origin(session, alert, now)
    open_offers = [
        a.answer_by
        for a in pending_assignments(session, alert)
        if a.state == AssignmentState.OFFERED and a.answer_by is not None
    ]
    plan = rules.plan.rounds(alert.priority, alert.category)
    # Room for all that a round may ask, beside those who are nearer and did not answer.
    most = max((one.teams for one in plan), default=1) + len(asked.no_answer)
    found = candidates.find(session, alert, place, asked, now, fresh_s=rules.fresh_s, limit=most)
    situation = Situation(plan, alert.round_no, min(open_offers, default=None), place.hold, found)
    step = _next_step(session, situation, now, rules.reminder_s)
    _carry_out(
        session,
        alert,
        step,
        candidates.shortfall(session, asked, now, fresh_s=rules.fresh_s) if isinstance(step, CallControlRoom) else None,
        now,
    )
    announce(session, alert, now, to_rider=bool(expired) or isinstance(step, CallControlRoom) or alert.opened_at == now)


def _next_step(session: Session, situation: Situation, now: datetime, reminder_s: int) -> policy.Step:
    """The policy's step with teams that are still free: another worker may have asked them meanwhile."""
    step = policy.next_step(situation, now, reminder_s)
    lost = False
    while isinstance(step, AskTeams):
        wanted = {one.team_id for one in step.teams}
        gone = wanted - claim(session, wanted)
        if not gone:
            return step
        lost = True
        left = [one for one in situation.candidates if one.team_id not in gone]
        situation = replace(situation, candidates=left)
        step = policy.next_step(situation, now, reminder_s)
    # They may decline the other alert, or have been held only for a moment: look again soon, call nobody yet.
    return Wait(now + timedelta(seconds=1)) if lost else step


def _carry_out(session: Session, alert: Alert, step: policy.Step, short: dict[str, int] | None, now: datetime) -> None:
    match step:
        case Wait(until):
            alert.next_round_at = until
        case AskTeams(round_no, teams, answer_by):
            offers = [
                assignments.Offer(
                    one.team_id,
                    one.distance_m,
                    policy.reasons(one, place),
                    meeting_card(None if one.same_vehicle else one.meeting, now),
                )
                for place, one in enumerate(teams)
            ]
            assignments.offer(session, alert, offers, answer_by, round_no, now)
            alert.next_round_at, alert.shortfall = answer_by, None
        case CallControlRoom(reason, again_at, round_no):
            alert.next_round_at, alert.shortfall, alert.round_no = again_at, short, round_no
            call_control_room(session, alert, _foremost(alert, reason), now)


def _foremost(alert: Alert, reason: str) -> str:
    """Why a person must act, when a round has its own reason to call one.

    What became of the rider's wish to get off was said once. That nobody is left is said again at every reminder,
    and would take its place in the queue before the operator has read it.
    """
    standing = alert.needs_human_reason if alert.needs_human else None
    return standing if standing is not None and standing.startswith("night_stop_") else reason


def call_control_room(session: Session, alert: Alert, reason: str, now: datetime) -> None:
    """A person is called; said again at each reminder until somebody has acknowledged the alert.

    When nobody has by the first reminder, a supervisor is called as well: the control room may be empty.
    """
    if alert.under_review:
        reason = "restored"  # whatever else is due for it, a person looks at it first
    elif alert.needs_human and alert.needs_human_reason == reason and alert.acknowledged_at is None and not alert.drill:
        supervisors.call(session, SUPERVISOR, now, why=reason, alert_id=alert.id)
    if not alert.needs_human or alert.needs_human_reason != reason:
        alert.needs_human, alert.needs_human_reason = True, reason
        alert.needs_human_since = alert.needs_human_since or now
        record(
            session,
            alert,
            SYSTEM,
            "needs_human",
            now,
            reason=reason,
            detail={"shortfall": alert.shortfall} if alert.shortfall else None,
        )
    if alert.acknowledged_at is None:
        feed.put(
            session,
            control_of(alert),
            "alert.needs_human",
            {"alert_id": str(alert.id), "reason": reason, "since": stamp(alert.needs_human_since)},
            now,
            alert_id=alert.id,
        )


def postpone(session: Session, alert_id: uuid.UUID, now: datetime, *, seconds: int = 5) -> None:
    """Puts off an alert whose round went wrong and calls the control room: it must not stop the others."""
    alert = locked(session, alert_id)
    if alert.state not in WAITING:
        return
    alert.next_round_at = now + timedelta(seconds=seconds)
    call_control_room(session, alert, "dispatch_failed", now)
    announce(session, alert, now)


def _suggest_similar(session: Session, alert: Alert) -> None:
    others = similar_alerts(session, alert)
    if others:
        alert.similar = [str(other) for other in others]
        weigh(alert)
