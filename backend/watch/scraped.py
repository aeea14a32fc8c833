"""What only a scrape asks for: results, latencies and escalations of the last ten minutes. Every look is bounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.alerts.models import Alert, LogEntry
from backend.delivery.models import Delivery, DeliveryAttempt
from backend.delivery.outbox import TO_SEND
from backend.watch.models import DrillRun

LATELY = timedelta(minutes=10)
MOST = 2_000
_QUANTILES = (0.5, 0.95, 0.99)
_SILENCES = ("unseen", "offer_expired", "acknowledgement_aged", "needs_human")

Labelled = Mapping[tuple[str, ...], float]


def drill_age_s(session: Session, now: datetime) -> float:
    """Seconds since the last drill that came through began; -1 when none ever did."""
    last = session.scalar(
        select(DrillRun.started_at).where(DrillRun.ok.is_(True)).order_by(DrillRun.started_at.desc()).limit(1)
    )
    return -1.0 if last is None else max(0.0, (now - last).total_seconds())


def push_results(session: Session, now: datetime) -> Labelled:
    """How many attempts ended how, by (channel, outcome, code)."""
    columns = (DeliveryAttempt.channel, DeliveryAttempt.outcome, DeliveryAttempt.code)
    rows = session.execute(
        select(*columns, func.count()).where(DeliveryAttempt.at >= now - LATELY).group_by(*columns).limit(MOST)
    )
    return {(channel, outcome, code or ""): count for channel, outcome, code, count in rows}


def outbox_due(session: Session, now: datetime) -> Labelled:
    """How many messages of each channel are due and have not gone."""
    rows = session.execute(
        select(Delivery.channel, func.count()).where(*TO_SEND, Delivery.due_at <= now).group_by(Delivery.channel)
    )
    return {(channel,): count for channel, count in rows}


def escalations(session: Session, now: datetime) -> Labelled:
    """How often silence became news; for calls of a person by the reason, which is a code of ours."""
    rows = session.execute(
        select(LogEntry.action, LogEntry.reason, func.count())
        .join(Alert, Alert.id == LogEntry.alert_id)
        .where(LogEntry.at >= now - LATELY, LogEntry.action.in_(_SILENCES), LogEntry.automatic, ~Alert.drill)
        .group_by(LogEntry.action, LogEntry.reason)
        .limit(MOST)
    )
    found: dict[tuple[str, ...], float] = {}
    for action, reason, count in rows:
        key = (reason if action == "needs_human" and reason else action,)
        found[key] = found.get(key, 0) + count
    return found


def latencies(session: Session, now: datetime) -> Labelled:
    """Quantiles of seconds by (channel, stage, quantile), of the newest messages about alerts.

    Stages: `emitted` to a socket and `sent` by a provider are ours; `received` is the phone's word.
    """
    # By the register, which knows when: deliveries themselves are only indexed while they wait.
    recent = (
        select(LogEntry.alert_id)
        .join(Alert, Alert.id == LogEntry.alert_id)
        .where(LogEntry.at >= now - LATELY, LogEntry.action == "offered", ~Alert.drill)
        .order_by(LogEntry.at.desc())
        .limit(MOST)
    )
    rows = session.execute(
        select(
            Delivery.channel, func.coalesce(Delivery.due_at, Delivery.created_at), Delivery.emitted_at,
            Delivery.sent_at, Delivery.received_at,
        )
        .where(Delivery.alert_id.in_(recent), Delivery.created_at >= now - LATELY)
        .limit(4 * MOST)
    ).all()  # fmt: skip
    found: dict[tuple[str, str], list[float]] = {}
    for channel, due_at, *stages in rows:
        for stage, at in zip(("emitted", "sent", "received"), stages, strict=True):
            if at is not None and at >= due_at:
                found.setdefault((channel, stage), []).append((at - due_at).total_seconds())
    return {
        (*key, f"{quantile:g}"): _quantile(sorted(values), quantile)
        for key, values in found.items()
        for quantile in _QUANTILES
    }


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
