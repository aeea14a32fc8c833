"""What must be true of every database of Vigie at any moment, whatever happened to it (I4, I5, I8, I9, I13)."""

import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend import feed
from backend.alerts.lifecycle import (
    ALERT_STEPS,
    ENGAGED,
    OVER,
    PENDING,
    TAKEN,
    WAITING,
    AlertState,
    AssignmentState,
    derived_state,
)
from backend.alerts.models import Alert, Assignment, LogEntry
from backend.delivery.models import Delivery
from backend.feed import FeedEntry
from backend.people.models import DutyShift

LEGAL = {(source, target) for sources, target in ALERT_STEPS.values() for source in sources}
FIRST = {AlertState.ARMED, AlertState.OPEN}
GRACE = timedelta(seconds=2)
UNDER_WAY = timedelta(seconds=10)
"""What is stamped when its request comes in may be written later: it waits for locks, and for a busy machine."""


def check(session: Session, now: datetime | None = None, seen_s: int = 15) -> None:
    """Raises with all that is wrong. With `now`, a worker is taken to have done what was due until then."""
    faults = list(faults_in(session, now, seen_s))
    assert not faults, "\n".join(faults)


def faults_in(session: Session, now: datetime | None = None, seen_s: int = 15) -> Iterator[str]:
    """Each broken promise as one line."""
    alerts = {one.id: one for one in session.scalars(select(Alert))}
    asked: dict[uuid.UUID, list[Assignment]] = defaultdict(list)
    for one in session.scalars(select(Assignment).order_by(Assignment.offered_at, Assignment.id)):
        asked[one.alert_id].append(one)
    lines: dict[uuid.UUID, list[LogEntry]] = defaultdict(list)
    for line in session.scalars(select(LogEntry).order_by(LogEntry.version)):
        lines[line.alert_id].append(line)
    yield from _exclusive(asked, session)
    yield from _told(session, alerts)
    for alert in alerts.values():
        for fault in (
            *_derived(alert, asked[alert.id]),
            *_register(alert, lines[alert.id]),
            *_never_silent(alert, lines[alert.id], now, seen_s),
            *_asked_well(asked[alert.id], now),
            *_merged(alert, alerts),
        ):
            yield f"alert {alert.id} ({alert.state}): {fault}"


def _exclusive(asked: dict[uuid.UUID, list[Assignment]], session: Session) -> Iterator[str]:
    everything = [one for many in asked.values() for one in many]
    for team, count in Counter(one.team_id for one in everything if one.state in PENDING).items():
        if count > 1:
            yield f"I4: team {team} is on {count} alerts"
    places = Counter((one.alert_id, one.slot) for one in everything if one.state in ENGAGED)
    for (alert, slot), count in places.items():
        if count > 1:
            yield f"I4: {count} teams in place {slot} of alert {alert}"
    on_duty = set(session.scalars(select(DutyShift.team_id).where(DutyShift.ended_at.is_(None))))
    for one in everything:
        if one.state in PENDING and one.team_id not in on_duty:
            yield f"team {one.team_id} is off duty and yet {one.state} on {one.alert_id}"
    settled = {row.id: row.settled_at for row in session.execute(select(Delivery.id, Delivery.settled_at))}
    for one in everything:
        if one.state != AssignmentState.OFFERED and settled.get(one.delivery_id) is None:
            yield f"I3: the delivery of {one.state} assignment {one.id} still waits"


def _derived(alert: Alert, asked: list[Assignment]) -> Iterator[str]:
    states = [AssignmentState(one.state) for one in asked if one.state in PENDING]
    engaged = derived_state(states)
    if alert.state in OVER and states:
        yield f"I8: over, and still {states}"
    if (alert.state in TAKEN) != (engaged is not None) and alert.state != AlertState.HANDED_OVER:
        yield f"teams are {states}"
    if alert.state in TAKEN and engaged != alert.state:
        yield f"its furthest team says {engaged}"
    if alert.state == AlertState.HANDED_OVER and engaged not in (None, AlertState.ON_SCENE):
        yield f"handed over while a team is {engaged}"


