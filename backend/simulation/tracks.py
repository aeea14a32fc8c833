"""Recorded journeys (GPX, JSON, NMEA) replayed somewhere else, with all their gaps, jumps and bad accuracy.

Pure but for reading the files. A file that cannot be read as a journey is left out, and said.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

from backend.simulation.ways import Place, metres_between, moved

LONGEST_GAP_S = 120.0
METRES_PER_HDOP = 5.0
_POINT = re.compile(r"POINT\s*\(\s*(-?[\d.]+)\s+(-?[\d.]+)\s*\)")


class Fix(NamedTuple):
    """One fix of a track: seconds since its beginning, where, and how well it was known."""

    at_s: float
    place: Place
    accuracy_m: float | None


class _Raw(NamedTuple):
    time: datetime | None
    place: Place
    accuracy_m: float | None


def load_tracks(folder: Path, say: Callable[[str], None]) -> list[list[Fix]]:
    """Every journey in the folder, by file name; `say` hears of the files that hold none."""
    readers = {".gpx": _gpx, ".json": _barefoot, ".log": _nmea, ".nmea": _nmea}
    tracks = []
    for path in sorted(folder.iterdir()):
        reader = readers.get(path.suffix.lower())
        if reader is None:
            continue
        try:
            fixes = _timed(list(reader(path.read_bytes())))
        except (ValueError, KeyError, TypeError, AttributeError, ET.ParseError) as error:
            say(f"{path.name}: not a journey ({type(error).__name__})")
            continue
        if len(fixes) < 2:
            say(f"{path.name}: no journey in it")
            continue
        tracks.append(fixes)
    return tracks


def moved_to(track: list[Fix], middle: Place) -> list[Fix]:
    """The same journey, shifted as it is so that its middle lies there."""
    latitudes, longitudes = [f.place.latitude for f in track], [f.place.longitude for f in track]
    old = Place((min(latitudes) + max(latitudes)) / 2, (min(longitudes) + max(longitudes)) / 2)
    shifted = []
    for fix in track:
        scale = math.cos(math.radians(old.latitude)) * 111_195
        east, north = (fix.place.longitude - old.longitude) * scale, (fix.place.latitude - old.latitude) * 111_195
        shifted.append(fix._replace(place=moved(middle, east, north)))
    return shifted


class Replay:
    """A journey driven there and back for ever; nothing is heard in its gaps."""

    def __init__(self, track: list[Fix]) -> None:
        self._track = track
        self._length = track[-1].at_s
        self._clock_s = 0.0

    def advance(self, seconds: float) -> list[Fix]:
        """The fixes that were recorded in the next so many seconds."""
        start, self._clock_s = self._clock_s, self._clock_s + seconds
        if self._length <= 0:
            return [self._track[0]]
        heard = [(self._when(fix, start), fix) for fix in self._track]
        return [fix for when, fix in sorted(heard, key=lambda pair: pair[0]) if start < when <= self._clock_s]

    def _when(self, fix: Fix, start: float) -> float:
        lap = 2 * self._length
        laps = math.floor(start / lap)
        moments = [n * lap + at for n in (laps, laps + 1) for at in (fix.at_s, lap - fix.at_s)]
        return min((moment for moment in moments if moment > start), default=math.inf)

    @property
    def place(self) -> Place:
        """Where the last fix that is over was."""
        into = self._clock_s % (2 * self._length) if self._length > 0 else 0.0
        into = into if into <= self._length else 2 * self._length - into
        before = [fix for fix in self._track if fix.at_s <= into]
        return before[-1].place if before else self._track[0].place


def _timed(raw: list[_Raw]) -> list[Fix]:
    fixes: list[Fix] = []
    clock = 0.0
    for number, point in enumerate(raw):
        if number:
            before = raw[number - 1]
            if point.time is not None and before.time is not None:
                step = (point.time - before.time).total_seconds()
            else:
                step = metres_between(before.place, point.place) / 8
            clock += min(max(step, 0.0), LONGEST_GAP_S)
        fixes.append(Fix(clock, point.place, point.accuracy_m))
    return fixes


def _gpx(content: bytes) -> Iterator[_Raw]:
    root = ET.fromstring(content.decode("utf-8-sig").strip())  # noqa: S314 - files of one's own disk
    for element in root.iter():
        if element.tag.rpartition("}")[2] in ("trkpt", "rtept"):
            inside = {child.tag.rpartition("}")[2]: (child.text or "").strip() for child in element}
            hdop = inside.get("hdop")
            yield _Raw(
                datetime.fromisoformat(inside["time"]) if inside.get("time") else None,
                Place(float(element.attrib["lat"]), float(element.attrib["lon"])),
                float(hdop) * METRES_PER_HDOP if hdop else None,
            )


def _barefoot(content: bytes) -> Iterator[_Raw]:
    for entry in json.loads(content):
        found = _POINT.match(entry["point"])
        if found:
            yield _Raw(
                datetime.fromisoformat(entry["time"]), Place(float(found[2]), float(found[1])), None,
            )


def _nmea(content: bytes) -> Iterator[_Raw]:
    for line in content.decode("ascii", errors="replace").splitlines():
        sentence, _, check = line.strip().lstrip("$").partition("*")
        cells = sentence.split(",")
        if cells[0][2:] != "GGA" or not _sums_up(sentence, check) or cells[6:7] in ([""], ["0"]):
            continue
        clock = timedelta(hours=int(cells[1][:2]), minutes=int(cells[1][2:4]), seconds=float(cells[1][4:]))
        place = Place(_degrees(cells[2], cells[3]), _degrees(cells[4], cells[5]))
        hdop = float(cells[8]) * METRES_PER_HDOP if cells[8] else None
        yield _Raw(datetime(2000, 1, 1) + clock, place, hdop)  # noqa: DTZ001 - a time of day, compared with itself


def _sums_up(sentence: str, check: str) -> bool:
    total = 0
    for char in sentence:
        total ^= ord(char)
    return f"{total:02X}" == check[:2].upper()


def _degrees(cell: str, side: str) -> float:
    point = cell.index(".")
    degrees = float(cell[:point - 2]) + float(cell[point - 2:]) / 60
    return -degrees if side in "SW" else degrees
