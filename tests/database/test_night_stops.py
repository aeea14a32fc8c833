"""Night stops on both databases: asked once, shared, answered for all, followed, and never promised by silence."""

import threading
import uuid
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from backend.alerts.models import Alert
from backend.delivery.models import Delivery
from backend.errors import Refused
from backend.night_stops import answering, following, policies, suspensions
from backend.night_stops.models import NightStopLogEntry, NightStopPolicy, NightStopRequest
from backend.watch import figures
from tests.night_bus import LINE, NightLine


@pytest.fixture
def line(wiring, clock):
    made = NightLine(wiring, clock)
    yield made
    holds(made)


def holds(line):
    """What must be true of every night, however it went."""
    with line.database.reading() as session:
        for one in session.scalars(select(NightStopRequest)):
            entries = session.scalars(
                select(NightStopLogEntry).where(NightStopLogEntry.night_stop_id == one.id).order_by(NightStopLogEntry.version)
            ).all()
            assert [entry.version for entry in entries] == list(range(1, one.version + 1)), "a change without a line"
            assert entries[-1].to_state == one.state
            if one.accepted_at is not None:
                root = session.get_one(NightStopRequest, one.joined_to or one.id)
                words = session.scalars(
                    select(NightStopLogEntry.action).join(NightStopRequest, NightStopRequest.id == NightStopLogEntry.night_stop_id)
                    .where((NightStopRequest.id == root.id) | (NightStopRequest.joined_to == root.id), NightStopLogEntry.actor_kind == "driver")
                ).all()
                assert {"accepted", "alternative_proposed"} & set(words), "a promise without a driver's word"


class TestAsking:
    def test_the_driver_is_asked_and_everybody_told(self, line):
        bus, phone = line.bus(), line.phone()
        request = line.asks(phone)
        assert request.state == "sent_to_driver"
        assert request.answer_by == line.now + timedelta(seconds=20)
        (kind, data), = line.shown(bus)
        card = data["night_stop"]
        assert (kind, card["after_stop"], card["before_stop"], card["people"]) == ("night_stop.requested", "Baille", "La Timone", 1)
        assert card["metres_after_stop"] == pytest.approx(442, abs=2)
        assert line.told(phone)[0]["next_stop"]["name"] == "Castellane"
        assert line.control_heard("night_stop.changed")[0]["night_stop"]["raised"] is False

    def test_the_driver_never_learns_who_or_why(self, line):
        bus, phone = line.bus(), line.phone()
        request = line.asks(phone, home_timer_s=600)
        text = str(line.shown(bus))
        assert str(phone) not in text
        assert "home" not in text
        line.says(bus, "accept", request)
        assert set(line.shown(bus)[-1][1]["night_stop"]) == set(line.shown(bus)[0][1]["night_stop"])

    def test_the_same_wish_again_changes_nothing(self, line):
        bus, phone, stop_id = line.bus(), line.phone(), uuid.uuid4()
        first = line.asks(phone, stop_id=stop_id)
        line.clock.advance(3)
        again = line.asks(phone, stop_id=stop_id, queued_ms=3_000, position={"latitude": 43.29, "longitude": 5.38})
        assert (again.version, again.received_at) == (first.version, first.received_at)
        assert len(line.shown(bus)) == 1

    def test_an_id_stands_for_one_wish_of_one_phone(self, line):
        line.bus()
        phone, stop_id = line.phone(), uuid.uuid4()
        line.asks(phone, stop_id=stop_id)
        with pytest.raises(Refused, match="key_reused"):
            line.asks(phone, 3_500, stop_id=stop_id)
        with pytest.raises(Refused, match="night_stop_unknown"):
            line.asks(line.phone(), stop_id=stop_id)

    def test_a_wish_that_fails_is_kept_with_its_check(self, line):
        bus, phone = line.bus(), line.phone()
        request = line.asks(phone, 2_100)
        assert (request.state, request.reject_code) == ("rejected", "too_close_to_stop")
        assert {one["kind"] for one in request.instead} >= {"nearest_permitted", "regular_stop"}
        assert line.shown(bus) == []
        assert line.told(phone)[-1]["facts"][-1]["code"] == "too_close_to_stop"

    def test_one_live_wish_for_each_phone(self, line):
        line.bus()
        phone = line.phone()
        line.asks(phone)
        again = line.asks(phone, 3_500)
        assert (again.state, again.reject_code) == ("rejected", "rate_limited")

    def test_two_wishes_of_one_phone_in_one_moment_leave_one_live(self, line):
        line.bus()
        line.bus("A-102", at_m=600)
        phone = line.phone()
        found = together(lambda: line.asks(phone), lambda: line.asks(phone, 3_500, vehicle_number="A-102"))
        assert sorted(one.state for one in found) == ["rejected", "sent_to_driver"]
        assert {one.reject_code for one in found} == {None, "rate_limited"}

    def test_after_a_refusal_not_the_same_piece_of_the_same_bus_again(self, line):
        bus, phone = line.bus(), line.phone()
        line.says(bus, "refuse", line.asks(phone), "works")
        assert line.asks(phone, 2_600).reject_code == "rate_limited"
        assert line.asks(phone, 3_500).state == "sent_to_driver"

    def test_another_bus_may_be_asked_for_a_piece_that_one_driver_refused(self, line):
        bus, phone = line.bus(), line.phone()
        line.says(bus, "refuse", line.asks(phone), "traffic")
        line.bus("A-102")
        assert line.asks(phone, vehicle_number="A-102").state == "sent_to_driver"

    def test_more_stops_than_a_trip_may_have_are_not_planned(self, line):
        line.policy(max_extra_stops=2, line_id="21")  # of another line: it does not count here
        bus = line.bus()
        policy_id = _only_policy(line)
        line.policy(policy_id, max_extra_stops=2)
        done = line.asks(line.phone(), 1_700)
        line.says(bus, "accept", done)
        line.says(bus, "alighted", done)
        line.asks(line.phone())
        assert line.asks(line.phone(), 3_500).reject_code == "vehicle_limit"
        assert line.asks(line.phone(), 2_520).state == "sent_to_driver", "a stop that is planned can still be joined"


