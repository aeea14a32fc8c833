"""The people of a measurement, written straight into the database: teams on duty in a city, phones, operators."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert

from backend.database import Database, new_id
from backend.delivery.models import PushRegistration
from backend.people.models import Device, DutyShift, Staff, StaffSession, Team, TeamPosition
from backend.people.tokens import TokenKind, hash_of, new_token

SOUTH, NORTH, WEST, EAST = 43.27, 43.36, 5.35, 5.46  # about 10 km by 9 km, inside the demo town's service area


@dataclass
class People:
    """Who takes part, with their tokens; an agent is (staff id, team id, token, latitude, longitude)."""

    agents: list[tuple[uuid.UUID, uuid.UUID, str, float, float]] = field(default_factory=list)
    riders: list[str] = field(default_factory=list)
    operators: list[str] = field(default_factory=list)


def somewhere(dice: random.Random) -> tuple[float, float]:
    """A latitude and longitude inside the city."""
    return dice.uniform(SOUTH, NORTH), dice.uniform(WEST, EAST)


def populate(database: Database, *, teams: int, riders: int, operators: int, pushes: bool = False) -> People:
    """Teams of one agent, on duty with a fresh position, and registered phones; the same places each time.

    With `pushes` each agent's phone can also be reached through FCM.
    """
    dice, now, people = random.Random(7), datetime.now(UTC), People()
    rows: dict[type, list[dict[str, object]]] = {
        kind: [] for kind in (Team, Staff, StaffSession, DutyShift, TeamPosition, PushRegistration, Device)
    }
    for number in range(teams):
        team_id, staff_id = new_id(), new_id()
        lat, lon = somewhere(dice)
        rows[Team].append(
            {"id": team_id, "name": f"Bench {number}", "call_sign": f"B{number}", "active": True, "created_at": now}
        )
        people.agents.append((staff_id, team_id, _staff(rows, staff_id, "agent", number, team_id, now), lat, lon))
        rows[DutyShift].append({"id": new_id(), "staff_id": staff_id, "team_id": team_id, "started_at": now})
        if pushes:
            rows[PushRegistration].append(_phone(staff_id, number, now))
        rows[TeamPosition].append(
            {
                "team_id": team_id,
                "lat": lat,
                "lon": lon,
                "accuracy_m": 8.0,
                "provider": "gnss",
                "fix_at": now,
                "received_at": now,
            }
        )
    people.operators = [_staff(rows, new_id(), "operator", number, None, now) for number in range(operators)]
    for _ in range(riders):
        token = new_token(TokenKind.DEVICE)
        rows[Device].append(
            {
                "id": uuid.uuid4(),
                "token_hash": hash_of(token),
                "platform": "android",
                "created_at": now,
                "expires_at": now + timedelta(days=1),
            }
        )
        people.riders.append(token)
    with database.transaction() as session:
        for kind, some in rows.items():
            if some:
                session.execute(insert(kind), some)
    return people


def _phone(staff_id: uuid.UUID, number: int, now: datetime) -> dict[str, object]:
    return {
        "id": new_id(),
        "staff_id": staff_id,
        "channel": "fcm",
        "address_kind": "fcm_token",
        "address": f"bench-{number}",
        "address_hash": number.to_bytes(32),
        "language": "fr",
        "created_at": now,
    }


def _staff(
    rows: dict[type, list[dict[str, object]]],
    staff_id: uuid.UUID,
    role: str,
    number: int,
    team_id: uuid.UUID | None,
    now: datetime,
) -> str:
    token = new_token(TokenKind.STAFF)
    rows[Staff].append(
        {
            "id": staff_id,
            "login": f"bench-{role}{number}",
            "display_name": f"{role.title()} {number}",
            "role": role,
            "team_id": team_id,
            "created_at": now,
        }
    )
    rows[StaffSession].append(
        {
            "id": new_id(),
            "staff_id": staff_id,
            "token_hash": hash_of(token),
            "created_at": now,
            "expires_at": now + timedelta(hours=14),
        }
    )
    return token
