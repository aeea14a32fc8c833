"""What an operator does: each action one line, one version more, and everybody whom it concerns is told."""

import uuid
from typing import Any

import pytest

from backend.control_room import actions, snapshot
from backend.errors import Refused

CLOSED: dict[str, Any] = {"closing_code": "intervention_done", "legal_class": "not_applicable", "note": "all well"}
ALL: dict[str, dict[str, Any]] = {
    "mark_seen": {},
    "acknowledge": {},
    "close": CLOSED,
    "hand_over": {"to": "17", "note": None},
    "set_priority": {"priority": 3, "reason": "knows the place"},
}


def refusal(action, *given, **said):
    with pytest.raises(Refused) as caught:
        action(*given, **said)
    return caught.value.code


def assign(night, alert_id, patrol):
    night.operates(lambda s, a, me, now: actions.assign(s, a, patrol.id, me, now), alert_id)


def merge(night, alert_id, into):
    night.operates(lambda s, a, me, now: actions.merge(s, a, into, me, now), alert_id)


def withdraw(night, alert_id, assignment_id, reason=None):
    night.operates(lambda s, a, me, now: actions.withdraw(s, a, assignment_id, me, now, reason), alert_id)


@pytest.mark.parametrize("name", list(ALL))
def test_each_action_is_one_line_by_its_operator_and_one_version_more(night, name):
    alert_id = night.raises()
    night.operates(getattr(actions, name), alert_id, **ALL[name])
    alert, line = night.alert(alert_id), night.log(alert_id)[-1]
    assert alert.version == 2
    assert (line.version, line.actor_kind, line.actor_id, line.automatic) == (2, "operator", night.operator_id, False)
    assert line.to_state == alert.state


@pytest.mark.parametrize("name", ["mark_seen", "acknowledge", "close", "hand_over"])
def test_the_same_action_twice_is_done_once(night, name):
    alert_id = night.raises()
    for _ in range(2):
        night.operates(getattr(actions, name), alert_id, **ALL[name])
    assert night.alert(alert_id).version == 2


def test_a_closed_alert_takes_nothing_more_and_frees_its_team(night):
    team = night.team()
    alert_id = night.raises()
    night.taken(team, alert_id)
    night.operates(actions.close, alert_id, **CLOSED)
    assert night.asked(alert_id) == []
    assert night.heard_by_team(team, "assignment.withdrawn")[-1]["reason"] == "closed"
    for name in ("acknowledge", "set_priority", "hand_over"):
        assert refusal(night.operates, getattr(actions, name), alert_id, **ALL[name]) == "alert_over"
    assert refusal(assign, night, alert_id, team) == "alert_over"
    alert = night.alert(alert_id)
    assert (alert.closing_code, alert.legal_class, alert.closed_at) == (
        "intervention_done",
        "not_applicable",
        night.now,
    )


@pytest.mark.parametrize("end", ["close", "hand_over", "merge", "confirm_cancel"])
def test_whoever_is_being_asked_is_told_that_it_is_over(night, end):
    team = night.team()
    alert_id, other = night.raises(), night.raises(at=None)
    night.works()
    assert [one.team_id for one in night.asked(alert_id)] == [team.id]
    if end == "merge":
        merge(night, alert_id, other)
    elif end == "confirm_cancel":
        night.cancels(alert_id)
        night.operates(actions.confirm_cancel, alert_id)
    else:
        night.operates(getattr(actions, end), alert_id, **ALL[end])
    assert night.asked(alert_id) == []
    reasons = {"close": "closed", "hand_over": "handed_over", "merge": "merged", "confirm_cancel": "cancelled"}
    assert [data["reason"] for data in night.heard_by_team(team, "assignment.withdrawn")] == [reasons[end]]


def test_an_alert_taken_up_again_asks_teams_at_once_and_a_person_must_look(night):
    team = night.team()
    alert_id = night.raises()
    night.operates(actions.close, alert_id, **CLOSED)
    night.clock.advance(600)
    night.everybody_stands()
    night.operates(actions.reopen, alert_id, "she called again")
    alert = night.alert(alert_id)
    assert (alert.state, alert.closing_code, alert.closed_at) == ("reopened", None, None)
    night.works()
    assert [one.team_id for one in night.asked(alert_id)] == [team.id]
    assert night.log(alert_id)[2].reason == "she called again"
    assert refusal(night.operates, actions.reopen, alert_id, "again") == "action_impossible"


