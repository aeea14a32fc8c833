"""Races, with threads on both databases: one winner, one team, one alert, and nobody waits for ever."""

import threading
from typing import Any

import pytest
from sqlalchemy import event

from backend.alerts import assignments, missions
from backend.alerts.assignments import Offer
from backend.alerts.register import announce, lock_in_order, locked
from backend.control_room import actions
from backend.errors import Refused


def at_once(*jobs):
    """What each job returned, or its refusal; anything else that went wrong fails the test."""
    start = threading.Barrier(len(jobs))
    results: list[Any] = [None] * len(jobs)

    def run(place, job):
        start.wait()
        try:
            results[place] = job()
        except Refused as refused:
            results[place] = refused
        except Exception as error:  # noqa: BLE001
            results[place] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    trouble = [one for one in results if isinstance(one, Exception) and not isinstance(one, Refused)]
    assert trouble == []
    return results


def offer(night, alert_id, *patrols):
    """Asks these teams as one round would."""
    with night.session() as session:
        alert = locked(session, alert_id)
        made = assignments.offer(
            session, alert, [Offer(one.id, 100.0, ({"code": "distance"},)) for one in patrols], night.now, 1, night.now
        )
        announce(session, alert, night.now)
        return [one.id for one in made]


@pytest.mark.parametrize("count", [2, 5])
def test_of_teams_that_accept_at_once_one_wins_and_the_others_learn_who(night, count):
    patrols = [night.team(100 + number) for number in range(count)]
    for _ in range(3):
        alert_id = night.raises()
        offers = offer(night, alert_id, *patrols)
        jobs = [
            lambda patrol=patrol, offered=offered: night.does("accept", patrol, offered)
            for patrol, offered in zip(patrols, offers, strict=True)
        ]
        results = at_once(*jobs)
        winners = [number for number, one in enumerate(results) if not isinstance(one, Refused)]
        assert len(winners) == 1
        winner = patrols[winners[0]]
        for number, one in enumerate(results):
            if number != winners[0]:
                assert one.code == "already_taken"
                assert one.extras["by"] == winner.call_sign
        assert [one.team_id for one in night.asked(alert_id)] == [winner.id]
        night.operates(actions.close, alert_id, closing_code="drill", legal_class=None, note=None)


def test_a_team_that_accepts_two_alerts_at_once_has_one(night):
    patrol = night.team()
    first, second = night.raises(), night.raises()
    night.works()
    old = night.offer_to(patrol, first)
    night.wait(21)  # a late yes is possible, so that the team can say yes twice
    (new,) = offer(night, second, patrol)
    results = at_once(lambda: night.does("accept", patrol, old), lambda: night.does("accept", patrol, new))
    refused = [one for one in results if isinstance(one, Refused)]
    assert len(refused) == 1
    assert refused[0].code in ("team_unavailable", "already_taken", "busy")
    engaged = [one for alert_id in (first, second) for one in night.asked(alert_id)]
    assert [one.state for one in engaged] == ["accepted"]


@pytest.mark.postgres_only
def test_a_second_yes_that_waits_for_the_first_one_is_refused_and_nobody_is_failed(night):
    patrol = night.team()
    first, second = night.raises(), night.raises()
    (one,), (other,) = offer(night, first, patrol), offer(night, second, patrol)
    answers = []
    late = threading.Thread(target=lambda: answers.extend(at_once(lambda: night.does("accept", patrol, other))))

    def meanwhile(*_):
        late.start()
        late.join(0.3)
        assert answers == [], "the database lets it wait until the first is decided"

    with night.session() as session:
        event.listen(session, "after_flush_postexec", meanwhile, once=True)
        missions.accept(session, one, patrol.id, patrol.agent_id, night.now)
    late.join(10)
    assert [refused.code for refused in answers] == ["team_unavailable"]
    night.wait(1)
    assert [each.team_id for each in night.asked(first)] == [patrol.id]


def test_an_accept_while_the_shift_ends_leaves_nobody_waiting(night):
    for _ in range(6):
        patrol = night.team()
        alert_id = night.raises()
        (offered,) = offer(night, alert_id, patrol)
        results = at_once(lambda p=patrol: night.leaves(p), lambda p=patrol, o=offered: night.does("accept", p, o))
        assert results[0] is None, "the shift has ended"
        assert night.asked(alert_id) == []
        assert night.alert(alert_id).state == "open"
        assert night.alert(alert_id).next_round_at is not None


def test_an_accept_while_an_operator_closes_or_the_offer_expires(night):
    for _ in range(4):
        patrol = night.team()
        alert_id = night.raises()
        (offered,) = offer(night, alert_id, patrol)
        at_once(
            lambda p=patrol, o=offered: night.does("accept", p, o),
            lambda a=alert_id: night.operates(actions.close, a, closing_code="unfounded", legal_class=None, note=None),
            night.works,
        )
        assert night.alert(alert_id).state == "closed"
        assert night.asked(alert_id) == []
        night.leaves(patrol)


def test_two_alerts_merged_into_each_other_at_once(night):
    for _ in range(4):
        one, other = night.raises(), night.raises()

        def merge(alert_id, into):
            with night.session() as session:
                lock_in_order(session, [alert_id, into])
                actions.merge(session, locked(session, alert_id), into, night.operator, night.now)

        results = at_once(lambda a=one, b=other: merge(a, b), lambda a=other, b=one: merge(a, b))
        (refused,) = [result for result in results if result is not None]
        assert refused.code in ("merge_impossible", "alert_over")
        assert sorted(night.alert(each).state for each in (one, other)) == ["merged", "open"]


def test_operators_who_ask_one_team_for_two_alerts_at_once(night):
    for _ in range(4):
        patrol = night.team()
        alerts = [night.raises(at=None), night.raises(at=None)]
        jobs = [
            lambda a=alert_id, p=patrol: night.operates(lambda s, al, me, now: actions.assign(s, al, p.id, me, now), a)
            for alert_id in alerts
        ]
        at_once(*jobs)
        assert sum(len(night.asked(alert_id)) for alert_id in alerts) == 1
        night.leaves(patrol)
