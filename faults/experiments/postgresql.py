"""PostgreSQL that restarts, crashes, is slow, is full of connections, or commits late."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from backend.database import Database
from backend.settings import Settings, SettingsRefused
from bench.installation import family
from faults.history import Operation
from faults.people import new_alert_id
from faults.registry import experiment
from faults.scene import Scene


def slowest(scene: Scene, what: str = "raise") -> float:
    """The longest that any answered request of this kind took."""
    ended = [one for one in scene.crowd.history.of(what) if one.outcome != "running"]
    return max((one.ended - one.began for one in ended), default=0.0)


def count(scene: Scene, *statuses: int) -> int:
    """How many tries to raise an alert were answered so."""
    return sum(1 for one in scene.crowd.history.of("raise") if one.status in statuses)


def tries_of(scene: Scene, alert_id: str) -> list[Operation]:
    """Every try to raise one alert."""
    return [one for one in scene.crowd.history.of("raise") if one.key == alert_id]


@experiment(
    "F04", title="commit of which nobody knows whether it happened",
    fault="a trigger sleeps in COMMIT: the session is ended there, then the connection is cut there",
    invariants="I1 I6", bar="the phone is told the truth or 503; the retry settles it",
)  # fmt: skip
def ambiguous_commit(scene: Scene) -> None:
    with scene.sql() as connection:
        connection.execute(
            "CREATE FUNCTION slow_commit() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN IF NEW.description LIKE '%slow commit%' THEN PERFORM pg_sleep(1.2); END IF; RETURN NULL; END $$"
        )
        connection.execute(
            "CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON alerts DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION slow_commit()"
        )
        scene.afterwards(lambda: _drop(scene, "alerts", "slow_commit"))
        asleep = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND application_name = 'vigie'"
        ended = scene.crowd.raise_one(description="slow commit")
        scene.wait(lambda: connection.execute(asleep).fetchone() is not None, "a commit is under way")
        scene.struck()
        connection.execute(f"SELECT pg_terminate_backend(pid) FROM ({asleep}) AS asleep")
        scene.wait(lambda: bool(scene.crowd.raised[ended].answered), "the ended one is answered")
        between = scene.proxy("postgresql")
        scene.restart("web1", DATABASE_URL=scene.here.url.replace(str(scene.here.server.port), str(between.port)))
        cut = scene.crowd.raise_one(description="slow commit", port=scene.here.ports["web1"])
        scene.wait(lambda: connection.execute(asleep).fetchone() is not None, "a commit is under way")
        between.cut()
        scene.wait(lambda: bool(scene.crowd.raised[cut].answered), "the cut one is answered")
    for name, alert_id in (("ended", ended), ("cut", cut)):
        scene.figure(f"answers when {name}", " ".join(str(one.status) for one in tries_of(scene, alert_id)))
    scene.must(tries_of(scene, ended)[-1].status == 201, "its session ended before the commit; yet the alert was there")
    scene.must(tries_of(scene, cut)[-1].status == 200, "the commit went through, and the retry made another alert")
    scene.load()
    scene.live_for(1)


def _drop(scene: Scene, table: str, name: str) -> None:
    with scene.sql() as connection:
        connection.execute(f"DROP TRIGGER IF EXISTS {name} ON {table}")
        connection.execute(f"DROP FUNCTION IF EXISTS {name}")


@experiment(
    "F08", title="PostgreSQL restarted under load, five times", fault="pg_ctl restart -m fast, ×5",
    invariants="I1 I3 I7", bar="0 lost; going again ≤ 10 s after it is ready; no process is restarted",
)  # fmt: skip
def restarted(scene: Scene) -> None:
    scene.load()
    scene.live_for(1)
    pids = {name: process.pid for name, process in scene.here.processes.items()}
    for _ in range(5):
        scene.here.server.pg_ctl("restart", "-m", "fast")
        scene.struck()
        scene.live_for(1)
    scene.live_for(4)
    scene.must(all(scene.here.alive(name) for name in pids), "a process did not live through it")


@experiment(
    "F09", title="PostgreSQL killed outright", fault="SIGKILL to the postmaster and its children; crash recovery",
    invariants="I1 I13", bar="0 lost; going again ≤ 10 s; a server that may lose commits is refused",
)  # fmt: skip
def killed(scene: Scene) -> None:
    scene.load()
    scene.live_for(2)
    for pid in reversed(family(scene.here.server.pid)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    scene.here.start_server()
    scene.struck()
    scene.live_for(5)
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        with scene.sql() as connection:
            connection.execute(f"ALTER SYSTEM SET {name} = off")
            connection.execute("SELECT pg_reload_conf()")
            scene.wait(partial(_is_off, connection, name), f"{name} is off")
            looked = Database(Settings(environment="test", database_url=scene.here.url))
            try:
                with looked.reading() as session:
                    session.connection()
                scene.must(False, f"a server with {name}=off is accepted")
            except SettingsRefused:
                pass
            finally:
                looked.dispose()
                connection.execute(f"ALTER SYSTEM RESET {name}")
                connection.execute("SELECT pg_reload_conf()")


def _is_off(connection: psycopg.Connection[Any], name: str) -> bool:
    return connection.execute(f"SHOW {name}").fetchone() == ("off",)


@experiment(
    "F10", title="tables locked for seconds", fault="LOCK TABLE deliveries, then alerts, ACCESS EXCLUSIVE, 4 s each",
    invariants="I6 I10", bar="201, or 503 ≤ 2 s; nothing piles up",
)  # fmt: skip
def locked(scene: Scene) -> None:
    scene.load()
    scene.live_for(1)
    for table in ("deliveries", "alerts"):
        before = count(scene, 503)
        with scene.sql() as connection, connection.transaction():
            connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            scene.live_for(4)
        scene.struck()
        scene.figure(f"503 while {table} was locked", count(scene, 503) - before)
        scene.live_for(2)
    scene.figure("slowest answer s", slowest(scene))


@experiment(
    "F11", title="no connection to be had", invariants="I1 I6 I10",
    fault="every free connection of the server taken; then each pool kept busy by 25 reports that wait",
    bar="0 lost; reports starve no alert",
)  # fmt: skip
def no_connections(scene: Scene) -> None:
    scene.load()
    scene.live_for(1)
    with contextlib.ExitStack() as held:
        address = f"host=127.0.0.1 port={scene.here.server.port} user=vigie dbname=bench"
        taken = 0
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                held.enter_context(contextlib.closing(psycopg.connect(address)))
                taken += 1
        scene.figure("connections taken", taken)
        scene.live_for(3)
    scene.struck()
    scene.figure("slowest answer without connections s", slowest(scene))
    scene.live_for(1.5)
    began = len(scene.crowd.history.operations)
    operator = scene.crowd.control[1].token
    with scene.sql() as connection, connection.transaction():
        connection.execute("LOCK TABLE vehicles IN ACCESS EXCLUSIVE MODE")  # every report waits for it
        until = time.monotonic() + 4
        asked = [(scene, operator, until, name) for name in ("web1", "web2") for _ in range(25)]
        threads = [threading.Thread(target=_reports, args=one) for one in asked]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    during = [one for one in scene.crowd.history.operations[began:] if one.what == "raise" and one.outcome != "running"]
    scene.figure("slowest answer beside 50 reports s", max((one.ended - one.began for one in during), default=0.0))
    scene.figure("alerts told to come back", sum(1 for one in during if one.status == 503))
    scene.live_for(1)


def _reports(scene: Scene, token: str, until: float, name: str) -> None:
    while time.monotonic() < until:
        scene.ask("GET", "/v1/control/snapshot", token, name=name)


@experiment(
    "F12", title="wake-ups lost", invariants="I2 I3",
    fault="no Redis here: every listening connection ended, again and again, for 6 s (NOTIFY reaches nobody)",
    bar="a team has it ≤ 3 s all the time: the poll is the truth",
)  # fmt: skip
def wakeups_lost(scene: Scene) -> None:
    scene.load()
    scene.live_for(1)
    scene.struck()
    until = time.monotonic() + 6
    with scene.sql() as connection:
        while time.monotonic() < until:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'vigie-listen'"
            )
            scene.live_for(0.1)
    scene.live_for(1)


@experiment(
    "F13", title="wake-ups that hang", invariants="I2 I6",
    fault="no Redis here: every listening session of PostgreSQL stopped with its connection open, 6 s",
    bar="a team has it ≤ 3 s; nobody who raises an alert waits for it",
)  # fmt: skip
def wakeups_hang(scene: Scene) -> None:
    scene.load()
    scene.live_for(1)
    with scene.sql() as connection:
        rows = connection.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'vigie-listen'").fetchall()
    listening = [pid for (pid,) in rows]
    scene.must(listening, "nobody listens")
    scene.afterwards(partial(_signal, listening, signal.SIGCONT))
    _signal(listening, signal.SIGSTOP)
    scene.struck()
    scene.live_for(6)
    scene.figure("slowest answer s", slowest(scene))
    _signal(listening, signal.SIGCONT)
    scene.live_for(1)


def _signal(pids: list[int], number: int) -> None:
    for pid in pids:
        if Path(f"/proc/{pid}").exists():
            os.kill(pid, number)


@experiment(
    "F32", title="a transaction takes its feed number and commits 1 s later than the others",
    fault="a trigger sleeps after the number was handed out",
    invariants="I2", bar="no client skips its entry",
)  # fmt: skip
def late_commit(scene: Scene) -> None:
    late = [new_alert_id() for _ in range(4)]
    listed = ", ".join(f"'{uuid.UUID(one)}'" for one in late)
    with scene.sql() as connection:
        connection.execute(
            "CREATE FUNCTION late_number() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_sleep(1.0); RETURN NULL; END $$"
        )
        connection.execute(
            f"CREATE TRIGGER late_number AFTER INSERT ON feed_entries FOR EACH ROW "
            f"WHEN (NEW.audience = 'control' AND NEW.type = 'alert.raised' AND NEW.alert_id IN ({listed})) "
            "EXECUTE FUNCTION late_number()"
        )
        scene.afterwards(lambda: _drop(scene, "feed_entries", "late_number"))
        scene.load(8)
        scene.live_for(1)
        for one in late:
            scene.struck()
            scene.crowd.raise_one(one)
            scene.live_for(1.6)
    scene.figure("slowest answer s", slowest(scene))
    scene.figure("told to come back", count(scene, 503))
