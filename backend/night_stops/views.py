"""What each audience may see of a night stop: rider, driver, control room. The driver never learns who asks or why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from backend.night_stops.lifecycle import ASKED, DENIED
from backend.night_stops.models import NightStopRequest
from backend.night_stops.wishes import Instead, Spot
from backend.times import stamp

FACTS = {
    "sent_to_driver": "sent_to_driver", "joined": "joined", "accepted": "accepted", "refused": "refused",
    "alternative_proposed": "alternative_proposed", "alternative_taken": "accepted", "no_answer": "no_answer",
    "approaching": "approaching", "alighted": "alighted", "missed": "missed", "withdrawn": "withdrawn",
    "vehicle_lost": "vehicle_lost", "still_on_board": "still_on_board", "cancelled": "cancelled",
    "alternative_declined": "cancelled", "home_asked": "home_asked", "home": "home", "home_alert": "home_alert",
}  # fmt: skip
"""The lines of the register that the rider is shown, by what she reads."""
Facts = Sequence[tuple[str, datetime]]


def rider_view(request: NightStopRequest, facts: Facts, next_stop: tuple[str, int] | None = None) -> dict[str, Any]:
    """The rider's own request: stored facts, and what to do when the driver has not said yes."""
    home = request.home_state in ("running", "asked")
    return _shown(request, facts, next_stop) | {
        "home_state": request.home_state,
        "home_due_at": stamp(request.due_at) if home else None,
    }


def driver_view(stop: Sequence[NightStopRequest], *, version: int) -> dict[str, Any]:
    """One stop for one glance, shared by all who ask for it: after which stop, how far, how many people, ramp."""
    shown = next((one for one in stop if one.state in ASKED), stop[0])
    return {
        "id": str(shown.joined_to or shown.id),
        "delivery_id": str(shown.delivery_id),
        "state": shown.state,
        "version": version,
        "code": shown.code,
        "codes": [one.code for one in stop],
        "after_stop": shown.after_stop,
        "before_stop": shown.before_stop,
        "metres_after_stop": round(shown.metres_after_stop) if shown.metres_after_stop is not None else None,
        "measure_m": round(shown.measure_m) if shown.measure_m is not None else None,
        "place": {"latitude": shown.lat, "longitude": shown.lon},
        "alternative": shown.alternative,
        "people": len(stop),
        "ramp": any(one.ramp for one in stop),
        "answer_by": stamp(shown.answer_by),
    }


def control_view(request: NightStopRequest, facts: Facts, *, raised: bool = False) -> dict[str, Any]:
    """Everything the control room may see; `raised` when the same phone has an open alert. Nothing of the way home."""
    public = [(code, at) for code, at in facts if not code.startswith("home")]
    return _shown(request, public, None) | {
        "raised": raised,
        "received_at": stamp(request.received_at),
        "changed_at": stamp(request.changed_at),
        "ramp": request.ramp,
        "joined_to": str(request.joined_to) if request.joined_to else None,
        "policy_id": str(request.policy_id) if request.policy_id else None,
        "policy_version": request.policy_version,
        "walk_saved_m": request.walk_saved_m,
    }


def _shown(request: NightStopRequest, facts: Facts, next_stop: tuple[str, int] | None) -> dict[str, Any]:
    return {
        "id": str(request.id), "state": request.state, "version": request.version, "code": request.code,
        "line_id": request.line_id, "direction_id": request.direction_id, "vehicle_number": request.vehicle_number,
        "place": place_view(request), "alternative": request.alternative, "refusal_reason": request.refusal_reason,
        "reject_code": request.reject_code, "instead": request.instead,
        "next_stop": {"name": next_stop[0], "eta_s": next_stop[1]} if next_stop else None,
        "ask_aloud": request.state in DENIED or request.lost_since is not None,
        "answer_by": stamp(request.answer_by),
        "facts": [{"code": "received", "at": stamp(request.received_at)}]
        + [{"code": code, "at": stamp(at)} for code, at in facts],
    }  # fmt: skip


def place_view(request: NightStopRequest) -> dict[str, Any] | None:
    """The place on the line that was asked for; None when the wish could not be put on the line."""
    if request.measure_m is None:
        return None
    names = (request.after_stop, request.before_stop)
    return {
        "latitude": request.lat, "longitude": request.lon, "measure_m": round(request.measure_m),
        "after_stop": request.after_stop, "before_stop": request.before_stop,
        "metres_after_stop": round(request.metres_after_stop) if request.metres_after_stop is not None else None,
        "name": " – ".join(name for name in names if name),
    }  # fmt: skip


def spot_view(spot: Spot) -> dict[str, Any]:
    """A place on the way between two stops."""
    return {
        "latitude": round(spot.point.latitude, 6), "longitude": round(spot.point.longitude, 6),
        "measure_m": round(spot.measure_m), "after_stop": spot.after.name if spot.after else None,
        "before_stop": spot.before.name if spot.before else None, "name": spot.name,
        "metres_after_stop": round(spot.measure_m - spot.after.measure_m) if spot.after else None,
    }  # fmt: skip


def instead_view(instead: Instead) -> dict[str, Any]:
    """Something that is possible in place of the wish."""
    return {
        "kind": instead.kind, "latitude": round(instead.spot.point.latitude, 6),
        "longitude": round(instead.spot.point.longitude, 6), "measure_m": round(instead.spot.measure_m),
        "name": instead.name, "walk_difference_m": instead.walk_difference_m,
    }  # fmt: skip
