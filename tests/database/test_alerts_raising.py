"""Raising an alert: stored once, whatever is sent twice, by whom and at the same time."""

import threading
import uuid
from collections import Counter

import pytest
from sqlalchemy import func, select

from backend import feed
from backend.alerts.details import add_details
from backend.alerts.intake import read_alert, read_details
from backend.alerts.models import Alert, AlertPosition
from backend.alerts.raising import raise_alert
from backend.errors import Refused


def rows(night):
    with night.database.reading() as session:
        return session.scalar(select(func.count()).select_from(Alert))


def again(night, alert_id, device, body, **how):
    with night.database.transaction() as session:
        return raise_alert(session, alert_id, device, read_alert(body, night.now), night.now, **how)


def test_an_alert_is_stored_with_its_line_and_told_to_control_room_and_phone(night):
    alert_id = night.raises()
    assert night.actions(alert_id) == ["raised"]
    assert [data["type"] for data in night.heard(feed.CONTROL)] == ["alert.raised"]
    assert [data["alert"]["state"] for data in night.heard_by_rider(alert_id)] == ["open"]
    assert night.alert(alert_id).next_round_at == night.now, "the first dispatch is a round that is due now"


def test_the_same_sent_twice_is_one_alert_and_one_line(night):
    device = night.phone()
    alert_id = night.raises(device, category="theft")
    night.clock.advance(40)
    body = {"category": "theft", "position": {"latitude": 43.2951, "longitude": 5.374, "accuracy_m": 8}}
    alert, is_new = again(night, alert_id, device, {**body, "queued_ms": 40_000, "armed": False})
    assert (alert.id, is_new) == (alert_id, False)
    assert night.actions(alert_id) == ["raised"]
    assert rows(night) == 1


def test_the_same_name_for_something_else_is_refused_and_says_what_it_is(night):
    device = night.phone()
    alert_id = night.raises(device)
    with pytest.raises(Refused) as caught:
        again(night, alert_id, device, {"category": "theft"})
    assert caught.value.code == "key_reused"
    assert caught.value.extras["alert_id"] == str(alert_id)


def test_another_phone_does_not_learn_that_an_alert_exists(night):
    alert_id = night.raises()
    with pytest.raises(Refused) as caught:
        again(night, alert_id, night.phone(), {"category": "assault"})
    assert caught.value.code == "alert_unknown"
    assert not caught.value.extras


def test_sending_an_armed_alert_again_without_the_countdown_sends_it_now(night):
    device = night.phone()
    alert_id = night.raises(device, at=None, armed=True)
    assert night.alert(alert_id).state == "armed"
    again(night, alert_id, device, {"category": "assault"})
    assert night.alert(alert_id).state == "open"
    assert night.actions(alert_id) == ["raised", "promoted"]


def test_twenty_sendings_at_once_are_one_alert(night):
    device, alert_id, body = night.phone(), uuid.uuid4(), {"category": "assault"}
    start, answers = threading.Barrier(20), []

    def send():
        start.wait()
        alert, is_new = again(night, alert_id, device, body)
        answers.append((alert.id, is_new))

    threads = [threading.Thread(target=send) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert Counter(answers) == {(alert_id, True): 1, (alert_id, False): 19}
    assert rows(night) == 1
    assert night.actions(alert_id) == ["raised"]


def test_a_phone_that_alerts_again_and_again_is_flagged_and_never_refused(night):
    device = night.phone()
    alerts = [night.raises(device) for _ in range(8)]
    assert [night.alert(one).suspect for one in alerts] == [False] * 6 + [True] * 2
    night.clock.advance(3601)
    assert not night.alert(night.raises(device)).suspect


def test_what_was_wrong_stays_with_the_alert_in_the_riders_language(night):
    device, alert_id = night.phone(), uuid.uuid4()
    body = {"category": "?", "place": {"stop_id": "nowhere"}}
    again(night, alert_id, device, body, language="en", also=("identity_stale", "id_derived"))
    warnings = night.alert(alert_id).warnings
    assert {one["code"] for one in warnings} == {"category_unknown", "identity_stale", "id_derived", "place_unknown"}
    assert all(one["detail"] for one in warnings)
    assert "Unknown category" in str(warnings)


def test_what_is_told_afterwards_is_added_and_weighs(night):
    device = night.phone()
    alert_id = night.raises(device, category="antisocial", contact_mode="can_talk", reporter_role="witness")
    assert night.alert(alert_id).priority == 4
    with night.database.transaction() as session:
        add_details(
            session, alert_id, device, read_details({"category": "assault", "reporter_role": "victim"}), night.now
        )
    stored = night.alert(alert_id)
    assert (stored.category, stored.priority) == ("assault", 1)
    assert night.actions(alert_id) == ["raised", "details_added"]


def test_what_makes_it_worse_sends_teams_at_once(night):
    night.team(200)
    device = night.phone()
    alert_id = night.raises(device, category="antisocial", contact_mode="can_talk", reporter_role="witness")
    night.works()
    assert night.alert(alert_id).needs_human, "priority 4 goes to the control room only"
    with night.database.transaction() as session:
        add_details(
            session, alert_id, device, read_details({"category": "assault", "reporter_role": "victim"}), night.now
        )
    night.works()
    assert [one.state for one in night.asked(alert_id)] == ["offered"]


def test_the_trail_keeps_every_point_once_and_the_alert_the_newest(night):
    alert_id = night.raises()
    for metres, seq in ((10, 1), (30, 3), (20, 2), (999, 3), (10, 1)):
        night.moves(alert_id, metres, seq)
    with night.database.reading() as session:
        trail = session.scalars(select(AlertPosition).order_by(AlertPosition.point_seq)).all()
        assert [point.point_seq for point in trail] == [1, 2, 3]
    stored = night.alert(alert_id)
    assert stored.position_seq == 3
    assert stored.lat == pytest.approx(43.2951 + 30 / 111_195)


def test_a_first_position_sends_teams_at_once(night):
    night.team(200)
    alert_id = night.raises(at=None)
    night.works()
    assert night.called(alert_id)[0]["reason"] == "no_position"
    night.moves(alert_id, 0, 1)
    night.works()
    assert [one.round_no for one in night.asked(alert_id)] == [1]