class TestTheBus:
    @pytest.mark.parametrize(("number", "code"), [("A-999", "not_on_board"), ("A-101", None), (" A-101 ", None)])
    def test_is_known_by_the_number_inside(self, line, number, code):
        line.bus()
        assert line.asks(line.phone(), vehicle_number=number).reject_code == code

    def test_is_found_by_where_the_phone_is(self, line):
        line.bus(at_m=300, speed=0)
        line.bus("A-102", at_m=1_500)
        here = line.place(330)
        found = line.asks(line.phone(), vehicle_number=None, position={"latitude": here.latitude, "longitude": here.longitude})
        assert found.vehicle_number == "A-101"

    def test_is_asked_for_where_two_could_be_meant(self, line):
        line.bus(at_m=300)
        line.bus("A-102", at_m=360)
        here = line.place(330)
        found = line.asks(line.phone(), vehicle_number=None, position={"latitude": here.latitude, "longitude": here.longitude})
        assert found.reject_code == "not_on_board"

    def test_that_is_lost_is_not_judged_by_where_it_was(self, line):
        line.bus()
        line.clock.advance(91)
        assert line.asks(line.phone()).reject_code == "not_on_board"

    def test_that_was_heard_of_a_while_ago_is_further_on_by_now(self, line):
        line.bus(at_m=1_990, speed=9)
        assert line.asks(line.phone()).state == "sent_to_driver"
        line.clock.advance(20)  # it must be at 2,170 m by now: past Baille
        assert line.asks(line.phone(), 2_501).reject_code == "too_late"

    def test_of_the_other_direction_goes_its_own_way(self, line):
        bus = line.bus()
        line.moves(bus, 300, pattern=line.network.patterns_of(LINE, 1)[0])
        request = line.asks(line.phone(), direction_id=0)
        assert (request.direction_id, request.reject_code) == (1, None)
        assert request.after_stop == "La Timone"


