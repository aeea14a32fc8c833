"""Rounds: who is asked and when, several workers side by side, alerts that cannot be dispatched, restarts."""

import threading
import uuid
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update

from backend import feed
from backend import worker as worker_module
from backend.alerts.models import Alert
from backend.alerts.register import locked
from backend.control_room import actions
from backend.dispatch import attention
from backend.dispatch.plan import DispatchPlan, RoundPlan
from backend.dispatch.rounds import Rules
from backend.people.models import Vehicle, VehiclePosition
from backend.worker import Worker
from tests.sockets import eventually


def offered(night, alert_id):
    return [one.team_id for one in night.asked(alert_id)]


def test_the_nearest_free_team_is_asked_and_the_offer_says_why(night):
    night.team(900)
    near = night.team(200)
    alert_id = night.raises()
    night.works()
    assert offered(night, alert_id) == [near.id]
    assert [reason["code"] for reason in night.asked(alert_id)[0].reasons] == ["closest_by_distance", "position_age"]


def test_who_is_aboard_the_same_vehicle_is_asked_before_anybody_nearer(night):
    night.team(10)
    aboard = night.team(25_000, vehicle_number="A-101")
    alert_id = night.raises(place={"vehicle_number": "A-101"})
    night.works()
    assert offered(night, alert_id) == [aboard.id]


def test_help_goes_to_where_the_vehicle_is_now(night):
    there = night.team(5_000)
    night.team(100)
    with night.session() as session:
        bus = Vehicle(number="A-7")
        session.add(bus)
        session.flush()
        session.add(
            VehiclePosition(vehicle_id=bus.id, lat=43.2951 + 5_000 / 111_195, lon=5.374, provider="gnss", fix_at=night.now,
                            received_at=night.now)
        )  # fmt: skip
    alert_id = night.raises(place={"vehicle_number": "A-7"})
    night.works()
    assert offered(night, alert_id) == [there.id]


def test_each_round_is_wider_and_then_a_person_is_called_again_and_again(night):
    near, middle, far = night.team(500), night.team(4_000), night.team(15_000)
    alert_id = night.raises()
    night.works()
    assert offered(night, alert_id) == [near.id]
    night.wait(20)
    assert offered(night, alert_id) == [middle.id]
    night.wait(20)
    assert offered(night, alert_id) == [far.id]
    night.wait(20)
    assert offered(night, alert_id) == []
    assert night.alert(alert_id).needs_human
    night.wait(300)
    assert len(night.called(alert_id)) >= 6
    assert night.alert(alert_id).state == "open", "time alone never closes an alert"
    assert len(night.asked(alert_id, pending=False)) > 6, "the silent teams are asked again"


@pytest.mark.parametrize(
    ("said", "hold"),
    [
        ({"at": None}, "no_position"),
        ({"position": {"latitude": 0, "longitude": 0}}, "out_of_area"),
        ({"position": {"latitude": 43.2951, "longitude": 5.374, "accuracy_m": 50_000}}, "position_vague"),
        ({"queued_ms": 3_600_000}, "late"),
    ],
)
def test_an_alert_that_nobody_can_be_measured_against_goes_to_a_person(night, said, hold):
    night.team(10)
    alert_id = night.raises(**said)
    night.works()
    assert offered(night, alert_id) == []
    assert [data["reason"] for data in night.called(alert_id)] == [hold]
    assert night.alert(alert_id).shortfall


def test_an_armed_alert_goes_out_by_itself_after_five_seconds(night):
    team = night.team()
    alert_id = night.raises(armed=True)
    night.wait(4)
    assert (night.alert(alert_id).state, offered(night, alert_id)) == ("armed", [])
    night.wait(1)
    assert (night.alert(alert_id).state, offered(night, alert_id)) == ("open", [team.id])
    assert night.actions(alert_id)[:2] == ["raised", "promoted"]


def test_a_round_may_ask_as_many_teams_as_the_plan_says(night):
    for metres in range(100, 1300, 100):
        night.team(metres)
    alert_id = night.raises()
    night.worker.rules = Rules(DispatchPlan({**DispatchPlan().by_priority, 1: (RoundPlan(5_000, 12, 20),)}))
    night.works()
    assert len(offered(night, alert_id)) == 12


def test_alerts_of_other_phones_about_the_same_thing_are_suggested_and_weigh(night):
    first = night.raises(category="theft", contact_mode="can_talk")
    night.works()
    second = night.raises(at=50, category="theft", contact_mode="can_talk")
    night.works()
    stored = night.alert(second)
    assert stored.similar == [str(first)]
    assert (stored.state, stored.priority, stored.priority_reasons) == ("open", 1, ["category_theft", "corroborated"])
    assert night.alert(night.raises(at=5_000, category="theft")).similar == []


