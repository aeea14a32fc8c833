"""Machines that go wrong: clocks, disks, limits, names that nobody resolves."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from pathlib import Path

import psycopg

from bench.installation import ROOT
from faults.experiments.postgresql import count, slowest
from faults.installation import ANSWER_S
from faults.registry import experiment
from faults.scene import Scene

HOUR_S = 3600


@experiment(
    "F25", title="clocks of two hosts an hour wrong, one jumps during a countdown", invariants="I1 I7",
    fault="one worker's clock +1 h, one web process's −1 h; the worker's jumps back two hours while an offer runs",
    bar="only the database's time decides: the next team is asked when it is due",
)  # fmt: skip
def wrong_clocks(scene: Scene) -> None:
    worker, web = scene.here.folder / "drift-worker", scene.here.folder / "drift-web"
    worker.write_text(f"{HOUR_S}")
    web.write_text(f"-{HOUR_S}")
    skewed = {"PYTHONPATH": f"{ROOT / 'faults' / 'skewed'}:{ROOT}"}
    scene.here.terminate("worker2")  # the one with the wrong clock is alone
    scene.restart("worker1", **skewed, FAULTS_DRIFT=str(worker))
    scene.restart("web1", **skewed, FAULTS_DRIFT=str(web))
    scene.struck()
    agent = scene.crowd.agents[0]
    agent.manner = "silent"
    alert_id = scene.alert_at(agent, port=scene.here.ports["web1"])
    scene.wait(lambda: bool(scene.crowd.raised[alert_id].heard), "the first team hears it")
    scene.live_for(1)
    worker.write_text(f"-{HOUR_S}")
    taken = scene.wait(lambda: bool(scene.crowd.raised[alert_id].taken), "the next team takes it")
    waited = scene.crowd.raised[alert_id].taken - scene.crowd.raised[alert_id].at
    scene.figure("next team after s", waited)
    scene.must(waited >= ANSWER_S - 0.5, f"the first team had only {waited:.1f} s to answer")
    scene.must(taken < HOUR_S, "it waited for the clock")
    scene.load()
    scene.live_for(2)


@experiment(
    "F29", title="disk full", invariants="I1 I6 I11", priority=2,
    fault="the database's write-ahead log on a file system of 40 MB, filled up by somebody else",
    bar="503 with numbers to call while nothing can be written; going again by itself",
)  # fmt: skip
def disk_full(scene: Scene) -> None:
    small = scene.here.folder / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=120m", "tmpfs", small], capture_output=True)
    if mounted.returncode != 0:
        scene.skip("only root may mount a small file system")
        return
    wal = scene.here.folder / "data" / "pg_wal"
    scene.here.server.pg_ctl("stop", "-m", "fast")
    shutil.copytree(wal, small / "pg_wal", symlinks=True)
    subprocess.run(["chown", "-R", "--reference", str(wal), str(small)], check=True)
    wal.rename(wal.with_name("pg_wal.kept"))
    wal.symlink_to(small / "pg_wal")
    scene.afterwards(lambda: _back_from(scene, small))
    scene.here.server.pg_ctl("start")
    scene.load()
    scene.live_for(3)
    ballast = small / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb") as file:
        while True:
            file.write(b"x" * 1_000_000)
            file.flush()
    scene.struck()
    with contextlib.suppress(psycopg.Error), scene.sql() as connection:
        for _ in range(40):  # the segments that are there already are used up first
            connection.execute("CREATE TABLE ballast AS SELECT repeat('x', 900) FROM generate_series(1, 10000)")
            connection.execute("DROP TABLE ballast")
    scene.live_for(4)
    scene.figure("told to come back", count(scene, 503))
    scene.must(count(scene, 503), "the disk was not full")
    ballast.unlink()
    scene.here.start_server()
    scene.live_for(4)
    scene.figure("slowest answer s", slowest(scene))


def _back_from(scene: Scene, small: Path) -> None:
    wal = scene.here.folder / "data" / "pg_wal"
    with contextlib.suppress(subprocess.CalledProcessError):
        scene.here.server.pg_ctl("stop", "-m", "fast")
    wal.unlink()
    shutil.rmtree(wal.with_name("pg_wal.kept"))
    shutil.copytree(small / "pg_wal", wal, symlinks=True)
    subprocess.run(["chown", "-R", "--reference", str(small / "pg_wal"), str(wal)], check=True)
    scene.here.start_server()
    subprocess.run(["umount", str(small)], check=True)


@experiment(
    "F30", title="too few open files", invariants="I10 I11", priority=2,
    fault="a web process that may open 64 files, 200 connections that say nothing held against it",
    bar="intake goes on by the others; it lives, and serves again when the files are free",
)  # fmt: skip
def few_files(scene: Scene) -> None:
    import socket

    scene.mistakes_meant = True  # gunicorn itself says with a traceback that it may open no more
    pid = scene.here.processes["web1"].pid
    for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        subprocess.run(["prlimit", "--pid", each, "--nofile=64:64"], check=True)
    scene.load()
    with contextlib.ExitStack() as held:
        for _ in range(200):
            with contextlib.suppress(OSError):
                address = ("127.0.0.1", scene.here.ports["web1"])
                held.enter_context(contextlib.closing(socket.create_connection(address, timeout=2)))
        scene.struck()
        scene.live_for(6)
    scene.live_for(3)
    scene.must(scene.here.alive("web1"), "the process died")
    answered = scene.ask("GET", "/livez", "nobody").status_code
    scene.must(answered == 200, f"it does not serve again: {answered}")
    scene.figure("slowest answer s", slowest(scene))
    scene.afterwards(lambda: scene.restart("web1"))


@experiment(
    "F36", title="the provider's name resolves no more", invariants="I3 I11", priority=2,
    fault="workers with a push address whose host does not exist",
    bar="degraded, not down; the control room is told",
)  # fmt: skip
def no_name(scene: Scene) -> None:
    for name in ("worker1", "worker2"):
        scene.restart(name, VIGIE_FCM_URL="https://push.invalid/v1/projects")
    scene.load()
    scene.struck()
    began = time.monotonic()
    scene.wait(
        lambda: any(one["code"] == "channel_failing" for one in scene.crowd.control[0].status.get("findings", ())),
        "the control room is told", 40,
    )  # fmt: skip
    scene.figure("control room told after s", time.monotonic() - began)
    ready = scene.ask("GET", "/readyz", "nobody")
    scene.must(ready.status_code == 200 and ready.json()["status"] == "degraded", f"readyz says {ready.text[:200]}")
