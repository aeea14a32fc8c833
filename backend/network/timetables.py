"""The current timetable in memory: the trips of a line are read when somebody first asks about it."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Collection
from datetime import date, datetime
from weakref import WeakKeyDictionary

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.network.index import Network
from backend.network.packed_times import unpack
from backend.network.runs import PatternRuns, Repeats, Trip
from backend.network.timetable import ServiceDays, Today, days_at, running
from backend.network.timetable_models import Frequency, Service, ServiceDate
from backend.network.timetable_models import Pattern as PatternRow
from backend.network.timetable_models import Trip as TripRow


class Timetable:
    """The timetable of one network, as far as it was asked for. Thread-safe."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._lock = threading.Lock()
        self._services: dict[str, ServiceDays] | None = None
        self._running: dict[date, frozenset[str]] = {}
        self._runs: dict[int, PatternRuns] = {}
        self._lines: set[str] = set()

    def load(self, session: Session, line_ids: Collection[str]) -> None:
        """Reads the trips of these lines unless they are known."""
        if self._services is None:
            self._services = _services(session, self._network)
        missing = set(line_ids) & set(self._network.lines) - self._lines
        if missing:
            runs = _runs(session, self._network, missing)
            with self._lock:
                self._runs |= runs
                self._lines |= missing

    def runs_of(self, pattern_id: int) -> PatternRuns | None:
        """The trips of a pattern; None when its line was not loaded or it has none."""
        return self._runs.get(pattern_id)

    def days(self, now: datetime) -> list[Today]:
        """Today and, at night, yesterday: the service days to which a vehicle that is out now can belong."""
        found = []
        for day, second in days_at(now, self._network.zone):
            if day not in self._running:
                self._running = {**self._running, day: frozenset(running(self._services or {}, day))}
            found.append(Today(second, self._running[day]))
        return found


def timetable_of(network: Network) -> Timetable:
    """The timetable that belongs to a network, made on first use and forgotten with it."""
    with _lock:
        return _kept.setdefault(network, Timetable(network))


def patterns_of_trips(session: Session, network: Network, trip_ids: Collection[str]) -> dict[str, int]:
    """The pattern of each of these trips that the network has."""
    if not trip_ids:
        return {}
    rows = session.execute(
        select(TripRow.id, TripRow.pattern_id).where(TripRow.version_id == network.version_id, TripRow.id.in_(trip_ids))
    )
    return {row.id: row.pattern_id for row in rows}


_lock = threading.Lock()
_kept: WeakKeyDictionary[Network, Timetable] = WeakKeyDictionary()


def _services(session: Session, network: Network) -> dict[str, ServiceDays]:
    exceptions: dict[str, dict[date, bool]] = defaultdict(dict)
    for row in session.execute(
        select(ServiceDate.service_id, ServiceDate.date, ServiceDate.added).where(
            ServiceDate.version_id == network.version_id
        )
    ):
        exceptions[row.service_id][row.date] = row.added
    return {
        row.id: ServiceDays(row.weekdays, row.start_date, row.end_date, exceptions.get(row.id, {}))
        for row in session.scalars(select(Service).where(Service.version_id == network.version_id))
    }


def _runs(session: Session, network: Network, line_ids: Collection[str]) -> dict[int, PatternRuns]:
    version = network.version_id
    measures = {
        row.id: row.measures
        for row in session.execute(
            select(PatternRow.id, PatternRow.measures).where(
                PatternRow.version_id == version, PatternRow.line_id.in_(line_ids)
            )
        )
    }
    of_lines = select(PatternRow.id).where(PatternRow.version_id == version, PatternRow.line_id.in_(line_ids))
    wanted = (TripRow.version_id == version) & TripRow.pattern_id.in_(of_lines)
    repeats: dict[str, list[Repeats]] = defaultdict(list)
    for row in session.execute(
        select(Frequency.trip_id, Frequency.start_s, Frequency.end_s, Frequency.headway_s)
        .join(TripRow, (TripRow.version_id == Frequency.version_id) & (TripRow.id == Frequency.trip_id))
        .where(wanted)
    ):
        repeats[row.trip_id].append(Repeats(row.start_s, row.end_s, row.headway_s))
    trips: dict[int, list[Trip]] = defaultdict(list)
    rows = session.execute(select(TripRow.id, TripRow.pattern_id, TripRow.service_id, TripRow.times).where(wanted))
    for trip_id, pattern_id, service_id, times in rows:
        trips[pattern_id].append(Trip(trip_id, service_id, unpack(times), tuple(repeats.get(trip_id, ()))))
    return {pattern_id: PatternRuns(measures[pattern_id], found) for pattern_id, found in trips.items()}
