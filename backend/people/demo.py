"""The demo's teams and accounts, with random passwords in a file that only its owner reads."""

from __future__ import annotations

import json
import os
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.people.models import Staff, Team
from backend.people.passwords import Cost, Passwords
from backend.people.roles import Role
from backend.settings import Settings

DEMO_FILE = Path(".vigie/demo.json")
# Passwords of 120 random bits need no dear hash, and the demo starts a second earlier.
DEMO_COST = Cost(passes=1, memory_kib=64)
_NAMES = (
    "Adèle",
    "Bilal",
    "Chloé",
    "Driss",
    "Emma",
    "Farid",
    "Gaëlle",
    "Hugo",
    "Inès",
    "Jules",
    "Karima",
    "Léo",
    "Maïssa",
    "Nolan",
    "Olga",
    "Pablo",
    "Quitterie",
    "Rayan",
    "Salomé",
    "Théo",
    "Ugo",
    "Vera",
    "Wassim",
    "Zoé",
)


class DemoRefused(RuntimeError):
    """Demo accounts do not belong in production."""


@dataclass(frozen=True)
class DemoAccount:
    """One sign-in of the demo, with its password in clear: it opens nothing but a demo."""

    login: str
    password: str
    role: str
    team_id: str | None = None
    vehicle_number: str | None = None
    simulated: bool = True

    def as_json(self) -> dict[str, str | bool]:
        """The account without empty fields; the simulation leaves those alone that are for people."""
        fields = {
            "login": self.login,
            "password": self.password,
            "role": self.role,
            "team_id": self.team_id,
            "vehicle_number": self.vehicle_number,
            "simulated": self.simulated,
        }
        return {name: value for name, value in fields.items() if value is not None}


def load_demo(
    session: Session,
    now: datetime,
    settings: Settings,
    *,
    teams: int = 8,
    agents_per_team: int = 2,
    vehicles: int = 6,
    path: Path = DEMO_FILE,
) -> list[DemoAccount]:
    """The demo's accounts, made or kept as they are; also written to `path`. Loading twice changes nothing."""
    if settings.environment == "production":
        raise DemoRefused("demo accounts are for demonstrations: VIGIE_ENVIRONMENT is production")
    kept = _passwords_in(path)
    hashing = Passwords(DEMO_COST)
    accounts = []
    for number in range(teams * agents_per_team):
        team = _team(session, f"GAP {number // agents_per_team + 1}", now)
        accounts.append(_account(f"agent{number + 1}", Role.AGENT, kept, team_id=team.id))
    accounts += [
        _account(f"driver{place}", Role.DRIVER, kept, vehicle_number=str(1000 + place))
        for place in range(1, vehicles + 1)
    ]
    accounts.append(_account("operateur-simule", Role.OPERATOR, kept))
    # For whoever tries it out: a team and a bus that no simulated hand moves.
    own_team = _team(session, f"GAP {teams + 1}", now)
    accounts += [
        _account("agent", Role.AGENT, kept, team_id=own_team.id, simulated=False),
        _account("driver", Role.DRIVER, kept, vehicle_number=str(1001 + vehicles), simulated=False),
        _account("operateur", Role.OPERATOR, kept, simulated=False),
        _account("superviseur", Role.SUPERVISOR, kept, simulated=False),
        _account("admin", Role.ADMIN, kept, simulated=False),
    ]
    for place, account in enumerate(accounts):
        _store(session, account, _NAMES[place % len(_NAMES)], hashing, now)
    session.flush()
    # Before the commit: a file without its accounts is put right by loading again, the reverse would lock us out.
    _write(path, settings.public_url, accounts)
    return accounts


def read_demo(path: Path = DEMO_FILE) -> list[DemoAccount]:
    """The accounts in a demo file; none when there is no readable one."""
    return [
        DemoAccount(
            each["login"],
            each["password"],
            each.get("role", ""),
            each.get("team_id"),
            each.get("vehicle_number"),
            bool(each.get("simulated", True)),
        )
        for each in _entries(path)
    ]


def _account(
    login: str,
    role: Role,
    kept: Mapping[str, str],
    *,
    team_id: uuid.UUID | None = None,
    vehicle_number: str | None = None,
    simulated: bool = True,
) -> DemoAccount:
    password = kept.get(login) or secrets.token_urlsafe(15)
    return DemoAccount(login, password, role.value, str(team_id) if team_id else None, vehicle_number, simulated)


def _team(session: Session, call_sign: str, now: datetime) -> Team:
    team = session.scalar(select(Team).where(Team.call_sign == call_sign))
    if team is None:
        team = Team(name=f"Équipe {call_sign}", call_sign=call_sign, created_at=now)
        session.add(team)
        session.flush()
    return team


def _store(session: Session, account: DemoAccount, name: str, hashing: Passwords, now: datetime) -> None:
    staff = session.scalar(select(Staff).where(Staff.login == account.login))
    if staff is None:
        staff = Staff(
            login=account.login,
            display_name=name,
            role=account.role,
            created_at=now,
        )
        session.add(staff)
    staff.team_id = uuid.UUID(account.team_id) if account.team_id else None
    if staff.password_hash is None or not hashing.verify(staff.password_hash, account.password):
        staff.password_hash = hashing.hash(account.password)


def _passwords_in(path: Path) -> dict[str, str]:
    return {each["login"]: each["password"] for each in _entries(path)}


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        accounts = list(content["accounts"])
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [
        each
        for each in accounts
        if isinstance(each, dict) and isinstance(each.get("login"), str) and isinstance(each.get("password"), str)
    ]


def _write(path: Path, url: str, accounts: list[DemoAccount]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"url": url, "accounts": [account.as_json() for account in accounts]}
    half = path.with_suffix(".half")
    half.unlink(missing_ok=True)
    # Created for the owner alone: a chmod afterwards would leave a moment in which anybody could read it.
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False, indent=1)
    half.replace(path)
