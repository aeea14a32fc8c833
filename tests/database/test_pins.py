"""Which of a phone's PINs was typed, and what is stored of others in their place."""

import pytest

from backend.errors import Refused
from backend.people import pins, sessions
from backend.people.models import Device
from backend.people.passwords import TEST_COST

TYPED = ("1234", "4321", "5555", "6666", "0000", "")


@pytest.fixture
def device(database, clock):
    with database.transaction() as session:
        made = sessions.register_device(session, "android", clock.now(), valid_days=365)
    return read(database, made.id)


def read(database, device_id):
    with database.reading() as session:
        return session.get_one(Device, device_id)


def set_pins(database, device, pin, duress_pin, present):
    """The device afterwards."""
    with database.transaction() as session:
        pins.set_pins(session, device, pins.hashed(pin, duress_pin, cost=TEST_COST), present)
    return read(database, device.id)


def verdicts(device):
    return [pins.check_pin(device, pin) for pin in TYPED]


def test_pins(database, device):
    assert set(verdicts(device)) == {"unset"}
    known = set_pins(database, device, "1234", "4321", "unset")
    assert verdicts(known) == ["pin", "duress", "wrong", "wrong", "wrong", "wrong"]


def test_after_the_right_one_only_the_new_ones_count(database, device):
    known = set_pins(database, device, "1234", "4321", "unset")
    assert verdicts(set_pins(database, known, "5555", "6666", "pin")) == ["wrong", "wrong", "pin", "duress", "wrong", "wrong"]


def test_after_the_duress_pin_both_new_ones_are_duress_and_the_riders_own_stays(database, device):
    known = set_pins(database, device, "1234", "4321", "unset")
    forced = set_pins(database, known, "5555", "6666", "duress")
    assert verdicts(forced) == ["pin", "wrong", "duress", "duress", "wrong", "wrong"]
    own_again = set_pins(database, forced, "1234", "4321", "pin")
    assert verdicts(own_again) == ["pin", "duress", "wrong", "wrong", "wrong", "wrong"]


def test_every_check_looks_at_as_many_hashes(database, device, monkeypatch):
    looked = []
    monkeypatch.setattr(pins, "fits_pin", lambda stored, pin: looked.append(stored) or stored == pin)
    known = set_pins(database, device, "1234", "4321", "unset")
    counts = []
    for one in (known, set_pins(database, known, "5555", "6666", "duress")):
        for typed in (*TYPED, one.pin_hash, one.duress_pin_hash, one.forced_pin_hash or "none"):
            looked.clear()
            pins.check_pin(one, typed)
            counts.append(len(looked))
    assert set(counts) == {3}


@pytest.mark.parametrize(("present", "code"), [("unset", "pin_needed"), ("pin", "pin_wrong"), ("duress", "pin_wrong")])
def test_of_two_changes_at_once_the_second_needs_the_first_ones_pin(database, device, present, code):
    as_checked = device if present == "unset" else set_pins(database, device, "1234", "4321", "unset")
    first = set_pins(database, as_checked, "5555", "6666", "unset" if present == "unset" else "pin")
    with pytest.raises(Refused, match=code):
        set_pins(database, as_checked, "7777", "8888", present)
    assert verdicts(read(database, device.id)) == verdicts(first)


def test_equal_pins_are_refused():
    with pytest.raises(Refused, match="pins_equal"):
        pins.hashed("1234", "1234", cost=TEST_COST)