def _register(alert: Alert, lines: list[LogEntry]) -> Iterator[str]:
    if [line.version for line in lines] != list(range(1, alert.version + 1)):
        yield f"I13: version {alert.version}, register {[line.version for line in lines]}"
        return
    if lines[0].from_state is not None or lines[0].to_state not in FIRST or lines[-1].to_state != alert.state:
        yield f"I13: the register goes from {lines[0].to_state} to {lines[-1].to_state}"
    for before, line in pairwise(lines):
        if line.from_state != before.to_state:
            yield f"I13: {before.to_state} is followed by a line from {line.from_state}"
        if line.from_state != line.to_state and (line.from_state, line.to_state) not in LEGAL:
            yield f"I9: {line.action} went from {line.from_state} to {line.to_state}"
        # Each line bears the instant at which its request came in; who waited for a lock stands behind who came later.
        if line.at < before.at - UNDER_WAY:
            yield f"I13: {line.action} stands after what came later"
        if line.automatic != (line.actor_kind == "system"):
            yield f"I13: {line.action} by {line.actor_kind} is marked automatic={line.automatic}"


def _never_silent(alert: Alert, lines: list[LogEntry], now: datetime | None, seen_s: int) -> Iterator[str]:
    if alert.state in WAITING and alert.next_round_at is None:
        yield "promise 1: nobody has it and nothing is due"
    watched = alert.state not in OVER | {AlertState.ARMED} and not alert.drill
    if watched and alert.seen_at is None and alert.attention_at is None:
        yield "I5: nobody has seen it and nobody will be told"
    if alert.state in OVER and (alert.attention_at is not None or alert.next_round_at is not None):
        yield "I8: over, and something is still due"
    if now is None:
        return
    for name in ("next_round_at", "attention_at"):
        due = getattr(alert, name)
        if due is not None and due <= now - GRACE:
            yield f"I7: {name} has been due since {due}"
    said = "unseen" in {line.action for line in lines}
    unseen = not alert.drill and alert.state not in OVER and alert.seen_at is None
    opened_at = alert.opened_at if unseen else None
    if not said and opened_at is not None and opened_at < now - timedelta(seconds=seen_s) - GRACE:
        yield "I5: unseen for too long and no line says so"


def _asked_well(asked: list[Assignment], now: datetime | None) -> Iterator[str]:
    refused: set[uuid.UUID] = set()
    for one in asked:
        if one.team_id in refused and not one.by_hand:
            yield f"team {one.team_id} had declined and was asked again"
        if one.state == AssignmentState.DECLINED:
            refused.add(one.team_id)
        if not one.reasons:
            yield f"assignment {one.id} has no reason"
        answer_by = one.answer_by if one.state == AssignmentState.OFFERED else None
        if now is not None and answer_by is not None and answer_by <= now - GRACE:
            yield f"I7: offer {one.id} should have ended at {one.answer_by}"


def _merged(alert: Alert, alerts: dict[uuid.UUID, Alert]) -> Iterator[str]:
    seen, at = {alert.id}, alert
    while at.merged_into is not None:
        if at.merged_into in seen:
            yield "merged into itself"
            return
        seen.add(at.merged_into)
        at = alerts[at.merged_into]


def _told(session: Session, alerts: dict[uuid.UUID, Alert]) -> Iterator[str]:
    last: dict[str, tuple[int, str]] = {}
    engaged: dict[str, str | None] = {}
    for entry in session.scalars(select(FeedEntry).order_by(FeedEntry.seq)):
        data = orjson.loads(entry.data)
        if entry.audience in (feed.CONTROL, feed.DRILL) and entry.type in ("alert.raised", "alert.changed"):
            told = data["alert"]
            before = last.get(told["id"], (0, ""))
            if told["version"] < before[0]:
                yield f"I9: the control room heard version {told['version']} after {before[0]}"
            last[told["id"]] = (told["version"], told["state"])
        if entry.type == "team.changed":
            engaged[data["team"]["id"]] = data["team"]["engaged_on"]
        if entry.audience.startswith("device:") and any(
            word in entry.data for word in (b"latitude", b"distance", b"duress", b"suspect", b"priority")
        ):
            yield f"a phone heard too much: {entry.data.decode()}"
    for alert in alerts.values():
        if last.get(str(alert.id)) != (alert.version, alert.state):
            heard = last.get(str(alert.id))
            yield f"I2: alert {alert.id} is at {alert.version} {alert.state}, the control room heard {heard}"
    working = {
        str(one.team_id): str(one.alert_id)
        for one in session.scalars(select(Assignment).where(Assignment.state.in_(ENGAGED)))
    }
    for team, told in engaged.items():
        if told != working.get(team):
            yield f"I2: team {team} is on {working.get(team)}, the control room heard {told}"
