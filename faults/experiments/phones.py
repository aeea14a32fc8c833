"""Phones and the net between: answers that are lost, sockets that are half there, slow or hostile clients."""

from __future__ import annotations

import contextlib
import socket
import time
from functools import partial

import websocket

from bench.installation import family
from faults.experiments.postgresql import slowest, tries_of
from faults.history import Operation
from faults.installation import Installation
from faults.invariants.outside import load_of
from faults.people import new_alert_id
from faults.registry import experiment
from faults.scene import Scene

ARMED_S = 5


@experiment(
    "F03", title="commit done, answer lost", invariants="I1 I6",
    fault="the connection is reset at the answer's first byte; then the answer vanishes in silence",
    bar="the retry is told 200, the same alert, Idempotent-Replayed",
)  # fmt: skip
def answer_lost(scene: Scene) -> None:
    between = scene.proxy("web1")
    scene.struck()
    for name, wrong in (("reset", {"reset_after": 0}), ("vanished", {"black_hole": True})):
        between.down(**wrong)
        alert_id = scene.crowd.raise_one(port=between.port)
        scene.wait(partial(_was_answered, scene, alert_id), "the retry is answered")
        between.heal()
        tries = tries_of(scene, alert_id)
        scene.figure(f"tries when {name}", " ".join(str(one.status) for one in tries))
        scene.must([one.outcome for one in tries] == ["unknown", "ok"], f"{name}: {[one.outcome for one in tries]}")
        scene.must(tries[-1].status == 200, f"{name}: the retry was answered {tries[-1].status}")
    scene.load()
    scene.live_for(2)


def _was_answered(scene: Scene, alert_id: str) -> bool:
    return bool(scene.crowd.raised[alert_id].answered)


@experiment(
    "F21", title="an agent's socket that is open and carries nothing", invariants="I3 I10",
    fault="a black hole between a live process and three phones, both ways",
    bar="the push comes, and the offer is taken by it; the sockets are given up ≤ 15 s",
)  # fmt: skip
def half_open(scene: Scene) -> None:
    between = scene.proxy("live1")
    agents = scene.crowd.agents[:3]
    for agent in agents:
        agent.live_port = between.port
        scene.crowd.loop.hand(agent.leave)
    scene.wait(lambda: not any(one.connected for one in agents), "their sockets are closed")
    for agent in agents:
        scene.crowd.loop.hand(agent.come_back)
    scene.wait(lambda: all(one.connected for one in agents), "their sockets are open by the proxy")
    between.down(black_hole=True)
    between.up(black_hole=True)
    scene.struck()
    alerts = [scene.alert_at(agent) for agent in agents]
    scene.wait(lambda: all(scene.crowd.raised[one].taken for one in alerts), "all are taken")
    scene.figure("slowest taken s", max(scene.crowd.raised[one].taken - scene.crowd.raised[one].at for one in alerts))
    scene.must(all(agent.pushes for agent in agents), "a phone behind the black hole got no push")
    given_up = scene.wait(lambda: between.open == 0, "the server has given the sockets up")
    scene.figure("sockets given up after s", given_up)
    between.heal()
    scene.load()
    scene.live_for(1)


@experiment(
    "F22", title="a control room that reads 1 kB a second", fault="one page's connection throttled, 8 s of full load",
    invariants="I2 I10", bar="it is cut and loads again; the other pages notice nothing",
)  # fmt: skip
def slow_page(scene: Scene) -> None:
    between = scene.proxy("live1")
    slow, others = scene.crowd.control[2], scene.crowd.control[:2]
    slow.live_port = between.port
    scene.crowd.loop.hand(slow.leave)
    scene.wait(lambda: not slow.connected, "it is closed")
    scene.crowd.loop.hand(slow.come_back)
    scene.wait(lambda: slow.connected, "it is open by the proxy")
    ended = [one.ends for one in others]
    between.down(bytes_per_s=1_000)
    scene.struck()
    scene.load()
    scene.live_for(8)
    scene.must([one.ends for one in others] == ended, "another page lost its socket")
    behind = max(one.log.last for one in others) - slow.log.last
    scene.figure("entries behind after 8 s", behind)
    between.heal()
    between.cut()
    took = scene.wait(lambda: slow.log.last >= max(one.log.last for one in others) - 5, "it has caught up")
    scene.figure("caught up after s", took)