def test_a_team_that_stayed_on_the_scene_is_still_there_when_it_is_taken_up_again(night):
    team, second = night.team(100), night.team(300)
    alert_id = night.raises()
    mission = night.taken(team, alert_id)
    night.does("arrive", team, mission)
    night.operates(actions.hand_over, alert_id, to="17", note=None)
    assert [one.state for one in night.asked(alert_id)] == ["on_scene"]
    night.operates(actions.reopen, alert_id, "police has left")
    assert night.alert(alert_id).state == "on_scene"
    assign(night, alert_id, second)
    night.does("accept", second, night.offer_to(second, alert_id))
    night.does("clear", team, mission)
    assert night.alert(alert_id).state == "assigned"


def test_what_is_in_other_hands_is_not_assigned(night):
    team = night.team()
    alert_id = night.raises()
    night.operates(actions.hand_over, alert_id, to="15", note="unconscious")
    assert refusal(assign, night, alert_id, team) == "action_impossible"


def test_a_team_asked_by_hand_may_be_anywhere_but_must_be_there(night):
    far, gone, busy = night.team(90_000), night.team(on_duty=False), night.team(100)
    night.taken(busy, night.raises())
    alert_id = night.raises()
    assign(night, alert_id, far)
    assert [one.reasons for one in night.asked(alert_id)] == [[{"code": "by_hand"}]]
    assert refusal(assign, night, alert_id, gone) == "team_unavailable"
    assert refusal(assign, night, alert_id, busy) == "team_unavailable"
    version = night.alert(alert_id).version
    assign(night, alert_id, far)
    assert night.alert(alert_id).version == version, "asked already"


def test_a_team_that_is_taken_off_is_not_asked_again_and_others_are(night):
    team, other = night.team(100), night.team(500)
    alert_id = night.raises()
    mission = night.taken(team, alert_id)
    withdraw(night, alert_id, mission, "wrong side of the port")
    assert night.alert(alert_id).state == "open"
    assert night.heard_by_team(team, "assignment.withdrawn")[-1]["reason"] == "operator"
    night.works()
    assert [one.team_id for one in night.asked(alert_id)] == [other.id]
    assert refusal(withdraw, night, night.raises(), mission) == "assignment_unknown"


def test_a_merged_alert_ends_and_the_other_weighs_more(night):
    first = night.raises(category="theft", contact_mode="can_talk")
    second = night.raises(at=5_000, category="theft", contact_mode="can_talk", description="canary words")
    merge(night, second, first)
    assert night.alert(second).merged_into == first
    kept = night.alert(first)
    assert (kept.priority, kept.priority_reasons) == (1, ["category_theft", "corroborated"])
    assert night.actions(first)[-1] == "corroborated"
    assert night.actions(second)[-1] == "merged"
    assert [data["alert"]["state"] for data in night.heard_by_rider(second)][-1] == "merged"
    heard = str(night.heard_by_rider(first, None))
    assert "canary" not in heard
    assert str(second) not in heard, "a witness never sees the victim's record"


def test_a_merge_can_be_taken_back(night):
    first, second = night.raises(), night.raises()
    merge(night, second, first)
    night.operates(actions.reopen, second, "not the same")
    assert (night.alert(second).state, night.alert(second).merged_into) == ("reopened", None)


def test_what_cannot_be_merged(night):
    one, drill, over = night.raises(), night.raises(exercise=True), night.raises()
    night.operates(actions.close, over, **CLOSED)
    for into in (one, drill, over, uuid.uuid4()):
        assert refusal(merge, night, one, into) == "merge_impossible"


def test_a_cancel_is_the_operators_to_confirm_or_refuse(night):
    team = night.team()
    alert_id = night.raises()
    assert refusal(night.operates, actions.confirm_cancel, alert_id) == "action_impossible"
    night.works()
    assert night.cancels(alert_id)["state"] == "cancel_requested"
    assert night.alert(alert_id).state == "open", "help goes on until somebody is sure"
    night.operates(actions.refuse_cancel, alert_id)
    assert night.heard_by_rider(alert_id)[-1]["alert"]["cancel"] == "refused"
    night.cancels(alert_id)
    night.operates(actions.confirm_cancel, alert_id)
    assert night.alert(alert_id).state == "cancelled"
    assert night.heard_by_rider(alert_id)[-1]["alert"]["state"] == "cancelled"
    assert night.heard_by_team(team, "assignment.withdrawn")[-1]["reason"] == "cancelled"


