"""Passwords: what is refused, what fits, and that an unknown login takes as long as a known one."""

import threading
import time

import pytest

from backend.errors import Refused
from backend.people.passwords import TEST_COST, Cost, Passwords, check_strength, fits_pin, hash_pin

KNOWN = ("agent1", "Réseau RTM", "vigie")
WEAK = [
    "", "short", "elevenchars", "a" * 201, "aaaaaaaaaaaa", "abababababab", "123456789012", "abcdefghijkl", "Password1234!",
    "p@ssw0rd2026", "motdepasse123", "Azertyuiop123", "Marseille2026", "agent1agent1!", "agent1-2026-vigie",
    "operateur2026!", "reseaurtm2026", "p@ssw0rdp@ssw0rd", "987654321098",
]  # fmt: skip
STRONG = [
    "le chat gris dort", "correct horse battery", "été comme hiver 7", "J3-pars#loin-d'ici", "пароль очень длинный",
    "密码密码很长一点都不容易猜到", "x" + "yz9!" * 40, " spaces are fine ", "🦊🐻🐼🐨🐯🦁🐮🐷🐸🐵🐔🐧",
]  # fmt: skip


@pytest.mark.parametrize("password", WEAK)
def test_weak_passwords_are_refused(password):
    with pytest.raises(Refused, match="password_weak"):
        check_strength(password, known=KNOWN)


@pytest.mark.parametrize("password", STRONG)
def test_strong_passwords_are_taken(password):
    check_strength(password, known=KNOWN)


def test_a_password_fits_itself_only():
    passwords = Passwords(TEST_COST)
    stored = passwords.hash("le chat gris dort")
    assert stored.startswith("$argon2id$")
    assert passwords.verify(stored, "le chat gris dort")
    for wrong in ("le chat gris dor", "le chat gris dort ", "", "\x00", "\ud800", "x" * 100_000):
        assert not passwords.verify(stored, wrong)


def test_both_ways_of_typing_an_accent_are_one_password():
    passwords = Passwords(TEST_COST)
    assert passwords.verify(passwords.hash("caf\u00e9 de la gare"), "cafe\u0301 de la gare")


@pytest.mark.parametrize("stored", [None, "", "plain", "$argon2id$broken", "$2b$12$x"])
def test_what_is_no_hash_fits_nothing(stored):
    assert not Passwords(TEST_COST).verify(stored, "le chat gris dort")


def test_nobody_costs_as_much_as_somebody():
    # Counted, not timed: on a shared machine two equal hashes differ by half.
    work = []

    def aside(hashing):
        work.append(hashing)
        return hashing()

    passwords = Passwords(TEST_COST, run_aside=aside)
    stored = passwords.hash("le chat gris dort")
    work.clear()
    assert not passwords.verify(None, "nobody has this password")
    assert not passwords.verify(stored, "wrong password here")
    assert len(work) == 2
    assert not passwords.outdated(passwords._nobody)


def test_a_burst_hashes_two_at_a_time():
    running, most, lock = 0, 0, threading.Lock()

    def aside(work):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.005)
        try:
            return work()
        finally:
            with lock:
                running -= 1

    passwords = Passwords(TEST_COST, run_aside=aside)
    threads = [threading.Thread(target=passwords.hash, args=(f"password {n}",)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2


def test_a_hash_of_another_cost_is_outdated():
    assert Passwords(Cost(2, 16)).outdated(Passwords(TEST_COST).hash("le chat gris dort"))
    assert not Passwords(TEST_COST).outdated(Passwords(TEST_COST).hash("le chat gris dort"))


def test_pins():
    stored = hash_pin("4821", TEST_COST)
    assert fits_pin(stored, "4821")
    assert not fits_pin(stored, "4822")
