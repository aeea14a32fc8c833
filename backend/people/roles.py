"""Who a caller is: roles and the caller that a token stands for."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What somebody may do; every route and socket event names the roles that it serves."""

    RIDER = "rider"
    AGENT = "agent"
    DRIVER = "driver"
    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"


STAFF = frozenset({Role.AGENT, Role.DRIVER, Role.OPERATOR, Role.SUPERVISOR, Role.ADMIN})
CONTROL_ROOM = frozenset({Role.OPERATOR, Role.SUPERVISOR, Role.ADMIN})
EVERYBODY = STAFF | {Role.RIDER}
DRILL_PLATFORM = "drill"
"""The platform of the one device that raises synthetic drills; no phone can register as one."""


@dataclass(frozen=True)
class Caller:
    """The rider's device or the member of staff behind a token."""

    role: Role
    id: uuid.UUID
    session_id: uuid.UUID | None = None
    team_id: uuid.UUID | None = None
    vehicle_id: uuid.UUID | None = None
    name: str | None = None
    identity_stale: bool = False
    drill: bool = False

    @property
    def is_control_room(self) -> bool:
        """True for operators, supervisors and admins."""
        return self.role in CONTROL_ROOM
