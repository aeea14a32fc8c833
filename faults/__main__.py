"""`make faults`: breaks an installation in every way that the experiments know; `--help` says how to choose."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from faults import report
from faults.registry import all_experiments, chosen
from faults.running import Results, run_all
from faults.soak import soak


def main(arguments: list[str] | None = None) -> int:
    """Runs what was asked for; 1 when an invariant was broken."""
    asked = _arguments(arguments)
    if asked.what == "list":
        for one in all_experiments():
            print(f"{one.id}  P{one.priority}  {one.title}\n    {one.fault}; {' '.join(one.invariants)}; {one.bar}")
        return 0
    if asked.what == "soak":
        return int(not soak(asked.minutes, asked.seed, lambda line: print(line, flush=True)))
    try:
        wanted = chosen(asked.names or ["p1"])
    except KeyError as missing:
        print(f"there is no experiment {missing}: `list` says which there are", file=sys.stderr)
        return 2

    def write(found: Results) -> None:
        if asked.write is not None:
            report.write(asked.write, found)

    found = run_all(wanted, asked.runs, lambda line: print(line, flush=True), write)
    return int(any(one.faults for many in found.values() for one in many))


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("what", choices=("list", "run", "soak"), help="what there is; do it; break at random")
    parser.add_argument("names", nargs="*", help="F12 …, or p1 (the default), p2, all")
    parser.add_argument("--runs", type=int, default=1, help="how often each; the report keeps the worst")
    parser.add_argument("--minutes", type=float, default=10, help="how long to soak")
    parser.add_argument("--seed", type=int, help="repeats a soak")
    parser.add_argument("--write", type=Path, help="the Markdown page that keeps the table")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
