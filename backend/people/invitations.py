"""Invitations: one-time links with which a person sets the password of a staff account."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exists, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.database import lock_rows
from backend.errors import Refused
from backend.people import sessions
from backend.people.models import Invitation, Staff
from backend.people.roles import Role
from backend.people.tokens import TokenKind, hash_of, new_token, read_token

BOOTSTRAP_VALID = timedelta(minutes=30)
STAFF_VALID = timedelta(days=3)


@dataclass(frozen=True)
class NewInvitation:
    """An invitation just made, with the only copy of its token."""

    token: str
    expires_at: datetime


def invite(session: Session, role: Role, now: datetime, *, staff_id: uuid.UUID | None = None) -> NewInvitation:
    """A link for one account, or for the first admin; an earlier unused link to the same stops working."""
    session.execute(
        update(Invitation)
        .where(
            Invitation.staff_id == staff_id if staff_id is not None else Invitation.staff_id.is_(None),
            Invitation.role == role.value,
            Invitation.used_at.is_(None),
            Invitation.expires_at > now,
        )
        .values(expires_at=now)
    )
    token = new_token(TokenKind.INVITATION)
    expires_at = now + (BOOTSTRAP_VALID if staff_id is None else STAFF_VALID)
    session.add(
        Invitation(
            token_hash=hash_of(token),
            staff_id=staff_id,
            role=role.value,
            created_at=now,
            expires_at=expires_at,
        )
    )
    session.flush()
    return NewInvitation(token, expires_at)


def admin_exists(session: Session) -> bool:
    """True when somebody can already sign in as admin."""
    return bool(
        session.scalar(
            select(
                exists().where(
                    Staff.role == Role.ADMIN.value,
                    Staff.disabled_at.is_(None),
                    Staff.password_hash.is_not(None),
                )
            )
        )
    )


def check(session: Session, token: str, login: str | None, now: datetime) -> None:
    """Refuses a link that would not work, before any time is spent on hashing a password."""
    _login_for(session, _valid(session, token, now), login)


def accept(
    session: Session,
    token: str,
    now: datetime,
    *,
    password_hash: str,
    login: str | None,
    display_name: str | None,
) -> Staff:
    """The account with its new password; the link is used up, and who was signed in to the account is out."""
    invitation = _valid(session, token, now, lock=True)
    invitation.used_at = now
    chosen = _login_for(session, invitation, login)
    if invitation.staff_id is None:
        staff = Staff(login=chosen, display_name=(display_name or chosen).strip(), role=invitation.role, created_at=now)
        session.add(staff)
    else:
        staff = session.get_one(Staff, invitation.staff_id)
        sessions.revoke_sessions(session, staff.id, now)
    staff.password_hash = password_hash
    try:
        session.flush()
    except IntegrityError:
        raise Refused("login_taken", field="/login") from None
    return staff


def _valid(session: Session, token: str, now: datetime, *, lock: bool = False) -> Invitation:
    read = read_token(token)
    if read is None or read.kind is not TokenKind.INVITATION:
        raise Refused("invitation_invalid")
    query = select(Invitation).where(Invitation.token_hash == read.hash)
    invitation: Invitation | None = session.scalar(lock_rows(query) if lock else query)
    if invitation is None or invitation.used_at is not None or invitation.expires_at <= now:
        raise Refused("invitation_invalid")
    return invitation


def _login_for(session: Session, invitation: Invitation, login: str | None) -> str:
    wanted = sessions.fold_login(login) if login else None
    if invitation.staff_id is None:
        if not wanted:
            raise Refused("invalid", field="/login")
        if session.scalar(select(exists().where(Staff.login == wanted))):
            raise Refused("login_taken", field="/login")
        return wanted
    staff = session.get(Staff, invitation.staff_id)
    if staff is None or staff.disabled_at is not None:
        raise Refused("invitation_invalid")
    if wanted not in (None, staff.login):
        # Ignoring it silently would leave somebody with a login that does not exist.
        raise Refused("invalid", field="/login", hint=staff.login)
    return staff.login