@experiment(
    "F24", title="hostile sockets", invariants="I6 I10",
    fault="one live process: 300 sockets that never sign in, a 20 MB frame, 20,000 events, half a binary packet",
    bar="intake is unaffected; who does not sign in is cut ≤ 5 s; memory stays",
)  # fmt: skip
def hostile(scene: Scene) -> None:
    port, before = scene.here.ports["live1"], load_of(_pids(scene.here, "live1"))
    scene.load()
    with contextlib.ExitStack() as held:
        idle = [held.enter_context(contextlib.closing(_upgrade(port))) for _ in range(300)]
        scene.struck()
        big, loud, half = (held.enter_context(contextlib.closing(_upgrade(port))) for _ in range(3))
        with contextlib.suppress(OSError, websocket.WebSocketException):
            big.send(b"4" * 20_000_000, opcode=websocket.ABNF.OPCODE_TEXT)
        with contextlib.suppress(OSError, websocket.WebSocketException):
            loud.send('40/agent,{"token":"' + scene.crowd.agents[0].token + '"}')
            for _ in range(20_000):
                loud.send('42/agent,["position",{"latitude":43.3,"longitude":5.4}]')
        with contextlib.suppress(OSError, websocket.WebSocketException):
            half.send('451-/agent,["position",{"_placeholder":true,"num":0}]')
        took = scene.wait(lambda: all(_is_over(one.sock) for one in idle), "who never signed in is cut")
        scene.figure("anonymous sockets cut after s", took)
    scene.live_for(1)
    after = load_of(_pids(scene.here, "live1"))
    scene.figure("memory MB", f"{before.rss_mb:.0f} → {after.rss_mb:.0f}")
    scene.figure("threads", f"{before.threads} → {after.threads}")
    scene.figure("slowest answer s", slowest(scene))


def _pids(here: Installation, name: str) -> list[int]:
    return family(here.processes[name].pid)


def _upgrade(port: int) -> websocket.WebSocket:
    made: websocket.WebSocket = websocket.create_connection(
        f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket", timeout=5, suppress_origin=True
    )
    return made


def _is_over(sock: socket.socket | None) -> bool:
    if sock is None:
        return True
    sock.setblocking(False)
    try:
        while data := sock.recv(65_536):
            if data[:1] == b"\x88" or b"\x88" in data[-130:]:
                return True
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


@experiment(
    "F34", title="the rider's phone dies in the countdown, or loses the net in the middle of a request",
    fault="an armed alert whose phone never comes back; a request that is cut after 200 bytes",
    invariants="I5 I6", bar="the armed alert opens by itself; the queued one is there once",
)  # fmt: skip
def phone_dies(scene: Scene) -> None:
    scene.struck()
    began = time.monotonic()
    armed = scene.crowd.raise_one(armed=True)
    between = scene.proxy("web1")
    between.up(reset_after=200)
    cut = scene.crowd.raise_one(port=between.port)
    scene.wait(lambda: bool(scene.crowd.raised[cut].answered), "the queued one is answered")
    between.heal()
    scene.figure("tries of the one that was cut", " ".join(str(one.status) for one in tries_of(scene, cut)))
    stored = scene.alert(armed)
    scene.must(stored is not None and stored.state == "armed", "it did not wait for the countdown")
    scene.wait(lambda: bool(scene.crowd.raised[armed].heard), "a team hears the armed one")
    waited = time.monotonic() - began
    scene.figure("armed alert heard after s", waited)
    scene.must(waited >= ARMED_S - 0.5, "it opened before its countdown was over")
    scene.load()
    scene.live_for(1)


@experiment(
    "F23", title="reconnect storm", invariants="I1 I2 I10", priority=2,
    fault="400 sockets cut at once, all back with sign-in and catch-up",
    bar="intake ≤ 250 ms in its 99th percentile; all back ≤ 30 s",
)  # fmt: skip
def storm(scene: Scene) -> None:
    between = scene.proxy("live1")
    token = [one.token for one in scene.crowd.agents]
    with contextlib.ExitStack() as held:
        for number in range(370):
            one = held.enter_context(contextlib.closing(_upgrade(between.port)))
            one.send('40/agent,{"token":"' + token[number % len(token)] + '"}')
        scene.load()
        scene.live_for(2)
        between.cut()
        scene.struck()
        began = len(scene.crowd.history.operations)
        back = [held.enter_context(contextlib.closing(_upgrade(between.port))) for _ in range(370)]
        for number, one in enumerate(back):
            one.send('40/agent,{"token":"' + token[number % len(token)] + '"}')
        scene.live_for(5)
        took = sorted(one.ended - one.began for one in scene.crowd.history.operations[began:] if one.what == "raise")
    scene.figure("slowest answer during the storm s", took[-1] if took else 0.0)


