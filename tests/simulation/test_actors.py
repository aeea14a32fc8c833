"""Simulated people one by one, without a server: what they say, and when."""

import threading

import pytest

from backend.simulation.bus import Bus
from backend.simulation.operator import Operator
from backend.simulation.patrol import Patrol
from backend.simulation.phone import Raised
from backend.simulation.staff import Account, World
from backend.simulation.streets import Streets
from backend.simulation.town import LineWay, Stop, Town
from backend.simulation.tracks import Fix
from backend.simulation.ways import Place, Way, metres_between, moved
from backend.simulation.wire import Answer, Counters

HERE = Place(43.2956, 5.3740)
AVENUE = Way([HERE, moved(HERE, 3000, 0)])
BACK = Way([moved(HERE, 3000, 0), HERE])


class SmallTown(Town):
    """One avenue, one bus line on it, three stops."""

    def __init__(self):
        self.stops = [Stop(f"s{n}", f"Stop {n}", moved(HERE, n * 1000, 0)) for n in range(1, 4)]
        self.ways = {("12", n): LineWay("12", n, "12", "bus", False, way) for n, way in enumerate((AVENUE, BACK))}
        self.hubs = self.stops[:1]
        self.streets = Streets([AVENUE])

    def halts(self, line):
        return [0.0, 1000.0, 2000.0]


class Clock:
    """Seconds that pass when told."""

    now = 1000.0

    def __call__(self):
        return self.now


class Ears:
    """A socket that remembers what was said to it and answers as told."""

    connected = True

    def __init__(self):
        self.said = []
        self.answers = {}

    def send(self, event, body):
        self.said.append((event, body))

    def call(self, event, body):
        self.said.append((event, body))
        return self.answers.get(event, {"ok": True})


class Desk:
    """HTTP that remembers what was asked of it."""

    def __init__(self):
        self.asked = []
        self.answers = {}
        self.token_refused = False

    def insist(self, method, path, body=None, **_):
        self.asked.append((path, body))
        return self.answers.get(path, Answer(200, {"seq": 1, "assignments": [], "alerts": []}, {}))

    ask = insist


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def world(clock):
    return World("http://x", "http://x", SmallTown(), Counters(), threading.Event(), 7, 1.0, clock)


def at_work(actor):
    actor.live, actor.wire = Ears(), Desk()
    return actor


def live(actor, clock, seconds):
    for _ in range(seconds):
        clock.now += 1
        actor.tick(connected=True)


def assignment(state, alert_id="a1", position=HERE):
    place = {"latitude": position.latitude, "longitude": position.longitude} if position else None
    return {"id": "m1", "delivery_id": "d1", "state": state, "alert": {"id": alert_id, "position": place}}


def names(actor):
    return [event for event, _ in actor.live.said if event != "position"]


def test_a_bus_serves_its_line_there_and_back(world, clock):
    bus = at_work(Bus(world, Account("d", "p", "driver", vehicle_number="900"), "12"))
    seen = set()
    stood = 0
    before = bus.place
    for _ in range(3600):
        clock.now += 1
        bus.tick(connected=True)
        assert metres_between(before, bus.place) < 15, "a bus does not jump"
        stood += before == bus.place
        before = bus.place
        seen.add(bus.line.direction_id)
    assert seen == {0, 1}
    assert stood > 300, "it waits at its stops"
    assert {event for event, _ in bus.live.said} == {"position"}
    assert len(bus.live.said) == pytest.approx(1800, abs=10)


def test_a_bus_without_its_socket_says_where_it_is_by_http(world, clock):
    bus = at_work(Bus(world, Account("d", "p", "driver", vehicle_number="900"), "12"))
    clock.now += 3
    bus.tick(connected=False)
    assert [path for path, _ in bus.wire.asked] == ["/v1/driver/positions"]


@pytest.fixture
def patrol(world):
    patrol = at_work(Patrol(world, Account("a", "p", "agent", "t1")))
    patrol.dice.answer = lambda _: type("Answer", (), {"what": "accept", "after_s": 3, "reason": None})()
    return patrol


def test_a_patrol_says_received_at_once_then_looks_then_accepts(patrol, clock):
    patrol.hear("assignment.offered", {"assignment": assignment("offered")})
    assert names(patrol) == ["received"]
    live(patrol, clock, 5)
    assert names(patrol) == ["received", "seen", "assignment.accept"]


def test_the_same_offer_twice_is_one_offer(patrol, clock):
    for _ in range(2):
        patrol.hear("assignment.offered", {"assignment": assignment("offered")})
    live(patrol, clock, 10)
    assert names(patrol).count("assignment.accept") == 1


def test_a_patrol_goes_to_the_alert_and_says_each_step_once(patrol, clock):
    def ack(state):
        return {"ok": True, "assignment": assignment(state, position=moved(HERE, 2500, 0))}

    patrol.live.answers = {
        "assignment.accept": ack("accepted"), "assignment.en_route": ack("en_route"),
        "assignment.on_scene": ack("on_scene"), "assignment.clear": ack("cleared"),
    }  # fmt: skip
    patrol.hear("assignment.offered", {"assignment": assignment("offered", position=moved(HERE, 2500, 0))})
    live(patrol, clock, 900)
    assert [name for name in names(patrol) if name.startswith("assignment")] == [
        "assignment.accept", "assignment.en_route", "assignment.on_scene", "assignment.clear",
    ]  # fmt: skip
    said = [event for event, _ in patrol.live.said]
    arrived = said.index("assignment.on_scene")
    last = [body for event, body in patrol.live.said[:arrived] if event == "position"][-1]
    assert metres_between(Place(last["latitude"], last["longitude"]), moved(HERE, 2500, 0)) < 100


