"""What each audience may see of a night stop: rider, driver, control room. The driver never learns who asks or why."""

from __future__ import annotations

from typing import Any

from backend.night_stops.lifecycle import NightStopState
from backend.night_stops.models import NightStopRequest
from backend.night_stops.wishes import Instead, Spot
from backend.times import stamp

_FACTS = {
    NightStopState.SENT_TO_DRIVER: "sent_to_driver",
    NightStopState.ACCEPTED: "accepted",
    NightStopState.ALTERNATIVE_PROPOSED: "alternative_proposed",
    NightStopState.APPROACHING: "approaching",
}
ASK_ALOUD = frozenset({"expired", "refused", "withdrawn", "missed"})


def rider_view(request: NightStopRequest, next_stop: tuple[str, int] | None = None) -> dict[str, Any]:
    """The rider's own request: stored facts, and what to do when the driver has not said yes."""
    return {
        "id": str(request.id),
        "state": request.state,
        "version": request.version,
        "code": request.code,
        "line_id": request.line_id,
        "direction_id": request.direction_id,
        "vehicle_number": request.vehicle_number,
        "place": place_view(request),
        "alternative": request.alternative,
        "refusal_reason": request.refusal_reason,
        "reject_code": request.reject_code,
        "instead": request.instead,
        "next_stop": {"name": next_stop[0], "eta_s": next_stop[1]} if next_stop else None,
        "ask_aloud": request.state in ASK_ALOUD,
        "answer_by": stamp(request.answer_by),
        "home_due_at": stamp(request.home_due_at) if request.home_state == "running" else None,
        "facts": [
            {"code": code, "at": stamp(at)}
            for code, at in (("received", request.received_at), ("answered", request.answered_at),
                             (_FACTS.get(NightStopState(request.state), request.state), request.changed_at))
            if at is not None
        ],
    }  # fmt: skip


def driver_view(request: NightStopRequest, people: int) -> dict[str, Any]:
    """One line for one glance: after which stop, how far, how many people, ramp or not."""
    return {
        "id": str(request.id),
        "delivery_id": str(request.delivery_id),
        "state": request.state,
        "version": request.version,
        "code": request.code,
        "after_stop": request.after_stop,
        "before_stop": request.before_stop,
        "metres_after_stop": round(request.metres_after_stop) if request.metres_after_stop is not None else None,
        "measure_m": round(request.measure_m) if request.measure_m is not None else None,
        "place": {"latitude": request.lat, "longitude": request.lon},
        "alternative": request.alternative,
        "people": people,
        "ramp": request.ramp,
        "answer_by": stamp(request.answer_by),
    }


def control_view(request: NightStopRequest, *, raised: bool = False) -> dict[str, Any]:
    """Everything the control room may see; `raised` when the same phone has an open alert."""
    return rider_view(request) | {
        "raised": raised,
        "received_at": stamp(request.received_at),
        "changed_at": stamp(request.changed_at),
        "ramp": request.ramp,
        "joined_to": str(request.joined_to) if request.joined_to else None,
        "policy_id": str(request.policy_id) if request.policy_id else None,
        "policy_version": request.policy_version,
        "walk_saved_m": request.walk_saved_m,
    }


def place_view(request: NightStopRequest) -> dict[str, Any] | None:
    """The place on the line that was asked for; None when the wish could not be put on the line."""
    if request.measure_m is None:
        return None
    return {
        "latitude": request.lat, "longitude": request.lon, "measure_m": round(request.measure_m),
        "after_stop": request.after_stop, "before_stop": request.before_stop,
        "name": name_of(request.after_stop, request.before_stop),
    }  # fmt: skip


def spot_view(spot: Spot) -> dict[str, Any]:
    """A place on the way between two stops."""
    after, before = (spot.after.name if spot.after else None), (spot.before.name if spot.before else None)
    return {
        "latitude": round(spot.point.latitude, 6), "longitude": round(spot.point.longitude, 6),
        "measure_m": round(spot.measure_m), "after_stop": after, "before_stop": before, "name": name_of(after, before),
    }  # fmt: skip


def instead_view(instead: Instead) -> dict[str, Any]:
    """Something that is possible in place of the wish."""
    return {
        "kind": instead.kind, "latitude": round(instead.spot.point.latitude, 6),
        "longitude": round(instead.spot.point.longitude, 6), "measure_m": round(instead.spot.measure_m),
        "name": instead.name, "walk_difference_m": instead.walk_difference_m,
    }  # fmt: skip


def name_of(after: str | None, before: str | None) -> str:
    """How a place between two stops is named."""
    return " – ".join(name for name in (after, before) if name)
