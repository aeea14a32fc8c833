"""Figures: one cheap look at what is late, silent or failing anywhere, from indexed rows. No personal data."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ScalarSelect, case, func, select
from sqlalchemy.orm import Session

from backend.alerts.lifecycle import OVER, WAITING, AssignmentState
from backend.alerts.models import Alert, Assignment
from backend.delivery.breaker import OF_THE_SETUP
from backend.delivery.models import Delivery, DeliveryAttempt
from backend.delivery.outbox import TO_SEND
from backend.heartbeats import Heartbeat
from backend.night_stops.models import NightStopRequest
from backend.people.models import DutyShift, Presence
from backend.settings import Settings
from backend.watch import drill
from backend.watch.findings import ChannelFigures, DrillFigures, Figures
from backend.watch.presence import FRESH

RECENT = timedelta(seconds=60)
REMEMBERED = timedelta(minutes=10)
"""How long a quarantined message or a mass death of addresses is shown, so that a person sees it."""


def look(session: Session, now: datetime) -> Figures:
    """What there is to judge now; one statement for what is late, and a few small ones for channels and drill."""
    late = session.execute(
        select(
            _oldest(Alert.next_round_at, Alert.next_round_at <= now, Alert.state.in_(WAITING)).label("round"),
            _oldest(Alert.attention_at, Alert.attention_at <= now).label("attention"),
            _oldest(NightStopRequest.due_at, NightStopRequest.due_at <= now).label("night_stop"),
            _oldest(Delivery.due_at, *TO_SEND, Delivery.due_at <= now).label("delivery"),
            _unheard(now).label("unheard"),
            _newest_beat("worker").label("worker"),
            _newest_beat("live").label("live"),
            _quarantined(now).label("quarantined"),
            _under_review().label("under_review"),
        )
    ).one()
    return Figures(
        overdue_round_s=_age(late.round, now),
        overdue_attention_s=_age(late.attention, now),
        overdue_night_stop_s=_age(late.night_stop, now),
        pending_delivery_s=_age(late.delivery, now),
        unheard_offer_s=_age(late.unheard, now),
        worker_silence_s=_age(late.worker, now) if late.worker is not None else None,
        live_silence_s=_age(late.live, now) if late.live is not None else None,
        channels=_channels(session, now),
        held_deaths=_held_deaths(session, now),
        quarantined=late.quarantined,
        under_review=late.under_review,
        drill=_drill(session, now),
    )


def _oldest(column: Any, *conditions: Any) -> ScalarSelect[Any]:
    return select(func.min(column)).where(*conditions).scalar_subquery()


def _newest_beat(kind: str) -> ScalarSelect[Any]:
    return select(func.max(Heartbeat.at)).where(Heartbeat.kind == kind).scalar_subquery()


def _unheard(now: datetime) -> ScalarSelect[Any]:
    # A team without any open socket is reached by push: that no socket brought it the offer is nobody's fault.
    present = (
        select(Presence.staff_id)
        .join(DutyShift, DutyShift.staff_id == Presence.staff_id)
        .where(DutyShift.team_id == Assignment.team_id, DutyShift.ended_at.is_(None), Presence.at >= now - FRESH)
    )
    return (
        select(func.min(Assignment.offered_at))
        .join(Delivery, Delivery.id == Assignment.delivery_id)
        .where(
            Assignment.state == AssignmentState.OFFERED,
            Delivery.emitted_at.is_(None),
            Delivery.received_at.is_(None),
            Delivery.settled_at.is_(None),
            present.exists(),
        )
        .scalar_subquery()
    )


def _quarantined(now: datetime) -> ScalarSelect[Any]:
    return (
        select(func.count())
        .select_from(Delivery)
        .where(Delivery.settled_why == "quarantined", Delivery.settled_at >= now - REMEMBERED)
        .scalar_subquery()
    )


def _under_review() -> ScalarSelect[Any]:
    return (
        select(func.count())
        .select_from(Alert)
        .where(
            Alert.state.not_in(OVER),
            Alert.needs_human_reason == "restored",
            Alert.needs_human,
            Alert.acknowledged_at.is_(None),
        )
        .scalar_subquery()
    )


def _channels(session: Session, now: datetime) -> tuple[ChannelFigures, ...]:
    sent = DeliveryAttempt.outcome == "sent"
    refused = (DeliveryAttempt.outcome == "gave_up_ours") & DeliveryAttempt.code.in_(OF_THE_SETUP)
    rows = session.execute(
        select(
            DeliveryAttempt.channel,
            func.count(case((sent, 1))),
            func.count(case((~sent, 1))),
            func.count(case((refused, 1))),
        )
        .where(DeliveryAttempt.at >= now - RECENT)
        .group_by(DeliveryAttempt.channel)
        .order_by(DeliveryAttempt.channel)
    )
    return tuple(ChannelFigures(*row) for row in rows)


def _held_deaths(session: Session, now: datetime) -> tuple[tuple[str, int], ...]:
    # Said to be dead, and yet only given up: the breaker against mass deletion did not believe it.
    rows = session.execute(
        select(DeliveryAttempt.channel, func.count())
        .join(Delivery, Delivery.id == DeliveryAttempt.delivery_id)
        .where(
            DeliveryAttempt.outcome == "address_dead",
            DeliveryAttempt.at >= now - REMEMBERED,
            Delivery.settled_why == "gave_up",
        )
        .group_by(DeliveryAttempt.channel)
    )
    return tuple(sorted((channel, count) for channel, count in rows))


def _drill(session: Session, now: datetime) -> DrillFigures:
    settings: Settings = session.info["settings"]
    last = drill.last_run(session)
    if last is None:
        return DrillFigures(settings.drill_every_s)
    took = last.steps_ms.get("reached")
    return DrillFigures(
        settings.drill_every_s, _age(last.started_at, now), last.ok, took, last.failed_step, last.certificate_days
    )


def _age(at: datetime | None, now: datetime) -> float:
    return round(max(0.0, (now - at).total_seconds()), 3) if at is not None else 0.0
