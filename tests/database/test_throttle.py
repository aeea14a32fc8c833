"""Guesses are slowed down, and the owner of the login gets in all the same."""

import threading
import uuid

import pytest

from backend.errors import Refused
from backend.people import throttle
from backend.people.models import LoginDelay

HOME, EVIL = "198.51.100.7", "203.0.113.9"


def wait(database, clock, login="anna", network=EVIL):
    """Seconds that an attempt has to wait; 0 when it was let through and counted."""
    try:
        with database.transaction() as session:
            throttle.charge_login(session, login, network, clock.now())
    except Refused as refused:
        assert refused.code == "login_delayed"
        assert refused.retry_after_s >= 1
        return refused.retry_after_s
    return 0


def pardon(database, clock, login="anna", network=EVIL):
    with database.transaction() as session:
        throttle.pardon_login(session, login, network, clock.now())


def test_three_mistakes_are_free_then_the_wait_doubles(database, clock):
    waits = []
    for _ in range(12):
        assert wait(database, clock) == 0
        waits.append(wait(database, clock) if len(waits) >= 2 else 0)
        clock.advance(waits[-1])
    assert waits == [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]


def test_a_refused_attempt_does_not_lengthen_the_wait(database, clock):
    for _ in range(3):
        wait(database, clock)
    assert [wait(database, clock) for _ in range(50)] == [1] * 50


def test_the_owner_on_another_network_gets_in_at_once(database, clock):
    for _ in range(40):
        clock.advance(wait(database, clock))
    for number in range(200):
        wait(database, clock, network=f"203.0.113.{number}")
    assert wait(database, clock) > 0
    assert wait(database, clock, network=HOME) == 0
    pardon(database, clock, network=HOME)
    assert wait(database, clock, network=HOME) == 0


def test_a_login_under_attack_costs_each_network_five_seconds_at_most(database, clock):
    for number in range(100):
        assert wait(database, clock, network=f"203.0.113.{number}") == 0
    assert wait(database, clock, network="203.0.113.99") == 5
    assert wait(database, clock, "berta", network="203.0.113.99") == 0


def test_one_network_that_tries_many_logins_is_slowed(database, clock):
    assert [wait(database, clock, f"user{number}") for number in range(20)] == [0] * 20
    assert wait(database, clock, "user20") == 1
    assert wait(database, clock, "user20", network=HOME) == 0


def test_a_right_password_starts_afresh_but_does_not_wash_the_network(database, clock):
    for number in range(19):
        wait(database, clock, f"user{number}")
    wait(database, clock, "own")
    pardon(database, clock, "own")
    assert wait(database, clock, "user20") == 0
    assert wait(database, clock, "user21") == 1


def test_a_control_room_that_signs_in_together_waits_for_nobody(database, clock):
    for number in range(100):
        assert wait(database, clock, f"operator{number}", HOME) == 0
        pardon(database, clock, f"operator{number}", HOME)


def test_a_quiet_quarter_of_an_hour_is_forgotten(database, clock):
    for _ in range(8):
        clock.advance(wait(database, clock))
    clock.advance(15 * 60)
    assert [wait(database, clock) for _ in range(3)] == [0, 0, 0]
    clock.advance(16 * 60)
    assert wait(database, clock, "berta", HOME) == 0
    pardon(database, clock, "berta", HOME)
    with database.reading() as session:
        assert session.query(LoginDelay).count() == 2


def test_a_hundred_at_once_count_as_a_hundred(database, clock):
    results = []
    threads = [threading.Thread(target=lambda: results.append(wait(database, clock))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [0] * 3 + [1] * 9


def test_the_table_does_not_say_who_signs_in_from_where(database, clock):
    wait(database, clock, "anna", HOME)
    with database.reading() as session:
        keys = b"".join(row.key for row in session.query(LoginDelay))
    assert b"anna" not in keys
    assert HOME.encode() not in keys


def test_registrations_are_only_limited_against_machines(database, clock):
    def register():
        with database.transaction() as session:
            throttle.charge_registration(session, HOME, clock.now())

    for _ in range(300):
        register()
    with pytest.raises(Refused, match="registration_delayed") as refused:
        register()
    assert refused.value.retry_after_s == 1
    clock.advance(1)
    register()
    clock.advance(600)
    for _ in range(300):
        register()


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.9"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), ("::ffff:203.0.113.9", "203.0.113.9"),
        ("fe80::1%eth0", "fe80::/64"), (None, "unknown"), ("", "unknown"), ("unix:", "unknown"), ("1.2.3.4, 5.6.7.8", "unknown"),
    ],
)  # fmt: skip
def test_networks(address, network):
    assert throttle.network_of(address) == network


def test_a_process_whose_clock_is_a_moment_behind_refuses_nobody_who_may_come(database, clock):
    """Each process counts time for itself: between two of them lie milliseconds, on a busy machine many."""
    assert wait(database, clock) == 0
    registration(database, clock)
    clock.advance(-0.05)
    assert wait(database, clock) == 0
    registration(database, clock)
    pardon(database, clock)
    clock.advance(-0.05)
    assert wait(database, clock) == 0


def registration(database, clock):
    with database.transaction() as session:
        throttle.charge_registration(session, HOME, clock.now())


def test_five_wrong_pins_are_free_then_the_wait_doubles_up_to_five_minutes(database, clock):
    phone, waits = uuid.uuid4(), []
    for _ in range(11):
        with database.transaction() as session:
            assert throttle.charge_pin(session, phone, clock.now()) == 0
        with database.transaction() as session:
            waits.append(throttle.charge_pin(session, phone, clock.now()) if len(waits) >= 4 else 0)
        clock.advance(waits[-1])
    assert waits == [0, 0, 0, 0, 30, 60, 120, 240, 300, 300, 300]


def test_of_twenty_pins_at_once_five_count(database, clock):
    phone, waits = uuid.uuid4(), []

    def guess():
        with database.transaction() as session:
            waits.append(throttle.charge_pin(session, phone, clock.now()))

    guessers = [threading.Thread(target=guess) for _ in range(20)]
    for guesser in guessers:
        guesser.start()
    for guesser in guessers:
        guesser.join(20)
    assert sorted(waits) == [0] * 5 + [30] * 15
