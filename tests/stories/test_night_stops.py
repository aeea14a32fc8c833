"""Journeys of a night stop with real sockets, and a story for each of the checks that can stand in its way."""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from backend.night_stops.models import NightStopPolicy
from tests.night_bus import LINE
from tests.night_town import NightTown
from tests.town import Town, serving


@pytest.fixture
def night(town):
    return NightTown(town)


def test_a_rider_is_let_off_between_two_stops_and_gets_home(night, town):
    bus, rider = night.bus(), town.rider()
    check = rider.post("/v1/night-stops/check", night.wish())
    assert (check["possible"], check["place"]["name"]) == (True, "Baille – La Timone")
    stop = night.asks(rider, home_timer_s=600)
    assert (stop.receipt["state"], stop.receipt["next_stop"]["name"]) == ("sent_to_driver", "Castellane")

    asked = bus.asked()
    assert (asked["after_stop"], asked["people"], asked["code"]) == ("Baille", 1, stop.receipt["code"])
    assert bus.says("accept", asked)["night_stop"]["state"] == "accepted"
    assert stop.becomes("accepted")["ask_aloud"] is False
    night.room.hears("night_stop.changed", lambda data: data["night_stop"]["state"] == "accepted")

    bus.drives(2_350)
    stop.becomes("approaching")
    bus.drives(2_498, speed=4)
    bus.stands(9)
    bus.drives(2_600)
    off = stop.becomes("alighted")
    assert [fact["code"] for fact in off["facts"]] == ["received", "sent_to_driver", "accepted", "approaching", "alighted"]
    assert bus.driver.hears("night_stop.gone")["reason"] == "alighted"

    town.wait(600)
    assert rider.hears("night_stop.changed", lambda data: data["night_stop"]["home_state"] == "asked")
    assert rider.post(f"/v1/night-stops/{stop.id}/arrived")["home_state"] == "home"
    town.wait(200)
    night.room.hears_nothing("alert.raised")


def test_who_does_not_say_that_she_is_home_becomes_an_alert(night, town):
    bus, rider = night.bus(), town.rider()
    stop = night.asks(rider, home_timer_s=300)
    asked = bus.asked()
    bus.says("accept", asked)
    bus.says("alighted", asked)
    town.wait(300)
    rider.hears("night_stop.changed", lambda data: data["night_stop"]["home_state"] == "asked")
    town.wait(120)
    alert = night.room.hears("alert.raised")["alert"]
    assert "n'a pas confirmé son arrivée" in alert["description"].lower()
    assert alert["place"]["line_id"] == LINE
    assert stop.now["home_state"] == "alerted"
    assert [one["id"] for one in rider.get("/v1/alerts")["items"]] == [alert["id"]]


def test_nobody_answers_so_the_rider_asks_aloud(night, town):
    bus, rider = night.bus(), town.rider()
    stop = night.asks(rider)
    bus.asked()
    town.wait(20)
    told = stop.becomes("expired")
    assert (told["ask_aloud"], told["next_stop"]["name"], told["answer_by"]) == (True, "Castellane", None)
    assert bus.driver.hears("night_stop.gone")["reason"] == "expired"


def test_the_driver_refuses_and_can_say_no_more_than_why(night, town):
    bus, rider = night.bus(), town.rider()
    stop = night.asks(rider)
    asked = bus.asked()
    assert bus.says("refuse", asked, reason="mood")["code"] == "event_invalid"
    bus.says("refuse", asked, reason="parked_vehicles")
    told = stop.becomes("refused")
    assert (told["refusal_reason"], told["ask_aloud"], told["next_stop"]["name"]) == ("parked_vehicles", True, "Castellane")


def test_the_driver_refuses_a_rider_in_danger_and_the_control_room_is_told_at_once(night, town):
    bus, rider = night.bus(), town.rider()
    alert = rider.raises("assault")
    stop = night.asks(rider)
    night.room.hears("alert.raised")
    bus.says("refuse", bus.asked(), reason="traffic")
    stop.becomes("refused")
    call = night.room.hears("alert.needs_human", lambda data: data["reason"] == "night_stop_refused")
    assert call["alert_id"] == alert.id
    assert "alert" not in str(bus.driver.get("/v1/driver/snapshot")), "the driver does not learn of it"


