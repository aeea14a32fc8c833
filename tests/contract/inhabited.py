"""An application with something in it: one of everything, and a token for every role."""

import uuid
from typing import Any

from flask import Flask
from sqlalchemy import select

from backend.alerts.assignments import Offer, offer
from backend.alerts.intake import read_alert
from backend.alerts.raising import raise_alert
from backend.alerts.register import announce, locked
from backend.people import sessions
from backend.people.models import Staff, Team
from backend.people.roles import Role
from backend.wiring import Wiring

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
    """A rider with an open alert, a team on duty that was asked, and somebody for each other role."""
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
