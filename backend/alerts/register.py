"""The register: every change of an alert raises its version, leaves a line, and tells its audiences.

All functions expect the alert's row lock (`locked`), except on an alert that this transaction has just made.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from backend import feed
from backend.alerts import timers, views
from backend.alerts.lifecycle import ENGAGED, OVER, PENDING, TAKEN, WAITING, AlertState, AssignmentState, alert_after
from backend.alerts.models import Alert, Assignment, LogEntry
from backend.alerts.situation import vehicle_of
from backend.alerts.views import AssignmentCard
from backend.database import lock_rows, new_id, wake
from backend.delivery import fanout
from backend.delivery.models import Delivery
from backend.errors import Refused
from backend.network import queries
from backend.people.models import Staff, Team
from backend.settings import Settings


@dataclass(frozen=True)
class Actor:
    """Who made a change: a rider, an agent, somebody of the control room, or the system by itself."""

    kind: str
    id: uuid.UUID | None = None

    @property
    def automatic(self) -> bool:
        """True when no person did it."""
        return self.kind == "system"


SYSTEM = Actor("system")


# Said several times for each alert: putting such a statement together takes as long as the database needs for it.
_LOCKED = lock_rows(select(Alert).where(Alert.id == bindparam("alert_id"))).execution_options(populate_existing=True)
_CARDS = (
    select(Assignment, Team.call_sign, Delivery.received_at, Delivery.seen_at)
    .join(Team, Team.id == Assignment.team_id)
    .outerjoin(Delivery, Delivery.id == Assignment.delivery_id)
    .where(Assignment.alert_id.in_(bindparam("alert_ids", expanding=True)))
    .order_by(Assignment.offered_at, Assignment.id)
    .execution_options(populate_existing=True)
)


def locked(session: Session, alert_id: uuid.UUID) -> Alert:
    """The alert with its row locked and read afresh; refuses `alert_unknown`."""
    alert = session.scalar(_LOCKED, {"alert_id": alert_id})
    if alert is None:
        raise Refused("alert_unknown")
    _held(session).pop(alert_id, None)
    own_cards(session, alert)  # now: once changes are waiting, this query would write them, and the commit the rest
    return alert  # type: ignore[no-any-return]


def lock_in_order(session: Session, alert_ids: Collection[uuid.UUID]) -> None:
    """Locks several alerts in one order: operators who merge A into B and B into A must not wait for each other."""
    query = select(Alert.id).where(Alert.id.in_(alert_ids)).order_by(Alert.id)
    session.execute(lock_rows(query))


def record(
    session: Session,
    alert: Alert,
    actor: Actor,
    action: str,
    now: datetime,
    *,
    step: str | None = None,
    reason: str | None = None,
    detail: dict[str, Any] | None = None,
    device_at: str | None = None,
) -> None:
    """Takes one step of the lifecycle (or none), raises the version and writes the line that says so.

    Refuses `action_impossible` when the lifecycle table has no such step from the present state.
    """
    before = AlertState(alert.state)
    after = before if step is None else alert_after(before, step)
    if after is None:
        raise Refused("alert_over" if before in OVER else "action_impossible", state=alert.state)
    alert.version = alert.version + 1
    alert.state = after
    if after not in WAITING:
        alert.next_round_at = None
        alert.needs_human, alert.needs_human_reason, alert.needs_human_since = False, None, None
    session.add(
        LogEntry(
            id=new_id(),
            alert_id=alert.id,
            version=alert.version,
            at=now,
            device_at=device_at,
            actor_kind=actor.kind,
            actor_id=actor.id,
            action=action,
            from_state=before,
            to_state=after,
            automatic=actor.automatic,
            reason=reason,
            detail=detail,
        )
    )


def cards(session: Session, alert_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[AssignmentCard]]:
    """The assignments of each alert, oldest first, with call signs and receipts."""
    found: dict[uuid.UUID, list[AssignmentCard]] = {alert_id: [] for alert_id in alert_ids}
    if not alert_ids:
        return found
    rows = session.execute(_CARDS, {"alert_ids": list(alert_ids)})
    for assignment, call_sign, received_at, seen_at in rows:
        found[assignment.alert_id].append(AssignmentCard(assignment, call_sign, received_at, seen_at))
    return found


def own_cards(session: Session, alert: Alert) -> list[AssignmentCard]:
    """The assignments of a locked alert, oldest first; the same list each time in one transaction.

    Nobody else changes them meanwhile, because whoever does takes the alert's row first. So they are read once, and
    `offer` adds to them.
    """
    held = _held(session)
    if alert.id not in held:
        # Every offer raises the version: an alert that was only raised has none.
        held[alert.id] = cards(session, [alert.id])[alert.id] if alert.version > 1 else []
    return held[alert.id]


def _held(session: Session) -> dict[uuid.UUID, list[AssignmentCard]]:
    found: dict[uuid.UUID, list[AssignmentCard]] = session.info.setdefault("own_cards", {})
    return found


def staff_names(session: Session, ids: Iterable[uuid.UUID | None]) -> dict[uuid.UUID, str]:
    """The display names of members of staff."""
    wanted = {staff_id for staff_id in ids if staff_id is not None}
    if not wanted:
        return {}
    return {
        row.id: row.display_name
        for row in session.execute(select(Staff.id, Staff.display_name).where(Staff.id.in_(wanted)))
    }


def control_card(session: Session, alert: Alert, assignments: Sequence[AssignmentCard] | None = None) -> dict[str, Any]:
    """The alert as the control room sees it now."""
    if assignments is None:
        held = _held(session).get(alert.id)
        assignments = cards(session, [alert.id])[alert.id] if held is None else held
    view = views.control_view(alert, assignments, staff_names(session, (alert.seen_by, alert.acknowledged_by)))
    if alert.line_id:
        view["place"]["line_name"] = queries.line_name(session, alert.line_id)
    return view


def control_of(alert: Alert) -> str:
    """The audience that hears what the control room must know of an alert: nobody's for a synthetic drill."""
    return feed.DRILL if alert.drill else feed.CONTROL


