"""Which team can be at a coming stop before the vehicle of an alert. Pure: standard library and other pure files only.

The nearest team is behind the bus as often as before it; a team that waits at the third stop meets it, one that drives
after it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """How fast teams are, and how sure it must be that they come first."""

    walk_mps: float = 1.6
    drive_mps: float = 5.0
    walk_up_to_m: float = 1_000.0
    detour: float = 1.35
    margin_s: int = 60
    within_s: int = 900
    there_m: float = 60.0

    def travel_s(self, metres: float) -> float:
        """Seconds that a team takes for so many metres as the crow flies: on foot when near, else by car."""
        if metres <= self.there_m:
            return 0.0  # a team at the stop is some metres beside it, and so is its fix
        return metres * self.detour / (self.walk_mps if metres < self.walk_up_to_m else self.drive_mps)


@dataclass(frozen=True)
class Coming:
    """A stop that the vehicle comes to, and in how many seconds."""

    stop_id: str
    name: str
    latitude: float
    longitude: float
    eta_s: int


@dataclass(frozen=True)
class Meeting:
    """A stop where a team can be before the vehicle, with the seconds that it has to spare."""

    stop: Coming
    travel_s: float

    @property
    def spare_s(self) -> float:
        """How long the team waits there."""
        return self.stop.eta_s - self.travel_s


def meeting(coming: Sequence[Coming], metres_to: Callable[[Coming], float], pace: Pace) -> Meeting | None:
    """The first coming stop that the team reaches before the vehicle with time to spare; None when there is none."""
    for stop in coming:
        if stop.eta_s > pace.within_s:
            return None
        travel_s = pace.travel_s(metres_to(stop))
        if travel_s + pace.margin_s <= stop.eta_s:
            return Meeting(stop, travel_s)
    return None


def still_holds(
    stop_id: str, coming: Sequence[Coming], metres_to: Callable[[Coming], float], pace: Pace
) -> Meeting | None:
    """The agreed meeting as it stands now; None when the vehicle is past the stop, or will be before the team.

    No margin any more: a team on its way is not sent elsewhere for a few seconds.
    """
    stop = next((one for one in coming if one.stop_id == stop_id), None)
    if stop is None:
        return None
    travel_s = pace.travel_s(metres_to(stop))
    return Meeting(stop, travel_s) if travel_s <= stop.eta_s else None
