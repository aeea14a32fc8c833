"""A night bus at the level of the core: riders who ask, a driver who answers, a worker, without HTTP and sockets."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from backend.dispatch.night_stop_alerts import ALERT_WORK
from backend.feed import device as device_audience
from backend.feed import vehicle as vehicle_audience
from backend.geo import Point
from backend.network.cli import import_feed
from backend.network.index import Network, Pattern, network_of
from backend.network.vehicle_progress import VehicleProgress
from backend.night_stops import answering, policies, riding
from backend.night_stops.asking import ask, read_wish
from backend.night_stops.models import NightStopLogEntry, NightStopRequest
from backend.people import sessions
from backend.people.models import Vehicle
from backend.people.roles import Role
from backend.wiring import Wiring
from backend.worker import Worker
from tests.fakes import FakeClock
from tests.people import add_staff, fed

TOWN = Path(__file__).resolve().parents[1] / "backend" / "simulation" / "town"
LINE = "518"
# Stops of the line towards La Rouvière, in metres: Canebière 0, Castellane 1378, Baille 2058, La Timone 2972, …
WISHED_M = 2_500.0
Json = dict[str, Any]
POLICY: Json = {"line_id": LINE, "starts": "22:00", "ends": "05:00", "valid_from": "2026-11-01"}


@dataclass(frozen=True)
class Bus:
    """A vehicle in service, with its driver."""

    id: uuid.UUID
    number: str
    driver_id: uuid.UUID


class NightLine:
    """Everybody on one night line; each method is one transaction, as at an edge."""

    def __init__(self, wiring: Wiring, clock: FakeClock) -> None:
        self.wiring = wiring
        self.database = wiring.database
        self.clock = clock
        self.worker = Worker(wiring)
        import_feed(self.database, TOWN, self.now)
        with self.database.transaction() as session:
            self.operator_id = add_staff(session, "operator", Role.OPERATOR, self.now).id
        self.policy()

    @property
    def now(self) -> datetime:
        """What the clock says."""
        return self.clock.now()

    @property
    def network(self) -> Network:
        """The demo town."""
        with self.database.reading() as session:
            network = network_of(session)
        assert network is not None
        return network

    @property
    def way(self) -> Pattern:
        """The line's way out of town."""
        return self.network.patterns_of(LINE, 0)[0]

    def policy(self, policy_id: uuid.UUID | None = None, **changes: Any) -> uuid.UUID:
        """Sets what the authority allows: the line, from ten until five."""
        with self.database.transaction() as session:
            made = policies.set_policy(session, {**POLICY, **changes}, self.operator_id, self.now, policy_id)
            return made.policy_id

    def phone(self) -> uuid.UUID:
        """A rider's phone."""
        with self.database.transaction() as session:
            return sessions.register_device(session, "android", self.now, valid_days=365).id

    def bus(self, number: str = "A-101", at_m: float = 300.0, speed: float = 8.0) -> Bus:
        """A bus on the line, with its driver."""
        with self.database.transaction() as session:
            driver = add_staff(session, f"driver.{number.lower()}", Role.DRIVER, self.now)
            vehicle = Vehicle(number=number, line_id=LINE, driver_id=driver.id, in_service_since=self.now)
            session.add(vehicle)
            session.flush()
            made = Bus(vehicle.id, number, driver.id)
        self.moves(made, at_m, speed)
        return made

    def moves(self, bus: Bus, to_m: float, speed: float = 8.0, *, pattern: Pattern | None = None) -> None:
        """The bus is so far along its way now."""
        with self.database.transaction() as session:
            row = session.get(VehicleProgress, bus.id) or VehicleProgress(vehicle_id=bus.id)
            way = pattern or self.way
            row.version_id, row.line_id, row.direction_id = self.network.version_id, way.line_id, way.direction_id
            row.pattern_id, row.trip_id, row.state = way.id, "the trip", "on_line"
            row.measure_m, row.off_m, row.fix_at = to_m, 1.0, self.now
            row.speed_mps = row.now_mps = speed
            session.add(row)

    def wish(self, measure_m: float = WISHED_M, **more: Any) -> Json:
        """The body of a wish for a place so far along the way."""
        point = self.way.way.point_at(measure_m)
        wanted = {"latitude": point.latitude, "longitude": point.longitude}
        return {"line_id": LINE, "vehicle_number": "A-101", "wanted": wanted, **more}

    def asks(self, phone: uuid.UUID, measure_m: float = WISHED_M, stop_id: uuid.UUID | None = None, **more: Any) -> NightStopRequest:
        """What became of a rider's wish."""
        with self.database.transaction() as session:
            wish = read_wish(self.wish(measure_m, **more))
            return ask(session, stop_id or uuid.uuid4(), phone, wish, ALERT_WORK, self.wiring.settings, self.now)[0]

    def says(self, bus: Bus, word: str, request: NightStopRequest, reason: str | None = None) -> Json:
        """The stop as the driver sees it after a word."""
        with self.database.transaction() as session:
            return answering.say(session, word, request.id, bus.id, ALERT_WORK, self.now, reason=reason)

    def rider_says(self, word: str, request: NightStopRequest, **given: Any) -> NightStopRequest:
        """What became of the request after its rider's word."""
        with self.database.transaction() as session:
            act = getattr(riding, word)
            found: NightStopRequest = act(session, request.id, request.device_id, ALERT_WORK, self.now, **given)
            return found

    def wait(self, seconds: float) -> None:
        """Lets time pass, and the worker do what becomes due."""
        self.clock.advance(seconds)
        self.worker.run_due()

    def again(self, request: NightStopRequest) -> NightStopRequest:
        """The request as it is stored now."""
        with self.database.reading() as session:
            return session.get_one(NightStopRequest, request.id)

    def told(self, phone: uuid.UUID) -> list[Json]:
        """What a rider has heard about night stops, in order."""
        with self.database.reading() as session:
            return [data["night_stop"] for kind, data in fed(session, device_audience(phone)) if kind == "night_stop.changed"]

    def shown(self, bus: Bus) -> list[tuple[str, Json]]:
        """What a driver has heard, in order."""
        with self.database.reading() as session:
            return [(kind, dict(data)) for kind, data in fed(session, vehicle_audience(bus.id))]

    def control_heard(self, kind: str) -> list[Json]:
        """What the control room has heard of one kind, in order."""
        with self.database.reading() as session:
            return [dict(data) for type_, data in fed(session, "control") if type_ == kind]

    def actions(self, request: NightStopRequest) -> list[str]:
        """The register of a request."""
        with self.database.reading() as session:
            lines = select(NightStopLogEntry.action).where(NightStopLogEntry.night_stop_id == request.id)
            return list(session.scalars(lines.order_by(NightStopLogEntry.version)))

    def place(self, measure_m: float) -> Point:
        """A place on the line's way."""
        return self.way.way.point_at(measure_m)
