"""Runs experiments one after another and says what each has found."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

from faults.registry import Experiment
from faults.scene import Found, Scene, staged

Say = Callable[[str], None]
Results = dict[str, list[Found]]


def run_one(scene: Scene, one: Experiment) -> Found:
    """What one experiment finds; whatever it breaks is mended before this returns."""
    found, began = Found(), time.monotonic()
    try:
        scene.begin()
        broken = None
        try:
            one.run(scene)
        except Exception as error:  # noqa: BLE001 - what the experiment has broken must be mended and judged all the same
            broken = f"it did not come to its end: {type(error).__name__}: {error}"
        scene.come_to_rest()
        scene.judge(found)
        if broken:
            found.faults.insert(0, broken)
        found.took_s = time.monotonic() - began
    finally:
        scene.clear()
    return found


class Stage:
    """Gives experiments the shared scene, or one of their own when they ask for it."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._shared: Scene | None = None

    def run(self, one: Experiment) -> Found:
        """What an experiment finds."""
        try:
            if one.alone:
                self.close()  # two installations at a time would measure each other
                with staged() as scene:
                    return run_one(scene, one)
            if self._shared is None:
                self._shared = self._stack.enter_context(staged())
            return run_one(self._shared, one)
        except Exception as error:  # noqa: BLE001 - it could not be mended: the next one gets a fresh installation
            self.close()
            return Found(faults=[f"the installation could not be mended: {type(error).__name__}: {error}"[:500]])

    def close(self) -> None:
        """Ends the shared scene."""
        self._shared = None
        self._stack.close()


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    """A stage for as long as the block lasts."""
    made = Stage()
    try:
        yield made
    finally:
        made.close()


def run_all(
    chosen: Sequence[Experiment], runs: int, say: Say, after_each: Callable[[Results], None] = lambda _: None
) -> Results:
    """Each experiment so many times, all of them in turn."""
    found: Results = {one.id: [] for one in chosen}
    with stage() as on:
        for number in range(runs):
            for one in sorted(chosen, key=lambda each: each.alone):
                result = on.run(one)
                found[one.id].append(result)
                say(line(one, result, number + 1, runs))
                after_each(found)
    return found


def line(one: Experiment, result: Found, number: int = 1, runs: int = 1) -> str:
    """What one run found, for whoever watches."""
    again = "–" if result.recovery_s is None else f"{result.recovery_s:.1f} s"
    mark = "✗" if result.faults else "✓"
    which = f" {number}/{runs}" if runs > 1 else ""
    text = (
        f"{mark} {one.id}{which} {one.title}: {result.raised} alerts, lost {result.lost}, doubled {result.doubled}, "
        f"going again after {again}; {result.figures}; {result.took_s:.0f} s"
    )
    return "\n".join([text, *(f"    {fault}" for fault in result.faults[:8])])