def test_the_driver_proposes_another_place_and_the_rider_takes_it(night, town):
    bus, rider = night.bus(), town.rider()
    stop = night.asks(rider)
    bus.says("propose", bus.asked())
    proposed = stop.becomes("alternative_proposed")
    assert proposed["alternative"]["measure_m"] > proposed["place"]["measure_m"]
    taken = rider.post(f"/v1/night-stops/{stop.id}/alternative", {"accept": True})
    assert (taken["state"], taken["place"]) == ("accepted", proposed["alternative"])
    shown = bus.driver.hears("night_stop.changed", lambda data: data["night_stop"]["state"] == "accepted")["night_stop"]
    assert shown["metres_after_stop"] == taken["place"]["metres_after_stop"]


def test_the_driver_takes_a_promise_back(night, town):
    bus, rider = night.bus(), town.rider()
    stop = night.asks(rider)
    asked = bus.asked()
    bus.says("accept", asked)
    bus.says("withdraw", asked, reason="works")
    assert stop.becomes("withdrawn")["ask_aloud"] is True


def test_a_bus_that_does_not_stop_is_said_to_have_missed_it_at_once(night, town):
    bus, rider = night.bus(), town.rider()
    stop = night.asks(rider)
    bus.says("accept", bus.asked())
    bus.drives(2_590)
    told = stop.becomes("missed")
    assert (told["ask_aloud"], told["next_stop"]["name"]) == (True, "La Timone")


def test_a_rider_who_is_still_in_the_bus_says_so(night, town):
    bus, rider = night.bus(), town.rider()
    stop = night.asks(rider, home_timer_s=300)
    asked = bus.asked()
    bus.says("accept", asked)
    bus.says("alighted", asked)
    assert rider.post(f"/v1/night-stops/{stop.id}/still-on-board")["state"] == "missed"
    town.wait(500)
    night.room.hears_nothing("alert.raised")


def test_two_riders_share_a_stop_and_hear_the_answer_together(night, town):
    bus, first, second = night.bus(), town.rider(), town.rider()
    one = night.asks(first)
    asked = bus.asked()
    two = night.asks(second, 2_550)
    assert [fact["code"] for fact in two.receipt["facts"]] == ["received", "joined"]
    shown = bus.driver.hears("night_stop.changed")["night_stop"]
    assert (shown["id"], shown["people"]) == (asked["id"], 2)
    bus.says("accept", shown)
    one.becomes("accepted")
    two.becomes("accepted")


def test_the_place_is_told_to_driver_and_control_room_alone(night, town):
    bus, rider = night.bus(), town.rider()
    others = [town.rider(), town.team(200), town.driver("A-102", LINE)]
    night.asks(rider)
    bus.asked()
    night.room.hears("night_stop.changed")
    for other in others:
        other.hears_nothing("night_stop.changed", seconds=0.1)
        other.hears_nothing("night_stop.requested", seconds=0.1)
    stop_id = rider.get("/v1/night-stops")["items"][0]["id"]
    assert others[0].ask("GET", f"/v1/night-stops/{stop_id}").json()["code"] == "night_stop_unknown"
    assert others[2].ask("POST", f"/v1/night-stops/{stop_id}/accept").json()["code"] == "night_stop_unknown"


def test_a_rider_who_changes_her_mind_is_forgotten_by_the_driver(night, town):
    bus, rider = night.bus(), town.rider()
    stop = night.asks(rider)
    bus.asked()
    rider.post(f"/v1/night-stops/{stop.id}/cancel")
    assert bus.driver.hears("night_stop.gone")["reason"] == "cancelled"
    assert bus.driver.get("/v1/driver/snapshot")["night_stops"] == []


def test_a_wish_that_waited_in_a_tunnel_is_a_fact_with_the_next_stop(night, town):
    night.bus(2_600)
    rider = town.rider()
    stop = night.asks(rider, queued_ms=90_000)
    assert (stop.receipt["state"], stop.receipt["reject_code"]) == ("rejected", "already_passed")
    assert stop.receipt["facts"][-1]["code"] == "already_passed"
    assert (stop.receipt["next_stop"]["name"], stop.receipt["ask_aloud"]) == ("La Timone", True)


def test_a_wish_sent_twice_is_one_wish(night, town):
    bus, rider, stop_id = night.bus(), town.rider(), uuid.uuid4()
    first = rider.ask("PUT", f"/v1/night-stops/{stop_id}", night.wish())
    again = rider.ask("PUT", f"/v1/night-stops/{stop_id}", night.wish(queued_ms=4_000))
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.headers["Idempotent-Replayed"] == "true"
    bus.asked()
    bus.driver.hears_nothing("night_stop.requested")
    assert rider.ask("PUT", f"/v1/night-stops/{stop_id}", night.wish(3_500)).json()["code"] == "key_reused"


