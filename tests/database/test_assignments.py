"""Offers and missions: what a team can do, what follows for the alert, and who hears of it."""

import uuid
from itertools import groupby

import pytest

from backend import feed
from backend.alerts import receiving
from backend.alerts.models import Alert
from backend.control_room import actions
from backend.errors import Refused
from backend.people.roles import Caller, Role


def of_team(patrol):
    return Caller(Role.AGENT, uuid.uuid4(), team_id=patrol.id)


def refusal(action, *given, **said):
    with pytest.raises(Refused) as caught:
        action(*given, **said)
    return caught.value


def test_the_way_to_the_scene_and_back(night):
    team = night.team()
    alert_id = night.raises()
    mission = night.taken(team, alert_id)
    for step, state in (("set_off", "en_route"), ("arrive", "on_scene"), ("clear", "resolved")):
        night.clock.advance(60)
        night.does(step, team, mission)
        assert night.alert(alert_id).state == state
    assert night.actions(alert_id) == ["raised", "offered", "accepted", "set_off", "arrived", "cleared"]
    told = [state for state, _ in groupby(data["alert"]["state"] for data in night.heard_by_rider(alert_id))]
    assert told == ["open", "assigned", "en_route", "on_scene", "resolved"]


@pytest.mark.parametrize("step", ["accept", "decline", "set_off", "arrive", "clear"])
def test_the_same_step_twice_changes_nothing_and_answers_the_same(night, step):
    team = night.team()
    alert_id = night.raises()
    night.works()
    mission = night.offer_to(team, alert_id)
    before = {"set_off": ["accept"], "arrive": ["accept"], "clear": ["accept"]}.get(step, [])
    for each in [*before, step]:
        first = night.does(each, team, mission)
    version, lines = night.alert(alert_id).version, night.actions(alert_id)
    second = night.does(step, team, mission)
    assert (second.state, second.version) == (first.state, first.version)
    assert night.alert(alert_id).version == version
    assert night.actions(alert_id) == lines


def test_steps_that_cannot_follow_are_refused(night):
    team = night.team()
    alert_id = night.raises()
    night.works()
    mission = night.offer_to(team, alert_id)
    for step in ("set_off", "arrive", "clear"):
        assert refusal(night.does, step, team, mission).code == "action_impossible"
    night.does("accept", team, mission)
    night.does("arrive", team, mission)
    assert refusal(night.does, "decline", team, mission).code == "action_impossible"


def test_another_teams_assignment_does_not_exist(night):
    team, stranger = night.team(), night.team(5000)
    alert_id = night.raises()
    night.works()
    for step in ("accept", "decline", "set_off", "arrive", "clear"):
        assert refusal(night.does, step, stranger, night.offer_to(team, alert_id)).code == "assignment_unknown"
        assert refusal(night.does, step, team, uuid.uuid4()).code == "assignment_unknown"


def test_a_decline_asks_the_next_team_at_once_and_never_the_same_again(night):
    near, far = night.team(100), night.team(300)
    alert_id = night.raises()
    night.works()
    night.does("decline", near, night.offer_to(near, alert_id), reason="busy")
    night.works()
    assert [one.team_id for one in night.asked(alert_id)] == [far.id]
    night.does("decline", far, night.offer_to(far, alert_id), reason="too_far")
    night.wait(120)
    assert night.asked(alert_id) == []
    assert night.alert(alert_id).shortfall == {"all_declined": 2}


def test_nobody_answers_and_the_team_is_told_that_its_offer_is_over(night):
    team = night.team()
    alert_id = night.raises()
    night.works()
    night.wait(20)
    assert night.asked(alert_id) == []
    assert night.heard_by_team(team, "assignment.withdrawn")[0]["reason"] == "expired"
    assert "offer_expired" in night.actions(alert_id)


def test_a_late_yes_is_help_while_nobody_else_has_it(night):
    team = night.team()
    alert_id = night.raises()
    night.works()
    mission = night.offer_to(team, alert_id)
    night.wait(20)
    night.does("accept", team, mission)
    assert night.alert(alert_id).state == "assigned"
    assert not night.alert(alert_id).needs_human


def test_a_late_yes_counts_while_the_team_is_asked_for_another_alert_which_goes_to_others(night):
    team = night.team()
    first = night.raises()
    night.works()
    mission = night.offer_to(team, first)
    night.wait(20)
    second = night.raises()
    night.works()
    assert [one.team_id for one in night.asked(second)] == [team.id]
    night.does("accept", team, mission)
    assert night.alert(first).state == "assigned"
    assert night.asked(second) == []
    assert night.heard_by_team(team, "assignment.withdrawn")[-1]["reason"] == "taken"


def test_a_late_yes_from_a_team_that_works_elsewhere_or_went_home_says_so(night):
    team = night.team()
    first = night.raises()
    night.works()
    mission = night.offer_to(team, first)
    night.wait(20)
    second = night.raises()
    night.taken(team, second)
    assert refusal(night.does, "accept", team, mission).code == "team_unavailable"
    night.does("clear", team, night.offer_to(team, second))
    night.leaves(team)
    assert refusal(night.does, "accept", team, mission).code == "off_duty"


def test_a_late_yes_after_another_team_took_it_learns_who(night):
    slow, quick = night.team(100), night.team(3000)
    alert_id = night.raises()
    night.works()
    late = night.offer_to(slow, alert_id)
    night.wait(20)
    night.does("accept", quick, night.offer_to(quick, alert_id))
    refused = refusal(night.does, "accept", slow, late)
    assert (refused.code, refused.extras["by"]) == ("already_taken", quick.call_sign)
    assert refused.extras["at"]


