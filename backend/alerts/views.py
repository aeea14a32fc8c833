"""What each audience may see of an alert: rider, agent, control room. One function per audience, nothing else leaks."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from backend.alerts.lifecycle import ENGAGED, OVER, WAITING, AlertState, AssignmentState
from backend.alerts.models import FORCED, Alert, AlertMessage, Assignment, LogEntry
from backend.alerts.situation import situation_view
from backend.times import stamp

_TEAM_STATE = {AlertState.ASSIGNED: "assigned", AlertState.EN_ROUTE: "en_route", AlertState.ON_SCENE: "on_scene"}


def rider_view(alert: Alert, assignments: Sequence[AssignmentCard]) -> dict[str, Any]:
    """The rider's own alert: stored facts only, never where a team is.

    Under duress the phone may be in the aggressor's hand: it shows a cancel like any other, for ever. So that the two
    cannot be told apart, no phone hears of anything new between a cancel and the operator's word on it.
    """
    lead = None if _holds_back(alert) else next((a for a in assignments if a.assignment.state in ENGAGED), None)
    state = _rider_state(alert)
    return {
        "id": str(alert.id),
        "state": state,
        "version": _rider_version(alert),
        "category": alert.category,
        "reporter_role": alert.reporter_role,
        "contact_mode": alert.contact_mode,
        "received_at": stamp(alert.received_at),
        "armed_until": stamp(alert.armed_until) if state == AlertState.ARMED else None,
        "seen_at": stamp(_before_cancel(alert, alert.seen_at)),
        "acknowledged_at": stamp(_before_cancel(alert, alert.acknowledged_at)),
        "team": {"call_sign": lead.call_sign} if lead else None,
        "team_state": _TEAM_STATE.get(AlertState(alert.state)) if lead else None,
        "closed_at": stamp(_rider_closed_at(alert)),
        "cancel": _rider_cancel(alert),
        "facts": _facts(alert, lead),
    }


def is_news_for_rider(alert: Alert, now: datetime) -> bool:
    """Whether the phone hears of a change made now: not while a cancel waits, but when it has come to its end."""
    return not _holds_back(alert) or (alert.state in OVER and alert.closed_at == now)


def seems_over(alert: Alert) -> bool:
    """Whether the alert looks ended on the phone, though under duress help may be on its way."""
    return _rider_state(alert) in OVER


def _holds_back(alert: Alert) -> bool:
    return bool(alert.duress) or alert.cancel in ("requested", "confirmed")


def _rider_state(alert: Alert) -> str:
    if alert.duress:
        return "cancel_requested" if _rider_closed_at(alert) is None else "cancelled"
    if alert.cancel == "requested" and alert.state not in OVER:
        return "cancel_requested"
    return alert.state


def _rider_version(alert: Alert) -> int:
    if not _holds_back(alert) or alert.cancel_version is None:
        return alert.version
    if _rider_state(alert) == "cancel_requested":
        return alert.cancel_version
    if not alert.duress and alert.state != AlertState.CANCELLED:
        return alert.version
    # What happened in between must not be counted by the phone either.
    return alert.cancel_version + (_rider_closed_at(alert) != alert.cancel_requested_at)


def _before_cancel(alert: Alert, at: datetime | None) -> datetime | None:
    if at is None or alert.cancel_requested_at is None or not _holds_back(alert):
        return at
    return at if at <= alert.cancel_requested_at else None


def _rider_closed_at(alert: Alert) -> datetime | None:
    # Under duress an end stays an end on the phone, even when an operator takes the case up again.
    if alert.duress:
        return alert.cancel_requested_at if alert.cancel_how == "duress_armed" else alert.closed_at
    return alert.closed_at


def _rider_cancel(alert: Alert) -> str | None:
    if alert.duress:
        return "requested" if _rider_closed_at(alert) is None else "confirmed"
    return alert.cancel


def _facts(alert: Alert, lead: AssignmentCard | None) -> list[dict[str, str | None]]:
    facts: list[tuple[str, datetime | None]] = [
        ("received", alert.received_at),
        ("seen", _before_cancel(alert, alert.seen_at)),
        ("acknowledged", _before_cancel(alert, alert.acknowledged_at)),
    ]
    if alert.needs_human and alert.state in WAITING and not _holds_back(alert):
        facts.append(("no_team_yet", alert.needs_human_since))
    if lead is not None:
        facts.append(("team_assigned", lead.assignment.accepted_at))
        if lead.assignment.state != AssignmentState.ACCEPTED:
            facts.append((f"team_{lead.assignment.state}", lead.assignment.changed_at))
    facts += [("cancel_requested", alert.cancel_requested_at), ("closed", _rider_closed_at(alert))]
    return [{"code": code, "at": stamp(at)} for code, at in facts if at is not None]


class AssignmentCard:
    """An assignment with what is shown beside it: the team's names and the receipts of its offer."""

    __slots__ = ("assignment", "call_sign", "received_at", "seen_at")

    def __init__(
        self,
        assignment: Assignment,
        call_sign: str,
        received_at: datetime | None = None,
        seen_at: datetime | None = None,
    ) -> None:
        self.assignment = assignment
        self.call_sign = call_sign
        self.received_at = received_at
        self.seen_at = seen_at


def may_ring(alert: Alert) -> bool:
    """Whether the rider's phone may make itself known: never where it would betray her, nor under duress."""
    return alert.contact_mode != "cannot_talk" and not alert.duress and not seems_over(alert)


def position_view(alert: Alert) -> dict[str, Any] | None:
    """The alert's newest position with its 95 % radius, or None."""
    if alert.lat is None or alert.lon is None:
        return None
    return {
        "latitude": alert.lat,
        "longitude": alert.lon,
        "accuracy_m": alert.accuracy_m,
        "at": stamp(alert.position_at),
        "provider": alert.provider,
    }


