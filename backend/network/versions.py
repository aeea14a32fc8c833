"""The imported networks: which there are, and which of them is in force."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from backend.database import lock_rows
from backend.network.models import NetworkVersion

PREVIOUS = "previous"


class VersionUnknown(LookupError):
    """No network of that number or id; the message says what there is."""


def oldest_first(session: Session) -> Sequence[NetworkVersion]:
    """Every version; its place in this list, from 1, is the number that people call it by."""
    return session.scalars(select(NetworkVersion).order_by(NetworkVersion.imported_at, NetworkVersion.id)).all()


def find(session: Session, word: str) -> NetworkVersion:
    """The version of a number, of an id, or the `previous` one: the last that was in force before the present one."""
    versions = oldest_first(session)
    if word == PREVIOUS:
        once = [version for version in versions if not version.is_current and version.current_since is not None]
        if not once:
            raise VersionUnknown("there is no previous network")
        return max(once, key=lambda version: (version.current_since, version.imported_at))
    if word.isascii() and word.isdecimal() and len(word) < 9:
        if 1 <= int(word) <= len(versions):
            return versions[int(word) - 1]
        raise VersionUnknown(f"there is no network {word}: they are numbered 1 to {len(versions)}")
    try:
        wanted = uuid.UUID(word)
    except ValueError:
        raise VersionUnknown(f"{word!r} is neither a number, nor an id, nor {PREVIOUS!r}") from None
    found = session.get(NetworkVersion, wanted)
    if found is None:
        raise VersionUnknown(f"there is no network {word}")
    return found


def make_current(session: Session, version: NetworkVersion, now: datetime) -> None:
    """Puts a version in force; whoever reads sees the one before it until the commit, and never none or two."""
    # Two switches at once: the second waits here, then replaces the first.
    session.execute(lock_rows(select(NetworkVersion.id).where(NetworkVersion.is_current)))
    session.execute(update(NetworkVersion).where(NetworkVersion.is_current).values(is_current=False))
    version.is_current, version.current_since = True, now
    session.flush()