class TestSharing:
    def test_a_second_rider_joins_and_both_get_the_answer(self, line):
        bus, first, second = line.bus(), line.phone(), line.phone()
        one, two = line.asks(first), line.asks(second, 2_560)
        assert two.joined_to == one.id
        assert two.measure_m == one.measure_m
        assert line.shown(bus)[-1][0] == "night_stop.changed"
        assert line.shown(bus)[-1][1]["night_stop"]["people"] == 2
        card = line.says(bus, "accept", one)
        assert (card["state"], card["people"], sorted(card["codes"])) == ("accepted", 2, sorted([one.code, two.code]))
        assert [line.told(phone)[-1]["state"] for phone in (first, second)] == ["accepted", "accepted"]

    def test_two_riders_in_one_moment_share_one_stop(self, line):
        bus = line.bus()
        phones = [line.phone() for _ in range(4)]
        found = together(*[lambda phone=phone, at=at: line.asks(phone, at) for at, phone in enumerate(phones, 2_500)])
        roots = {one.joined_to or one.id for one in found}
        assert len(roots) == 1
        assert {one.state for one in found} == {"sent_to_driver"}
        assert line.shown(bus)[-1][1]["night_stop"]["people"] == 4

    def test_who_comes_after_the_promise_has_it_at_once(self, line):
        bus, first, second = line.bus(), line.phone(), line.phone()
        one = line.asks(first)
        line.says(bus, "accept", one)
        two = line.asks(second)
        assert (two.state, two.answer_by) == ("accepted", None)
        assert line.shown(bus)[-1][1]["night_stop"]["people"] == 2

    def test_but_a_ramp_is_asked_of_the_driver_and_its_refusal_breaks_no_promise(self, line):
        bus, first, second = line.bus(), line.phone(), line.phone()
        one = line.asks(first)
        line.says(bus, "accept", one)
        two = line.asks(second, ramp=True)
        assert two.state == "sent_to_driver"
        assert line.shown(bus)[-1][1]["night_stop"]["ramp"] is True
        card = line.says(bus, "refuse", one, "road_layout")
        assert (card["state"], card["people"], card["ramp"]) == ("accepted", 1, False)
        assert (line.again(one).state, line.again(two).state) == ("accepted", "refused")

    def test_a_stop_whose_first_rider_leaves_is_still_one_stop(self, line):
        line.bus()
        first, second, third = line.phone(), line.phone(), line.phone()
        one, two = line.asks(first), line.asks(second)
        line.rider_says("cancel", one)
        three = line.asks(third, 2_520)
        assert three.joined_to == one.id
        assert line.asks(line.phone(), 2_800).reject_code == "slot_taken"
        assert line.again(two).state == "sent_to_driver"

    def test_the_driver_keeps_a_stop_until_the_last_rider_leaves(self, line):
        bus, first, second = line.bus(), line.phone(), line.phone()
        one, two = line.asks(first), line.asks(second)
        line.says(bus, "accept", one)
        line.rider_says("cancel", one)
        kind, data = line.shown(bus)[-1]
        assert (kind, data["night_stop"]["people"]) == ("night_stop.changed", 1)
        assert line.says(bus, "accept", one)["id"] == str(one.id), "known by the same id, though its first rider is gone"
        line.rider_says("cancel", two)
        kind, data = line.shown(bus)[-1]
        assert (kind, data["reason"], data["night_stop_id"]) == ("night_stop.gone", "cancelled", str(one.id))

    def test_what_the_driver_sees_only_grows_in_version(self, line):
        bus, first, second = line.bus(), line.phone(), line.phone()
        one, two = line.asks(first), line.asks(second)
        line.says(bus, "accept", one)
        line.rider_says("cancel", one)
        line.says(bus, "withdraw", two, "traffic")
        versions = [data["night_stop"]["version"] for _, data in line.shown(bus) if "night_stop" in data]
        assert versions == sorted(set(versions))


