"""Alerts over HTTP: what only the edge decides, from the phone's headers to the operator's version."""

import uuid

import pytest

from tests.contract.inhabited import inhabit

CALM, DURESS = "2468", "8642"


@pytest.fixture
def people(app, wiring):
    return inhabit(app, wiring)


def raise_alert(people, **said):
    path = f"/v1/alerts/{uuid.uuid4()}"
    answer = people.ask("rider", "PUT", path, {"category": "assault", **said})
    assert answer.status_code == 201
    return path, answer.json


def take_a_phone_with_pins(people):
    """The rider's phone from here on: the one before has an alert, during which no first PINs are taken."""
    people.tokens["rider"] = people.fresh_token("rider")
    pins = {"pin": CALM, "duress_pin": DURESS}
    assert people.ask("rider", "PUT", "/v1/devices/me/pins", pins).status_code == 204


def act(people, action, body=None, *, version=None, role="operator"):
    headers = {"Authorization": f"Bearer {people.tokens[role]}"} | ({"If-Match": version} if version else {})
    path = f"/v1/control/alerts/{people.ids['alert_id']}/{action}"
    return people.app.test_client().post(path, json=body or {}, headers=headers)


def test_a_receipt_says_all_that_a_phone_must_show(people):
    _, receipt = raise_alert(people, armed=True)
    assert receipt["state"] == "armed"
    assert receipt["armed_until"] == "2026-11-22T21:00:05.000Z"
    assert receipt["server_time"] == "2026-11-22T21:00:00.000Z"
    assert receipt["next_poll_s"] > 0
    assert {"number": "114", "label": "Urgences par SMS", "kind": "sms"} in receipt["emergency_numbers"]


@pytest.mark.parametrize("version", ['"1"', 'W/"1"', "1", "*", None])
def test_an_operator_who_saw_the_newest_version_may_act(people, version):
    current = people.ask("operator", "GET", f"/v1/control/alerts/{people.ids['alert_id']}")
    tag = version.replace("1", str(current.json["alert"]["version"])) if version else None
    done = act(people, "seen", version=tag)
    assert done.status_code == 200
    assert done.headers["ETag"] == f'"{done.json["version"]}"'
    assert current.headers["ETag"] == f'"{current.json["alert"]["version"]}"'


def test_an_operator_who_saw_an_older_one_is_shown_the_present_one_and_changes_nothing(people):
    refused = act(people, "close", {"closing_code": "unfounded"}, version='"1"')
    assert (refused.status_code, refused.json["code"]) == (412, "version_conflict")
    assert refused.json["current_version"] == refused.json["current"]["version"] == 2
    assert refused.json["current"]["state"] == "open"
    assert act(people, "seen", version=f'"{refused.json["current_version"]}"').status_code == 200


def test_a_wrong_pin_is_refused_leaves_a_line_and_the_alert_goes_on(people):
    take_a_phone_with_pins(people)
    path, receipt = raise_alert(people)
    refused = people.ask("rider", "POST", f"{path}/cancel", {"pin": "0000"})
    assert (refused.status_code, refused.json["code"]) == (422, "pin_wrong")
    assert people.ask("rider", "GET", path).json["state"] == "open"
    case = people.ask("operator", "GET", f"/v1/control/alerts/{receipt['id']}").json
    assert case["timeline"][-1]["action"] == "pin_wrong"
    assert people.ask("rider", "POST", f"{path}/cancel", {}).json["code"] == "pin_wrong", "no PIN is a wrong one"


def guesses(people, path, *pins):
    return [people.ask("rider", "POST", f"{path}/cancel", {"pin": pin}).status_code for pin in pins]


def test_pins_are_not_guessed_by_trying_and_the_cancel_comes_after_the_wait(people, clock):
    take_a_phone_with_pins(people)
    path, _ = raise_alert(people)
    assert guesses(people, path, *["0000"] * 5, CALM, "0000", CALM) == [422] * 5 + [429] * 3
    other, _ = raise_alert(people)
    assert guesses(people, other, CALM) == [429], "it is the phone that waits, not the alert"
    refused = people.ask("rider", "POST", f"{path}/cancel", {"pin": CALM})
    assert (refused.json["code"], refused.json["retryable"]) == ("pin_delayed", True)
    assert refused.headers["Retry-After"] == "30", "what came meanwhile does not make it longer"
    clock.advance(30)
    assert guesses(people, path, "0000", CALM) == [422, 429]
    clock.advance(59)
    assert guesses(people, path, CALM) == [429]
    clock.advance(1)
    assert guesses(people, path, CALM) == [200]
    assert guesses(people, other, *["0000"] * 5) == [422] * 5, "a right one forgets the wrong ones"


def test_wrong_pins_of_long_ago_are_forgotten(people, clock):
    take_a_phone_with_pins(people)
    path, _ = raise_alert(people)
    assert guesses(people, path, *["0000"] * 4) == [422] * 4
    clock.advance(601)
    assert guesses(people, path, *["0000"] * 4, CALM) == [422] * 4 + [200]


