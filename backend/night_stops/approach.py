"""What a bus's way past a promised place says: approach, halt there, alighted, missed. Pure: standard library only.

"Alighted" is said only of a bus that stood at the place for some seconds and went on: a red light 40 m before it, or a
pause too short to open a door, must not become news that somebody is safely off.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

APPROACH_M = 200.0
AT_PLACE_M = 35.0
PASSED_M = 70.0
STANDING_MPS = 1.5
STOOD = timedelta(seconds=5)

Passage = Literal["approach", "stand", "roll_on", "alight", "miss"]


def passage(
    ahead_m: float, speed_mps: float, fix_at: datetime, stood_since: datetime | None, *, announced: bool
) -> Passage | None:
    """What is new: `stand` and `roll_on` begin and end a halt that is not yet, or was not, long enough.

    `announced`: the approach has been said already. None when nothing is new.
    """
    at_place = abs(ahead_m) <= AT_PLACE_M
    standing = at_place and speed_mps <= STANDING_MPS
    if stood_since is None:
        if standing:
            return "stand"
    elif not standing:
        return "alight" if fix_at - stood_since >= STOOD else "roll_on"
    if ahead_m < -PASSED_M:
        return "miss"
    return "approach" if not announced and ahead_m <= APPROACH_M else None