class TestAnswering:
    def test_silence_is_not_a_yes(self, line):
        bus, phone = line.bus(), line.phone()
        request = line.asks(phone)
        line.wait(19)
        assert line.again(request).state == "sent_to_driver"
        line.wait(1)
        assert line.again(request).state == "expired"
        card = line.told(phone)[-1]
        assert (card["ask_aloud"], card["next_stop"]["name"]) == (True, "Castellane")
        assert line.shown(bus)[-1] == ("night_stop.gone", {"night_stop_id": str(request.id), "reason": "expired"})

    def test_all_who_share_a_stop_are_told_that_nobody_answered(self, line):
        bus, first, second = line.bus(), line.phone(), line.phone()
        line.asks(first)
        line.clock.advance(5)
        line.asks(second)
        line.wait(20)
        assert [line.told(phone)[-1]["state"] for phone in (first, second)] == ["expired", "expired"]
        assert [kind for kind, _ in line.shown(bus)].count("night_stop.gone") == 1

    def test_a_late_yes_counts_while_the_place_lies_ahead(self, line):
        bus, phone = line.bus(), line.phone()
        request = line.asks(phone)
        line.wait(20)
        assert line.says(bus, "accept", request)["state"] == "accepted"
        assert line.told(phone)[-1]["ask_aloud"] is False

    def test_a_yes_after_the_place_does_not(self, line):
        bus, phone = line.bus(), line.phone()
        request = line.asks(phone)
        line.moves(bus, 2_510)
        with pytest.raises(Refused, match="already_passed"):
            line.says(bus, "accept", request)
        assert line.again(request).state == "sent_to_driver"

    def test_a_late_yes_finds_the_rider_asking_for_another_stop(self, line):
        bus, phone = line.bus(), line.phone()
        request = line.asks(phone)
        line.wait(20)
        line.moves(bus, 460)
        other = line.asks(phone, 3_500)
        with pytest.raises(Refused, match="action_impossible"):
            line.says(bus, "accept", request)
        assert (line.again(request).state, line.again(other).state) == ("expired", "sent_to_driver")

    @pytest.mark.parametrize("word", ["accept", "propose", "alighted"])
    def test_the_same_word_twice_answers_the_same_twice(self, line, word):
        bus, phone = line.bus(), line.phone()
        request = line.asks(phone)
        if word == "alighted":
            line.says(bus, "accept", request)
        first = line.says(bus, word, request)
        assert line.says(bus, word, request) == first
        assert line.actions(request).count({"accept": "accepted", "propose": "alternative_proposed"}.get(word, word)) == 1

    def test_a_refusal_has_a_reason_and_ends_it(self, line):
        bus, phone = line.bus(), line.phone()
        request = line.asks(phone)
        with pytest.raises(Refused, match="invalid"):
            line.says(bus, "refuse", request, "mood")
        assert line.says(bus, "refuse", request, "parked_vehicles")["state"] == "refused"
        card = line.told(phone)[-1]
        assert (card["refusal_reason"], card["ask_aloud"]) == ("parked_vehicles", True)
        with pytest.raises(Refused, match="action_impossible"):
            line.says(bus, "accept", request)

    def test_a_promise_can_be_taken_back_at_any_moment(self, line):
        bus, phone = line.bus(), line.phone()
        request = line.asks(phone)
        line.says(bus, "accept", request)
        line.moves(bus, 2_400, 5)
        line.wait(3)
        assert line.again(request).state == "approaching"
        line.says(bus, "withdraw", request, "traffic")
        card = line.told(phone)[-1]
        assert (card["state"], card["ask_aloud"], card["next_stop"]["name"]) == ("withdrawn", True, "La Timone")

    def test_another_drivers_stop_is_unknown(self, line):
        line.bus()
        other = line.bus("A-102")
        request = line.asks(line.phone())
        with pytest.raises(Refused, match="night_stop_unknown"):
            line.says(other, "accept", request)
        with pytest.raises(Refused, match="night_stop_unknown"):
            line.says(other, "accept", NightStopRequest(id=uuid.uuid4()))

    def test_the_tablet_says_that_it_has_the_request(self, line):
        bus, other = line.bus(), line.bus("A-102")
        request = line.asks(line.phone())
        with line.database.transaction() as session:
            answering.received(session, request.delivery_id, bus.id, line.now)
        with line.database.transaction() as session, pytest.raises(Refused, match="delivery_unknown"):
            answering.received(session, request.delivery_id, other.id, line.now)
        with line.database.reading() as session:
            assert session.get_one(Delivery, request.delivery_id).received_at == line.now

    def test_two_taps_in_one_moment_are_one_answer(self, line):
        bus, first, second = line.bus(), line.phone(), line.phone()
        one, two = line.asks(first), line.asks(second)
        cards = together(lambda: line.says(bus, "accept", one), lambda: line.says(bus, "accept", two))
        assert [card["state"] for card in cards] == ["accepted", "accepted"]
        assert [line.actions(each).count("accepted") for each in (one, two)] == [1, 1]


