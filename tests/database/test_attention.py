"""Silence becomes news: unseen alerts, acknowledgements that lead to nothing, cancels that wait, teams that say nothing."""

import pytest

from backend import feed
from backend.control_room import actions


def seen(night, alert_id):
    night.operates(actions.mark_seen, alert_id)


def test_an_alert_that_nobody_has_seen_sounds_after_fifteen_seconds_and_every_thirty(night):
    night.team()
    alert_id = night.raises()
    night.wait(14)
    assert night.called(alert_id, "alert.unseen") == []
    night.wait(2)
    assert len(night.called(alert_id, "alert.unseen")) == 1
    night.wait(60)
    assert len(night.called(alert_id, "alert.unseen")) == 3
    assert night.actions(alert_id).count("unseen") == 1, "the register says it once"
    seen(night, alert_id)
    night.wait(60)
    assert len(night.called(alert_id, "alert.unseen")) == 3


def test_a_rider_who_walks_does_not_put_off_the_sound(night):
    team = night.team()
    alert_id = night.raises()
    night.taken(team, alert_id)
    for second in range(50):
        night.clock.advance(1)
        night.moves(alert_id, second, second)
        if second % 3 == 0:
            night.works()
    assert len(night.called(alert_id, "alert.unseen")) == 2


def test_an_alert_from_before_a_restart_sounds_at_once(night):
    alert_id = night.raises()
    night.clock.advance(90)
    night.works()
    assert len(night.called(alert_id, "alert.unseen")) == 1


def test_a_taken_alert_that_nobody_has_seen_sounds_too(night):
    team = night.team()
    alert_id = night.raises()
    night.taken(team, alert_id)
    night.wait(16)
    assert len(night.called(alert_id, "alert.unseen")) == 1


def test_an_acknowledgement_that_leads_to_nothing_goes_back_to_the_queue(night):
    alert_id = night.raises()
    night.works()
    night.operates(actions.acknowledge, alert_id)
    called = len(night.called(alert_id))
    night.wait(59)
    assert len(night.called(alert_id)) == called, "somebody takes care of it"
    night.wait(2)
    alert = night.alert(alert_id)
    assert alert.acknowledged_at is None
    assert alert.needs_human
    assert "acknowledgement_aged" in [data["reason"] for data in night.called(alert_id)]
    assert "acknowledgement_aged" in night.actions(alert_id)


def test_an_acknowledgement_with_a_team_on_its_way_stands(night):
    team = night.team()
    alert_id = night.raises()
    night.taken(team, alert_id)
    night.operates(actions.acknowledge, alert_id)
    night.wait(100)
    assert night.alert(alert_id).acknowledged_at is not None


def test_a_cancel_that_nobody_decides_is_said_again(night):
    alert_id = night.raises()
    seen(night, alert_id)
    night.cancels(alert_id)
    night.wait(31)
    assert [data["reason"] for data in night.called(alert_id)].count("cancel_waiting") == 1
    night.operates(actions.refuse_cancel, alert_id)
    night.wait(61)
    assert [data["reason"] for data in night.called(alert_id)].count("cancel_waiting") == 1


def test_a_team_that_says_nothing_for_three_minutes_is_news(night):
    team = night.team()
    alert_id = night.raises()
    seen(night, alert_id)
    mission = night.taken(team, alert_id)
    night.wait(179)
    assert night.called(alert_id) == []
    night.wait(2)
    assert [data["reason"] for data in night.called(alert_id)] == ["team_silent"]
    night.does("arrive", team, mission)
    night.wait(200)
    assert len(night.called(alert_id)) == 1


@pytest.mark.parametrize("end", ["closed", "cancelled"])
def test_what_is_over_is_silent(night, end):
    alert_id = night.raises()
    night.works()
    night.cancels(alert_id)
    if end == "closed":
        night.operates(actions.close, alert_id, closing_code="victim_safe", legal_class=None, note=None)
    else:
        night.operates(actions.confirm_cancel, alert_id)
    before = len(night.heard(feed.CONTROL))
    night.wait(120)
    assert len(night.heard(feed.CONTROL)) == before
