"""An application with something in it: one of everything, and a token for every role."""

import uuid
from typing import Any

from flask import Flask
from sqlalchemy import select

from backend.alerts.assignments import Offer, offer
from backend.alerts.intake import read_alert
from backend.alerts.raising import raise_alert
from backend.alerts.register import announce, locked
from backend.dispatch.night_stop_alerts import ALERT_WORK
from backend.network.cli import import_feed
from backend.network.index import network_of
from backend.network.vehicle_progress import VehicleProgress
from backend.night_stops.asking import ask, read_wish
from backend.night_stops.policies import set_policy
from backend.people import sessions
from backend.people.models import Staff, Team, Vehicle
from backend.people.roles import Role
from backend.wiring import Wiring
from tests.night_bus import LINE, POLICY, TOWN, WISHED_M

Json = dict[str, Any]


class Inhabited:
    """Names and tokens of what `inhabit` has put there."""

    def __init__(self, app: Flask, wiring: Wiring) -> None:
        self.app = app
        self.wiring = wiring
        self.tokens: dict[str, str] = {}
        self.ids: dict[str, str] = {}
        self.ids_in_bodies: dict[str, str] = {}

    def fresh_token(self, role: str) -> str:
        """A token of its own for a request that ends it."""
        now = self.wiring.clock.now()
        with self.wiring.database.transaction() as session:
            if role == "rider":
                return sessions.register_device(session, "web", now, valid_days=1).access_token
            staff_id = session.scalars(select(Staff.id).where(Staff.login == role)).one()
            return sessions.sign_in(session, staff_id, now, valid_hours=1).access_token

    def ask(self, role: str | None, method: str, path: str, body: Json | None = None) -> Any:
        """The answer, as the test client gives it."""
        headers = {"Authorization": f"Bearer {self.tokens[role]}"} if role else {}
        return self.app.test_client().open(path, method=method, json=body, headers=headers)


def inhabit(app: Flask, wiring: Wiring) -> Inhabited:
    """A rider with an open alert and a night stop, a team on duty that was asked, somebody for each other role."""
    found = Inhabited(app, wiring)
    now = wiring.clock.now()
    with wiring.database.transaction() as session:
        team = Team(name="GAP Centre 3", call_sign="Alpha 3", created_at=now)
        session.add(team)
        session.flush()
        for role in sorted(set(Role) - {Role.RIDER}):
            staff = Staff(
                login=role.value,
                display_name=role.value.title(),
                role=role.value,
                created_at=now,
                team_id=team.id if role is Role.AGENT else None,
            )
            session.add(staff)
            session.flush()
            found.tokens[role.value] = sessions.sign_in(session, staff.id, now, valid_hours=14).access_token
        # Nobody of the others: what is tried on these two must not end what the others need.
        spare_team = Team(name="GAP Nord 1", call_sign="Bravo 1", created_at=now)
        spare = Staff(login="spare", display_name="Spare", role="driver", created_at=now)
        session.add_all([spare_team, spare])
        session.flush()
        device = sessions.register_device(session, "android", now, valid_days=365)
        found.tokens["rider"] = device.access_token
        found.ids |= {"team_id": str(spare_team.id), "staff_id": str(spare.id)}
        found.ids["alert_id"] = str(_raise(session, device.id, now))
    _ask_for_night_stop(found, device.id)
    assert found.ask("agent", "POST", "/v1/agent/shift").status_code == 201
    _offer(found, team.id)
    return found


def _raise(session: Any, device_id: uuid.UUID, now: Any) -> uuid.UUID:
    content = read_alert({"category": "assault", "position": {"latitude": 43.2951, "longitude": 5.374}}, now)
    alert, _ = raise_alert(session, uuid.uuid4(), device_id, content, now)
    return alert.id


def _offer(found: Inhabited, team_id: uuid.UUID) -> None:
    """Asks the team, as a round would."""
    with found.wiring.database.transaction() as session:
        now = found.wiring.clock.now()
        alert = locked(session, uuid.UUID(found.ids["alert_id"]))
        made = offer(session, alert, [Offer(team_id, 240.0, ({"code": "same_station"},))], now, 1, now)
        announce(session, alert, now)
        found.ids |= {"assignment_id": str(made[0].id), "delivery_id": str(made[0].delivery_id)}
        found.ids_in_bodies = {"assignment_id": str(made[0].id), "team_id": str(team_id)}


def _ask_for_night_stop(found: Inhabited, device_id: uuid.UUID) -> None:
    """A night line with its policy, its bus, and the rider's wish to get off between two of its stops."""
    wiring, now = found.wiring, found.wiring.clock.now()
    import_feed(wiring.database, TOWN, now)
    with wiring.database.transaction() as session:
        found.ids["policy_id"] = str(set_policy(session, POLICY, None, now).policy_id)
        network = network_of(session)
        assert network is not None
        pattern = network.patterns_of(LINE, 0)[0]
        driver_id = session.scalars(select(Staff.id).where(Staff.login == "driver")).one()
        bus = Vehicle(number="A-101", line_id=LINE, driver_id=driver_id, in_service_since=now)
        session.add(bus)
        session.flush()
        session.add(VehicleProgress(
            vehicle_id=bus.id, version_id=network.version_id, line_id=LINE, direction_id=0, pattern_id=pattern.id,
            measure_m=300, off_m=0, speed_mps=8, now_mps=8, state="on_line", fix_at=now, matched_at=now))  # fmt: skip
        place = pattern.way.point_at(WISHED_M)
        wanted = {"latitude": place.latitude, "longitude": place.longitude}
        wish = read_wish({"line_id": LINE, "vehicle_number": "A-101", "wanted": wanted})
        found.ids["night_stop_id"] = str(uuid.uuid4())
        ask(session, uuid.UUID(found.ids["night_stop_id"]), device_id, wish, ALERT_WORK, wiring.settings, now)