class TestAnotherPlace:
    def test_is_promised_only_once_the_rider_takes_it(self, line):
        bus, phone = line.bus(), line.phone()
        request = line.asks(phone)
        card = line.says(bus, "propose", request)
        assert (card["state"], card["alternative"]["measure_m"]) == ("alternative_proposed", 2_530)
        taken = line.rider_says("answer_alternative", request, accept_it=True)
        assert (taken.state, taken.measure_m) == ("accepted", 2_530)
        assert taken.metres_after_stop == pytest.approx(2_530 - 2_058, abs=2)
        assert line.shown(bus)[-1][1]["night_stop"]["metres_after_stop"] == pytest.approx(472, abs=2)

    def test_that_the_rider_does_not_want_ends_it(self, line):
        bus, phone = line.bus(), line.phone()
        request = line.asks(phone)
        line.says(bus, "propose", request)
        assert line.rider_says("answer_alternative", request, accept_it=False).state == "cancelled"
        with pytest.raises(Refused, match="action_impossible"):
            line.rider_says("answer_alternative", request, accept_it=True)

    def test_that_the_rider_says_nothing_to_is_not_promised(self, line):
        bus, phone = line.bus(), line.phone()
        request = line.asks(phone)
        line.says(bus, "propose", request)
        line.wait(30)
        assert line.again(request).state == "expired"

    def test_is_shown_to_who_joins_meanwhile(self, line):
        bus, first, second = line.bus(), line.phone(), line.phone()
        line.says(bus, "propose", line.asks(first))
        two = line.asks(second)
        assert (two.state, two.alternative["measure_m"]) == ("alternative_proposed", 2_530)

    def test_does_not_move_a_stop_that_is_promised_to_somebody(self, line):
        bus, first, second = line.bus(), line.phone(), line.phone()
        one = line.asks(first)
        line.says(bus, "accept", one)
        line.asks(second, ramp=True)
        with pytest.raises(Refused, match="action_impossible"):
            line.says(bus, "propose", one)

    def test_is_never_where_the_policy_forbids_it(self, line):
        line.policy(_only_policy(line), exclusions=[{"kind": "segment", "reason": "tunnel", "measures": [2_510, 2_900]}])
        bus = line.bus()
        card = line.says(bus, "propose", line.asks(line.phone(), 2_480))
        assert card["alternative"]["name"].startswith("La Timone"), "the regular stop: everything before it is tunnel"


class TestFollowing:
    def promised(self, line, **more):
        bus, phone = line.bus(), line.phone()
        request = line.asks(phone, **more)
        line.says(bus, "accept", request)
        return bus, phone, request

    def test_approach_halt_and_off(self, line):
        bus, phone, request = self.promised(line)
        for at_m, speed, state in [(2_000, 8, "accepted"), (2_330, 8, "approaching"), (2_495, 0.3, "approaching"),
                                   (2_497, 0.0, "approaching"), (2_497, 0.0, "approaching"), (2_570, 6, "alighted")]:  # fmt: skip
            line.clock.advance(3)
            line.moves(bus, at_m, speed)
            line.wait(0)
            assert line.again(request).state == state, at_m
        assert [fact["code"] for fact in line.told(phone)[-1]["facts"]] == [
            "received", "sent_to_driver", "accepted", "approaching", "alighted"]  # fmt: skip
        assert line.shown(bus)[-1] == ("night_stop.gone", {"night_stop_id": str(request.id), "reason": "alighted"})

    def test_a_bus_that_only_slows_down_has_missed_it_and_that_is_said_at_once(self, line):
        bus, phone, request = self.promised(line)
        for at_m, speed in [(2_330, 8), (2_490, 1.0), (2_520, 9), (2_575, 9)]:
            line.clock.advance(3)
            line.moves(bus, at_m, speed)
            line.wait(0)
        assert line.again(request).state == "missed"
        card = line.told(phone)[-1]
        assert (card["ask_aloud"], card["next_stop"]["name"]) == (True, "La Timone")

    def test_a_bus_out_of_sight_is_said_to_be_and_given_up_in_the_end(self, line):
        bus, phone, request = self.promised(line)
        line.wait(91)
        card = line.told(phone)[-1]
        assert (card["state"], card["ask_aloud"], card["facts"][-1]["code"]) == ("accepted", True, "vehicle_lost")
        told = len(line.told(phone))
        line.wait(60)
        assert len(line.told(phone)) == told, "said once"
        line.moves(bus, 2_300)
        line.wait(3)
        assert line.told(phone)[-1]["state"] == "approaching"
        assert line.told(phone)[-1]["ask_aloud"] is False
        line.wait(95)
        for _ in range(22):
            line.wait(60)
        assert line.again(request).state == "missed"

    def test_the_drivers_word_and_the_riders_word_beat_the_positions(self, line):
        bus, phone, request = self.promised(line, home_timer_s=600)
        line.moves(bus, 2_600)
        line.wait(3)
        assert line.again(request).state == "missed"
        line.says(bus, "alighted", request)
        assert line.told(phone)[-1]["state"] == "alighted"
        assert line.told(phone)[-1]["home_state"] == "running"
        found = line.rider_says("still_on_board", request)
        assert (found.state, found.home_state, found.due_at) == ("missed", None, None)

    def test_two_who_share_a_stop_get_off_together(self, line):
        bus, first, second = line.bus(), line.phone(), line.phone()
        one, two = line.asks(first), line.asks(second)
        line.says(bus, "accept", one)
        for at_m, speed in [(2_498, 0), (2_499, 0), (2_499, 0), (2_560, 7)]:
            line.clock.advance(3)
            line.moves(bus, at_m, speed)
            line.wait(0)
        assert {line.again(one).state, line.again(two).state} == {"alighted"}

    def test_two_workers_do_everything_once(self, line, wiring):
        from backend.worker import Worker

        bus = line.bus()
        requests = [line.asks(line.phone(), at) for at in (2_500, 2_510, 3_500)]
        line.clock.advance(20)
        workers = [Worker(wiring) for _ in range(3)]
        together(*[worker.run_due for worker in workers])
        assert {line.again(one).state for one in requests} == {"expired"}
        assert [line.actions(one).count("no_answer") for one in requests] == [1, 1, 1]
        assert [kind for kind, _ in line.shown(bus)].count("night_stop.gone") == 2

    def test_a_variant_of_the_line_is_the_same_line(self, line):
        bus, _phone, request = self.promised(line)
        with line.database.transaction() as session:
            stored = session.get_one(NightStopRequest, request.id)
            stored.pattern_id = 999  # judged on another variant, which the matcher has given up meanwhile
        line.moves(bus, 2_330)
        line.wait(3)
        assert line.again(request).state == "approaching"