def announce(
    session: Session,
    alert: Alert,
    now: datetime,
    *,
    type_: str = "alert.changed",
    to_rider: bool = True,
) -> None:
    """Tells control room and rider how the alert stands now, and sets when a person must look at it again."""
    present = own_cards(session, alert)
    found = timers.next_attention(standing(alert, present), patience_of(session), now)
    # Never later than was said before: each position of a rider who walks would put off the sound for ever.
    alert.attention_at = found if found is None or alert.attention_at is None else min(found, alert.attention_at)
    if alert.next_round_at is not None and alert.next_round_at <= now:
        wake(session, "due")
    card = control_card(session, alert, present)
    feed.put(session, control_of(alert), type_, {"alert": card}, now, alert_id=alert.id)
    if alert.drill:
        alert.attention_at = None  # no person is asked to look at it; whoever runs the drill ends it
    if to_rider and views.is_news_for_rider(alert, now):
        if alert.version > 1 and views.may_ring(alert) and not alert.under_review:
            fanout.tell_rider(session, alert.device_id, alert.id, now)
        feed.put(
            session,
            feed.device(alert.device_id),
            "alert.changed",
            {"alert": views.rider_view(alert, present)},
            now,
            alert_id=alert.id,
        )


def patience_of(session: Session) -> timers.Patience:
    """How long this installation lets each silence last."""
    settings: Settings = session.info["settings"]
    return timers.Patience(
        settings.seen_s, settings.acknowledgement_ages_s, settings.reminder_s, settings.silent_team_s
    )


def standing(alert: Alert, present: Sequence[AssignmentCard]) -> timers.Standing:
    """What the timers need to know of an alert."""
    working = [card.assignment.changed_at for card in present if card.assignment.state in ENGAGED]
    offers = [
        card.assignment.answer_by
        for card in present
        if card.assignment.state == AssignmentState.OFFERED and card.assignment.answer_by is not None
    ]
    return timers.Standing(
        AlertState(alert.state),
        alert.opened_at,
        alert.seen_at,
        alert.acknowledged_at,
        alert.cancel_requested_at if alert.cancel == "requested" else None,
        max(working, default=None),
        min(offers, default=None) if alert.state not in WAITING else None,
        _in_vehicle_at(alert),
    )


def _in_vehicle_at(alert: Alert) -> datetime | None:
    """When the alert was last found in a vehicle, while somebody waits for it or is on the way."""
    if alert.situation is None or alert.state not in WAITING | TAKEN or vehicle_of(alert) is None:
        return None
    return datetime.fromisoformat(alert.situation["found_at"])


def pending_assignments(session: Session, alert: Alert) -> list[Assignment]:
    """The offers and missions of a locked alert that are still alive."""
    return [card.assignment for card in own_cards(session, alert) if card.assignment.state in PENDING]


def tell_teams(session: Session, alert: Alert, now: datetime) -> None:
    """Tells every team that is asked or on its way what is known of the alert now."""
    for assignment in pending_assignments(session, alert):
        known = {"assignment_id": str(assignment.id), "alert": views.agent_view(assignment, alert)["alert"]}
        feed.put(session, feed.team(assignment.team_id), "alert.updated", known, now, alert_id=alert.id)