def test_duress_after_a_cancel_is_duress_and_shows_nothing(night):
    alert_id = night.raises(category="antisocial", contact_mode="can_talk", reporter_role="witness")
    night.works()
    first = night.cancels(alert_id, "pin")
    heard = len(night.heard_by_rider(alert_id, None))
    night.clock.advance(9)
    assert night.cancels(alert_id, "duress") == first
    alert = night.alert(alert_id)
    assert (alert.duress, alert.priority, alert.cancel) == (True, 1, None)
    assert len(night.heard_by_rider(alert_id, None)) == heard


def test_duress_sends_teams_that_the_alert_alone_would_not(night):
    team = night.team()
    alert_id = night.raises(category="antisocial", contact_mode="can_talk", reporter_role="witness")
    night.works()
    assert night.asked(alert_id) == []
    night.cancels(alert_id, "duress")
    night.works()
    assert [one.team_id for one in night.asked(alert_id)] == [team.id]


@pytest.mark.parametrize("armed", [True, False])
def test_what_a_phone_hears_after_a_cancel_is_the_same_under_duress(night, armed):
    team = night.team()
    heard = []
    for verdict in ("pin", "duress"):
        alert_id = night.raises(armed=armed)
        if not armed:
            night.works()
        night.clock.advance(1)
        night.cancels(alert_id, verdict)
        night.works()
        night.operates(actions.mark_seen, alert_id)
        if night.asked(alert_id):
            night.does("accept", team, night.offer_to(team, alert_id))
        night.clock.advance(60)
        night.works()
        if night.alert(alert_id).state != "cancelled":
            night.operates(actions.confirm_cancel, alert_id)
        told = night.heard_by_rider(alert_id, None)
        heard.append([(data["type"], data["alert"]["state"], data["alert"]["version"], data["alert"]["team"],
                       [fact["code"] for fact in data["alert"]["facts"]]) for data in told])  # fmt: skip
        night.everybody_stands()
    assert heard[0] == heard[1]


def test_a_case_closed_twice_under_duress_ends_once_on_the_phone(night):
    alert_id = night.raises()
    night.cancels(alert_id, "duress")
    night.clock.advance(60)
    night.operates(actions.close, alert_id, **CLOSED)
    heard = night.heard_by_rider(alert_id, None)
    night.clock.advance(60)
    night.operates(actions.reopen, alert_id, "the call was not hers")
    night.clock.advance(60)
    night.operates(actions.close, alert_id, **CLOSED)
    assert night.heard_by_rider(alert_id, None) == heard


def test_a_new_priority_sends_teams_and_is_kept(night):
    team = night.team()
    alert_id = night.raises(category="antisocial", contact_mode="can_talk", reporter_role="witness")
    night.works()
    night.operates(actions.set_priority, alert_id, priority=1, reason="knife")
    night.works()
    assert [one.team_id for one in night.asked(alert_id)] == [team.id]
    assert night.alert(alert_id).priority_reasons == ["operator"]


def test_the_snapshot_holds_what_is_live_and_the_pages_hold_the_rest(night):
    team = night.team()
    alerts = []
    for _ in range(5):
        alerts.append(night.raises(at=None))
        night.clock.advance(1)
    night.operates(actions.close, alerts[0], **CLOSED)
    mission = night.raises()
    night.everybody_stands()
    night.taken(team, mission)
    with night.database.reading() as session:
        live = snapshot.live_alerts(session)
        assert [card["id"] for card in live] == [str(one) for one in (mission, *reversed(alerts[1:]))]
        assert [card["engaged_on"] for card in snapshot.teams(session)] == [str(mission)]
        found, cursor = [], None
        while True:
            page = snapshot.page_of_alerts(session, "all", 2, cursor)
            found += [card["id"] for card in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert found == [str(one) for one in (mission, *reversed(alerts))]
        closed = snapshot.page_of_alerts(session, "closed", 10, None)["items"]
        assert [card["id"] for card in closed] == [str(alerts[0])]
        whole = snapshot.whole_case(session, mission)
    assert [line["action"] for line in whole["timeline"]] == ["raised", "offered", "accepted"]


@pytest.mark.parametrize("cursor", ["x", "", "AAAA", "MTc2OTEyMDAwMA", "é", "A" * 5000])
def test_a_cursor_that_was_never_given_is_refused(night, cursor):
    with night.database.reading() as session:
        assert refusal(snapshot.page_of_alerts, session, "all", 10, cursor) == "cursor_invalid"
