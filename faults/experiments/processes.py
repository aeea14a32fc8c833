"""Processes that die, stand still or are stopped at the worst moment."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from backend.alerts.models import Alert, Assignment
from backend.delivery.models import Delivery, DeliveryAttempt
from faults.installation import ANSWER_S
from faults.people import new_alert_id
from faults.registry import experiment
from faults.scene import Scene


@experiment(
    "F01", title="web killed between commit and answer", fault="failpoint alert.after_commit=kill9",
    invariants="I1 I2 I3", bar="a team has it ≤ 3 s; the retry says the same id",
)  # fmt: skip
def killed_after_commit(scene: Scene) -> None:
    scene.load()
    scene.live_for(1)
    scene.here.arm("web1", "alert.after_commit", "kill9*1")
    scene.wait(lambda: scene.here.struck("web1") == 1, "the failpoint strikes")
    scene.struck()
    scene.live_for(3)
    scene.wait(lambda: any(one.status == 200 for one in scene.crowd.history.of("raise")), "a retry finds its alert")
    scene.must(scene.here.alive("web1"), "gunicorn itself died with its worker")


@experiment(
    "F02", title="web killed before the commit", fault="failpoint alert.before_commit=kill9",
    invariants="I1 I6", bar="no row; the retry makes exactly one",
)  # fmt: skip
def killed_before_commit(scene: Scene) -> None:
    scene.here.arm("web1", "alert.before_commit", "kill9*1")
    scene.struck()
    alert_id = scene.crowd.raise_one(port=scene.here.ports["web1"])
    scene.wait(lambda: scene.here.struck("web1") == 1, "the failpoint strikes")
    tries = [one for one in scene.crowd.history.of("raise") if one.key == alert_id]
    scene.must(scene.alert(alert_id) is None or len(tries) > 1, "a row that was never committed is there")
    scene.wait(lambda: bool(scene.crowd.raised[alert_id].answered), "the retry is answered")
    scene.load()
    scene.live_for(3)
    scene.must(
        [one.status for one in scene.crowd.history.of("raise") if one.key == alert_id][-1] == 201,
        "the retry did not make the alert",
    )


@experiment(
    "F05", title="worker killed after the provider took a push, before that was noted",
    fault="failpoint delivery.after_send=kill9 in one worker",
    invariants="I3", bar="sent again or settled once the lease is over; at most one repeat per crash",
)  # fmt: skip
def killed_after_send(scene: Scene) -> None:
    agent = scene.crowd.agents[0]
    agent.manner = "dead"  # no receipt: only whoever takes over the lease can send it again
    agent.leave()
    for name in ("worker1", "worker2"):
        scene.here.arm(name, "delivery.after_send", "kill9*1")
    alert_id = scene.alert_at(agent)
    scene.wait(lambda: any(scene.here.struck(name) for name in ("worker1", "worker2")), "a worker dies")
    scene.struck()
    scene.here.disarm()
    scene.wait(lambda: not all(scene.here.alive(name) for name in ("worker1", "worker2")), "a worker is gone")
    dead = next(name for name in ("worker1", "worker2") if not scene.here.alive(name))
    mine = [one for one in scene.provider.log if one.data.get("alert_id") == alert_id]
    scene.must(mine, "the provider never had it")
    first = mine[0].data["delivery_id"]

    def times() -> int:
        return sum(1 for one in scene.provider.log if one.data.get("delivery_id") == first)

    took = scene.wait(lambda: times() > 1 or _settled(scene, first), "the push is sent again or settled")
    scene.figure("taken over after s", took)
    scene.figure("times sent", times())
    scene.must(times() > 1 or took > ANSWER_S - 1, "settled unsent while it was of use")
    scene.must(times() <= 2, f"one crash, and the push went out {times()} times")
    scene.here.start(dead)
    scene.load()
    scene.live_for(2)


def _settled(scene: Scene, delivery_id: str) -> bool:
    with scene.reading() as session:
        row = session.get(Delivery, uuid.UUID(delivery_id))
        return row is not None and (row.settled_at is not None or row.received_at is not None)


@experiment(
    "F06", title="worker frozen with messages and an open transaction in its hands, then thawed",
    fault="failpoints delivery.before_send=stop, round.before_commit=stop; SIGCONT once others have taken over",
    invariants="I3 I4 I7", bar="others take over ≤ 10 s; what it writes afterwards changes nothing",
)  # fmt: skip
def frozen_worker(scene: Scene) -> None:
    scene.load()
    scene.live_for(1)
    scene.here.arm("worker1", "round.before_commit", "stop*1")
    scene.wait(lambda: scene.here.struck("worker1") == 1, "the worker stops in its transaction")
    scene.struck()
    scene.live_for(4)
    scene.load(0)
    took = scene.wait(lambda: all(one.heard or one.called for one in scene.crowd.raised.values()), "all are heard")
    scene.figure("all heard after s", 4 + took)
    scene.here.thaw("worker1")
    scene.here.arm("worker1", "delivery.before_send", "stop*1")
    scene.load()
    scene.wait(lambda: scene.here.struck("worker1") == 2, "the worker stops with a message in its hands")
    scene.live_for(4)  # longer than its lease
    scene.here.thaw("worker1")
    scene.live_for(1)
    with scene.reading() as session:
        twice = session.execute(
            select(DeliveryAttempt.delivery_id).where(DeliveryAttempt.outcome == "sent")
            .group_by(DeliveryAttempt.delivery_id).having(func.count() > 1)
        ).all()  # fmt: skip
    scene.figure("sent by the thawed worker as well", len(twice))


@experiment(
    "F07", title="live process with half of the sockets killed", fault="SIGKILL to one of two live processes",
    invariants="I2 I3", bar="everybody is back elsewhere and has caught up ≤ 3 s",
)  # fmt: skip
def live_killed(scene: Scene) -> None:
    scene.load()
    scene.live_for(1)
    people = (*scene.crowd.agents, *scene.crowd.control)
    half = scene.crowd.agents[::2]  # all of them may have moved to the other process when this one was last ended
    for agent in half:
        agent.live_port = scene.here.ports["live1"]
        scene.crowd.loop.hand(agent.leave)
    scene.wait(lambda: not any(one.connected for one in half), "half of the sockets close")
    for agent in half:
        scene.crowd.loop.hand(agent.come_back)
    scene.wait(lambda: all(one.connected for one in people), "they are back on the process that will end")
    before = {one: one.ends for one in half}
    for agent in half:
        agent.live_port = None
    scene.here.kill("live1")
    scene.struck()
    scene.wait(lambda: all(one.ends > before[one] for one in half), "phones notice that their process is gone")
    took = scene.wait(lambda: all(one.connected for one in people), "all sockets are back")
    scene.figure("sockets back after s", took)
    scene.live_for(3)


@experiment(
    "F26", title="everything stopped, and started again with timers due in the gap",
    fault="SIGKILL to all six processes; 8 s later they are started", invariants="I5 I7 I8",
    bar="all fire ≤ 2 s after the start, once; what is over closes instead of paging",
)  # fmt: skip
def stopped_and_started(scene: Scene) -> None:
    silent = scene.crowd.agents[:3]
    for agent in scene.crowd.agents:
        agent.manner = "silent"
    scene.crowd.attentive = False
    made = [scene.alert_at(agent) for agent in silent]
    scene.wait(lambda: all(scene.crowd.raised[one].heard for one in made), "the offers are heard")
    for name in scene.here.names:
        scene.here.kill(name)
    time.sleep(8)
    pushed = len(scene.provider.log)
    scene.struck()
    up = datetime.now(UTC)
    scene.here.start(*scene.here.names)
    overdue = select(func.count()).where(Alert.attention_at < up - timedelta(seconds=2))
    with scene.reading() as session:
        scene.wait(lambda: session.scalar(overdue) == 0, "nothing is overdue")
        expired = session.scalars(select(Assignment).where(Assignment.ended_why == "no_answer")).all()
        scene.must(len(expired) >= len(made), f"only {len(expired)} of {len(made)} offers ended in the gap")
        late = [(one.changed_at - up).total_seconds() for one in expired if one.changed_at > up]
    scene.figure("last timer fired after s", max([0.0, *late]))
    stale = [one for one in scene.provider.log[pushed:] if float(one.data["exp"]) < time.time() - ANSWER_S]
    scene.must(not stale, f"{len(stale)} pushes for what was over")
    for agent in scene.crowd.agents:
        agent.manner = "prompt"
    scene.wait(lambda: all(scene.crowd.raised[one].taken for one in made), "the next teams take them")


@experiment(
    "F33", title="all workers dead", fault="SIGKILL to both workers",
    invariants="I5 I11", bar="intake says 201; the control room is told ≤ 10 s, somebody outside ≤ 30 s",
)  # fmt: skip
def workers_dead(scene: Scene) -> None:
    scene.wait(lambda: bool(scene.monitor.signs), "a sign of life outside")
    scene.load()
    for name in ("worker1", "worker2"):
        scene.here.kill(name)
    scene.struck()
    died, signs = time.monotonic(), len(scene.monitor.signs)
    first = new_alert_id()
    scene.crowd.raise_one(first)
    scene.wait(lambda: bool(scene.crowd.raised[first].answered), "an alert is taken without any worker")
    control = scene.crowd.control[0]
    told = scene.wait(
        lambda: any(one["code"] == "worker_silent" for one in control.status.get("findings", ())),
        "the control room is told", 20,
    )  # fmt: skip
    scene.figure("control room told after s", told)
    scene.live_for(max(0.0, 7 - (time.monotonic() - died)))
    scene.must(len(scene.monitor.signs) - signs <= 1, "signs of life go out with no worker alive")
    scene.load(0)
    scene.here.start("worker1", "worker2")
    scene.wait(lambda: len(scene.monitor.signs) > signs + 1, "a sign of life again")
    scene.wait(lambda: all(one.heard or one.called for one in scene.crowd.raised.values()), "all are heard")