def test_a_late_yes_of_a_team_that_has_gone_home_is_none(night):
    team = night.team()
    alert_id = night.raises()
    night.works()
    late = night.offer_to(team, alert_id)
    night.wait(20)
    night.leaves(team)
    assert refusal(night.does, "accept", team, late).code == "off_duty"
    assert night.alert(alert_id).state == "open"


def test_whoever_takes_it_ends_the_offers_of_the_others_and_they_hear_who(night):
    first, second, third = (night.team(metres) for metres in (3000, 3100, 3200))
    alert_id = night.raises()
    night.works()
    assert {one.team_id for one in night.asked(alert_id)} == {first.id, second.id}, "round 2 asks two"
    night.does("accept", second, night.offer_to(second, alert_id))
    withdrawn = night.heard_by_team(first, "assignment.withdrawn")
    assert [(data["reason"], data["taken_by"]) for data in withdrawn] == [("taken", second.call_sign)]
    assert night.heard_by_team(third) == night.heard_by_team(third, "shift.changed")


def test_a_team_that_goes_off_duty_gives_everything_back_and_others_are_asked(night):
    team, other = night.team(100), night.team(400)
    alert_id = night.raises()
    mission = night.taken(team, alert_id)
    night.does("set_off", team, mission)
    night.leaves(team)
    assert night.alert(alert_id).state == "open"
    assert night.heard_by_team(team, "assignment.withdrawn")[0]["reason"] == "off_duty"
    night.works()
    assert [one.team_id for one in night.asked(alert_id)] == [other.id]


def test_a_reinforcement_comes_in_a_place_of_its_own(night):
    lead, second = night.team(100), night.team(400)
    alert_id = night.raises()
    mission = night.taken(lead, alert_id)
    night.does("arrive", lead, mission)
    night.operates(lambda s, a, me, now: actions.assign(s, a, second.id, me, now), alert_id)
    extra = night.offer_to(second, alert_id)
    night.does("accept", second, extra)
    assert {one.slot for one in night.asked(alert_id)} == {1, 2}
    assert night.alert(alert_id).state == "on_scene"
    night.does("clear", lead, mission)
    assert night.alert(alert_id).state == "assigned", "as far as the team that is still on its way"
    night.does("set_off", second, extra)
    night.does("clear", second, extra)
    assert night.alert(alert_id).state == "resolved"


def test_a_reinforcement_that_does_not_answer_is_free_again_on_time(night):
    lead, second = night.team(100), night.team(400)
    alert_id = night.raises()
    night.taken(lead, alert_id)
    night.wait(20)  # nobody has seen it: that silence must not make the offer last longer
    night.operates(lambda s, a, me, now: actions.assign(s, a, second.id, me, now), alert_id)
    night.wait(30)
    assert [one.team_id for one in night.asked(alert_id)] == [lead.id]
    assert night.heard_by_team(second, "assignment.withdrawn")[-1]["reason"] == "expired"


def test_an_offer_holds_nothing_that_the_team_need_not_know_yet(night):
    team = night.team()
    alert_id = night.raises(description="canary words")
    night.works()
    offer = night.heard_by_team(team, "assignment.offered")[0]["assignment"]
    assert "canary" not in str(offer)
    night.does("accept", team, uuid.UUID(offer["id"]))
    assert night.heard_by_team(team, "assignment.changed")[-1]["assignment"]["alert"]["description"] == "canary words"
    night.does("clear", team, uuid.UUID(offer["id"]))
    assert night.heard_by_team(team, "assignment.changed")[-1]["assignment"]["alert"]["description"] is None
    assert "canary" not in str(night.heard_by_rider(alert_id, None))


def test_a_receipt_is_stored_once_and_shown_at_once(night):
    team, stranger = night.team(), night.team(9000)
    alert_id = night.raises()
    night.works()
    delivery = night.asked(alert_id)[0].delivery_id

    def receipts(patrol, *, seen):
        with night.database.transaction() as session:
            receiving.receipt(session, delivery, of_team(patrol), night.now, seen=seen)

    receipts(team, seen=False)
    first = night.now
    night.clock.advance(3)
    receipts(team, seen=False)
    receipts(team, seen=True)
    shown = night.heard(feed.CONTROL, "alert.changed")[-1]["alert"]["assignments"][0]
    assert shown["received_at"].startswith(f"{first:%Y-%m-%dT%H:%M:%S}")
    assert shown["seen_at"].startswith(f"{night.now:%Y-%m-%dT%H:%M:%S}")
    assert refusal(receipts, stranger, seen=True).code == "delivery_unknown"


def test_a_team_on_an_alert_is_not_asked_for_another(night):
    team = night.team()
    night.taken(team, night.raises())
    second = night.raises()
    night.works()
    assert night.asked(second) == []
    assert night.alert(second).shortfall == {"all_engaged": 1}


def test_a_cleared_team_is_asked_for_the_next_alert(night):
    team = night.team()
    first = night.raises()
    mission = night.taken(team, first)
    second = night.raises()
    night.works()
    night.does("clear", team, mission)
    night.wait(30)
    assert [one.team_id for one in night.asked(second)] == [team.id]


def test_an_alert_that_waits_for_a_person_is_offered_to_a_team_that_comes_on_duty(night):
    alert_id = night.raises()
    night.works()
    assert night.alert(alert_id).shortfall == {"no_team_on_duty": 0}
    team = night.team(2500)
    night.wait(30)
    assert [one.team_id for one in night.asked(alert_id)] == [team.id]
    assert isinstance(night.alert(alert_id), Alert)
