"""Every fault experiment, by its number: `@experiment(…)` above a function of one `Scene` registers it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from faults import experiments

if TYPE_CHECKING:
    from faults.scene import Scene

Run = Callable[["Scene"], None]


@dataclass(frozen=True)
class Experiment:
    """One fault: how it is made, what must hold afterwards, and within what time things should go again."""

    id: str
    title: str
    fault: str
    invariants: tuple[str, ...]
    bar: str
    priority: int
    """1: with every change; 2: on demand."""
    alone: bool
    """It needs an installation of its own, because of how it leaves it behind."""
    run: Run


_known: dict[str, Experiment] = {}


def experiment(
    number: str, *, title: str, fault: str, invariants: str, bar: str, priority: int = 1, alone: bool = False
) -> Callable[[Run], Run]:
    """Registers the function below it; `invariants` are named as "I1 I3"."""

    def register(run: Run) -> Run:
        if number in _known:
            raise ValueError(f"there are two experiments {number}")
        _known[number] = Experiment(
            number, title, fault, tuple(invariants.split()), bar, priority, alone, run
        )
        return run

    return register


def all_experiments() -> list[Experiment]:
    """Every experiment in the files of faults/experiments, in the order of their numbers."""
    for module in pkgutil.iter_modules(experiments.__path__):
        importlib.import_module(f"{experiments.__name__}.{module.name}")
    return [_known[number] for number in sorted(_known)]


def chosen(wanted: list[str]) -> list[Experiment]:
    """The named experiments; `all` and `p1` name many. A number that does not exist raises KeyError."""
    known = {one.id: one for one in all_experiments()}
    found: dict[str, Experiment] = {}
    for name in wanted:
        if name.lower() == "all":
            found |= known
        elif name.lower() in ("p1", "p2"):
            found |= {number: one for number, one in known.items() if one.priority == int(name[1])}
        else:
            found[name.upper()] = known[name.upper()]
    return list(found.values())
