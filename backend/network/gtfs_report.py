"""What an import has to say: rows read, what was mended or left out and why, and the refusal that ends it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MOST_REMARKS = 200  # of one import: a feed that is wrong in every line says so once, not a million times


class FeedRefused(Exception):
    """A feed that cannot be imported: which file, which line (0: the whole file), which field, and why."""

    def __init__(self, file: str, line: int, field: str, reason: str) -> None:
        self.file, self.line, self.field, self.reason = file, line, field, reason
        super().__init__(printable(f"{place_of(file, line, field)}: {reason}"))


def printable(text: str) -> str:
    """The text on one line, without the control characters by which a feed could command a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def place_of(file: str, line: int, field: str) -> str:
    """`stops.txt line 5, stop_lat`, as far as it is known."""
    place = f"{file} line {line}" if line else file
    return f"{place}, {field}" if field else place


@dataclass
class Remark:
    """Something that an operator should know of an accepted feed; `line` is the first of `count` places."""

    kind: str  # warning: the feed is wrong there; note: Vigie filled in what GTFS leaves open
    file: str
    line: int
    field: str
    reason: str
    count: int = 1
    example: str = ""

    def __str__(self) -> str:
        return printable(f"{place_of(self.file, self.line, self.field)}: {self.reason}")


@dataclass
class Report:
    """Everything that an import has to say besides its numbers."""

    rows: dict[str, int] = field(default_factory=dict)
    not_read: list[str] = field(default_factory=list)
    remarks: dict[tuple[str, str, str], Remark] = field(default_factory=dict)
    ids: dict[str, Any] = field(default_factory=dict)

    def warn(self, file: str, line: int, field: str, reason: str, count: int = 1, example: str = "") -> None:
        """Something is wrong in the feed, and was mended or left out; `example` is an id, where no line is known."""
        self._add(Remark("warning", file, line, field, reason, count, example))

    def note(self, file: str, reason: str, count: int = 1) -> None:
        """The feed leaves something open, and Vigie filled it in."""
        self._add(Remark("note", file, 0, "", reason, count))

    def _add(self, remark: Remark) -> None:
        key = (remark.file, remark.field, remark.reason)
        known = self.remarks.get(key)
        if known is not None:
            known.count += remark.count
        elif len(self.remarks) < MOST_REMARKS:
            self.remarks[key] = remark

    @property
    def warnings(self) -> list[Remark]:
        """What is wrong in the feed."""
        return [remark for remark in self.remarks.values() if remark.kind == "warning"]

    def as_json(self) -> dict[str, Any]:
        """The report as it is kept with the version."""
        ordered = sorted(self.remarks.values(), key=lambda r: (r.kind != "warning", r.file, r.line))
        return {
            "rows": self.rows, "not_read": self.not_read, "ids": self.ids,
            "remarks": [vars(remark) for remark in ordered],
        }
