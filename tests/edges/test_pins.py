"""Other PINs only for whoever knows the present one: an aggressor may hold the phone, unlocked."""

import uuid

import pytest

from backend.people.models import Device
from tests.contract.inhabited import inhabit

CALM, DURESS = "2468", "8642"
NEW, NEW_DURESS = "1111", "2222"


class Phone:
    """A rider's phone in somebody's hand, with the control room looking on."""

    def __init__(self, app, wiring):
        self.people = inhabit(app, wiring)
        self.people.tokens["rider"] = self.people.fresh_token("rider")

    def set_pins(self, pin, duress_pin, **more):
        return self.people.ask("rider", "PUT", "/v1/devices/me/pins", {"pin": pin, "duress_pin": duress_pin, **more})

    def takes(self, current, pin=NEW, duress_pin=NEW_DURESS):
        """Status and code of the answer to new PINs with this present one."""
        answer = self.set_pins(pin, duress_pin, current_pin=current)
        return answer.status_code, answer.json["code"] if answer.data else None

    def raises(self, **said):
        path = f"/v1/alerts/{uuid.uuid4()}"
        assert self.people.ask("rider", "PUT", path, {"category": "antisocial", **said}).status_code == 201
        return path

    def cancels(self, path, pin):
        return self.people.ask("rider", "POST", f"{path}/cancel", {"pin": pin}).status_code

    def case(self, path):
        """What the control room sees: duress, priority, and the newest line of the register."""
        case = self.people.ask("operator", "GET", path.replace("/v1/", "/v1/control/")).json
        return case["alert"]["duress"], case["alert"]["priority"], case["timeline"][-1]["action"]

    def shown(self, path):
        return self.people.ask("rider", "GET", path).json


@pytest.fixture
def phone(app, wiring):
    """A phone with PINs and no alert."""
    made = Phone(app, wiring)
    assert made.set_pins(CALM, DURESS).status_code == 204
    return made


def test_without_the_present_pin_nothing_is_set_and_the_answer_says_what_is_needed(phone):
    for none in ({}, {"current_pin": None}, {"current_pin": ""}):
        refused = phone.set_pins(NEW, NEW_DURESS, **none)
        assert (refused.status_code, refused.json["code"], refused.json["field"]) == (422, "pin_needed", "current_pin")
    path = phone.raises()
    assert [phone.cancels(path, pin) for pin in (NEW, NEW_DURESS, CALM)] == [422, 422, 200]


def test_whoever_knows_the_present_pin_sets_others(phone):
    assert phone.takes(CALM) == (204, None)
    path = phone.raises()
    assert [phone.cancels(path, pin) for pin in (CALM, DURESS, NEW)] == [422, 422, 200]
    assert not phone.case(path)[0]


def test_a_wrong_one_is_refused_and_leaves_a_line_where_an_alert_is_under_way(phone):
    path = phone.raises()
    refused = phone.set_pins(NEW, NEW_DURESS, current_pin="0000")
    assert (refused.status_code, refused.json["code"], refused.json["field"]) == (422, "pin_wrong", "current_pin")
    assert phone.case(path)[2] == "pin_wrong"
    assert phone.cancels(path, NEW) == 422


def test_guesses_count_together_with_those_of_a_cancel(phone, clock):
    path = phone.raises()
    assert [phone.cancels(path, "0000") for _ in range(3)] == [422] * 3
    assert [phone.takes("0000") for _ in range(2)] == [(422, "pin_wrong")] * 2
    early = phone.set_pins(NEW, NEW_DURESS, current_pin=CALM)
    assert (early.status_code, early.json["code"], early.json["field"]) == (429, "pin_delayed", "current_pin")
    assert early.headers["Retry-After"] == "30"
    assert phone.cancels(path, CALM) == 429, "it is the phone that waits"
    clock.advance(30)
    assert phone.takes(CALM) == (204, None)
    assert [phone.takes("0000") for _ in range(5)] == [(422, "pin_wrong")] * 5, "a right one forgets the wrong ones"