def test_a_withdrawn_offer_is_forgotten(patrol, clock):
    patrol.hear("assignment.offered", {"assignment": assignment("offered")})
    patrol.hear("assignment.withdrawn", {"assignment_id": "m1", "alert_id": "a1", "reason": "taken"})
    live(patrol, clock, 10)
    assert names(patrol) == ["received"]


def test_who_was_too_late_asks_how_things_are(patrol, clock):
    patrol.live.answers = {"assignment.accept": {"ok": False, "code": "already_taken"}}
    patrol.hear("assignment.offered", {"assignment": assignment("offered")})
    live(patrol, clock, 5)
    assert patrol.wire.asked[-1][0] == "/v1/agent/snapshot"


def test_without_its_socket_a_patrol_answers_by_http(patrol, clock):
    patrol.hear("assignment.offered", {"assignment": assignment("offered")})
    patrol.live.connected = False
    for step, state in (("accept", "accepted"), ("en-route", "en_route")):
        patrol.wire.answers[f"/v1/assignments/m1/{step}"] = Answer(200, assignment(state), {})
    live(patrol, clock, 5)
    assert "/v1/assignments/m1/accept" in [path for path, _ in patrol.wire.asked]


def test_an_alert_without_a_position_is_reached_all_the_same(patrol, clock):
    patrol.hear("assignment.changed", {"assignment": assignment("en_route", position=None)})
    live(patrol, clock, 125)
    assert "assignment.on_scene" in names(patrol)


def test_a_patrol_follows_its_track_silent_in_its_gaps_and_returns_to_it(world, clock):
    track = [Fix(n * 60.0, moved(HERE, n * 100, 0), 7.5) for n in range(5)]
    patrol = at_work(Patrol(world, Account("a", "p", "agent", "t1"), track))
    live(patrol, clock, 61)
    where = [body for event, body in patrol.live.said if event == "position"]
    assert {round(metres_between(HERE, Place(b["latitude"], b["longitude"]))) for b in where[:-1]} == {0}
    assert round(metres_between(HERE, Place(where[-1]["latitude"], where[-1]["longitude"]))) == 100
    assert where[-1]["accuracy_m"] == 7.5
    patrol._place = moved(HERE, 2800, 0)  # where a mission ended
    live(patrol, clock, 900)
    last = [body for event, body in patrol.live.said if event == "position"][-1]
    assert metres_between(HERE, Place(last["latitude"], last["longitude"])) <= 450


def alert(**more):
    return {"id": "a1", "state": "open", "received_at": "2999-01-01T00:00:00Z", "seen_at": None, "duress": False,
            "needs_human": False, "acknowledged_at": None, **more}  # fmt: skip


@pytest.fixture
def operator(world):
    raised = Raised()
    raised.add("a1")
    return at_work(Operator(world, Account("o", "p", "operator"), raised))


@pytest.mark.parametrize(
    ("changes", "within_s", "action"),
    [
        ({"seen_at": "t", "needs_human": True}, 16, "acknowledge"),
        ({"seen_at": "t", "state": "cancel_requested"}, 26, "confirm-cancel"),
        ({"seen_at": "t", "state": "cancel_requested", "duress": True}, 26, "refuse-cancel"),
        ({"seen_at": "t", "state": "resolved"}, 61, "close"),
    ],
)
def test_an_operator_does_what_the_alert_needs(operator, clock, changes, within_s, action):
    done = Answer(200, alert(state="closed"), {})
    operator.wire.answers[f"/v1/control/alerts/a1/{action}"] = done
    operator.hear("alert.changed", {"alert": alert(**changes)})
    live(operator, clock, within_s)
    assert [path for path, _ in operator.wire.asked] == [f"/v1/control/alerts/a1/{action}"]


def test_a_rider_whom_no_team_can_reach_is_called_and_her_case_closed_after_the_call(operator, clock):
    lonely = alert(seen_at="t", needs_human=True)
    operator.wire.answers["/v1/control/alerts/a1/acknowledge"] = Answer(200, {**lonely, "acknowledged_at": "t"}, {})
    operator.wire.answers["/v1/control/alerts/a1/close"] = Answer(200, alert(state="closed"), {})
    operator.hear("alert.raised", {"alert": lonely})
    live(operator, clock, 30)
    operator.hear("alert.changed", {"alert": lonely})  # the acknowledgement led to nothing and aged
    live(operator, clock, 300)
    steps = [path.rpartition("/")[2] for path, _ in operator.wire.asked]
    assert steps == ["acknowledge", "acknowledge", "close"]


def test_an_operator_looks_at_a_new_alert_by_socket(operator, clock):
    operator.hear("alert.raised", {"alert": alert()})
    live(operator, clock, 13)
    assert operator.live.said == [("seen", {"alert_id": "a1"})]


def test_somebody_else_s_alert_is_left_alone(operator, clock):
    operator.hear("alert.raised", {"alert": alert(id="a-person-s-own")})
    live(operator, clock, 400)
    assert operator.live.said == []
    assert operator.wire.asked == []
