"""A trip's times: read from GTFS text, blanks filled in, packed into bytes and back. Pure."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from itertools import pairwise

LONGEST_S = 240 * 3600  # a trip of ten days; the longest seen in real feeds is 33 hours
BLANK = -1


class TimeRefused(ValueError):
    """A text that is no GTFS time; the message says why."""


def seconds_of(text: str) -> int:
    """The seconds of the service day that `H:MM:SS` names, past 24:00 too; BLANK when it is empty."""
    text = text.strip()
    if not text:
        return BLANK
    parts = text.split(":")
    if len(parts) != 3 or not all(part.isascii() and part.isdecimal() and len(part) <= 3 for part in parts):
        raise TimeRefused(f"{text!r} is not a time such as 25:10:00")
    hours, minutes, seconds = (int(part) for part in parts)
    if minutes > 59 or seconds > 59:
        raise TimeRefused(f"{text!r} is not a time: minutes and seconds end at 59")
    total = hours * 3600 + minutes * 60 + seconds
    if total >= LONGEST_S:
        raise TimeRefused(f"{text!r} is more than {LONGEST_S // 3600} hours after the day's beginning")
    return total


def interpolated(arrivals: Sequence[int], departures: Sequence[int], measures: Sequence[float]) -> list[int]:
    """Arrival, departure, arrival, … of every stop, blank ones filled in by the distance between the known ones.

    The first and the last stop must be known. Where the distance says nothing (all measures equal), by the number
    of stops. A stop with one of the two times blank has both alike.
    """
    known = [index for index, pair in enumerate(zip(arrivals, departures, strict=True)) if pair != (BLANK, BLANK)]
    if not known or known[0] != 0 or known[-1] != len(arrivals) - 1:
        raise TimeRefused("the first or the last stop has no time")
    times: list[int] = []
    for index in known:
        arrival, departure = arrivals[index], departures[index]
        times += (departure if arrival == BLANK else arrival, arrival if departure == BLANK else departure)
    filled = times[:2]
    for number, (before, after) in enumerate(pairwise(known), 1):
        left, arrives = filled[-1], times[2 * number]
        whole = measures[after] - measures[before]
        for between in range(before + 1, after):
            share = (measures[between] - measures[before]) / whole if whole > 0 else (
                (between - before) / (after - before)
            )
            there = left + round((arrives - left) * min(1.0, max(0.0, share)))
            filled += (there, there)
        filled += times[2 * number:2 * number + 2]
    return filled


def first_disorder(times: Sequence[int]) -> int | None:
    """The number of the first stop (from 0) that is reached before the one before it is left; None when in order."""
    for index, (before, after) in enumerate(pairwise(times)):
        if after < before:
            return (index + 1) // 2
    return None


def pack(times: Sequence[int]) -> bytes:
    """Little-endian uint32, as `trips.times` keeps them."""
    return struct.pack(f"<{len(times)}I", *times)


def unpack(packed: bytes) -> array[int]:
    """Arrival, departure, arrival, … in seconds of the service day."""
    times = array("I", packed)
    if struct.pack("=I", 1) != b"\1\0\0\0":
        times.byteswap()
    return times
