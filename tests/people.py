"""People for tests that need some: teams, staff, and what duty asks of alerts."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.feed import FeedEntry
from backend.people.duty import TeamWork
from backend.people.models import Staff, Team
from backend.people.roles import Caller, Role


def add_team(session: Session, call_sign: str, now: datetime) -> Team:
    """An active team."""
    team = Team(name=f"Team {call_sign}", call_sign=call_sign, created_at=now)
    session.add(team)
    session.flush()
    return team


def add_staff(
    session: Session, login: str, role: Role, now: datetime, *, team: Team | None = None, password_hash: str | None = "x"
) -> Staff:
    """An account that could sign in."""
    staff = Staff(
        login=login,
        display_name=login.title(),
        role=role.value,
        team_id=team.id if team else None,
        password_hash=password_hash,
        created_at=now,
    )
    session.add(staff)
    session.flush()
    return staff


def caller_of(staff: Staff, *, vehicle_id: uuid.UUID | None = None) -> Caller:
    """The caller that a token of this person would stand for."""
    return Caller(Role(staff.role), staff.id, team_id=staff.team_id, vehicle_id=vehicle_id)


class Alerts:
    """Says which team is on which alert, and remembers which teams were asked to give theirs back."""

    def __init__(self) -> None:
        self.engaged: dict[uuid.UUID, uuid.UUID] = {}
        self.released: list[tuple[uuid.UUID, str]] = []

    @property
    def work(self) -> TeamWork:
        """What duty is given."""
        return TeamWork(lambda _, team_id: self.engaged.get(team_id), self._release)

    def _release(self, _session: Session, team_id: uuid.UUID, why: str, _now: datetime) -> None:
        self.engaged.pop(team_id, None)
        self.released.append((team_id, why))


def fed(session: Session, audience: str) -> list[tuple[str, Mapping[str, Any]]]:
    """What an audience was told, in order: (type, data)."""
    entries = session.scalars(select(FeedEntry).where(FeedEntry.audience == audience).order_by(FeedEntry.seq))
    return [(entry.type, orjson.loads(entry.data)) for entry in entries]
