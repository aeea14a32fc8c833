"""Passwords and PINs: what is acceptable, how they are hashed, how hashing is kept from freezing a process.

Argon2 is C and lets other threads run, but a greenlet that calls it holds its whole process for about 40 ms:
a burst of sign-ins would stop every socket and every alert there. Edges therefore pass `run_aside` (a real
thread under gevent), and a semaphore bounds how many hashes, 19 MiB each, are computed at once.
"""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from backend.errors import Refused

MIN_LENGTH = 12
MAX_LENGTH = 200
RunAside = Callable[[Callable[[], Any]], Any]


@dataclass(frozen=True)
class Cost:
    """How dear one guess is, to us and to a thief of the database."""

    passes: int
    memory_kib: int


STAFF_COST = Cost(passes=3, memory_kib=19 * 1024)
# 10,000 possible PINs fall in a minute whatever one guess costs: this only keeps them from a reader's eyes.
PIN_COST = Cost(passes=1, memory_kib=1024)
TEST_COST = Cost(passes=1, memory_kib=8)


def _hasher(cost: Cost) -> PasswordHasher:
    return PasswordHasher(time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=1)


def run_here(work: Callable[[], Any]) -> Any:
    """Runs the work in the calling thread."""
    return work()


class Passwords:
    """Hashes and checks passwords, two at a time in one process."""

    def __init__(self, cost: Cost = STAFF_COST, *, run_aside: RunAside = run_here, at_once: int = 2) -> None:
        self._hasher = _hasher(cost)
        self._run_aside = run_aside
        self._free = threading.BoundedSemaphore(at_once)
        self._nobody = self._hasher.hash("nobody has this password")

    def hash(self, password: str) -> str:
        """What is stored of a password."""
        return str(self._compute(lambda: self._hasher.hash(_normal(password))))

    def verify(self, stored: str | None, password: str) -> bool:
        """True when it fits. Without a stored hash the same time passes, so that logins cannot be listed."""
        fits = bool(self._compute(lambda: _fits(self._hasher, stored or self._nobody, _normal(password))))
        return fits and stored is not None

    def outdated(self, stored: str) -> bool:
        """True when a hash was made with another cost than today's and should be made again."""
        return self._hasher.check_needs_rehash(stored)

    def _compute(self, work: Callable[[], Any]) -> Any:
        with self._free:
            return self._run_aside(work)


def hash_pin(pin: str, cost: Cost = PIN_COST) -> str:
    """What is stored of a rider's PIN."""
    return _hasher(cost).hash(pin)


def fits_pin(stored: str, pin: str) -> bool:
    """True when the PIN is the stored one."""
    return _fits(_hasher(PIN_COST), stored, pin)


def _fits(hasher: PasswordHasher, stored: str, given: str) -> bool:
    try:
        return hasher.verify(stored, given)
    except (VerificationError, InvalidHashError):
        return False


def _normal(password: str) -> str:
    # "é" is one character on one keyboard and two on another; without this, half of them could not sign in.
    # Lone surrogates, which JSON allows, cannot be encoded: they are replaced instead of raising.
    return unicodedata.normalize("NFKC", password[: MAX_LENGTH * 4]).encode("utf-8", "replace").decode("utf-8")


_COMMON = frozenset(
    """
    password passwort motdepasse motdepass passe azerty azertyuiop qwerty qwertyuiop qwertz iloveyou jetaime
    bonjour bonjourbonjour soleil doudou loulou marseille paris lyon france football letmein welcome
    bienvenue admin administrateur administrator adminadmin root secret changeme changezmoi changemoi
    default temporaire temporary superman batman dragon monkey princess sunshine chocolat coucou nicolas
    camille trustno security securite transport metro tramway autobus operateur operator agent controle
    control superviseur supervisor passphrase correcthorsebatterystaple abcdefghijkl test testtest tester
    testeur demo
""".split()  # noqa: SIM905 - a list that people read and lengthen
)
_LOOKS_LIKE = str.maketrans(
    {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "@": "a", "$": "s", "!": "i"}
)
_ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "azertyuiopqsdfghjklmwxcvbn",
    "qwertyuiopasdfghjklzxcvbnm",
    "01234567890123456789",
    "98765432109876543210",
)


def check_strength(password: str, *, known: tuple[str, ...] = ()) -> None:
    """Refuses what is short, endless, common, a pattern, or little more than one of the `known` words."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH or is_guessable(password, known):
        raise Refused("password_weak", field="/password")


def is_guessable(password: str, known: tuple[str, ...] = ()) -> bool:
    """True for what a list of common passwords, or the person's and the network's names, would give away."""
    folded = unicodedata.normalize("NFKD", password.casefold())
    if len(set(folded)) < 5 or _is_repeated(folded) or any(folded[:12] in row for row in _ROWS):
        return True
    # With the year or number at the end cut off first: the 0 of 2026 is not an o.
    trimmed = folded.rstrip("0123456789.!?*-_ ")
    read = {_letters(text) for text in (folded, folded.translate(_LOOKS_LIKE), trimmed.translate(_LOOKS_LIKE))}
    names = [_letters(unicodedata.normalize("NFKD", word.casefold())) for word in known]
    for stem in read:
        rest = stem
        for name in names:
            if len(name) >= 3:
                rest = rest.replace(name, "")
        if stem and (stem in _COMMON or rest in _COMMON or (rest != stem and len(rest) < 4)):
            return True
    return False


def _letters(text: str) -> str:
    return "".join(char for char in text if char.isascii() and char.isalpha())


def _is_repeated(text: str) -> bool:
    # A text made of one repeated part is found again inside itself doubled, before its own end.
    period = (text + text).find(text, 1)
    return period < len(text)