def test_a_tablet_that_slept_finds_everything_again(night, town):
    bus, rider = night.bus(), town.rider()
    bus.driver.disconnect()
    night.asks(rider)
    bus.driver.connect()
    snapshot = bus.driver.get("/v1/driver/snapshot")
    assert [one["after_stop"] for one in snapshot["night_stops"]] == ["Baille"]
    assert (snapshot["progress"]["state"], snapshot["vehicle"]["number"]) == ("on_line", "A-101")
    assert bus.says("accept", snapshot["night_stops"][0])["ok"] is True


class TestChecks:
    """What a rider is told when it is not possible, by each check in its order."""

    def test_1_the_network_does_not_offer_it(self, wiring, clock):
        without = replace(wiring, settings=replace(wiring.settings, night_stops=False))
        with serving(without) as (url, work, settle):
            town = Town(without, clock, url, work, settle)
            night, rider = NightTown(town), town.rider()
            assert night.refused(rider)["code"] == "service_disabled"
            assert rider.get("/v1/night-stops/lines")["items"] == []
            town.leave()

    def test_2_the_line_is_not_provided_for(self, night, town):
        assert night.refused(town.rider(), line_id="21")["code"] == "line_not_eligible"

    def test_3_it_is_not_night(self, night, town):
        rider = town.rider()
        assert rider.get("/v1/night-stops/lines")["items"][0]["open_now"] is True
        night.policy(starts="23:30")
        assert night.refused(rider)["code"] == "outside_hours"
        assert rider.get("/v1/night-stops/lines")["items"][0]["open_now"] is False

    def test_4_it_is_no_bus(self, night, town):
        body = {"line_id": "T1", "starts": "22:00", "ends": "05:00", "valid_from": "2026-11-01"}
        assert night.room.ask("POST", "/v1/control/night-stop-policies", body).json()["field"] == "/line_id"
        with town.wiring.database.transaction() as session:  # what was a bus line when the policy was set
            session.query(NightStopPolicy).update({"line_id": "T1"})
        assert night.refused(town.rider(), line_id="T1")["code"] == "mode_not_eligible"

    def test_5_the_bus_is_not_known_so_the_rider_is_asked(self, night, town):
        night.bus()
        rider = town.rider()
        asked = rider.post("/v1/night-stops/check", night.wish(vehicle_number=None))
        assert (asked["code"], asked["question"]) == ("not_on_board", "vehicle")
        assert night.refused(rider, vehicle_number="A-999")["code"] == "not_on_board"

    def test_6_the_bus_does_not_pass_there(self, night, town):
        bus, rider = night.bus(), town.rider()
        told = night.refused(rider, beside_m=400)
        assert (told["code"], told["place"]) == ("off_route", None)
        assert {one["kind"] for one in told["instead"]} >= {"nearest_permitted", "regular_stop"}
        nearest = next(one for one in told["instead"] if one["kind"] == "nearest_permitted")
        wanted = {"wanted": {"latitude": nearest["latitude"], "longitude": nearest["longitude"]}}
        assert rider.put(f"/v1/night-stops/{uuid.uuid4()}", night.wish() | wanted)["state"] == "sent_to_driver"
        bus.asked()

    def test_7_the_bus_is_past_it(self, night, town):
        night.bus(2_600)
        told = night.refused(town.rider())
        assert (told["code"], told["night_stop"]["next_stop"]["name"]) == ("behind_vehicle", "La Timone")

    def test_8_it_is_too_late(self, night, town):
        night.bus(2_100)
        told = night.refused(town.rider())
        assert told["code"] == "too_late"
        assert all(one["measure_m"] > 2_972 for one in told["instead"] if one["kind"] != "regular_stop")

    def test_9_a_regular_stop_is_close(self, night, town):
        night.bus()
        told = night.refused(town.rider(), 2_090)
        assert told["code"] == "too_close_to_stop"
        regular = next(one for one in told["instead"] if one["kind"] == "regular_stop")
        assert regular["name"] == "Baille"
        assert 0 < regular["walk_difference_m"] < 60

    def test_10_the_stretch_is_excluded(self, night, town):
        night.policy(exclusions=[{"kind": "segment", "reason": "tunnel", "measures": [2_400, 2_600]}])
        night.bus()
        told = night.refused(town.rider())
        assert told["code"] == "excluded_segment"
        assert not any(2_400 <= one["measure_m"] <= 2_600 for one in told["instead"])

    def test_11_the_spot_is_excluded(self, night, town):
        spot = night.way.way.point_at(2_500)
        point = {"latitude": spot.latitude, "longitude": spot.longitude, "radius_m": 25}
        night.policy(exclusions=[{"kind": "point", "reason": "cycle_lane", "point": point}])
        night.bus()
        assert night.refused(town.rider())["code"] == "excluded_point"

    def test_12_another_stop_is_planned_there_which_can_be_joined(self, night, town):
        night.bus()
        night.asks(town.rider(), 2_200)
        rider = town.rider()
        told = night.refused(rider, 2_700)
        assert told["code"] == "slot_taken"
        join = next(one for one in told["instead"] if one["kind"] == "join")
        wanted = {"wanted": {"latitude": join["latitude"], "longitude": join["longitude"]}}
        joined = rider.put(f"/v1/night-stops/{uuid.uuid4()}", night.wish() | wanted)
        assert joined["place"]["measure_m"] == pytest.approx(2_200, abs=1)

    def test_13_the_bus_makes_enough_stops(self, night, town):
        night.policy(max_extra_stops=1)
        night.bus()
        night.asks(town.rider())
        assert night.refused(town.rider(), 3_500)["code"] == "vehicle_limit"

    def test_14_it_snows(self, night, town):
        night.bus()
        until = (town.clock.now() + timedelta(hours=6)).isoformat().replace("+00:00", "Z")
        night.room.post("/v1/control/night-stops/suspend", {"reason": "weather", "until": until})
        assert len(night.room.hears("night_stops.suspended")["suspensions"]) == 1
        assert night.refused(town.rider())["code"] == "weather_suspended"
        assert night.room.post("/v1/control/night-stops/resume")["ended"] == 1
        assert night.asks(town.rider()).receipt["state"] == "sent_to_driver"

    def test_15_one_wish_at_a_time_and_none_for_what_was_refused(self, night, town):
        bus, rider = night.bus(), town.rider()
        night.asks(rider)
        assert night.refused(rider, 3_500)["code"] == "rate_limited"
        bus.says("refuse", bus.asked(), reason="works")
        assert night.refused(rider, 2_600)["code"] == "rate_limited"

    def test_16_a_ramp_is_a_question_to_the_driver(self, night, town):
        bus, rider = night.bus(), town.rider()
        assert rider.post("/v1/night-stops/check", night.wish(ramp=True))["question"] == "ramp"
        night.asks(rider, ramp=True)
        assert bus.asked()["ramp"] is True


