"""The push provider that fails, hangs or lies, phones that are dead, and a message that nobody can put into words."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select, update

from backend.database import new_id
from backend.delivery.models import Delivery, DeliveryAttempt, PushRegistration
from faults.installation import ANSWER_S
from faults.people import Agent
from faults.provider import Push
from faults.registry import experiment
from faults.scene import Scene
from tests.providers import Answer, fcm_refusal


def away(scene: Scene, count: int) -> list[Agent]:
    """So many agents whose sockets are closed: only a push reaches them."""
    agents = scene.crowd.agents[:count]
    for agent in agents:
        scene.crowd.loop.hand(agent.leave)
    scene.wait(lambda: not any(one.connected for one in agents), "their sockets are closed")
    return agents


def pushes_to(scene: Scene, agent: Agent, alert_id: str) -> list[Push]:
    """What the provider was given for one agent about one alert."""
    return [
        one for one in list(scene.provider.log) if one.address == agent.address and one.data.get("alert_id") == alert_id
    ]


def longest_attempt_s(scene: Scene) -> float:
    """The longest that any attempt to send has taken."""
    with scene.reading() as session:
        return (session.scalar(select(func.max(DeliveryAttempt.took_ms))) or 0) / 1000


@experiment(
    "F14", title="push provider refuses everything", invariants="I3 I5",
    fault="500, 503, 429 with Retry-After 3600, an HTTP date and garbage, 2 s each; then well again",
    bar="no thread sleeps; next team on time; the breaker opens, and closes by itself",
)  # fmt: skip
def provider_refuses(scene: Scene) -> None:
    agents = away(scene, 5)
    scene.load()
    scene.struck()
    asked = len(scene.provider.log)
    for answer in (
        Answer(500, "oops"),
        fcm_refusal(503, "UNAVAILABLE", "UNAVAILABLE"),
        fcm_refusal(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", Retry_After="3600"),
        fcm_refusal(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", Retry_After="Mon, 23 Nov 2037 10:00:00 GMT"),
        fcm_refusal(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", Retry_After="soon"),
    ):
        scene.provider.always(answer)
        scene.live_for(2)
    scene.figure("requests in 10 s of refusal", len(scene.provider.log) - asked)
    silent = scene.alert_at(agents[0])
    scene.wait(lambda: bool(scene.crowd.raised[silent].heard), "another team hears it")
    waited = scene.crowd.raised[silent].heard - scene.crowd.raised[silent].at
    scene.figure("a team that no push reaches is passed over after s", waited)
    scene.figure("longest attempt s", longest_attempt_s(scene))
    scene.provider.always(None)
    before = len(scene.provider.log)
    took = scene.wait(lambda: any(one.status == 200 for one in scene.provider.log[before:]), "pushes go again")
    scene.figure("pushes go again after s", took)


@experiment(
    "F15", title="push provider hangs", invariants="I3 I10",
    fault="answers after 30 s; hangs after its headers; takes connections and says nothing; refuses connections",
    bar="an attempt ends ≤ 5 s; sockets are unaffected",
)  # fmt: skip
def provider_hangs(scene: Scene) -> None:
    scene.load()
    scene.struck()
    between = scene.proxy("provider")
    for answer in (Answer(200, {}, delay_s=30), Answer(200, {}, hang=True)):
        scene.provider.always(answer)
        scene.live_for(4)
    scene.provider.always(None)
    for name in ("worker1", "worker2"):
        scene.restart(name, VIGIE_FCM_URL=scene.provider.fcm_url.replace(str(scene.provider.port), str(between.port)))
    between.up(black_hole=True)
    scene.live_for(3)
    between.refuse()
    between.cut()
    scene.live_for(2)
    between.heal()
    scene.live_for(1)
    heard = sorted(one.heard - one.at for one in scene.crowd.raised.values() if one.heard)
    scene.figure("median way s", heard[len(heard) // 2] if heard else 0.0)
    longest = longest_attempt_s(scene)
    scene.figure("longest attempt s", longest)
    scene.must(longest < 10, f"one attempt to send took {longest:.1f} s")


@experiment(
    "F16", title="one phone gone; then everything looks gone", invariants="I3",
    fault="one UNREGISTERED; 404 and 403 for all (wrong project, revoked key); then every phone is said to be gone",
    bar="that address off; then none; then no more than a tenth, and people are told",
)  # fmt: skip
def phones_gone(scene: Scene) -> None:
    scene.afterwards(lambda: _enable_all(scene))
    # Without a socket: who hears of it there takes it in a tenth of a second, and no push goes out any more.
    (agent,) = away(scene, 1)
    scene.provider.answers(fcm_refusal(404, "NOT_FOUND", "UNREGISTERED"))
    scene.alert_at(agent)
    scene.wait(lambda: _disabled(scene) == 1, "the address is off")
    scene.struck()
    for refusal in (fcm_refusal(404, "NOT_FOUND"), fcm_refusal(403, "PERMISSION_DENIED")):
        scene.provider.always(refusal)
        asked = len(scene.provider.log)
        scene.load(6)
        scene.wait(lambda asked=asked: len(scene.provider.log) > asked, "the provider is asked")  # type: ignore[misc]
        scene.live_for(1)
    scene.must(_disabled(scene) == 1, f"{_disabled(scene) - 1} good addresses were thrown away for a mistake of ours")
    scene.figure("off after 404 and 403 for all", _disabled(scene) - 1)
    for refusal in (
        fcm_refusal(404, "NOT_FOUND", "UNREGISTERED"), fcm_refusal(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"),
    ):  # fmt: skip
        scene.provider.always(refusal)
        scene.wait(lambda: _disabled(scene) > 1, "an address is off")
        scene.live_for(2)
    off = _disabled(scene)
    scene.figure("off after all were said to be gone", off)
    told = scene.wait(
        lambda: any(one["code"] == "address_deaths" for one in scene.crowd.control[0].status.get("findings", ())),
        "the control room is told", 15,
    )  # fmt: skip
    scene.figure("control room told after s", told)
    allowed = max(3, len(scene.crowd.agents) // 10)
    scene.must(off <= allowed, f"{off} addresses were thrown away, {allowed} are allowed")


def _disabled(scene: Scene) -> int:
    with scene.reading() as session:
        query = select(func.count()).select_from(PushRegistration).where(PushRegistration.disabled_at.is_not(None))
        return session.scalar(query) or 0


def _enable_all(scene: Scene) -> None:
    with scene.here.database.transaction() as session:
        session.execute(update(PushRegistration).values(disabled_at=None, disabled_why=None))


@experiment(
    "F17", title="push accepted, phone dead", fault="a team without a socket whose phone takes pushes and does nothing",
    invariants="I3 I5 I7", bar="the next team is asked when the time to answer is over, not before",
)  # fmt: skip
def phone_dead(scene: Scene) -> None:
    agent = away(scene, 1)[0]
    agent.manner = "dead"
    scene.struck()
    alert_id = scene.alert_at(agent)
    scene.wait(lambda: bool(scene.crowd.raised[alert_id].heard), "another team hears it")
    waited = scene.crowd.raised[alert_id].heard - scene.crowd.raised[alert_id].at
    scene.figure("next team after s", waited)
    scene.must(waited >= ANSWER_S - 0.5, f"the first team had only {waited:.1f} s to answer")
    scene.must(pushes_to(scene, agent, alert_id), "no push went to the dead phone")
    scene.must(not agent.known, "the dead phone showed something")
    scene.load()
    scene.live_for(2)


@experiment(
    "F31", title="a message that nobody can put into words", invariants="I3",
    fault="deliveries whose kind does not exist, between good ones",
    bar="in quarantine after three tries; the others flow",
)  # fmt: skip
def poison(scene: Scene) -> None:
    scene.load()
    with scene.reading() as session:
        phones = session.execute(select(PushRegistration.id, PushRegistration.staff_id).limit(3)).all()
    poisoned, now = [new_id() for _ in phones], datetime.now(UTC)
    with scene.here.database.transaction() as session:
        for made, (registration_id, staff_id) in zip(poisoned, phones, strict=True):
            session.add(
                Delivery(
                    id=made, audience=f"staff:{staff_id}", channel="fcm", created_at=now, due_at=now, kind="poison",
                    useful_until=now + timedelta(seconds=60), registration_id=registration_id, staff_id=staff_id,
                    urgency=1,
                )
            )  # fmt: skip
    scene.struck()
    took = scene.wait(lambda: _settled_as(scene, poisoned, "quarantined") == 3, "they are in quarantine")
    scene.figure("in quarantine after s", took)
    with scene.reading() as session:
        tries = session.scalar(select(func.max(Delivery.attempts)).where(Delivery.id.in_(poisoned)))
    scene.figure("tries", tries)
    scene.live_for(1)


def _settled_as(scene: Scene, ids: list[uuid.UUID], why: str) -> int:
    with scene.reading() as session:
        query = select(func.count()).select_from(Delivery).where(Delivery.id.in_(ids), Delivery.settled_why == why)
        return session.scalar(query) or 0
