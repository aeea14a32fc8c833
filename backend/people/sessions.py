"""Who a token stands for; riders' devices and the sign-ins of staff."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from backend.errors import Refused
from backend.people.models import Device, Staff, StaffSession, Vehicle
from backend.people.roles import DRILL_PLATFORM, Caller, Role
from backend.people.tokens import TokenKind, hash_of, new_token, read_token

SMS_SECRET_BYTES = 20
"""What a phone signs its texts with: as long as HMAC can make use of in a text that has 160 characters."""


@dataclass(frozen=True)
class NewDevice:
    """A device just registered, with the only copy of its token."""

    id: uuid.UUID
    access_token: str
    expires_at: datetime
    sms_secret: bytes = field(repr=False)


@dataclass(frozen=True)
class NewSession:
    """A sign-in just made, with the only copy of its token."""

    access_token: str
    expires_at: datetime
    staff: Staff


@dataclass(frozen=True)
class Credentials:
    """What a password is checked against, outside any transaction, because the check takes its time."""

    staff_id: uuid.UUID
    password_hash: str | None


def who(session: Session, token: str, now: datetime, *, stale_days: int) -> Caller | None:
    """The caller behind a token; None when it is malformed, unknown, revoked, or too long expired."""
    read = read_token(token)
    if read is None:
        return None
    if read.kind is TokenKind.DEVICE:
        return _rider(session, read.hash, now, stale_days)
    return _staff(session, read.hash, now) if read.kind is TokenKind.STAFF else None


# Asked at every request and every sign-in of a socket: put together once.
_DEVICE = select(Device.id, Device.expires_at, Device.revoked_at, Device.platform).where(
    Device.token_hash == bindparam("token_hash")
)
_OF_STAFF = (
    select(
        StaffSession.id.label("session_id"),
        Staff.id,
        Staff.role,
        Staff.team_id,
        Staff.display_name,
        Vehicle.id.label("vehicle_id"),
    )
    .join(Staff, Staff.id == StaffSession.staff_id)
    .outerjoin(Vehicle, Vehicle.driver_id == Staff.id)
    .where(
        StaffSession.token_hash == bindparam("token_hash"),
        StaffSession.revoked_at.is_(None),
        StaffSession.expires_at > bindparam("now"),
        Staff.disabled_at.is_(None),
    )
)


def _rider(session: Session, token_hash: bytes, now: datetime, stale_days: int) -> Caller | None:
    row = session.execute(_DEVICE, {"token_hash": token_hash}).one_or_none()
    if row is None or row.revoked_at is not None or now >= row.expires_at + timedelta(days=stale_days):
        return None
    stale, drill = now >= row.expires_at, row.platform == DRILL_PLATFORM
    return Caller(Role.RIDER, row.id, identity_stale=stale, drill=drill)


def _staff(session: Session, token_hash: bytes, now: datetime) -> Caller | None:
    row = session.execute(_OF_STAFF, {"token_hash": token_hash, "now": now}).one_or_none()
    if row is None:
        return None
    role = Role(row.role)
    return Caller(
        role,
        row.id,
        row.session_id,
        team_id=row.team_id if role is Role.AGENT else None,
        vehicle_id=row.vehicle_id if role is Role.DRIVER else None,
        name=row.display_name,
    )


def register_device(
    session: Session,
    platform: str,
    now: datetime,
    *,
    valid_days: int,
    app_version: str | None = None,
    locale: str | None = None,
) -> NewDevice:
    """A new rider's phone: nothing is asked and nothing is known of who holds it."""
    token, sms_secret = new_token(TokenKind.DEVICE), secrets.token_bytes(SMS_SECRET_BYTES)
    device = Device(
        id=uuid.uuid4(),
        token_hash=hash_of(token),
        platform=platform,
        app_version=app_version,
        locale=locale,
        created_at=now,
        expires_at=now + timedelta(days=valid_days),
        sms_secret=sms_secret,
    )
    session.add(device)
    session.flush()
    return NewDevice(device.id, token, device.expires_at, sms_secret)


def forget_device(session: Session, device_id: uuid.UUID, now: datetime) -> None:
    """Ends a device's token and forgets its PINs; its open alerts go on."""
    session.execute(
        update(Device)
        .where(Device.id == device_id, Device.revoked_at.is_(None))
        .values(revoked_at=now, pin_hash=None, duress_pin_hash=None, forced_pin_hash=None, sms_secret=None)
    )


def fold_login(login: str) -> str:
    """A login as it is stored: Anna and anna are one account."""
    # PostgreSQL text holds no NUL and no lone surrogate; both would end a sign-in in a 500.
    return login.strip().lower().replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def credentials(session: Session, login: str) -> Credentials | None:
    """What to check a password against; None when there is no such enabled account."""
    row = session.execute(
        select(Staff.id, Staff.password_hash).where(Staff.login == fold_login(login), Staff.disabled_at.is_(None))
    ).one_or_none()
    return Credentials(row.id, row.password_hash) if row is not None else None


def sign_in(session: Session, staff_id: uuid.UUID, now: datetime, *, valid_hours: int) -> NewSession:
    """A new session for somebody whose password was just found right."""
    staff = session.get(Staff, staff_id)
    if staff is None or staff.disabled_at is not None:
        # Disabled while the password was being checked.
        raise Refused("login_failed")
    token = new_token(TokenKind.STAFF)
    expires_at = now + timedelta(hours=valid_hours)
    session.add(StaffSession(staff_id=staff.id, token_hash=hash_of(token), created_at=now, expires_at=expires_at))
    session.flush()
    return NewSession(token, expires_at, staff)


def sign_out(session: Session, session_id: uuid.UUID, now: datetime) -> None:
    """Ends one session."""
    session.execute(
        update(StaffSession)
        .where(StaffSession.id == session_id, StaffSession.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def revoke_sessions(session: Session, staff_id: uuid.UUID, now: datetime) -> int:
    """Ends every session of a member of staff; returns how many were open."""
    ended = session.execute(
        update(StaffSession)
        .where(
            StaffSession.staff_id == staff_id,
            StaffSession.revoked_at.is_(None),
            StaffSession.expires_at > now,
        )
        .values(revoked_at=now)
        .returning(StaffSession.id)
    )
    return len(ended.all())


def sessions_revoked_since(session: Session, moment: datetime, now: datetime | None = None) -> set[uuid.UUID]:
    """Sessions of staff and devices revoked since `moment`; with `now`, also sessions that expired meanwhile.

    A revocation carries the time at which its request began and is seen when it commits: ask each time for
    the last half minute rather than since the last answer, and cut what is still open.
    """
    over = StaffSession.revoked_at >= moment
    if now is not None:
        over |= StaffSession.expires_at.between(moment, now)
    found = set(session.scalars(select(StaffSession.id).where(over)))
    return found | set(session.scalars(select(Device.id).where(Device.revoked_at >= moment)))