def test_a_cry_under_force_is_heard_while_no_pin_is_taken_and_never_taken_back(people, clock):
    take_a_phone_with_pins(people)
    path, receipt = raise_alert(people, category="antisocial")
    guesses(people, path, *["0000"] * 5)

    def seen():
        return people.ask("operator", "GET", f"/v1/control/alerts/{receipt['id']}").json

    assert guesses(people, path, CALM, DURESS) == [429, 429]
    case = seen()
    assert (case["alert"]["duress"], case["alert"]["priority"]) == (True, 1)
    assert case["alert"]["state"] == "open"
    assert [one["action"] for one in case["timeline"]][-2:] == ["pin_early", "duress_noticed"]
    clock.advance(30)
    assert guesses(people, path, CALM) == [200]
    assert seen()["alert"]["duress"]
    assert people.ask("rider", "GET", path).json["state"] == "cancel_requested"


def test_pins_of_an_alert_that_is_not_there_count_for_nothing(people):
    take_a_phone_with_pins(people)
    path, _ = raise_alert(people)
    assert guesses(people, f"/v1/alerts/{uuid.uuid4()}", *["0000"] * 9) == [404] * 9
    assert guesses(people, path, CALM) == [200]


def test_a_phone_without_pins_can_ask_for_a_cancel(people):
    path, _ = raise_alert(people)
    assert people.ask("rider", "POST", f"{path}/cancel", {}).json["state"] == "cancel_requested"


def test_under_duress_the_trail_goes_on_and_the_phone_is_told_that_it_does_not(people):
    take_a_phone_with_pins(people)
    point = {"points": [{"latitude": 43.2960, "longitude": 5.374, "point_seq": 4}]}
    answers, trails = [], []
    for pin in (CALM, DURESS):
        path, receipt = raise_alert(people, armed=True)
        assert people.ask("rider", "POST", f"{path}/cancel", {"pin": pin}).json["state"] == "cancelled"
        answer = people.ask("rider", "POST", f"{path}/positions", point)
        answers.append((answer.status_code, answer.json["code"], answer.json["state"]))
        trails.append(len(people.ask("operator", "GET", f"/v1/control/alerts/{receipt['id']}").json["positions"]))
        assert receipt["id"] not in str(people.ask("rider", "GET", "/v1/alerts").json)
    assert answers == [(409, "alert_over", "cancelled")] * 2
    assert trails == [0, 1]


def test_the_control_room_cannot_write_to_a_phone_that_shows_a_cancelled_alert(people):
    take_a_phone_with_pins(people)
    path, receipt = raise_alert(people, armed=True)
    people.ask("rider", "POST", f"{path}/cancel", {"pin": DURESS})
    message = {"id": str(uuid.uuid4()), "text": "We are coming"}
    refused = people.ask("operator", "POST", f"/v1/control/alerts/{receipt['id']}/messages", message)
    assert (refused.status_code, refused.json["code"]) == (409, "alert_over")
    assert "coming" not in str(people.ask("rider", "GET", "/v1/feed").json)


def test_a_trail_takes_the_good_points_and_names_the_bad_ones(people):
    path, _ = raise_alert(people)
    points = [
        {"latitude": 43.2951, "longitude": 5.374, "point_seq": 1},
        {"latitude": "north", "longitude": 5.374, "point_seq": 2},
        {"latitude": 43.2952, "longitude": 5.374},
        "nothing",
        {"latitude": 43.2953, "longitude": 5.374, "point_seq": 2},
    ]
    answer = people.ask("rider", "POST", f"{path}/positions", {"points": points})
    assert answer.json == {"accepted": 2, "refused": [{"index": i, "code": "invalid"} for i in (1, 2, 3)]}
    for wrong in ({}, {"points": []}, {"points": "x"}, {"points": [{}] * 51}):
        assert people.ask("rider", "POST", f"{path}/positions", wrong).json["code"] == "invalid"


def test_details_are_taken_with_warnings_and_refused_once_it_is_over(people):
    path, receipt = raise_alert(people)
    answer = people.ask("rider", "POST", f"{path}/details", {"category": "?", "description": "a" * 2_001})
    assert {warning["code"] for warning in answer.json["warnings"]} == {"category_unknown", "text_cut"}
    people.ids["alert_id"] = receipt["id"]
    act(people, "close", {"closing_code": "victim_safe"})
    over = people.ask("rider", "POST", f"{path}/details", {"description": "more"})
    assert (over.status_code, over.json["code"], over.json["state"]) == (409, "alert_over", "closed")


def test_a_message_is_written_once_and_read_by_its_alert_only(people):
    path, _ = raise_alert(people)
    other, _ = raise_alert(people)
    message = {"id": str(uuid.uuid4()), "text": "I am at the back"}
    assert people.ask("rider", "POST", f"{path}/messages", message).status_code == 201
    assert people.ask("rider", "POST", f"{path}/messages", message).status_code == 200
    reused = people.ask("rider", "POST", f"{other}/messages", message)
    assert (reused.status_code, reused.json["code"]) == (409, "message_reused")
    assert [one["text"] for one in people.ask("rider", "GET", f"{path}/messages").json["items"]] == ["I am at the back"]
    assert people.ask("rider", "GET", f"{other}/messages").json["items"] == []


def test_a_merge_names_its_target_or_is_refused(people):
    _, other = raise_alert(people)
    assert act(people, "merge", {"into": people.ids["alert_id"]}).json["code"] == "merge_impossible"
    assert act(people, "merge", {"into": str(uuid.uuid4())}).json["code"] == "merge_impossible"
    merged = act(people, "merge", {"into": other["id"]})
    assert (merged.status_code, merged.json["merged_into"]) == (200, other["id"])
    assert act(people, "merge", {"into": other["id"]}).status_code == 200, "twice is once"
