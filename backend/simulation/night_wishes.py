"""Where riders of a night bus would like to get off: mostly where it can be done, sometimes where it cannot."""

from __future__ import annotations

from backend.simulation.behaviour import Dice
from backend.simulation.bus import Bus
from backend.simulation.ways import Place, moved

IN_TIME_S = 55.0
LEAST_AHEAD_M = 420.0
CLEAR_OF_STOPS_M = 75.0


def wished_place(kind: str, bus: Bus, dice: Dice) -> Place | None:
    """A place for a wish of this kind aboard this bus; None when the bus is too near to its terminus."""
    way, here = bus.line.way, bus.along_m
    soonest = here + max(LEAST_AHEAD_M, bus.pace_mps * IN_TIME_S)
    halts = bus.world.town.halts(bus.line)
    if kind == "too_late":
        return way.at(here + dice.between(30, 150))
    if kind in ("behind", "after_a_tunnel"):
        return way.at(max(0.0, here - dice.between(150, 600)))
    if soonest > way.length_m - 150:
        return None
    if kind == "at_a_stop":
        coming = [metres for metres in halts if metres > soonest]
        return way.at(dice.random.choice(coming[:4])) if coming else None
    wanted = dice.between(soonest, min(soonest + 1_500, way.length_m - 100))
    if kind == "off_route":
        return moved(way.at(wanted), dice.between(150, 400), dice.between(150, 400))
    free = [metres for step in range(60)
            if (metres := wanted + 25 * step) < way.length_m - 90
            and any(here < halt < metres for halt in halts)
            and all(abs(metres - halt) > CLEAR_OF_STOPS_M for halt in halts)]  # fmt: skip
    return way.at(free[0]) if free else None