class TestTheWayHome:
    def off(self, line, **more):
        bus, phone = line.bus(), line.phone()
        request = line.asks(phone, home_timer_s=600, **more)
        line.says(bus, "accept", request)
        line.says(bus, "alighted", request)
        return bus, phone, request

    def test_who_says_that_she_is_home_is_left_alone(self, line):
        _, phone, request = self.off(line)
        line.wait(599)
        assert line.told(phone)[-1]["home_state"] == "running"
        line.wait(1)
        assert line.told(phone)[-1]["home_state"] == "asked"
        line.rider_says("arrived", request)
        line.wait(3_600)
        assert line.told(phone)[-1]["home_state"] == "home"
        assert alerts(line) == 0

    def test_who_does_not_answer_becomes_an_alert_once(self, line, wiring):
        from backend.worker import Worker

        _, phone, request = self.off(line)
        line.wait(600)
        line.clock.advance(120)
        together(*[Worker(wiring).run_due for _ in range(2)])
        line.wait(600)
        assert alerts(line) == 1
        assert line.told(phone)[-1]["home_state"] == "alerted"
        with line.database.reading() as session:
            alert = session.scalars(select(Alert)).one()
            assert "n'a pas confirmé son arrivée" in alert.description.lower()
            assert (alert.device_id, alert.category, round(alert.lat, 4)) == (phone, "other", round(request.lat, 4))
            assert alert.position_at == line.again(request).alighted_at

    def test_nobody_but_the_rider_hears_of_it(self, line):
        bus, _phone, request = self.off(line)
        driver, control = len(line.shown(bus)), len(line.control_heard("night_stop.changed"))
        line.wait(600)
        line.rider_says("arrived", request)
        assert len(line.shown(bus)) == driver
        assert len(line.control_heard("night_stop.changed")) == control
        assert "home" not in str(line.control_heard("night_stop.changed"))