def workers_at_once(night, count=2):
    """Several workers do what is due, at the same moment."""
    start, troubles = threading.Barrier(count), []

    def work(worker):
        try:
            start.wait()
            worker.run_due()
        except Exception as error:  # noqa: BLE001
            troubles.append(error)

    threads = [threading.Thread(target=work, args=(Worker(night.wiring),)) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert troubles == []


def test_workers_side_by_side_ask_every_team_once(night):
    teams = [night.team(100 + metres) for metres in range(6)]
    alerts = [night.raises() for _ in range(12)]
    workers_at_once(night, 4)
    night.clock.advance(1)
    workers_at_once(night, 4)
    asked = [one for alert_id in alerts for one in night.asked(alert_id)]
    assert len(asked) == len(teams), "every team is asked"
    assert len({one.team_id for one in asked}) == len(teams), "and each only once"
    assert all(night.actions(alert_id).count("offered") <= 1 for alert_id in alerts)
    assert not [data for data in night.heard(feed.CONTROL, "alert.needs_human") if data["reason"] == "dispatch_failed"]


@pytest.mark.postgres_only
def test_an_alert_that_somebody_holds_is_passed_over_and_the_next_one_is_dispatched(night):
    team, held, free = night.team(), night.raises(), night.raises()
    with night.session() as session:
        locked(session, held)
        worker = threading.Thread(target=night.works)
        worker.start()
        worker.join(1)
        assert not worker.is_alive(), "it waits for the one who holds it"
        assert offered(night, free) == [team.id]
    night.works()
    assert night.called(held)


def poison(night, alert_id):
    """What no code of ours writes: a priority without rounds, as after a hand at the database."""
    with night.session() as session:
        if night.database.is_postgresql:
            session.execute(text("ALTER TABLE alerts DROP CONSTRAINT ck_alerts_priority_known"))
        else:
            session.execute(text("PRAGMA ignore_check_constraints = ON"))
        session.execute(update(Alert).where(Alert.id == alert_id).values(priority=9))


def test_an_alert_that_cannot_be_dispatched_stops_nobody_and_a_person_is_called(night):
    team = night.team()
    poisoned = night.raises()
    night.clock.advance(1)
    healthy = night.raises()
    poison(night, poisoned)
    night.works()
    assert offered(night, healthy) == [team.id]
    assert [data["reason"] for data in night.called(poisoned)] == ["dispatch_failed"]
    assert night.alert(poisoned).next_round_at > night.now
    with night.session() as session:
        session.execute(update(Alert).where(Alert.id == poisoned).values(priority=1))


def test_a_worker_that_was_away_does_what_was_due_once_and_in_order(night):
    team = night.team()
    late, later = night.raises(), None
    night.works()
    night.clock.advance(10)
    later = night.raises(at=2_500)
    night.clock.advance(90)
    night.everybody_stands()
    restarted = Worker(night.wiring)
    assert restarted.run_due() > 0
    assert restarted.run_due() == 0
    withdrawn = [data["alert_id"] for data in night.heard_by_team(team, "assignment.withdrawn")]
    assert withdrawn == [str(late)]
    offers = [data["assignment"]["alert"]["id"] for data in night.heard_by_team(team, "assignment.offered")]
    assert offers == [str(late)], "the younger alert was due before the older one's offer was over"
    assert [data["alert_id"] for data in night.heard(feed.CONTROL, "alert.needs_human")] == [str(later), str(late)]
    assert night.actions(late).count("offer_expired") == 1


def test_rounds_are_taken_in_the_order_in_which_they_were_due(night):
    ids = [uuid.uuid4() for _ in range(4)]
    for place, alert_id in enumerate(ids):
        night.raises(alert_id=alert_id)
        with night.session() as session:
            due = night.now - timedelta(seconds=[3, 1, 4, 2][place])
            session.execute(update(Alert).where(Alert.id == alert_id).values(next_round_at=due))
    night.works()
    called = [data["alert_id"] for data in night.heard(feed.CONTROL, "alert.needs_human")]
    assert called == [str(ids[place]) for place in (2, 0, 3, 1)]


def test_an_operators_offer_does_not_make_the_others_last_longer(night):
    first, second = night.team(100), night.team(9_000)
    alert_id = night.raises()
    night.works()
    night.clock.advance(5)
    night.operates(lambda s, a, me, now: actions.assign(s, a, second.id, me, now), alert_id)
    night.wait(16)
    assert offered(night, alert_id) == [second.id]
    assert night.heard_by_team(first, "assignment.withdrawn")[-1]["reason"] == "expired"


def test_a_silent_team_and_a_new_one(night):
    night.team(100)
    alert_id = night.raises()
    night.works()
    night.wait(25)
    assert night.alert(alert_id).needs_human
    fresh = night.team(19_000)
    night.wait(30)
    assert fresh.id in offered(night, alert_id)


def test_a_flood_of_rounds_keeps_no_other_timer_waiting(night, monkeypatch):
    """Attention and night stops are looked at between two batches of rounds, not when the last one is done."""
    for number in range(3 * worker_module.TOGETHER):
        night.raises(category="noise" if number % 2 else None)
    monkeypatch.setattr(worker_module, "LOOK_S", 0.0001)
    seen, look = [], attention.due_alerts

    def looked(session, now, *rest):
        seen.append(session.scalar(select(func.count()).where(Alert.round_no == 0, ~Alert.needs_human)))
        return look(session, now, *rest)

    monkeypatch.setattr(attention, "due_alerts", looked)
    worker = night.worker
    at_work = threading.Thread(target=worker.run)
    at_work.start()
    try:
        eventually(lambda: bool(seen) and seen[-1] == 0, timeout=60)
    finally:
        worker.stop()
        at_work.join(10)
    assert 0 < seen[0] < 3 * worker_module.TOGETHER
