"""When a person must look at an alert again. Pure: standard library and other pure files only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from backend.alerts.lifecycle import OVER, TAKEN, WAITING, AlertState


@dataclass(frozen=True)
class Patience:
    """How long each silence may last, in seconds."""

    seen_s: int = 15
    acknowledgement_ages_s: int = 60
    reminder_s: int = 30
    silent_team_s: int = 180
    situation_s: int = 30


@dataclass(frozen=True)
class Standing:
    """What is known of an alert's people: instants, by the server's clock."""

    state: AlertState
    opened_at: datetime | None
    seen_at: datetime | None
    acknowledged_at: datetime | None
    cancel_requested_at: datetime | None
    team_changed_at: datetime | None
    reinforcement_until: datetime | None = None
    in_vehicle_at: datetime | None = None


def next_attention(standing: Standing, patience: Patience, after: datetime) -> datetime | None:
    """The next instant at which silence becomes news; None when there is none to come."""
    due = [at for _, at in _silences(standing, patience) if at is not None]
    if not due:
        return None
    # What is silent already is said again at the reminder; it must not make what is still to come wait for it.
    return min(at if at > after else after + timedelta(seconds=patience.reminder_s) for at in due)


def silences(standing: Standing, patience: Patience, now: datetime) -> list[str]:
    """The codes of the silences that have lasted too long by now."""
    return [code for code, at in _silences(standing, patience) if at is not None and at <= now]


def _silences(standing: Standing, patience: Patience) -> list[tuple[str, datetime | None]]:
    if standing.state in OVER or standing.state == AlertState.ARMED:
        return []
    found: list[tuple[str, datetime | None]] = []
    if standing.seen_at is None and standing.opened_at is not None:
        found.append(("unseen", standing.opened_at + timedelta(seconds=patience.seen_s)))
    if standing.acknowledged_at is not None and standing.state in WAITING:
        found.append(
            ("acknowledgement_aged", standing.acknowledged_at + timedelta(seconds=patience.acknowledgement_ages_s))
        )
    if standing.cancel_requested_at is not None:
        found.append(("cancel_waiting", standing.cancel_requested_at + timedelta(seconds=patience.reminder_s)))
    if standing.state in TAKEN - {AlertState.ON_SCENE} and standing.team_changed_at is not None:
        found.append(("team_silent", standing.team_changed_at + timedelta(seconds=patience.silent_team_s)))
    if standing.reinforcement_until is not None:
        # No round runs on a taken alert: without this an unanswered offer by hand would hold its team for ever.
        found.append(("offer_over", standing.reinforcement_until))
    if standing.in_vehicle_at is not None and standing.state != AlertState.ON_SCENE:
        # The vehicle goes on: where a team can meet it is another stop by and by.
        found.append(("vehicle_moved", standing.in_vehicle_at + timedelta(seconds=patience.situation_s)))
    return found
