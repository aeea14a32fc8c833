"""A phone's two PINs: which of them was typed, and others in their place without giving an aggressor the alert."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import update
from sqlalchemy.orm import Session

from backend.errors import Refused
from backend.people.models import Device
from backend.people.passwords import PIN_COST, Cost, fits_pin, hash_pin

PinCheck = Literal["pin", "duress", "wrong", "unset"]


@dataclass(frozen=True)
class HashedPins:
    """Both PINs of a phone as they are stored."""

    pin: str = field(repr=False)
    duress_pin: str = field(repr=False)


def hashed(pin: str, duress_pin: str, *, cost: Cost = PIN_COST) -> HashedPins:
    """Both PINs as they are stored; equal ones would make a cry under duress look like a cancellation."""
    if pin == duress_pin:
        raise Refused("pins_equal", field="/duress_pin")
    return HashedPins(hash_pin(pin, cost), hash_pin(duress_pin, cost))


def check_pin(device: Device, pin: str) -> PinCheck:
    """Which of the device's PINs this is; all are always checked, so that time does not tell which."""
    if device.pin_hash is None or device.duress_pin_hash is None:
        return "unset"
    # Without a third one the second is checked twice: a longer answer would tell that somebody was forced.
    forced_pin_hash = device.forced_pin_hash or device.duress_pin_hash
    is_pin, is_duress, is_forced = (
        fits_pin(stored, pin) for stored in (device.pin_hash, device.duress_pin_hash, forced_pin_hash)
    )
    return "duress" if is_duress or is_forced else "pin" if is_pin else "wrong"


def set_pins(session: Session, device: Device, new: HashedPins, present: PinCheck) -> None:
    """Stores both PINs of a device, whose present one was just found to be `present`.

    After the duress PIN, both become duress PINs and the PIN that cancels stays the rider's: whoever forced her sees
    what he chose at work, while it calls for help. With her own PIN she sets both afresh, and his are forgotten.
    """
    values: dict[str, str | None]
    if present == "duress":
        values = {"duress_pin_hash": new.pin, "forced_pin_hash": new.duress_pin}
    else:
        values = {"pin_hash": new.pin, "duress_pin_hash": new.duress_pin, "forced_pin_hash": None}
    # Only over what was checked: of two that come at once, the second would otherwise need no PIN at all.
    as_checked = Device.duress_pin_hash.is_not_distinct_from(device.duress_pin_hash)
    stored = update(Device).where(Device.id == device.id, as_checked).values(values).returning(Device.id)
    if session.execute(stored).first() is None:
        raise Refused("pin_needed" if present == "unset" else "pin_wrong", field="current_pin")