class TestDanger:
    def danger(self, line, phone):
        from backend.alerts.intake import read_alert
        from backend.alerts.raising import raise_alert

        with line.database.transaction() as session:
            content = read_alert({"category": "assault", "position": {"latitude": 43.29, "longitude": 5.38}}, line.now)
            return raise_alert(session, uuid.uuid4(), phone, content, line.now)[0].id

    @pytest.mark.parametrize("ending", ["refuse", "silence", "reject", "withdraw"])
    def test_a_no_to_a_rider_with_an_open_alert_calls_the_control_room_at_once(self, line, ending):
        bus, phone = line.bus(), line.phone()
        alert_id = self.danger(line, phone)
        if ending == "reject":
            line.asks(phone, 2_100)
        else:
            request = line.asks(phone)
            assert line.control_heard("night_stop.changed")[-1]["night_stop"]["raised"] is True
            assert line.control_heard("alert.needs_human") == []
            if ending == "withdraw":
                line.says(bus, "accept", request)
            if ending == "silence":
                with line.database.transaction() as session:  # the rounds are not what is tried here
                    session.get_one(Alert, alert_id).next_round_at = line.now + timedelta(hours=1)
                line.wait(20)
            else:
                line.says(bus, ending, request, "traffic")
        calls = line.control_heard("alert.needs_human")
        state = {"refuse": "refused", "silence": "expired", "reject": "rejected", "withdraw": "withdrawn"}[ending]
        assert (calls[-1]["alert_id"], calls[-1]["reason"]) == (str(alert_id), f"night_stop_{state}")

    def test_an_alert_that_somebody_has_already_is_called_for_again(self, line):
        bus, phone = line.bus(), line.phone()
        alert_id = self.danger(line, phone)
        with line.database.transaction() as session:
            session.get_one(Alert, alert_id).acknowledged_at = line.now
        line.says(bus, "refuse", line.asks(phone), "works")
        assert line.control_heard("alert.needs_human")[-1]["reason"] == "night_stop_refused"

    @pytest.mark.parametrize("called_first", [False, True])
    def test_a_reminder_that_nobody_is_left_does_not_hide_the_no(self, line, called_first):
        bus, phone = line.bus(), line.phone()
        alert_id = self.danger(line, phone)
        request = line.asks(phone)
        if called_first:
            line.wait(0)
        line.says(bus, "refuse", request, "traffic")
        line.wait(60)
        with line.database.reading() as session:
            assert session.get_one(Alert, alert_id).needs_human_reason == "night_stop_refused"
        assert line.control_heard("alert.needs_human")[-1]["reason"] == "night_stop_refused"


def test_what_nobody_looks_at_in_time_is_said(line):
    line.bus()
    line.asks(line.phone())
    line.clock.advance(26)
    with line.database.reading() as session:
        assert figures.look(session, line.now).overdue_night_stop_s == 6
    line.wait(0)
    with line.database.reading() as session:
        assert figures.look(session, line.now).overdue_night_stop_s == 0


def test_one_that_goes_wrong_stops_no_other(line, monkeypatch):
    line.bus()
    line.bus("A-102")
    poisoned, other = line.asks(line.phone()), line.asks(line.phone(), vehicle_number="A-102")
    really = following.run

    def run(session, request, work, now):
        if request.id == poisoned.id:
            raise ZeroDivisionError
        really(session, request, work, now)

    monkeypatch.setattr(following, "run", run)
    line.wait(20)
    assert (line.again(poisoned).state, line.again(other).state) == ("sent_to_driver", "expired")
    monkeypatch.undo()
    line.worker._put_off.clear()
    line.wait(1)
    assert line.again(poisoned).state == "expired"


