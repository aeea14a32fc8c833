"""The checker finds what it is there to find: each broken promise, planted into a sound installation, is named."""

import re
import time
import uuid
from datetime import timedelta

import pytest
from sqlalchemy import text, update

from backend.alerts.models import Alert, Assignment, LogEntry
from backend.delivery.models import Delivery
from faults.history import History
from faults.invariants import Evidence, check, faults_in, faults_of
from faults.invariants.clients import doubled
from faults.invariants.outside import Load, repeats
from faults.people import ControlLog
from faults.provider import Push
from tests.night import Night


class Asked(Night):
    """A night with one alert that a team has been asked to take."""

    def __init__(self, wiring, clock):
        super().__init__(wiring, clock)
        self.team()
        self.alert_id = self.raises()
        self.works()


@pytest.fixture
def night(wiring, clock):
    return Asked(wiring, clock)


def evidence(night) -> Evidence:
    """What clients and processes would have left behind of this night."""
    history = History()
    history.invoke("raise", str(night.alert_id)).end(201)
    with night.session() as session:
        heard = session.scalars(text("SELECT seq FROM feed_entries WHERE audience = 'control' ORDER BY seq")).all()
        delivery_id = session.scalar(text("SELECT id FROM deliveries LIMIT 1"))
    data = {"delivery_id": str(uuid.UUID(str(delivery_id))), "exp": str(night.now.timestamp() + 60)}
    return Evidence(
        history,
        [ControlLog(began=0, last=heard[-1], seqs=list(heard))],
        pushes=[Push(night.now.timestamp(), "phone-1", {"token": "phone-1", "data": data}, 200)],
        texts={"web1": '{"event": "request", "status": 201}'},
        canaries=["Canari"],
        before={"web1": Load(100, 5, 40)},
        after={"web1": Load(110, 5, 41)},
    )


def found(night, gathered: Evidence) -> list[str]:
    with night.session() as session:
        return list(faults_of(session, gathered, night.now))


def test_a_sound_night_has_no_faults(night):
    assert found(night, evidence(night)) == []


def answered_and_gone(gathered):
    gathered.history.invoke("raise", str(uuid.uuid4())).end(201)


def never_answered(gathered):
    gathered.history.invoke("raise", str(uuid.uuid4())).end(0)


def told_no(gathered):
    gathered.history.invoke("raise", gathered.history.operations[0].key).end(422, "invalid")


def still_waiting(gathered):
    gathered.history.invoke("raise", gathered.history.operations[0].key)


def raised_by_nobody(gathered):
    gathered.history.operations.clear()


def new_twice(gathered):
    gathered.history.invoke("raise", gathered.history.operations[0].key).end(201)


def entry_missed(gathered):
    del gathered.control[0].seqs[0]


def entry_heard_twice(gathered):
    gathered.control[0].seqs.append(gathered.control[0].seqs[-1])


def entry_never_committed(gathered):
    gathered.control[0].seqs.append(10**9)


def place_lost(gathered):
    gathered.control[0].began = None


def winner_who_is_none(gathered):
    gathered.winners = {gathered.history.operations[0].key: {str(uuid.uuid4())}}


def push_without_end(gathered):
    del gathered.pushes[0].data["exp"]


def push_after_its_end(gathered):
    gathered.pushes[0].data["exp"] = "1"


def words_in_a_log(gathered):
    gathered.texts["web1"] += "\nCanari il me suit"


def words_in_a_push(gathered):
    gathered.pushes[0].data["text"] = "Canari"


def mistake_in_a_log(gathered):
    gathered.texts["web1"] += '\n{"kind": "KeyError", "event": "mistake"}'


def memory_grown(gathered):
    gathered.after["web1"] = Load(400, 5, 41)


def threads_left(gathered):
    gathered.after["web1"] = Load(110, 100, 41)


