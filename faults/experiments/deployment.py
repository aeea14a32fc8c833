"""What those who run it do: a new release one process at a time, a migration under load, a backup put back."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import statistics
import subprocess
import sys
import tarfile
import time
from functools import partial
from io import BytesIO
from pathlib import Path
from types import ModuleType

import psycopg

from backend import schema
from backend.backups import archive
from bench.installation import ROOT
from faults.crowd import PATIENCE_S
from faults.experiments.postgresql import count, slowest
from faults.registry import experiment
from faults.scene import Scene
from tests import nginx
from tests.postgres import free_port

PATIENT_S = 150
TWO_HOURS = "interval '2 hours'"
_AGED = {
    "alerts": ("received_at", "opened_at", "next_round_at", "attention_at", "seen_at", "acknowledged_at"),
    "assignments": ("offered_at", "answer_by", "accepted_at", "changed_at"),
    "deliveries": ("created_at", "useful_until", "due_at"),
    "log_entries": ("at",),
    "heartbeats": ("at",),
    "feed_entries": ("at",),
}


@experiment(
    "F27", title="rolling restart under load, behind nginx", invariants="I1 I2 I4",
    fault="deploy/rolling-restart: SIGTERM to each process in turn, the next when the last is ready again",
    bar="0 lost, 0 doubled; nobody is answered anything but 2xx or 503", alone=True,
)  # fmt: skip
def rolling(scene: Scene) -> None:
    ports = [[scene.here.ports[name] for name in scene.here.names if name.startswith(kind)] for kind in ("web", "live")]
    with nginx.running(free_port(), *ports) as front:
        scene.crowd.web_ports = scene.crowd.live_ports = [front.bare_port]
        scene.load(3)
        scene.live_for(2)
        scene.struck()
        script = _script("rolling-restart")
        names = {_instance(scene, name): name for name in scene.here.names}

        def restart(instance: str) -> bool:
            name = names[instance]
            scene.here.terminate(name)
            scene.here.processes[name] = scene.here._spawn(name)
            if instance.startswith("worker"):
                scene.here.wait(name, PATIENT_S)  # as systemctl does with Type=notify
            return True

        said: list[str] = []
        in_turn, probe = script.in_order(list(names)), script.ready_at("127.0.0.1")
        script.roll(in_turn, restart, probe, said.append, patience_s=PATIENT_S)
        scene.live_for(3)
        answered = [one for one in scene.crowd.history.of("raise") if one.outcome != "running"]
        scene.must(len(said) == len(names), "not every process was restarted")
        late = [one for one in answered if one.status == 0 and one.ended - one.began > PATIENCE_S * 0.9]
        odd = [one.status for one in answered if one.status not in (200, 201, 503) and one not in late]
        scene.must(not odd, f"answers that no rider should get: {odd[:5]}")
        scene.figure("processes restarted", len(said))
        scene.figure("alerts meanwhile", len({one.key for one in answered}))
        scene.figure("503", count(scene, 503))
        scene.figure("no answer in 4 s", len(late))
        took = sorted(one.ended - one.began for one in answered)
        scene.figure("answer p99 s", statistics.quantiles(took, n=100)[98])
        scene.figure("slowest answer s", took[-1])
        scene.load(0)
        scene.wait(lambda: all(one.answered for one in scene.crowd.raised.values()), "every alert is answered")
        scene.crowd.web_ports, scene.crowd.live_ports = ports


@experiment(
    "F28", title="migration under load, old and new code side by side", invariants="I1 I4 I9",
    fault="the last release of the schema before this one serves; flask db upgrade; then new processes beside old ones",
    bar="0 lost; both take alerts; no request waits > 2 s for the migration", alone=True,
)  # fmt: skip
def migrated(scene: Scene) -> None:
    here = scene.here
    commit = _last_commit_before(schema.head())
    if commit is None:
        scene.figure("not run", "the clone is shallow: the old code is not here")
        return
    old = _tree_of(commit, here.folder / "old")
    before, now = [name for name in here.names if name.endswith("1")], [n for n in here.names if n.endswith("2")]
    for name in here.names:
        here.terminate(name)
    schema.downgrade(here.database, _newest_migration(old))
    for name in before:
        here.env_of[name] = {"PYTHONPATH": str(old)}
    web, live = scene.crowd.web_ports, scene.crowd.live_ports
    scene.crowd.web_ports, scene.crowd.live_ports = web[:1], live[:1]
    here.start(*before)
    scene.load(3)
    scene.live_for(3)
    began, tries = time.monotonic(), 0
    scene.struck()
    while tries < 10:
        tries += 1
        env = {**os.environ, "DATABASE_URL": here.url, "VIGIE_ENVIRONMENT": "test", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "flask", "--app", "backend.app", "db", "upgrade"]
        if subprocess.run(command, cwd=here.folder, env=env, capture_output=True, check=False).returncode == 0:
            break
    scene.figure("upgrade took s", time.monotonic() - began)
    scene.figure("upgrade tries", tries)
    scene.must(schema.present_revision(here.database) == schema.head(), "the database could not be migrated under load")
    during = [one for one in scene.crowd.history.of("raise") if one.outcome != "running" and one.ended > began]
    scene.figure("slowest answer meanwhile s", max((one.ended - one.began for one in during), default=0.0))
    scene.figure("503 meanwhile", sum(1 for one in during if one.status == 503))
    here.start(*now)
    scene.crowd.web_ports, scene.crowd.live_ports = web, live
    scene.live_for(4)
    for name, port in (("old", web[0]), ("new", web[1])):
        one = scene.crowd.raise_one(port=port)
        scene.wait(partial(_answered, scene, one), f"{name} code answers")
        scene.must(scene.alert(one) is not None, f"{name} code took no alert beside the other")
    for name in before:
        here.env_of[name] = {}
        here.terminate(name)
        here.start(name)
    scene.live_for(2)
    scene.figure("slowest answer s", slowest(scene))
    scene.must(not schema.differences(here.database), "the migrated tables are not those of the models")


@experiment(
    "F35", title="a backup of two hours ago is put back", invariants="I8 I13", priority=2, alone=True,
    fault="the database is dropped and restored; every instant in it is two hours old; all processes start on it",
    bar="nothing is sent for what was open then; each such alert waits for a person, with a line that tells the gap",
)  # fmt: skip
def put_back(scene: Scene) -> None:
    here, crowd = scene.here, scene.crowd
    crowd.attentive = False
    for agent in crowd.agents:
        agent.manner = "silent"
    scene.load(4)
    scene.live_for(4)
    scene.load(0)
    scene.wait(lambda: all(one.answered for one in crowd.raised.values()), "every alert is answered")
    known, file = set(crowd.raised), here.folder / "then.vigie"
    began = time.monotonic()
    archive.make(here.database, file, _quiet)
    scene.figure("backup took s", time.monotonic() - began)
    here.stop()
    _empty_database(scene)
    began = time.monotonic()
    archive.put_back(here.database, file, _quiet)
    with scene.sql() as connection:
        for table, columns in _AGED.items():
            older = ", ".join(f"{name} = {name} - {TWO_HOURS}" for name in columns)
            connection.execute(f"UPDATE {table} SET {older}")
    env = {**os.environ, "DATABASE_URL": here.url, "VIGIE_ENVIRONMENT": "test", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "flask", "--app", "backend.app", "db", "restored"]
    done = subprocess.run(command, cwd=here.folder, env=env, capture_output=True, text=True, check=False)
    scene.must(done.returncode == 0, f"restored: {done.stderr[-200:]}")
    scene.figure("restore took s", time.monotonic() - began)
    with scene.sql() as connection:
        ids = {str(row[0]) for row in connection.execute("SELECT id FROM alerts")}
        held = _number(connection, "SELECT count(*) FROM alerts WHERE needs_human_reason = 'restored'")
        told = "SELECT count(*) FROM log_entries WHERE reason = 'restored' AND detail ? 'known_until'"
        lines = _number(connection, told)
    scene.must(known <= ids, f"{len(known - ids)} alerts are not in the backup")
    scene.must(held > 0, "nothing was open: the experiment shows nothing")
    scene.must(lines == held, f"{held} alerts are held, and {lines} lines say so")
    sent = len(scene.provider.log)
    for one in crowd.control:  # its feed is gone with the machine: what it heard before is in no database
        one.log.seqs, one.told, one.log.began = [], {}, None
    scene.struck()
    here.start(*here.names)
    scene.live_for(12)
    scene.figure("alerts that wait for a person", held)
    scene.figure("pushed for what was open then", len(scene.provider.log) - sent)
    scene.must(len(scene.provider.log) == sent, "phones rang for what was open two hours ago")
    with scene.sql() as connection:
        offered = _number(connection, "SELECT count(*) FROM assignments WHERE state = 'offered'")
    scene.must(offered == 0, f"{offered} teams were asked")
    for agent in crowd.agents:
        agent.manner = "prompt"
    crowd.attentive = True
    scene.load()
    scene.live_for(4)


def _number(connection: psycopg.Connection[tuple[int]], question: str) -> int:
    row = connection.execute(question).fetchone()
    return int(row[0]) if row is not None else 0


def _answered(scene: Scene, alert_id: str) -> bool:
    return bool(scene.crowd.raised[alert_id].answered)


def _quiet(_done: int, _of: int) -> None:
    return


def _empty_database(scene: Scene) -> None:
    scene.here.database.dispose()
    address = f"host=127.0.0.1 port={scene.here.server.port} user=vigie dbname="
    with psycopg.connect(f"{address}postgres", autocommit=True) as admin:
        admin.execute("DROP DATABASE bench WITH (FORCE)")
        admin.execute("CREATE DATABASE bench")
    with psycopg.connect(f"{address}bench", autocommit=True) as fresh:
        fresh.execute("CREATE EXTENSION postgis")


def _instance(scene: Scene, name: str) -> str:
    kind = name.rstrip("0123456789")
    return f"{kind}@{scene.here.ports.get(name, name.removeprefix(kind))}"


def _script(name: str) -> ModuleType:
    """A script of deploy/, which has no .py in its name."""
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(ROOT / "deploy" / name))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    if spec is None:
        raise ImportError(name)
    made = importlib.util.module_from_spec(spec)
    previous, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(made)
    finally:
        sys.dont_write_bytecode = previous
    return made


def _last_commit_before(revision: str) -> str | None:
    """The newest commit whose code does not know a migration yet; None where history does not reach so far."""
    asked = ["log", "--diff-filter=A", "--format=%H", "--", f"migrations/versions/{revision}_*"]
    added = _git(*asked).decode().split()
    if not added:
        return None
    try:
        return _git("rev-parse", "--verify", f"{added[-1]}^").decode().strip()
    except subprocess.CalledProcessError:
        return None


def _tree_of(commit: str, folder: Path) -> Path:
    with tarfile.open(fileobj=BytesIO(_git("archive", "--format=tar", commit))) as packed:
        packed.extractall(folder, filter="data")
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    return folder


def _newest_migration(tree: Path) -> str:
    return max(one.name.partition("_")[0] for one in (tree / "migrations" / "versions").glob("[0-9]*.py"))


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=True).stdout