class TestControlRoom:
    def test_sees_each_live_and_what_came_of_it(self, night, town):
        bus, rider = night.bus(), town.rider()
        night.asks(rider)
        listed = night.room.get("/v1/control/night-stops")
        assert [one["state"] for one in listed["items"]] == ["sent_to_driver"]
        assert listed["items"][0]["place"]["name"] == "Baille – La Timone"
        bus.says("refuse", bus.asked(), reason="visibility")
        assert night.room.get("/v1/control/night-stops")["items"] == []
        closed = night.room.get("/v1/control/night-stops?state=closed")["items"]
        assert closed[0]["refusal_reason"] == "visibility"

    def test_keeps_every_version_of_a_policy(self, night):
        night.policy(min_metres=300)
        night.policy(min_metres=400)
        versions = night.room.get(f"/v1/control/night-stop-policies/{night.policy_id}/versions")["items"]
        assert [(one["version"], one["min_metres"]) for one in versions] == [(3, 400), (2, 300), (1, 200)]
        assert [one["version"] for one in night.room.get("/v1/control/night-stop-policies")["items"]] == [3]
        night.room.post(f"/v1/control/night-stop-policies/{night.policy_id}/end")
        assert night.room.get("/v1/control/night-stop-policies")["items"] == []

    def test_reads_figures_about_places(self, night, town):
        bus = night.bus()
        for _ in range(5):
            night.asks(town.rider(connected=False))
            bus.says("refuse", bus.asked(), reason="works")
        town.wait(1)
        found = night.room.get("/v1/control/night-stops/figures?from=2026-11-22T00:00:00Z")
        assert (found["requests"], found["asked"], found["accepted_share"]) == (5, 5, 0.0)
        assert found["by_refusal_and_place"] == [{"line_id": LINE, "after_stop": "Baille", "reason": "works", "count": 5}]
        assert found["by_hour"][22] == 5, "ten in the evening, as the clocks of Marseille show"
        assert night.room.ask("GET", "/v1/control/night-stops/figures?from=yesterday").json()["code"] == "query_invalid"