def test_what_is_refused_without_a_look_at_the_pin_counts_for_nothing(phone):
    assert {phone.set_pins(NEW, NEW_DURESS).status_code for _ in range(9)} == {422}
    assert {phone.takes("0000", NEW, NEW) for _ in range(9)} == {(422, "pins_equal")}
    assert phone.takes(CALM) == (204, None)


def test_pins_may_change_during_an_alert_and_the_control_room_knows(phone):
    path = phone.raises()
    assert phone.takes(CALM) == (204, None)
    assert phone.case(path)[2] == "pins_changed"
    assert not phone.case(path)[0]
    assert phone.cancels(path, NEW) == 200


def test_no_first_pins_while_an_alert_is_under_way(app, wiring):
    phone = Phone(app, wiring)
    path = phone.raises(armed=True)
    for more in ({}, {"current_pin": NEW}):
        refused = phone.set_pins(NEW, NEW_DURESS, **more)
        assert (refused.status_code, refused.json["code"]) == (409, "alert_under_way")
    assert phone.cancels(path, "") == 200
    assert phone.set_pins(NEW, NEW_DURESS).status_code == 204, "it is over"


def test_first_pins_may_be_sent_again_with_themselves_as_the_present_one(app, wiring):
    phone = Phone(app, wiring)
    assert [phone.takes(NEW) for _ in range(3)] == [(204, None)] * 3


class TestUnderForce:
    """The duress PIN as the present one: all seems to be done, and the rider's own PIN is still hers."""

    @pytest.mark.parametrize("pin", [NEW, NEW_DURESS])
    def test_the_pins_chosen_cancel_on_the_screen_only(self, phone, pin):
        assert phone.takes(DURESS) == (204, None)
        path = phone.raises(armed=True)
        assert phone.cancels(path, pin) == 200
        assert phone.shown(path)["state"] == "cancelled"
        assert phone.case(path)[:2] == (True, 1)

    def test_the_one_that_was_typed_is_over_as_after_any_change(self, phone):
        phone.takes(DURESS)
        path = phone.raises()
        assert phone.cancels(path, DURESS) == 422

    def test_the_riders_own_goes_on_and_takes_the_phone_back(self, phone):
        phone.takes(DURESS)
        path = phone.raises()
        assert phone.cancels(path, CALM) == 200
        assert not phone.case(path)[0]
        assert phone.takes(CALM, "3333", "4444") == (204, None)
        other = phone.raises()
        assert [phone.cancels(other, pin) for pin in (NEW, NEW_DURESS, CALM, "3333")] == [422, 422, 422, 200]
        assert not phone.case(other)[0]

    def test_again_and_again_it_never_becomes_the_pin_that_cancels(self, phone):
        assert [phone.takes(DURESS), phone.takes(NEW, "3333", "4444"), phone.takes("4444", "5555", "6666")] == [(204, None)] * 3
        path = phone.raises()
        assert phone.cancels(path, "5555") == 200
        assert phone.case(path)[0]

    def test_with_an_alert_the_control_room_knows_and_the_phone_shows_nothing(self, phone):
        path, other = phone.raises(), phone.raises()
        before = phone.shown(path)
        assert phone.takes(DURESS) == (204, None)
        assert phone.case(path) == phone.case(other) == (True, 1, "duress_noticed")
        assert phone.shown(path) == before | {"version": before["version"] + 1}
        assert phone.cancels(path, CALM) == 200
        assert phone.case(path)[0], "never taken back"

    def test_it_is_heard_while_no_pin_is_taken(self, phone):
        path = phone.raises()
        assert [phone.takes("0000")[0] for _ in range(5)] == [422] * 5
        assert phone.takes(DURESS) == (429, "pin_delayed")
        assert phone.case(path) == (True, 1, "duress_noticed")
        assert phone.cancels(path, NEW) == 429

    def test_a_forgotten_phone_keeps_none_of_them(self, phone):
        phone.takes(DURESS)
        assert phone.people.ask("rider", "DELETE", "/v1/devices/me").status_code == 204
        with phone.people.wiring.database.reading() as session:
            assert {(one.pin_hash, one.duress_pin_hash, one.forced_pin_hash) for one in session.query(Device)} == {(None,) * 3}
