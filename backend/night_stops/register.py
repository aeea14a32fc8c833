"""The register of night stops: every change raises the version, leaves a line and tells rider, driver and control room.

All functions expect the row lock (`locked`), except on a request that this transaction has just made.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from backend import feed
from backend.database import lock_rows, new_id
from backend.delivery import receipts
from backend.errors import Refused
from backend.night_stops import views
from backend.night_stops.lifecycle import ASKED, LIVE, PROMISED, NightStopState, state_after
from backend.night_stops.models import NightStopLogEntry, NightStopRequest


@dataclass(frozen=True)
class AlertWork:
    """What night stops have to ask of alerts, which they do not know: edges pass it in."""

    open_alert: Callable[[Session, uuid.UUID], uuid.UUID | None]
    """The live alert of a rider's device."""
    call_human: Callable[[Session, uuid.UUID, str, datetime], None]
    """Calls a person of the control room to an alert, with a reason."""
    raise_for: Callable[[Session, uuid.UUID, uuid.UUID, float | None, float | None, datetime], None]
    """Raises an alert with this id for a device, at a place."""


def locked(session: Session, request_id: uuid.UUID) -> NightStopRequest:
    """The request with its row locked and read afresh; refuses `night_stop_unknown`."""
    query = lock_rows(session, select(NightStopRequest).where(NightStopRequest.id == request_id))
    found = session.scalar(query.execution_options(populate_existing=True))
    if found is None:
        raise Refused("night_stop_unknown")
    return found  # type: ignore[no-any-return]


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
    if after not in LIVE:
        request.due_at = None
    session.add(NightStopLogEntry(
        id=new_id(), night_stop_id=request.id, version=request.version, at=now, actor_kind=who, action=action,
        from_state=before, to_state=after, reason=reason))  # fmt: skip


def group(session: Session, request: NightStopRequest) -> list[NightStopRequest]:
    """The live requests that share this stop, the first one first; the driver answers them together."""
    root = request.joined_to or request.id
    together = or_(NightStopRequest.id == root, NightStopRequest.joined_to == root)
    query = select(NightStopRequest).where(together, NightStopRequest.state.in_(LIVE))
    in_turn = query.order_by(NightStopRequest.received_at, NightStopRequest.id)
    return list(session.scalars(lock_rows(session, in_turn).execution_options(populate_existing=True)))


def announce(
    session: Session, requests: Sequence[NightStopRequest], work: AlertWork, now: datetime, *,
    next_stop: tuple[str, int] | None = None, new: bool = False,
) -> None:  # fmt: skip
    """Tells riders, driver and control room how these requests stand now; a refusal in danger is raised at once."""
    session.flush()
    for request in requests:
        alert_id = work.open_alert(session, request.device_id)
        denied = request.state in {"refused", "rejected", "expired", "withdrawn", "missed"}
        if alert_id is not None and denied:
            work.call_human(session, alert_id, f"night_stop_{request.state}", now)
        feed.put(session, feed.device(request.device_id), "night_stop.changed",
                 {"night_stop": views.rider_view(request, next_stop)}, now)  # fmt: skip
        feed.put(session, feed.CONTROL, "night_stop.changed",
                 {"night_stop": views.control_view(request, raised=alert_id is not None)}, now)  # fmt: skip
    _tell_driver(session, requests, now, new=new)


def _tell_driver(session: Session, requests: Sequence[NightStopRequest], now: datetime, *, new: bool) -> None:
    told: set[uuid.UUID] = set()
    for request in requests:
        root_id = request.joined_to or request.id
        if request.vehicle_id is None or root_id in told or request.state == NightStopState.REJECTED:
            continue
        told.add(root_id)
        audience = feed.vehicle(request.vehicle_id)
        together = group(session, request)
        shown = next((one for one in together if one.state in ASKED | PROMISED), None)
        if shown is None:
            receipts.settle(session, [request.delivery_id], request.state, now)
            gone = {"night_stop_id": str(root_id), "reason": request.state}
            feed.put(session, audience, "night_stop.gone", gone, now)
        else:
            kind = "night_stop.requested" if new and len(together) == 1 else "night_stop.changed"
            feed.put(session, audience, kind, {"night_stop": views.driver_view(shown, len(together))}, now)
