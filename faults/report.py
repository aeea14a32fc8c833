"""docs/faults.md: what was broken, what was lost, and how long it took, the worst of all runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.machine import describe
from faults.registry import Experiment, all_experiments
from faults.scene import Found

BEGIN, END = "<!-- the table -->", "<!-- end of the table -->"


def write(path: Path, found: Mapping[str, Sequence[Found]]) -> None:
    """Puts the table of what was found between its two marks; the words around it stay as they are."""
    page = path.read_text(encoding="utf-8") if path.exists() else f"# Fault experiments\n\n{BEGIN}\n{END}\n"
    head, _, rest = page.partition(BEGIN)
    path.write_text(f"{head}{BEGIN}\n{table(found)}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def table(found: Mapping[str, Sequence[Found]]) -> str:
    """The table in Markdown."""
    runs = max((len(many) for many in found.values()), default=0)
    lines = [
        f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, the worst of {runs} runs. Machine: {describe()}.",
        "",
        "| id | fault | alerts | lost | doubled | going again | longest way | what else was seen | bar |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_row(one, found[one.id]) for one in all_experiments() if found.get(one.id)]
    return "\n".join(lines)


def _row(one: Experiment, many: Sequence[Found]) -> str:
    recovery = [each.recovery_s for each in many if each.recovery_s is not None]
    ways = [each.figures["longest way s"] for each in many if "longest way s" in each.figures]
    broken = sum(1 for each in many if each.faults)
    doubled = max(each.doubled for each in many)
    cells = [
        one.id,
        f"**{one.title}**: {one.fault}",
        str(sum(each.raised for each in many)),
        str(sum(each.lost for each in many)),
        str(doubled),
        f"{max(recovery):.1f} s" if recovery else "–",
        f"{max(ways):.1f} s" if ways else "–",
        (f"**invariants broken in {broken} of {len(many)} runs**; " if broken else "") + _figures(many),
        one.bar,
    ]
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _figures(many: Sequence[Found]) -> str:
    worst: dict[str, object] = {}
    for each in many:
        for name, value in each.figures.items():
            before = worst.get(name)
            if isinstance(value, int | float) and isinstance(before, int | float):
                worst[name] = max(before, value)
            else:
                worst.setdefault(name, value)
    return "; ".join(f"{name} {value}" for name, value in worst.items() if name != "longest way s")
