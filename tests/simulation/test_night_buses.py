"""Simulated drivers and riders of night buses one by one, without a server: what they say, and when."""

import itertools

import pytest

from backend.simulation.behaviour import Answer as Choice
from backend.simulation.behaviour import NightWish
from backend.simulation.bus import Bus
from backend.simulation.night_rider import NightRider, NightRiders
from backend.simulation.night_wishes import wished_place
from backend.simulation.phone import Raised
from backend.simulation.staff import Account
from backend.simulation.ways import Place, metres_between, moved
from backend.simulation.wire import Answer, Unreachable
from tests.simulation.test_actors import AVENUE, HERE, Desk, at_work, clock, live, names, world

__all__ = ["clock", "world"]
AHEAD = moved(HERE, 1500, 0)


def card(state="sent_to_driver", place=AHEAD, delivery="d1"):
    where = {"latitude": place.latitude, "longitude": place.longitude}
    return {"id": "n1", "delivery_id": delivery, "state": state, "place": where}


def bus_of(world, answer, future=("stop", 0, None)):
    bus = at_work(Bus(world, Account("d", "p", "driver", vehicle_number="900"), "12"))
    bus.line, bus._along_m, bus._waits_s = world.town.ways["12", 0], 100.0, 0.0
    bus.dice.driver_answer = lambda _: Choice(*answer)
    bus.dice.promise = lambda _: Choice(*future)
    bus.live.answers = {
        "night_stop.accept": {"ok": True, "night_stop": card("accepted")},
        "night_stop.refuse": {"ok": True, "night_stop": card("refused")},
        "night_stop.withdraw": {"ok": True, "night_stop": card("withdrawn")},
        "night_stop.alighted": {"ok": True, "night_stop": card("alighted")},
        "night_stop.propose": {"ok": True, "night_stop": card("alternative_proposed")},
    }
    return bus


def fixes_near(bus, place):
    near = []
    for event, body in bus.live.said:
        if event == "position" and metres_between(Place(body["latitude"], body["longitude"]), place) < 10:
            near.append(body["speed_mps"])
    return near


def test_a_driver_says_received_at_once_answers_later_and_stands_where_it_was_promised(world, clock):
    bus = bus_of(world, ("accept", 5.0))
    bus.hear("night_stop.requested", {"night_stop": card()})
    assert names(bus) == ["received"]
    live(bus, clock, 4)
    assert names(bus) == ["received"]
    live(bus, clock, 400)
    assert [name for name in names(bus) if name != "night_stop.alighted"] == ["received", "night_stop.accept"]
    standing = [speed for speed in fixes_near(bus, AHEAD) if speed == 0]
    assert len(standing) >= 4, "several fixes without speed, so that the server sees a halt"


def test_a_driver_who_forgets_drives_past(world, clock):
    bus = bus_of(world, ("accept", 5.0), ("drive_on", 0, None))
    bus.hear("night_stop.requested", {"night_stop": card()})
    live(bus, clock, 400)
    assert 0 not in fixes_near(bus, AHEAD)


def test_a_silent_driver_says_received_and_nothing_more_even_when_the_bus_comes_back(world, clock):
    bus = bus_of(world, ("silence", 0))
    bus.hear("night_stop.requested", {"night_stop": card()})
    bus.hear("night_stop.changed", {"night_stop": card()})
    live(bus, clock, 100)
    assert names(bus) == ["received"]
    assert 0 not in fixes_near(bus, AHEAD)


@pytest.mark.parametrize(
    ("answer", "future", "said"),
    [
        (("refuse", 3.0, "works"), ("stop", 0, None), ("night_stop.refuse", "works")),
        (("accept", 3.0), ("withdraw", 5.0, "traffic"), ("night_stop.withdraw", "traffic")),
    ],
)
def test_who_says_no_gives_a_reason_and_does_not_stand_there(world, clock, answer, future, said):
    bus = bus_of(world, answer, future)
    bus.hear("night_stop.requested", {"night_stop": card()})
    live(bus, clock, 400)
    assert bus.live.said[-1][0] == "position"
    last = [(event, body) for event, body in bus.live.said if event.startswith("night_stop")][-1]
    assert last == (said[0], {"night_stop_id": "n1", "reason": said[1]})
    assert 0 not in fixes_near(bus, AHEAD)


def test_another_place_that_the_rider_took_is_where_the_bus_stands(world, clock):
    bus = bus_of(world, ("propose", 3.0))
    bus.hear("night_stop.requested", {"night_stop": card()})
    live(bus, clock, 5)
    lit = moved(HERE, 1700, 0)
    bus.hear("night_stop.changed", {"night_stop": card("accepted", lit)})
    live(bus, clock, 400)
    assert 0 in fixes_near(bus, lit)
    assert 0 not in fixes_near(bus, AHEAD)


