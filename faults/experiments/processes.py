"""Processes that die, stand still or are stopped at the worst moment."""

from __future__ import annotations

from faults.registry import experiment
from faults.scene import Scene


@experiment(
    "F01", title="web killed between commit and answer", fault="failpoint alert.after_commit=kill9 in one web process",
    invariants="I1 I2 I3", bar="a team has it ≤ 3 s; the retry says the same id",
)  # fmt: skip
def killed_after_commit(scene: Scene) -> None:
    scene.load()
    scene.live_for(1)
    scene.here.arm("web1", "alert.after_commit", "kill9*1")
    scene.wait(lambda: scene.here.struck("web1") == 1, "the failpoint strikes")
    scene.struck()
    scene.live_for(5)
    scene.must(scene.here.alive("web1"), "gunicorn itself died with its worker")
