"""What a text in somebody's own words says: what happened, on which line, at which stop. Pure.

In doubt nothing is understood: the words themselves are always kept, and a team sent to the wrong place is worse than
an operator who reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from backend.alerts.categories import Category
from backend.alerts.text_keywords import ALIKE, category_of, likeness
from backend.network.names import folded

MOST_WORDS = 60
"""A text message holds some thirty words; more are not looked at, only kept."""
LONGEST_NAME = 6
MOST_MISSPELT, LONGEST_MISSPELT = 30, 3
"""In so many words, names of so many are looked for letter by letter: it takes a thousand times as long."""

# fmt: off
_MODES = {"metro": "metro", "subway": "metro", "tram": "tram", "tramway": "tram", "bus": "bus", "ferry": "ferry"}
_CUES = {"ligne", "line", "numero", "n"}
_INSIDE = (("dans", "le"), ("sur", "le"), ("in", "the"), ("on", "the"))
_AT = {"station", "arret", "stop", "gare", "quai", "a", "at"}
_TOWARDS = {"vers", "direction", "towards", "pour", "to"}
_ARTICLES = {"la", "le", "les", "l", "de"}
_VEHICLE = {"vehicule", "vehicle"}
_CARRIAGE = {"voiture", "rame", "wagon", "carriage", "car"}
_WITNESS = ("temoin", "witness", "j ai vu", "je vois", "i see", "i saw")
_CAN_TALK = ("appelez moi", "appelle moi", "rappelez moi", "je peux parler", "call me", "i can talk")
# fmt: on
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_NUMBER = re.compile(r"\d{1,4}[a-z]{0,3}", re.ASCII)
_TYPED = re.compile(r"(?=[a-z]*\d)(?=\d*[a-z])[a-z0-9]{2,6}", re.ASCII)


@dataclass(frozen=True)
class LineName:
    """A line as riders call it; `name` is folded."""

    line_id: str
    name: str
    mode: str


@dataclass(frozen=True)
class StopName:
    """A stop under its folded name: the station that it belongs to, and the lines that serve it."""

    stop_id: str
    station: str
    line_ids: frozenset[str]


@dataclass(frozen=True)
class Names:
    """What the network's lines and stops are called, folded; stops without the words that only name a mode."""

    lines: Mapping[str, LineName]
    stops: Mapping[str, Sequence[StopName]]


NO_NAMES = Names({}, {})


@dataclass(frozen=True)
class Understood:
    """What could be told from somebody's own words; None where nothing could."""

    category: Category | None = None
    line_id: str | None = None
    stop_id: str | None = None
    station: str | None = None
    vehicle_number: str | None = None
    carriage: str | None = None
    witness: bool = False
    can_talk: bool = False


def understand(text: str, names: Names) -> Understood:
    """What the words say; never fails, whatever the text."""
    words = folded(text).split()[:MOST_WORDS]
    line, line_at = _line(words, names)
    vehicle, vehicle_at = _vehicle(words, names)
    category, category_at = category_of(words)
    taken = line_at | vehicle_at | category_at
    stop_id, station = _stop(words, taken, line, names)
    joined = f" {' '.join(words)} "
    return Understood(
        category,
        line.line_id if line is not None else None,
        stop_id,
        station,
        **vehicle,
        witness=any(f" {one} " in joined for one in _WITNESS),
        can_talk=any(f" {one} " in joined for one in _CAN_TALK),
    )


def _line(words: Sequence[str], names: Names) -> tuple[LineName | None, set[int]]:
    """The one line that is named, and where; a bare number is one only behind a word that says so ("bus 83")."""
    found: dict[str, tuple[LineName, set[int]]] = {}
    for place, word in enumerate(words):
        before = words[place - 1] if place else ""
        line, used = None, {place}
        if _TYPED.fullmatch(word) or (len(word) >= 4 and word.isalpha()):
            line = names.lines.get(word)
        if line is None and _NUMBER.fullmatch(word):
            line, used = _numbered(words, place, before, names)
        if line is not None:
            found.setdefault(line.line_id, (line, set()))[1].update(used)
    if len(found) != 1:
        return None, set().union(*(places for _, places in found.values()))
    return next(iter(found.values()))


def _numbered(words: Sequence[str], place: int, before: str, names: Names) -> tuple[LineName | None, set[int]]:
    word, used = words[place], {place - 1, place}
    if before in _MODES:
        return _of_mode(word, _MODES[before], names), used
    if before in _CUES:
        spoken = {_MODES[one] for one in words if one in _MODES}
        by_mode = [line for mode in sorted(spoken) if (line := _of_mode(word, mode, names)) is not None]
        return (by_mode[0] if len(by_mode) == 1 else names.lines.get(word)), used
    if len(before) == 1 and f"{before}{word}" in names.lines:
        return names.lines[f"{before}{word}"], used
    if place >= 2 and (words[place - 2], before) in _INSIDE and len(word) >= 2:
        return names.lines.get(word), used
    return None, {place}


