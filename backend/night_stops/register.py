"""The register of night stops: every change raises the version, leaves a line and tells rider, driver and control room.

A stop is what riders share: the first request and those that joined it. Whoever changes a stop holds the lock of its
vehicle's row (`take_vehicle`), so that two workers, a tap and a second rider never wait for each other in a ring.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from backend import feed
from backend.database import lock_rows, new_id
from backend.delivery import receipts
from backend.errors import Refused
from backend.night_stops import views
from backend.night_stops.lifecycle import ASKED, DENIED, LIVE, PROMISED, NightStopState, state_after
from backend.night_stops.models import NightStopLogEntry, NightStopRequest
from backend.people.models import Vehicle


@dataclass(frozen=True)
class AlertWork:
    """What night stops have to ask of alerts, which they do not know: edges pass it in."""

    open_alert: Callable[[Session, uuid.UUID], uuid.UUID | None]
    """The live alert of a rider's device."""
    call_human: Callable[[Session, uuid.UUID, str, datetime], None]
    """Calls a person of the control room to an alert, with a reason."""
    raise_for: Callable[[Session, uuid.UUID, NightStopRequest, datetime], None]
    """Raises an alert with this id for a rider who did not say that she is home."""


def take_vehicle(session: Session, vehicle_id: uuid.UUID | None) -> None:
    """Locks a vehicle's row: its night stops change one after the other."""
    if vehicle_id is not None:
        session.execute(lock_rows(select(Vehicle.id).where(Vehicle.id == vehicle_id)))


def locked(session: Session, request_id: uuid.UUID) -> NightStopRequest:
    """The request as it stands, with its vehicle locked; refuses `night_stop_unknown`."""
    found = session.get(NightStopRequest, request_id)
    if found is None:
        raise Refused("night_stop_unknown")
    take_vehicle(session, found.vehicle_id)
    session.refresh(found)
    return found


def sharing(session: Session, request: NightStopRequest) -> list[NightStopRequest]:
    """All requests that share or shared this stop, the first one first, read afresh."""
    root = request.joined_to or request.id
    together = or_(NightStopRequest.id == root, NightStopRequest.joined_to == root)
    in_turn = select(NightStopRequest).where(together).order_by(NightStopRequest.received_at, NightStopRequest.id)
    return list(session.scalars(in_turn.execution_options(populate_existing=True)))


def record(
    session: Session, request: NightStopRequest, who: str, action: str, now: datetime, *, step: str | None = None,
    reason: str | None = None,
) -> None:  # fmt: skip
    """Takes one step of the lifecycle (or none), raises the version and writes the line that says so."""
    before = NightStopState(request.state)
    after = before if step is None else state_after(before, step)
    if after is None:
        raise Refused("action_impossible", state=request.state)
    request.version += 1
    request.state, request.changed_at = after, now
    if after not in ASKED:
        request.answer_by = None
    if step is not None and after not in LIVE:
        request.due_at = None
    if after in PROMISED and request.accepted_at is None:
        request.accepted_at = now
    write_line(session, request, who, action, now, before=before, reason=reason)


def write_line(
    session: Session, request: NightStopRequest, who: str, action: str, now: datetime, *, before: NightStopState,
    reason: str | None = None,
) -> None:  # fmt: skip
    """Adds the line that tells how the request came to its present version."""
    session.add(NightStopLogEntry(
        id=new_id(), night_stop_id=request.id, version=request.version, at=now, actor_kind=who, action=action,
        from_state=before, to_state=request.state, reason=reason))  # fmt: skip


def facts_of(session: Session, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[tuple[str, datetime]]]:
    """What was stored about each request, as the rider is told it, in order."""
    entry = NightStopLogEntry
    found: dict[uuid.UUID, list[tuple[str, datetime]]] = defaultdict(list)
    rows = select(entry.night_stop_id, entry.action, entry.at, entry.reason).where(entry.night_stop_id.in_(ids))
    for row in session.execute(rows.order_by(entry.night_stop_id, entry.version)):
        # A wish that the checks refused: which check is the fact.
        code = row.reason if row.action == "rejected" else views.FACTS.get(row.action)
        if code is not None:
            found[row.night_stop_id].append((code, row.at))
    return found


def announce(
    session: Session, changed: Sequence[NightStopRequest], work: AlertWork, now: datetime, *,
    next_stop: tuple[str, int] | None = None,
) -> None:  # fmt: skip
    """Tells riders, driver and control room how these requests stand now; a refusal in danger is raised at once."""
    session.flush()
    facts = facts_of(session, [one.id for one in changed])
    for request in changed:
        alert_id = work.open_alert(session, request.device_id)
        if alert_id is not None and request.state in DENIED:
            work.call_human(session, alert_id, f"night_stop_{request.state}", now)
        tell_rider(session, request, facts[request.id], now, next_stop=next_stop)
        card = views.control_view(request, facts[request.id], raised=alert_id is not None)
        feed.put(session, feed.CONTROL, "night_stop.changed", {"night_stop": card}, now)
    told: set[uuid.UUID] = set()
    for request in changed:
        root_id = request.joined_to or request.id
        if request.vehicle_id is not None and root_id not in told and request.state != NightStopState.REJECTED:
            told.add(root_id)
            _tell_driver(session, request, now)


def tell_rider(
    session: Session, request: NightStopRequest, facts: views.Facts, now: datetime, *,
    next_stop: tuple[str, int] | None = None,
) -> None:  # fmt: skip
    """Tells the rider alone: what happens on the way home is nobody else's."""
    card = views.rider_view(request, facts, next_stop)
    feed.put(session, feed.device(request.device_id), "night_stop.changed", {"night_stop": card}, now)


def _tell_driver(session: Session, request: NightStopRequest, now: datetime) -> None:
    everybody = sharing(session, request)
    live = [one for one in everybody if one.state in LIVE]
    audience = feed.vehicle(request.vehicle_id) if request.vehicle_id else ""
    over = [one for one in everybody if one.state not in LIVE]
    receipts.settle(session, [one.delivery_id for one in over], request.state[:20], now)
    if not live:
        gone = {"night_stop_id": str(request.joined_to or request.id), "reason": request.state}
        feed.put(session, audience, "night_stop.gone", gone, now)
        return
    card = views.driver_view(live, version=sum(one.version for one in everybody))
    fresh = len(everybody) == 1 and request.version == 1
    feed.put(session, audience, type_="night_stop.requested" if fresh else "night_stop.changed",
             data={"night_stop": card}, now=now)  # fmt: skip
