"""Positions: the last fix of each team and vehicle that this process has heard of, until it is stored.

Each process keeps what its own sockets and requests bring; `stored_positions` keeps the newest of all processes.
"""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from backend.people.fixes import Fix, RefusalCode, judge_in_series, read_fix
from backend.people.roles import Caller, Role


class Mover(NamedTuple):
    """What moves on the map."""

    kind: Literal["team", "vehicle"]
    id: uuid.UUID


class Movement(NamedTuple):
    """A fix to be stored, with who sent it: whether that person is on duty is checked again when it is."""

    mover: Mover
    staff_id: uuid.UUID
    fix: Fix


@dataclass(slots=True)
class _Track:
    last: Fix | None = None
    doubted: tuple[Fix, ...] = ()


class PositionBuffer:
    """The last fixes of one process. Thread-safe; touches neither database nor clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tracks: dict[uuid.UUID, _Track] = {}
        self._dirty: dict[uuid.UUID, Movement] = {}
        self._duty: dict[uuid.UUID, Mover] = {}
        self._known = False
        self._changes = 0
        self.refused: Counter[str] = Counter()
        self.accepted = 0

    def offer(self, caller: Caller, fix: Fix | None, now: datetime) -> RefusalCode | None:
        """None when the fix is taken, else why not; nothing is ever raised for what a receiver sends."""
        with self._lock:
            code = self._take(caller, fix, now)
            if code is None:
                self.accepted += 1
            else:
                self.refused[code] += 1
            return code

    def offer_raw(self, caller: Caller, raw: object, now: datetime) -> RefusalCode | None:
        """As `offer`, for a fix as it stands in a request or socket event."""
        return self.offer(caller, read_fix(raw, now) if isinstance(raw, Mapping) else None, now)

    def _take(self, caller: Caller, fix: Fix | None, now: datetime) -> RefusalCode | None:
        mover = self._duty.get(caller.id) or (None if self._known else _mover_of(caller))
        if mover is None:
            return "off_duty"
        if fix is None:
            return "invalid"
        track = self._tracks.setdefault(mover.id, _Track())
        code, track.doubted = judge_in_series(fix, track.last, track.doubted, now)
        if code is None:
            track.last = fix
            self._dirty[mover.id] = Movement(mover, caller.id, fix)
        return code

    def take_dirty(self) -> list[Movement]:
        """What is new since the last call; the caller stores it, or gives it back."""
        with self._lock:
            dirty, self._dirty = self._dirty, {}
        return list(dirty.values())

    def give_back(self, movements: Iterable[Movement]) -> None:
        """Keeps for later what could not be stored, unless something newer came meanwhile or duty ended."""
        with self._lock:
            for movement in movements:
                if movement.mover.id in self._tracks:
                    self._dirty.setdefault(movement.mover.id, movement)

    def begin(self, staff_id: uuid.UUID, mover: Mover) -> None:
        """Takes this person's fixes from now on, without waiting for the next look at the database."""
        with self._lock:
            if self._duty.get(staff_id) != mover:
                self._duty[staff_id] = mover
                self._changes += 1

    def end(self, staff_id: uuid.UUID) -> None:
        """Takes no more fixes of this person; what nobody on duty moves any more is forgotten."""
        with self._lock:
            self._duty.pop(staff_id, None)
            self._changes += 1
            self._keep_only(set(self._duty.values()))

    def forget(self, mover_id: uuid.UUID) -> None:
        """Drops all that is known of a team or vehicle."""
        with self._lock:
            self._changes += 1
            self._duty = {staff_id: mover for staff_id, mover in self._duty.items() if mover.id != mover_id}
            self._tracks.pop(mover_id, None)
            self._dirty.pop(mover_id, None)

    @property
    def changes(self) -> int:
        """How often duty changed here; read it before asking the database who is on duty."""
        return self._changes

    def refresh_duty(self, duty: Mapping[uuid.UUID, Mover], changes: int) -> None:
        """Replaces who is on duty by what the database said, unless somebody came or went since it was asked."""
        with self._lock:
            if changes != self._changes:
                return
            self._duty, self._known = dict(duty), True
            self._keep_only(set(self._duty.values()))

    def _keep_only(self, movers: set[Mover]) -> None:
        ids = {mover.id for mover in movers}
        for mover_id in [each for each in self._tracks if each not in ids]:
            del self._tracks[mover_id]
            self._dirty.pop(mover_id, None)


def _mover_of(caller: Caller) -> Mover | None:
    if caller.role is Role.AGENT and caller.team_id is not None:
        return Mover("team", caller.team_id)
    if caller.role is Role.DRIVER and caller.vehicle_id is not None:
        return Mover("vehicle", caller.vehicle_id)
    return None