class TestPolicies:
    def test_a_change_is_a_new_version_and_the_old_one_stays(self, line):
        policy_id = _only_policy(line)
        line.policy(policy_id, min_metres=400)
        with line.database.reading() as session:
            versions = policies.history(session, policy_id)
        assert [(one.version, one.min_metres, one.replaced_at is None) for one in versions] == [(2, 400, True), (1, 200, False)]

    def test_a_request_keeps_the_version_that_it_was_judged_by(self, line):
        line.bus()
        policy_id, phone = _only_policy(line), line.phone()
        request = line.asks(phone)
        line.policy(policy_id, near_stop_m=300)
        assert (line.again(request).policy_id, line.again(request).policy_version) == (policy_id, 1)

    def test_two_changes_in_one_moment_are_two_versions(self, line):
        policy_id = _only_policy(line)
        together(lambda: line.policy(policy_id, min_metres=300), lambda: line.policy(policy_id, min_metres=400))
        with line.database.reading() as session:
            assert [one.version for one in policies.history(session, policy_id)] == [3, 2, 1]
            assert len(policies.in_force(session, LINE)) == 1

    def test_what_has_ended_is_not_in_force(self, line):
        line.bus()
        with line.database.transaction() as session:
            policies.end_policy(session, _only_policy(line), line.now)
        assert line.asks(line.phone()).reject_code == "line_not_eligible"

    def test_a_piece_keeps_its_place_in_both_directions(self, line):
        line.policy(_only_policy(line), exclusions=[{"kind": "segment", "reason": "tunnel", "measures": [2_400, 2_600]}])
        bus = line.bus()
        assert line.asks(line.phone()).reject_code == "excluded_segment"
        line.moves(bus, 300, pattern=line.network.patterns_of(LINE, 1)[0])
        assert line.asks(line.phone()).reject_code == "excluded_segment"
        line.policy(_only_policy(line), exclusions=[{"kind": "segment", "reason": "tunnel", "measures": [2_400, 2_600], "direction_id": 0}])
        assert line.asks(line.phone()).state == "sent_to_driver"

    def test_a_part_of_the_line_holds_across_the_street(self, line):
        stops = {stop.name: stop.stop_id for stop in line.way.stops}
        line.policy(_only_policy(line), from_stop_id=stops["Castellane"], to_stop_id=stops["La Timone"])
        bus = line.bus()
        assert line.asks(line.phone(), 3_500).reject_code == "excluded_segment"
        assert line.asks(line.phone()).state == "sent_to_driver"
        line.moves(bus, 300, pattern=line.network.patterns_of(LINE, 1)[0])
        assert line.asks(line.phone(), 2_800).state == "sent_to_driver"

    @pytest.mark.parametrize(
        ("change", "field"),
        [({"line_id": "T1"}, "/line_id"), ({"starts": "25:00"}, "/starts"), ({"ends": "22:00"}, "/ends"),
         ({"valid_from": "2026-02-30"}, "/valid_from"), ({"valid_until": "2026-01-01"}, "/valid_until"),
         ({"min_metres": -1}, "/min_metres"), ({"max_extra_stops": 0}, "/max_extra_stops"),
         ({"from_stop_id": "nowhere"}, "/from_stop_id"), ({"exclusions": [{"kind": "segment", "reason": "works"}]}, "/exclusions/0"),
         ({"exclusions": [{"kind": "segment", "reason": "works", "measures": [1e6, 2e6]}]}, "/exclusions/0")],
    )  # fmt: skip
    def test_what_cannot_be_meant_is_refused_at_its_field(self, line, change, field):
        with pytest.raises(Refused) as refused:
            line.policy(**change)
        assert refused.value.field == field

    def test_only_a_line_that_exists(self, line):
        with pytest.raises(Refused, match="line_unknown"):
            line.policy(line_id="nowhere")


class TestSuspensions:
    def suspend(self, line, **more):
        with line.database.transaction() as session:
            suspensions.suspend(session, "weather", line.operator_id, line.now, **{"line_id": None, "until": None, **more})

    def test_snow_stops_new_wishes_and_no_promise(self, line):
        bus, first = line.bus(), line.phone()
        request = line.asks(first)
        line.says(bus, "accept", request)
        self.suspend(line)
        assert line.asks(line.phone(), 3_500).reject_code == "weather_suspended"
        assert line.again(request).state == "accepted"
        assert len(line.control_heard("night_stops.suspended")[-1]["suspensions"]) == 1

    def test_of_another_line_or_another_time_does_not_count(self, line):
        line.bus()
        self.suspend(line, line_id="21")
        self.suspend(line, until=line.now + timedelta(seconds=5))
        line.clock.advance(5)
        assert line.asks(line.phone()).state == "sent_to_driver"

    def test_ends_where_it_was_set(self, line):
        line.bus()
        self.suspend(line)
        self.suspend(line, line_id=LINE)
        with line.database.transaction() as session:
            assert suspensions.resume(session, line.now, line_id=None) == 1
        assert line.asks(line.phone()).reject_code == "weather_suspended"
        with line.database.transaction() as session:
            assert suspensions.resume(session, line.now, line_id=LINE) == 1
            assert suspensions.resume(session, line.now, line_id=LINE) == 0
        assert line.asks(line.phone()).state == "sent_to_driver"


def together(*actions):
    """What each of several actions gave that began in one moment."""
    found, start = [None] * len(actions), threading.Barrier(len(actions))

    def act(number, action):
        start.wait()
        found[number] = action()

    threads = [threading.Thread(target=act, args=pair) for pair in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return found


def alerts(line):
    with line.database.reading() as session:
        return session.scalar(select(func.count()).select_from(Alert))


def _only_policy(line):
    with line.database.reading() as session:
        return session.scalars(select(NightStopPolicy.policy_id).where(NightStopPolicy.line_id == LINE)).first()