@experiment(
    "F18", title="one alert, twenty times at once; then other words under its number", invariants="I1",
    fault="20 requests with one id on two processes; then the same id with another body",
    bar="one row, 20 answers; the other body is refused",
)  # fmt: skip
def twenty_at_once(scene: Scene) -> None:
    scene.struck()
    token = scene.crowd.riders[0]
    for _ in range(5):
        alert_id = scene.crowd.raise_one(token=token, times=20)
        scene.wait(partial(_all_answered, scene, alert_id), "all are answered")
        statuses = sorted(one.status for one in _ended(scene, alert_id))
        scene.must(statuses == [200] * 19 + [201], f"twenty at once were answered {statuses}")
        other = scene.ask("PUT", f"/v1/alerts/{alert_id}", token, {"category": "theft"}, name="web2")
        scene.must(other.status_code in (409, 422), f"other words under a known number: {other.status_code}")
        scene.must(other.json().get("code") == "key_reused", f"other words under a known number: {other.json()}")
        stranger = scene.ask("PUT", f"/v1/alerts/{alert_id}", scene.crowd.riders[1], {"category": "theft"})
        scene.must(stranger.status_code == 404, f"another phone under a known number: {stranger.status_code}")
    scene.load()
    scene.live_for(1)


def _all_answered(scene: Scene, alert_id: str) -> bool:
    return len(_ended(scene, alert_id)) >= 20


def _ended(scene: Scene, alert_id: str) -> list[Operation]:
    return [one for one in tries_of(scene, alert_id) if one.outcome == "ok"]


@experiment(
    "F19", title="things in the wrong order", invariants="I8 I9",
    fault="cancel before the alert; place 3 before place 2; accept after the close; accept twice; a stale version",
    bar="each has its defined answer; the newest wins",
)  # fmt: skip
def wrong_order(scene: Scene) -> None:
    scene.struck()
    rider, agent, operator = scene.crowd.riders[0], scene.crowd.agents[0], scene.crowd.control[1].token
    agent.manner = "silent"
    alert_id = new_alert_id()
    early = scene.ask("POST", f"/v1/alerts/{alert_id}/cancel", rider, {})
    scene.must(early.status_code == 404, f"cancel before the alert: {early.status_code}")
    latitude, longitude = agent.place
    place = {"latitude": latitude, "longitude": longitude, "accuracy_m": 8, "provider": "gnss"}
    scene.crowd.raise_one(alert_id, token=rider, position=place)
    scene.wait(lambda: bool(scene.crowd.raised[alert_id].heard), "the offer is heard")
    for seq, shift in ((3, 0.003), (2, 0.002)):
        point = {"point_seq": seq, "latitude": latitude + shift, "longitude": longitude, "accuracy_m": 5,
                 "fix_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}  # fmt: skip
        answer = scene.ask("POST", f"/v1/alerts/{alert_id}/positions", rider, {"points": [point]})
        scene.must(answer.ok and answer.json()["accepted"] == 1, f"place {seq}: {answer.text[:200]}")
    stored = scene.alert(alert_id)
    scene.must(stored is not None and stored.position_seq == 3, "an older place has replaced a newer one")
    offers = scene.ask("GET", "/v1/agent/snapshot", agent.token).json()["assignments"]
    accept = f"/v1/assignments/{offers[0]['id']}/accept"
    twice = [scene.ask("POST", accept, agent.token, {}, name=name).status_code for name in ("web1", "web2")]
    scene.must(twice == [200, 200], f"accept twice: {twice}")
    close = f"/v1/control/alerts/{alert_id}/close"
    closed = scene.ask("POST", close, operator, {"closing_code": "drill"})
    scene.must(closed.ok, f"close: {closed.status_code} {closed.text[:200]}")
    for step in ("on-scene", "accept"):
        late = scene.ask("POST", f"/v1/assignments/{offers[0]['id']}/{step}", agent.token, {})
        scene.must(late.status_code == 409, f"{step} after the close: {late.status_code}")
    again = scene.ask("POST", f"/v1/alerts/{alert_id}/cancel", rider, {})
    scene.must(again.status_code in (200, 409), f"cancel after the close: {again.status_code}")
    scene.load()
    scene.live_for(1)


@experiment(
    "F20", title="three teams accept in the same instant, while the control room assigns a fourth", invariants="I4",
    fault="every alert offered to three teams that answer at once, on two processes",
    bar="one winner each; the others hear who ≤ 1 s",
)  # fmt: skip
def all_at_once(scene: Scene) -> None:
    for agent in scene.crowd.agents:
        agent.manner = "eager"
    scene.crowd.body = {"category": "theft"}
    scene.crowd.assigns = True
    scene.struck()
    scene.load(4)
    scene.live_for(8)
    scene.load(0)
    scene.wait(lambda: all(one.heard or one.called for one in scene.crowd.raised.values()), "all are heard")
    refused = [one for one in scene.crowd.history.of("accept") if one.outcome == "fail"]
    scene.figure("accepts that came too late", len(refused))
    scene.figure("their answers", ", ".join(sorted({one.code for one in refused})))
    late = []
    for agent in scene.crowd.agents:
        for at, data in agent.told:
            won = scene.crowd.raised.get(data.get("alert_id", ""))
            if won is not None and won.taken and data.get("reason") == "taken":
                late.append(at - won.taken)
    scene.figure("losers told after s, at most", max([0.0, *late]))