def test_a_driver_without_another_place_takes_the_wished_one(world, clock):
    bus = bus_of(world, ("propose", 3.0))
    bus.live.answers["night_stop.propose"] = {"ok": False, "code": "action_impossible"}
    bus.hear("night_stop.requested", {"night_stop": card()})
    live(bus, clock, 8)
    assert names(bus) == ["received", "night_stop.propose", "night_stop.accept"]


def test_a_stop_that_is_over_is_forgotten(world, clock):
    bus = bus_of(world, ("accept", 5.0))
    bus.hear("night_stop.requested", {"night_stop": card()})
    bus.hear("night_stop.gone", {"night_stop_id": "n1", "reason": "cancelled"})
    live(bus, clock, 400)
    assert names(bus) == ["received"]
    assert 0 not in fixes_near(bus, AHEAD)


def test_after_a_restart_a_driver_knows_the_promises_and_forgets_what_is_over(world, clock):
    bus = bus_of(world, ("accept", 5.0))
    listed = Answer(200, {"seq": 9, "night_stops": [card("approaching")]}, {})
    bus.wire.answers["/v1/driver/snapshot"] = listed
    bus.catch_up_whole()
    assert bus.last_seq == 9
    assert bus.night.next_halt(AVENUE, 100.0) == (pytest.approx(1500, abs=1), "n1")
    bus.wire.answers["/v1/driver/snapshot"] = Answer(200, {"seq": 10, "night_stops": []}, {})
    bus.catch_up_whole()
    assert bus.night.next_halt(AVENUE, 100.0) is None


def test_a_server_without_night_stops_is_no_trouble_for_a_driver(world):
    bus = bus_of(world, ("accept", 5.0))
    bus.wire.answers["/v1/driver/snapshot"] = Answer(404, {"code": "not_found"}, {})
    bus.catch_up_whole()
    assert bus.last_seq is None


def test_without_its_socket_a_driver_answers_by_http(world, clock):
    bus = bus_of(world, ("refuse", 3.0, "works"))
    bus.hear("night_stop.requested", {"night_stop": card()})
    bus.live.connected = False
    bus.wire.answers["/v1/night-stops/n1/refuse"] = Answer(200, card("refused"), {})
    live(bus, clock, 5)
    assert ("/v1/night-stops/n1/refuse", {"reason": "works"}) in bus.wire.asked


def test_wishes_lie_where_their_kind_says(world):
    bus = bus_of(world, ("silence", 0))
    bus._along_m = 300.0
    rider = NightRider(world, 1, Raised())

    def along(kind):
        place = wished_place(kind, bus, rider._dice)
        assert place is not None
        return AVENUE.nearest(place)

    halts = world.town.halts(bus.line)
    for _ in range(50):
        metres, off = along("ahead")
        assert metres > 1000, "a regular stop lies before it, or it is too late"
        assert off < 1
        assert min(abs(metres - halt) for halt in halts) > 60
        assert 300 < along("too_late")[0] < 500
        assert along("behind")[0] < 300
        assert along("off_route")[1] > 100
        stop_m = along("at_a_stop")[0]
        assert min(abs(stop_m - halt) for halt in halts) < 1
    bus._along_m = 2900.0
    assert wished_place("ahead", bus, rider._dice) is None


class Server(Desk):
    """Answers each path with what comes next, the last answer for ever."""

    def __init__(self):
        super().__init__()
        self.token = "t"
        self.next = {}

    def insist(self, method, path, body=None, **_):
        generic = "PUT" if method == "PUT" else path
        self.asked.append((generic, body))
        answers = self.next.get(generic, [Answer(200, {}, {})])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    ask = insist


def riding(world, monkeypatch, wish, *, chance=False):
    """A rider aboard a bus, whose pauses take no time."""
    rider = NightRider(world, 1, Raised())
    server = Server()
    server.next["/v1/night-stops/check"] = [Answer(200, {"possible": True, "instead": []}, {})]
    monkeypatch.setattr(rider, "_wire", server)
    monkeypatch.setattr(world.stop, "wait", lambda _=None: False)
    monkeypatch.setattr(rider._dice, "chance", lambda _: chance)
    monkeypatch.setattr(rider._dice, "night_wish", lambda: wish)
    return rider


def shown(state, **more):
    return Answer(200, {"id": "n1", "state": state, "home_due_at": None, **more}, {})


WISH = NightWish("ahead", reads_number=True, ramp=True, home_timer_s=600, says_home=True)