def files_left(gathered):
    gathered.after["web1"] = Load(110, 5, 400)


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (answered_and_gone, "I1: alert .* answered yes and is not stored"),
        (never_answered, "I1: .* never answered"),
        (told_no, "I6: the phone was told no .* invalid"),
        (still_waiting, "I6: nobody ever told"),
        (raised_by_nobody, "I1: .* nobody raised it"),
        (new_twice, "I1: .* as new 2 times"),
        (entry_missed, "I2: control room 1 missed 1 of"),
        (entry_heard_twice, "I2: .* twice or out of order"),
        (entry_never_committed, "I2: .* never committed"),
        (place_lost, "I2: .* no place in the feed"),
        (winner_who_is_none, "I6: team .* was told that it has"),
        (push_without_end, "I8: a push without its end"),
        (push_after_its_end, "I8: .* after its end"),
        (words_in_a_log, "I12: web1"),
        (words_in_a_push, "I12: pushes"),
        (mistake_in_a_log, "web1 made 1 mistakes"),
        (memory_grown, "I10: web1 has 400 MB"),
        (threads_left, "I10: .* 100 threads"),
        (files_left, "I10: .* 400 files"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_clients_and_processes_left_behind(night, plant, words):
    gathered = evidence(night)
    plant(gathered)
    faults = found(night, gathered)
    assert len(faults) >= 1
    assert any(re.search(words, fault) for fault in faults), faults


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda now: update(Alert).values(attention_at=None), "I5"),
        (lambda now: update(Alert).values(next_round_at=now - timedelta(minutes=1)), "I7: next_round_at"),
        (lambda now: update(Assignment).values(answer_by=now - timedelta(minutes=1)), "I7: offer"),
        (lambda now: update(Assignment).values(reasons=[]), "has no reason"),
        (lambda now: update(LogEntry).values(to_state="closed"), "I13"),
        (lambda now: update(Alert).values(version=9), "I13: version 9"),
        (lambda now: update(Delivery).values(useful_until=now - timedelta(minutes=1)), "I3: .* still waits"),
        (
            lambda now: update(Delivery).values(claim_token=uuid.uuid4(), claimed_until=now - timedelta(minutes=1)),
            "I3: .* nobody took it over",
        ),
        (lambda now: update(Delivery).values(settled_at=now - timedelta(minutes=1), settled_why="taken"), "I8"),
        (lambda now: update(Assignment).values(state="expired"), "I3: the delivery of expired"),
    ],
)
def test_what_the_database_holds(night, change, words):
    gathered = evidence(night)
    with night.session() as session:
        session.execute(change(night.now))
    faults = found(night, gathered)
    assert any(re.search(words, fault) for fault in faults), faults
    if words.startswith("I5"):
        with night.session() as session, pytest.raises(AssertionError, match="I5"):
            check(session)
        with night.session() as session:
            assert list(faults_in(session))


def test_two_teams_on_one_alert_and_one_team_on_two(night):
    now, alert, team = night.now, uuid.uuid4(), uuid.uuid4()

    def part(alert_id, team_id, began, ended, state="cleared"):
        return Assignment(
            alert_id=alert_id, team_id=team_id, slot=1, state=state,
            accepted_at=now + timedelta(minutes=began), changed_at=now + timedelta(minutes=ended),
        )  # fmt: skip

    assert list(doubled([part(alert, team, 0, 1), part(alert, uuid.uuid4(), 1, 2)])) == []
    assert "place" in next(doubled([part(alert, team, 0, 2), part(alert, uuid.uuid4(), 1, 3)]))
    assert "team" in next(doubled([part(alert, team, 0, 1, "on_scene"), part(uuid.uuid4(), team, 1, 3)]))


def test_repeats_are_counted_and_refusals_are_not():
    at = time.time()
    pushes = [Push(at, "a", {"data": {"delivery_id": "1"}}, status) for status in (200, 503, 200)]
    assert repeats([*pushes, Push(at, "a", {"data": {"delivery_id": "2"}}, 200)]) == 1


def test_an_answer_that_did_not_come_is_neither_yes_nor_no():
    history = History()
    for status in (0, 503, 500):
        one = history.invoke("raise", "a")
        one.end(status)
        assert one.outcome == "unknown"
    assert history.never_answered("raise") == {"a"}
    history.invoke("raise", "a").end(200)
    assert history.never_answered("raise") == set()
    assert history.keys("raise", ("ok",)) == {"a"}
