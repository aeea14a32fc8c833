"""A trip's times: read from GTFS text, blanks filled in, packed into bytes and back. Pure."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

LONGEST_S = 240 * 3600  # a trip of ten days; the longest seen in real feeds is 33 hours
BLANK = -1
DAY_S = 24 * 3600


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


class Mended(NamedTuple):
    """Times that never fall, and how many stops' times were moved by a day or given up for it."""

    arrivals: list[int]
    departures: list[int]
    next_day: int
    given_up: int


def mended(arrivals: Sequence[int], departures: Sequence[int]) -> Mended:
    """The times with as few of them given up as it takes for the rest never to fall.

    A fall of more than twelve hours is midnight written as 0 instead of 24. A given-up time becomes BLANK, or at
    the first and the last stop the time of the nearest stop that has one.
    """
    in_days, next_day = _past_midnight(arrivals, departures)
    known = [place for place, (arrives, leaves) in enumerate(in_days) if not arrives == leaves == BLANK]
    spans = [(max(pair),) * 2 if BLANK in pair else pair for pair in (in_days[place] for place in known)]
    kept = {known[number] for number in _longest_rise(spans)}
    new = [pair if place in kept else (BLANK, BLANK) for place, pair in enumerate(in_days)]
    for end, inside in ((0, min(kept, default=0)), (len(new) - 1, max(kept, default=0))):
        if end in known and end not in kept:
            time = min(spans[known.index(inside)]) if end == 0 else max(spans[known.index(inside)])
            new[end] = (time, time)
    return Mended([pair[0] for pair in new], [pair[1] for pair in new], next_day, len(known) - len(kept))


def _past_midnight(arrivals: Sequence[int], departures: Sequence[int]) -> tuple[list[tuple[int, int]], int]:
    days, last, moved = 0, BLANK, 0
    pairs: list[tuple[int, int]] = []
    for pair in zip(arrivals, departures, strict=True):
        new = []
        for time in pair:
            if time != BLANK:
                if last - (time + days) > DAY_S // 2:
                    days += DAY_S
                last = time = time + days  # noqa: PLW2901 - the same instant on its own day
            new.append(time)
        moved += days > 0 and any(time != BLANK for time in pair)
        pairs.append((new[0], new[1]))
    return pairs, moved


def _longest_rise(spans: Sequence[tuple[int, int]]) -> list[int]:
    """The numbers of the most spans (arrival, departure) that follow each other in time.

    Of several such the one that keeps the last stop, else the earliest: a time between two others is easily replaced.
    """
    length, before = [0] * len(spans), [-1] * len(spans)
    for number, (arrives, leaves) in enumerate(spans):
        if leaves < arrives:
            continue
        length[number] = 1
        for other in range(number):
            if length[other] and spans[other][1] <= arrives and length[other] + 1 > length[number]:
                length[number], before[number] = length[other] + 1, other
    most = max(length, default=0)
    if most == 0:
        return []
    chain = [len(length) - 1 if most > 1 and length[-1] == most else length.index(most)]
    while before[chain[-1]] >= 0:
        chain.append(before[chain[-1]])
    return chain[::-1]


def pack(times: Sequence[int]) -> bytes:
    """Little-endian uint32, as `trips.times` keeps them."""
    return struct.pack(f"<{len(times)}I", *times)


def unpack(packed: bytes) -> array[int]:
    """Arrival, departure, arrival, … in seconds of the service day."""
    times = array("I", packed)
    if struct.pack("=I", 1) != b"\1\0\0\0":
        times.byteswap()
    return times