def _of_mode(number: str, mode: str, names: Names) -> LineName | None:
    """The line of this mode with this number: metro 1 is M1."""
    named = names.lines.get(number)
    if named is not None and named.mode == mode:
        return named
    found = [line for line in names.lines.values() if line.mode == mode and line.name.lstrip(_LETTERS) == number]
    return found[0] if len(found) == 1 else None


def _vehicle(words: Sequence[str], names: Names) -> tuple[dict[str, str], set[int]]:
    """(the vehicle and the carriage that are named by their numbers, and where)."""
    found: dict[str, str] = {}
    taken: set[int] = set()
    for place, (before, word) in enumerate(pairwise(words), 1):
        if _NUMBER.fullmatch(word) is None:
            continue
        if before in _CARRIAGE:
            found["carriage"] = word.upper()
        elif before in _VEHICLE or (before == "bus" and len(word) >= 3 and word not in names.lines):
            found["vehicle_number"] = word.upper()
        else:
            continue
        taken |= {place - 1, place}
    return found, taken


def _stop(words: Sequence[str], taken: set[int], line: LineName | None, names: Names) -> tuple[str | None, str | None]:
    """(a stop of the line, or else the station) that is named; nothing when two places are."""
    exact = list(_exact(words, taken, names))
    if line is not None:
        # "M1 à la Castellane" means the station of the line, not the quarter at the other end of the town.
        exact = [one for one in exact if _served(names.stops[one[2]], line)] or exact
    found = {name for start, end, name in exact if not _inside(start, end, exact)}
    if len(found) > 1:
        found = {name for start, _, name in exact if name in found and start and words[start - 1] in _AT} or found
    if not found:
        found = _fuzzy(words, taken, line, names)
    return _place(names.stops[next(iter(found))], line) if len(found) == 1 else (None, None)


def _exact(words: Sequence[str], taken: set[int], names: Names) -> Iterator[tuple[int, int, str]]:
    for start in range(len(words)):
        for end in range(start + 1, min(start + LONGEST_NAME, len(words)) + 1):
            name = " ".join(words[start:end])
            if len(name) < 3 or name not in names.stops or _is_towards(words, start):
                continue
            if not taken.issuperset(range(start, end)):
                yield start, end, name


def _is_towards(words: Sequence[str], start: int) -> bool:
    """Whether a place is where somebody is going: help that waits there waits in vain."""
    before = words[max(0, start - 2) : start]
    return bool(before) and (before[-1] in _TOWARDS or (before[0] in _TOWARDS and before[-1] in _ARTICLES))


def _inside(start: int, end: int, others: Sequence[tuple[int, int, str]]) -> bool:
    return any(a <= start and end <= b and (a, b) != (start, end) for a, b, _ in others)


def _fuzzy(words: Sequence[str], taken: set[int], line: LineName | None, names: Names) -> set[str]:
    """The names most like a few words in a row; several when no one is the most like."""
    best, found = ALIKE, set[str]()
    by_letter: dict[str, list[str]] = {}
    for name, stops in names.stops.items():
        if line is None or _served(stops, line):
            by_letter.setdefault(name[0], []).append(name)
    for start in range(min(len(words), MOST_MISSPELT)):
        for end in range(start + 1, min(start + LONGEST_MISSPELT, len(words)) + 1):
            said = " ".join(words[start:end])
            if not 5 <= len(said) <= 40 or taken & set(range(start, end)) or _is_towards(words, start):
                continue
            for name in by_letter.get(said[0], ()):
                alike = likeness(said, name) if abs(len(name) - len(said)) <= 2 else 0.0
                if alike > best:
                    best, found = alike, {name}
                elif alike == best and alike > ALIKE:
                    found.add(name)
    return found


def _served(stops: Sequence[StopName], line: LineName) -> bool:
    return any(line.line_id in stop.line_ids for stop in stops)


def _place(stops: Sequence[StopName], line: LineName | None) -> tuple[str | None, str | None]:
    on_line = [stop.stop_id for stop in stops if line is not None and line.line_id in stop.line_ids]
    if on_line:
        return min(on_line), None
    stations = {stop.station for stop in stops}
    return (None, stations.pop()) if len(stations) == 1 else (None, None)