def test_a_rider_asks_follows_and_says_that_she_is_home(world, monkeypatch):
    rider = riding(world, monkeypatch, WISH)
    rider._wire.next["PUT"] = [Answer(201, shown("sent_to_driver").body, {})]
    rider._wire.next["/v1/night-stops/n1"] = [shown("accepted"), shown("approaching"), shown("alighted", home_due_at="t")]
    rider.ride(bus_of(world, ("silence", 0)))
    paths = [path for path, _ in rider._wire.asked]
    assert paths == ["/v1/night-stops/check", "PUT", *["/v1/night-stops/n1"] * 3, "/v1/night-stops/n1/arrived"]
    body = rider._wire.asked[1][1]
    assert (body["vehicle_number"], body["ramp"], body["home_timer_s"]) == ("900", True, 600)
    assert metres_between(Place(body["position"]["latitude"], body["position"]["longitude"]), moved(HERE, 100, 0)) < 200
    counts = world.counters.all()
    assert all(counts[f"night stops: {what}"] == 1 for what in ("sent_to_driver", "accepted", "alighted", "home"))


def test_what_cannot_be_is_sent_all_the_same_or_elsewhere_and_a_lost_answer_repeated(world, monkeypatch):
    rider = riding(world, monkeypatch, WISH._replace(kind="too_late"), chance=True)
    offered = [{"kind": "regular_stop", "latitude": 1, "longitude": 1}, {"kind": "later", "latitude": 43.5, "longitude": 5.5}]
    rider._wire.next["/v1/night-stops/check"] = [Answer(200, {"possible": False, "code": "too_late", "instead": offered}, {})]
    rider._wire.next["PUT"] = [Answer(422, {"code": "slot_taken", "instead": offered}, {})]
    rider.ride(bus_of(world, ("silence", 0)))
    sent = [body for path, body in rider._wire.asked if path == "PUT"]
    assert [body["wanted"] for body in sent] == [{"latitude": 43.5, "longitude": 5.5}] * 4, "two wishes, each repeated"
    counts = world.counters.all()
    assert counts["night stops: not possible: too_late"] == 1
    assert counts["repeats recognised"] == 2


def test_a_rider_answers_another_place(world, monkeypatch):
    rider = riding(world, monkeypatch, WISH)
    rider._wire.next["PUT"] = [Answer(201, shown("alternative_proposed").body, {})]
    rider._wire.next["/v1/night-stops/n1"] = [shown("cancelled")]
    rider.ride(bus_of(world, ("silence", 0)))
    assert ("/v1/night-stops/n1/alternative", {"accept": False}) in rider._wire.asked


def test_a_rider_who_forgets_the_timer_takes_the_alert_back(world, monkeypatch):
    rider = riding(world, monkeypatch, WISH._replace(says_home=False))
    rider._wire.next["PUT"] = [Answer(201, shown("accepted").body, {})]
    rider._wire.next["/v1/night-stops/n1"] = [shown("alighted", home_due_at="t")]
    none_yet, raised = Answer(200, {"items": []}, {}), Answer(200, {"items": [{"id": "a9"}]}, {})
    rider._wire.next["/v1/alerts"] = [none_yet, raised]
    rider.ride(bus_of(world, ("silence", 0)))
    assert rider._wire.asked[-1] == ("/v1/alerts/a9/cancel", {})
    assert "a9" in rider._raised, "the simulated operator looks after it"


@pytest.fixture
def heard(world):
    said = []
    object.__setattr__(world, "say", said.append)
    return said


def riders(world, monkeypatch, lines, rounds=4):
    """The riders of one bus while `lines` are the server's answers; whom they let ask."""
    asked = []
    crowd = NightRiders(world, [bus_of(world, ("silence", 0))], Raised(), 2.0, asked.append)
    left = itertools.count(1)
    monkeypatch.setattr(world.stop, "wait", lambda _=None: next(left) > rounds)
    monkeypatch.setattr(NightRider, "lines", lambda _: lines())
    monkeypatch.setattr("backend.simulation.night_rider.LOOKS_AGAIN_S", 0.0)
    crowd.run()
    return asked


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (None, "no night stops here: the server offers none"),
        ([], "no night stops here: the server offers none"),
        ([{"line_id": "12", "direction_id": None, "open_now": False}], "no night stops at this hour"),
        ([{"line_id": "99", "direction_id": None, "open_now": True}],
         "no night stops yet: no vehicle in service on those lines"),
    ],
)  # fmt: skip
def test_where_there_are_none_it_is_said_once(world, monkeypatch, heard, lines, said):
    assert riders(world, monkeypatch, lambda: lines) == []
    assert heard == [said]


def test_they_ask_aboard_the_buses_of_those_lines(world, monkeypatch, heard):
    lines = [{"line_id": "12", "direction_id": 0, "open_now": True}]
    assert len(riders(world, monkeypatch, lambda: lines)) == 4
    assert heard == []


def test_a_server_that_is_away_is_asked_again(world, monkeypatch, heard):
    def away():
        raise Unreachable

    assert riders(world, monkeypatch, away) == []
    assert heard == []
