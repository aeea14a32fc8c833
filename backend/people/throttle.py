"""Slowing down guesses: a wait that grows, never a lock-out that an enemy could cause for somebody else.

Each attempt is charged before the password is looked at and taken back when it was right, so that a hundred
attempts at once count as a hundred. The wait of a login under attack is measured from the last attempt of the
same network: its owner, on a network of her own, is let in at once.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from backend.database import insert, lock_rows
from backend.errors import Refused
from backend.people.models import LoginDelay
from backend.people.sessions import fold_login

REMEMBERED = timedelta(minutes=15)
REGISTRATIONS = 300
PIN_TRIES = 5
PIN_REMEMBERED = timedelta(minutes=10)
REGISTRATION_WINDOW = timedelta(minutes=10)


def network_of(address: str | None) -> str:
    """The network of an address: itself, or its /64, because one IPv6 subscriber has 2^64 of them."""
    try:
        parsed = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            return str(ipaddress.ip_network((parsed, 64), strict=False))
        parsed = parsed.ipv4_mapped
    return str(parsed)


def pair_wait_s(failures: int) -> float:
    """Seconds between two attempts at one login from one network: three are free, then 1, 2, 4 … 60."""
    return 0.0 if failures < 3 else min(2.0 ** (failures - 3), 60.0)


def network_wait_s(failures: int) -> float:
    """Seconds between two attempts from one network: a control room shares one, so twenty are free."""
    return 0.0 if failures < 20 else min(2.0 ** min(failures - 20, 9), 30.0)


def login_wait_s(failures: int) -> float:
    """Seconds that a login under attack from many networks adds for each of them: never more than 5."""
    return 0.0 if failures < 10 else min(float(failures - 9), 5.0)


def charge_login(session: Session, login: str, network: str, now: datetime) -> None:
    """Counts one attempt, or refuses it with the seconds to wait; commit before the password is checked."""
    pair, login_key, network_key = _keys(login, network)
    rows = _locked(session, (pair, login_key, network_key), now)
    wait_s = max((rows[key].next_at - now).total_seconds() for key in (pair, network_key))
    if wait_s > 0:
        raise Refused("login_delayed", retry_after_s=math.ceil(wait_s))
    for row in rows.values():
        row.failures += 1
        row.forget_at = now + REMEMBERED
    rows[pair].next_at = _after(max(pair_wait_s(rows[pair].failures), login_wait_s(rows[login_key].failures)), now)
    rows[network_key].next_at = _after(network_wait_s(rows[network_key].failures), now)


def pardon_login(session: Session, login: str, network: str, now: datetime) -> None:
    """Takes back the charge of a right password: the pair starts afresh, the others lose only this attempt.

    If a success emptied the network's count too, somebody with one account could guess at all others.
    """
    pair, login_key, network_key = _keys(login, network)
    rows = _locked(session, (pair, login_key, network_key), now)
    session.delete(rows[pair])
    for key in (login_key, network_key):
        rows[key].failures = max(rows[key].failures - 1, 0)
    rows[network_key].next_at = _after(0, now)
    forgotten = select(LoginDelay.key).where(LoginDelay.forget_at <= now).limit(1000)
    # Rows that another attempt holds are left for next time: waiting for them could close a ring of waits.
    session.execute(
        delete(LoginDelay).where(LoginDelay.key.in_(lock_rows(forgotten, skip_locked=True))),
        execution_options={"synchronize_session": False},
    )


def charge_registration(session: Session, network: str, now: datetime) -> None:
    """Counts one device's registration; beyond 300 in ten minutes a network gets one a second.

    A mobile operator hides a whole city behind one address: the limit only stops a machine.
    """
    key = _key("registration", network)
    row = _locked(session, (key,), now)[key]
    if row.next_at > now:
        raise Refused("registration_delayed", retry_after_s=math.ceil((row.next_at - now).total_seconds()))
    if row.failures == 0:
        row.forget_at = now + REGISTRATION_WINDOW
    row.failures += 1
    if row.failures >= REGISTRATIONS:
        row.next_at = now + timedelta(seconds=1)


def _after(wait_s: float, now: datetime) -> datetime:
    # Nobody who may come at once is refused by another process because its clock is a moment behind.
    return now + timedelta(seconds=wait_s) if wait_s else now - REMEMBERED


def pin_wait_s(failures: int) -> float:
    """Seconds until the next PIN of a phone is looked at: five may be wrong, then 30, 60, 120, 240, 300."""
    return 0.0 if failures < PIN_TRIES else min(30.0 * 2 ** min(failures - PIN_TRIES, 9), 300.0)


def charge_pin(session: Session, device_id: uuid.UUID, now: datetime) -> int:
    """Counts one PIN of a phone as wrong until `pardon_pin`; or the seconds to wait, and then it counts for nothing.

    It refuses nothing by itself: a PIN that comes too early is still looked at for a cry under duress.
    """
    key = _key("pin", str(device_id))
    row = _locked(session, (key,), now)[key]
    if row.next_at > now:
        return math.ceil((row.next_at - now).total_seconds())
    row.failures += 1
    row.forget_at = now + PIN_REMEMBERED
    row.next_at = now + timedelta(seconds=pin_wait_s(row.failures))
    return 0


def pardon_pin(session: Session, device_id: uuid.UUID) -> None:
    """Forgets a phone's wrong PINs after a right one, whichever of the two it was."""
    session.execute(
        delete(LoginDelay).where(LoginDelay.key == _key("pin", str(device_id))),
        execution_options={"synchronize_session": False},
    )


def _keys(login: str, network: str) -> tuple[bytes, bytes, bytes]:
    folded = fold_login(login)
    return _key("pair", folded, network), _key("login", folded), _key("network", network)


def _key(*parts: str) -> bytes:
    # Hashed: the table would otherwise list who signs in from where.
    return hashlib.sha256("\x00".join(parts).encode("utf-8", "replace")).digest()


def _locked(session: Session, keys: tuple[bytes, ...], now: datetime) -> Mapping[bytes, LoginDelay]:
    """The counters of these keys, locked in one order so that no two attempts wait for each other."""
    ordered = sorted(keys)
    new = [{"key": key, "failures": 0, "next_at": _after(0, now), "forget_at": now + REMEMBERED} for key in ordered]
    session.execute(insert(session, LoginDelay).on_conflict_do_nothing(index_elements=["key"]), new)
    rows = session.scalars(
        lock_rows(select(LoginDelay).where(LoginDelay.key.in_(ordered)).order_by(LoginDelay.key))
    ).all()
    for row in rows:
        if row.forget_at <= now:
            row.failures, row.next_at = 0, _after(0, now)
    return {row.key: row for row in rows}
