"""`make bench`: what Vigie does on this machine. `python -m bench --help` lists what can be chosen."""

from __future__ import annotations

import argparse
import gc
import sys
from pathlib import Path

from bench import drills, nearest, night_stops, report, way
from bench.installation import TOWN, come_first


def main() -> None:
    """Measures what was asked for, prints it, and writes it where `--write` says."""
    asked = _arguments()
    come_first()
    gc.freeze()
    gc.set_threshold(50_000, 20, 1_000)  # the client's own pauses must not be taken for the server's
    found = report.Report()
    kinds = ("postgresql", "embedded") if asked.database == "both" else (asked.database,)
    try:
        if asked.what == "kill":
            drills.measure(found, rate=_numbers(asked.rate)[0], quick=asked.quick)
        else:
            for kind in kinds:
                if asked.what == "night-stops":
                    night_stops.measure(
                        found,
                        embedded=kind == "embedded",
                        feed=asked.feed,
                        vehicles=asked.vehicles,
                        seconds=asked.seconds,
                        repeats=asked.repeats,
                    )
                else:
                    _measure(found, asked, embedded=kind == "embedded")
    except KeyboardInterrupt:
        sys.exit(130)
    print(found.text())
    if asked.write:
        report.write(asked.write, found, asked.what)


def _measure(found: report.Report, asked: argparse.Namespace, *, embedded: bool) -> None:
    chosen = asked.rows.split(",")
    if "way" in chosen:
        way.measure_latency(
            found,
            embedded=embedded,
            sockets=asked.sockets,
            rates=_numbers(asked.rate)[: 1 if embedded else None],  # one process is not asked for a network's load
            seconds=asked.seconds,
            repeats=asked.repeats,
        )
    if "sustained" in chosen:
        way.measure_sustained(
            found, embedded=embedded, sockets=asked.sockets, seconds=asked.seconds, rates=_numbers(asked.rates)
        )
    if "nearest" in chosen:
        nearest.measure(found, embedded=embedded, teams=asked.teams, seconds=asked.seconds, repeats=asked.repeats)


def _numbers(listed: str) -> list[float]:
    return [float(one) for one in listed.split(",")]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "what",
        nargs="?",
        choices=("table", "kill", "night-stops"),
        default="table",
        help="the table of speeds, what is lost when processes are killed, or decisions on night stops",
    )
    parser.add_argument("--rows", default="way,sustained,nearest", help="which rows of the table")
    parser.add_argument("--database", choices=("postgresql", "embedded", "both"), default="both")
    parser.add_argument("--sockets", type=int, default=1000, help="teams on duty, each with an open socket")
    parser.add_argument("--teams", type=int, default=10_000, help="moving teams for the nearest-team row")
    parser.add_argument("--feed", type=Path, default=TOWN, help="the network for night-stops, a GTFS file or folder")
    parser.add_argument("--vehicles", type=int, default=300, help="moving buses for night-stops")
    parser.add_argument("--rate", default="20,100", help="alerts a second for the latency row, one row for each")
    parser.add_argument(
        "--rates", default="20,40,60,80,100,150,200,300,400", help="steps of the search for the highest rate"
    )
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a few seconds in all: does it run at all?")
    parser.add_argument("--write", type=Path, help="the Markdown file that keeps the results")
    asked = parser.parse_args()
    if asked.quick:
        asked.sockets, asked.teams, asked.rate, asked.rates = 20, 200, "10", "10"
        asked.seconds, asked.repeats = 2, 1
    return asked


main()
