"""What was measured, as a table for a terminal and for docs/benchmark.md."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.machine import describe


@dataclass(frozen=True)
class Row:
    """One figure beside what it should reach; `reached` is None where no target is set."""

    database: str
    what: str
    measured: str
    target: str
    reached: bool | None
    note: str


@dataclass
class Report:
    """Everything measured in one run."""

    rows: list[Row] = field(default_factory=list)
    machine: str = field(default_factory=describe)

    def add(self, row: Row) -> None:
        """One more row."""
        self.rows.append(row)

    def say(self, line: str) -> None:
        """Tells whoever watches how far the measurement is."""
        print(line, file=sys.stderr, flush=True)

    def text(self) -> str:
        """The table for a terminal."""
        lines = [self.machine, ""]
        for row in self.rows:
            mark = {True: "reached", False: "MISSED", None: "no target"}[row.reached]
            lines += [f"{row.database}: {row.what}", f"    {row.measured}   [{row.target}: {mark}]", f"    {row.note}"]
        return "\n".join(lines)

    def markdown(self) -> str:
        """The table for a page."""
        marks = {True: "yes", False: "**no**", None: "–"}
        lines = [
            f"Machine: {self.machine}. Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.",
            "",
            "| database | what | measured | reach | reached | shares of the processor |",
            "|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {row.database} | {row.what} | {row.measured} | {row.target} | {marks[row.reached]} | {row.note} |"
            for row in self.rows
        ]
        return "\n".join(lines)


def write(path: Path, found: Report, what: str) -> None:
    """Puts the table into the page, between its two marks; the words around it stay."""
    begin, end = f"<!-- {what} -->", f"<!-- end of {what} -->"
    page = path.read_text() if path.exists() else f"# Benchmark\n\n{begin}\n{end}\n"
    if begin not in page:
        page += f"\n{begin}\n{end}\n"
    head, _, rest = page.partition(begin)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{head}{begin}\n{found.markdown()}\n{end}{rest.partition(end)[2]}")