def place_view(alert: Alert) -> dict[str, Any]:
    """What the rider named: line, vehicle, stop."""
    return {
        "line_id": alert.line_id,
        "direction_id": alert.direction_id,
        "vehicle_number": alert.vehicle_number,
        "stop_id": alert.stop_id,
        "station": alert.station,
        "carriage": alert.carriage,
        "situation": situation_view(alert),
    }


def meeting_view(assignment: Assignment) -> dict[str, Any] | None:
    """Where the team meets the vehicle of the alert, or None."""
    return {name: value for name, value in assignment.meet_at.items() if name != "at"} if assignment.meet_at else None


def agent_view(assignment: Assignment, alert: Alert) -> dict[str, Any]:
    """One team's offer or mission; the rider's own words only once the team has taken it."""
    taken = assignment.state in ENGAGED
    return {
        "id": str(assignment.id),
        "delivery_id": str(assignment.delivery_id),
        "state": assignment.state,
        "version": assignment.version,
        "offered_at": stamp(assignment.offered_at),
        "answer_by": stamp(assignment.answer_by),
        "distance_m": round(assignment.distance_m) if assignment.distance_m is not None else None,
        "reasons": assignment.reasons,
        "meet_at": meeting_view(assignment),
        "alert": {
            "id": str(alert.id),
            "category": alert.category,
            "reporter_role": alert.reporter_role,
            "contact_mode": alert.contact_mode,
            "priority": alert.priority,
            "position": position_view(alert),
            "place": place_view(alert),
            "description": alert.description if taken else None,
            "received_at": stamp(alert.received_at),
            "exercise": alert.exercise,
            "callback_number": alert.callback_number if taken else None,
        },
    }


def control_view(alert: Alert, assignments: Sequence[AssignmentCard], names: dict[uuid.UUID, str]) -> dict[str, Any]:
    """Everything that the control room may see of an alert; `names` maps staff ids to names."""
    return {
        "id": str(alert.id),
        "state": alert.state,
        "version": alert.version,
        "priority": alert.priority,
        "priority_reasons": alert.priority_reasons,
        "category": alert.category,
        "reporter_role": alert.reporter_role,
        "contact_mode": alert.contact_mode,
        "received_at": stamp(alert.received_at),
        "observed_at": stamp(alert.observed_at),
        "position": position_view(alert),
        "place": place_view(alert),
        "description": alert.description,
        "seen_at": stamp(alert.seen_at),
        "seen_by": names.get(alert.seen_by) if alert.seen_by else None,
        "acknowledged_at": stamp(alert.acknowledged_at),
        "acknowledged_by": names.get(alert.acknowledged_by) if alert.acknowledged_by else None,
        "needs_human": alert.needs_human,
        "needs_human_reason": alert.needs_human_reason,
        "next_step_at": stamp(alert.next_round_at),
        "round_no": alert.round_no,
        "duress": alert.duress or alert.cancel_how == FORCED,
        "suspect": alert.suspect,
        "exercise": alert.exercise,
        "late": alert.late,
        "out_of_area": alert.out_of_area,
        "armed_until": stamp(alert.armed_until) if alert.state == AlertState.ARMED else None,
        "cancel": alert.cancel,
        "merged_into": str(alert.merged_into) if alert.merged_into else None,
        "handed_over_to": alert.handed_over_to,
        "assignments": [_assignment_view(card) for card in assignments],
        "shortfall": alert.shortfall,
        "similar": alert.similar,
        "closed_at": stamp(alert.closed_at) if alert.state in OVER else None,
        "closing_code": alert.closing_code,
        "legal_class": alert.legal_class,
        "warnings": alert.warnings,
        "source": alert.source,
        "callback_number": alert.callback_number,
    }


def _assignment_view(card: AssignmentCard) -> dict[str, Any]:
    assignment = card.assignment
    return {
        "id": str(assignment.id),
        "team_id": str(assignment.team_id),
        "call_sign": card.call_sign,
        "state": assignment.state,
        "version": assignment.version,
        "by_hand": assignment.by_hand,
        "round_no": assignment.round_no,
        "offered_at": stamp(assignment.offered_at),
        "answer_by": stamp(assignment.answer_by),
        "accepted_at": stamp(assignment.accepted_at),
        "changed_at": stamp(assignment.changed_at),
        "received_at": stamp(card.received_at),
        "seen_at": stamp(card.seen_at),
        "distance_m": round(assignment.distance_m) if assignment.distance_m is not None else None,
        "reasons": assignment.reasons,
        "decline_reason": assignment.decline_reason,
        "ended_why": assignment.ended_why,
    }


def log_view(entry: LogEntry, names: dict[uuid.UUID, str]) -> dict[str, Any]:
    """One line of the register."""
    actor: dict[str, Any] = {"kind": entry.actor_kind}
    if entry.actor_id is not None:
        actor |= {"id": str(entry.actor_id), "name": names.get(entry.actor_id)}
    return {
        "id": str(entry.id),
        "version": entry.version,
        "at": stamp(entry.at),
        "device_at": entry.device_at,
        "actor": actor,
        "action": entry.action,
        "from": entry.from_state,
        "to": entry.to_state,
        "automatic": entry.automatic,
        "reason": entry.reason,
        "detail": entry.detail,
    }


def message_view(message: AlertMessage) -> dict[str, Any]:
    """One message; riders never learn which operator wrote."""
    return {"id": str(message.id), "author": message.author, "text": message.text, "sent_at": stamp(message.sent_at)}
