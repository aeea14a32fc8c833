"""Vehicles that report by themselves: real feeds over real HTTP, through outages, nonsense and repetitions."""

import contextlib
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner
from google.transit import gtfs_realtime_pb2
from hypothesis import given
from hypothesis import strategies as some
from sqlalchemy import select

from backend.network.cli import import_feed, network_commands
from backend.network.realtime import Follower, Source
from backend.network.vehicle_progress import VehicleProgress, progress_of
from backend.network.vehicle_reports import FeedUnreadable, read_feed
from backend.people.models import Staff, Vehicle, VehiclePosition

TOWN = Path(__file__).resolve().parents[2] / "backend" / "simulation" / "town"
NOW = datetime(2026, 11, 22, 21, tzinfo=UTC)
HERE = (43.2951, 5.3740)


def message(*vehicles, at=NOW, header=True):
    feed = gtfs_realtime_pb2.FeedMessage()
    if header:
        feed.header.gtfs_realtime_version = "2.0"
        feed.header.timestamp = int(at.timestamp())
    for number, given_facts in enumerate(vehicles):
        facts = {"number": f"V{number}", "place": HERE, "age_s": 0, **given_facts}
        entity = feed.entity.add(id=str(number))
        told = entity.vehicle
        told.vehicle.id = facts["number"]
        if facts["place"] is not None:
            told.position.latitude, told.position.longitude = facts["place"]
        if facts["age_s"] is not None:
            told.timestamp = int(at.timestamp()) - facts["age_s"]
        for name in ("bearing", "speed"):
            if name in facts:
                setattr(told.position, name, facts[name])
        for name in ("trip_id", "route_id"):
            if name in facts:
                setattr(told.trip, name, facts[name])
    return feed.SerializePartialToString()


class Publisher:
    """A small server whose next answers the test decides."""

    def __init__(self, url):
        self.url = url
        self.body, self.status, self.tag = b"", 200, None
        self.asked = []

    def answer(self, handler):
        self.asked.append(dict(handler.headers))
        known = self.tag is not None and handler.headers.get("If-None-Match") == self.tag
        handler.send_response(304 if known else self.status)
        if self.tag is not None:
            handler.send_header("ETag", self.tag)
        body = b"" if known else self.body
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


@pytest.fixture
def publisher():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            made.answer(self)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Publisher(f"http://127.0.0.1:{server.server_port}/vehicles.pb?key=secret")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def follow(database, clock, publisher):
    return Follower(database, Source(publisher.url), clock.now)


def in_service(database):
    with database.reading() as session:
        return dict(
            session.execute(select(Vehicle.number, Vehicle.line_id).where(Vehicle.in_service_since.is_not(None))).all()
        )


class TestReading:
    def test_what_is_not_believed_is_counted_by_reason(self):
        feed = read_feed(
            message(
                {"bearing": 370.0, "speed": 4.5},
                {"age_s": 91},
                {"age_s": -120},
                {"place": None},
                {"place": (0, 0)},
                {"place": (91, 5)},
                {"place": (float("nan"), 5)},
                {"number": "V0", "age_s": 5},
                {"number": " "},
                {"speed": -3.0, "age_s": None},
            ),
            NOW,
        )
        assert feed.vehicles == feed.entities == 10
        assert feed.dropped == {
            "stale": 1, "future": 1, "no_position": 1, "absurd_position": 3, "told_twice": 1,
        }  # fmt: skip
        assert set(feed.reports) == {"V0", "8", "V9"}, "a vehicle without a number goes by its entity's"
        assert feed.reports["V0"].heading_deg is None
        assert feed.reports["V0"].speed_mps == 4.5
        assert feed.reports["V0"].fix_at == NOW, "the newest of two"
        assert feed.reports["V9"].speed_mps is None
        assert feed.reports["V9"].fix_at == NOW, "without a time of its own, the feed's"

    def test_milliseconds_are_understood(self):
        raw = gtfs_realtime_pb2.FeedMessage.FromString(message({}))
        raw.entity[0].vehicle.timestamp *= 1000
        assert read_feed(raw.SerializeToString(), NOW).reports["V0"].fix_at == NOW

    @given(some.binary(max_size=300))
    def test_any_bytes_are_a_feed_or_refused(self, body):
        with contextlib.suppress(FeedUnreadable):
            read_feed(body, NOW)

    @given(some.integers(0, 400), some.integers(0, 255))
    def test_a_feed_with_a_broken_byte_never_raises(self, place, value):
        body = bytearray(message({"bearing": 3.0}, {"trip_id": "t", "route_id": "518"}, {"speed": 1.0}))
        body[place % len(body)] = value
        with contextlib.suppress(FeedUnreadable):
            read_feed(bytes(body), NOW)

    @pytest.mark.parametrize("body", [b"", b"<html>maintenance</html>", message(header=False)])
    def test_what_is_no_feed_is_said(self, body):
        with pytest.raises(FeedUnreadable):
            read_feed(body, NOW)


def test_vehicles_come_into_service_and_leave_it(database, clock, publisher, follow):
    import_feed(database, TOWN, NOW)
    publisher.body = message({"number": "7001", "route_id": "518", "bearing": 10.0}, {"number": "7002"})
    poll = follow.poll()
    assert (poll.outcome, poll.vehicles) == ("stored", 2)
    assert in_service(database) == {"7001": "518", "7002": None}
    clock.advance(15 * 60)
    publisher.body = message({"number": "7002"}, at=clock.now())
    follow.poll()
    follow.poll()
    assert set(in_service(database)) == {"7002"}


def test_an_unchanged_feed_is_not_sent_again(database, publisher, follow):
    publisher.tag, publisher.body = '"one"', message({})
    assert [follow.poll().outcome for _ in range(3)] == ["stored", "unchanged", "unchanged"]
    assert publisher.asked[1]["If-None-Match"] == '"one"'


def test_outages_and_nonsense_are_survived_and_asked_less_often(database, publisher, follow):
    pauses = []
    for status, body in [(503, b""), (200, b"<html>"), (404, b""), (200, message({}))]:
        publisher.status, publisher.body = status, body
        poll = follow.poll()
        assert "secret" not in poll.line()
        pauses.append(follow.pause_s)
    assert pauses == [30, 60, 120, 15]
    follow.failures = 50
    assert follow.pause_s == 300


def test_a_server_that_is_gone_is_an_outcome(database, clock):
    follower = Follower(database, Source("http://127.0.0.1:9/vehicles?key=secret"), clock.now)
    poll = follower.poll()
    assert poll.outcome == "away"
    assert "secret" not in poll.line()


def test_a_feed_without_vehicles_is_ignored_with_a_line(database, publisher, follow):
    raw = gtfs_realtime_pb2.FeedMessage.FromString(message())
    raw.entity.add(id="a").alert.header_text.translation.add(text="Travaux")
    publisher.body = raw.SerializeToString()
    assert follow.poll().line() == "without vehicles; 1 entities of another kind"
    assert in_service(database) == {}


def test_a_driver_s_own_device_is_believed_rather(database, publisher, follow):
    with database.transaction() as session:
        staff = Staff(login="d", display_name="D", role="driver", created_at=NOW)
        session.add(staff)
        session.flush()
        session.add(Vehicle(number="7001", driver_id=staff.id, line_id="518", in_service_since=NOW))
    publisher.body = message({"number": "7001", "route_id": "1"})
    assert follow.poll().dropped == {"has_a_driver": 1}
    with database.reading() as session:
        assert session.scalar(select(VehiclePosition.vehicle_id)) is None


def test_vehicles_of_another_town_are_dropped(database, publisher, follow):
    import_feed(database, TOWN, NOW)
    publisher.body = message({"place": (48.85, 2.35)}, {})
    poll = follow.poll()
    assert (poll.vehicles, poll.dropped) == (1, {"out_of_area": 1})


def test_following_until_told_to_stop(database, publisher, clock):
    publisher.body = message({})
    follower, told = Follower(database, Source(publisher.url), clock.now, every_s=0.01), []
    thread = threading.Thread(target=follower.run, args=(told.append,))
    thread.start()
    for _ in range(500):
        if len(publisher.asked) >= 3:
            break
        thread.join(0.01)
    follower.stop()
    thread.join(5)
    assert len(publisher.asked) >= 3
    assert [poll.outcome for poll in told] == ["stored"], "said once as long as nothing changes"


def test_the_command_looks_once_at_a_file(database, clock, tmp_path):
    feed = tmp_path / "vehicles.pb"
    feed.write_bytes(message({}))
    run = CliRunner().invoke(network_commands(database, clock.now), ["follow", "--once", str(feed)])
    assert (run.exit_code, run.output) == (0, "1 vehicles, 0 on their line\n")
    run = CliRunner().invoke(network_commands(database, clock.now), ["follow", "--once", (tmp_path / "no").as_uri()])
    assert run.exit_code == 1


@pytest.mark.needs_data("gtfs_rt/raba-vehicle-positions.pb", "gtfs/redding-raba.zip")
def test_a_real_feed_with_its_real_network(database, clock, data, publisher):
    body = (data / "gtfs_rt" / "raba-vehicle-positions.pb").read_bytes()
    at = datetime.fromtimestamp(gtfs_realtime_pb2.FeedMessage.FromString(body).header.timestamp, UTC)
    clock.advance((at - clock.now()).total_seconds())
    import_feed(database, data / "gtfs" / "redding-raba.zip", clock.now())
    publisher.body = body
    poll = Follower(database, Source(publisher.url), clock.now).poll()
    with database.reading() as session:
        rows = session.scalars(select(VehicleProgress)).all()
    on_trip = [row for row in rows if row.trip_id is not None and row.state == "on_line"]
    assert poll.vehicles + sum(poll.dropped.values()) == 22
    assert poll.on_line == sum(1 for row in rows if row.state == "on_line") > 0
    assert on_trip, "trips named in the feed are used"
    told = {entity.vehicle.trip.trip_id for entity in gtfs_realtime_pb2.FeedMessage.FromString(body).entity}
    assert {row.trip_id for row in on_trip} & told


@pytest.mark.needs_data("gtfs_rt/bullrunner-vehicle-positions.pb", "gtfs/usf-bullrunner.zip")
def test_a_real_feed_without_trips_and_times(database, clock, data, publisher):
    body = (data / "gtfs_rt" / "bullrunner-vehicle-positions.pb").read_bytes()
    at = datetime.fromtimestamp(gtfs_realtime_pb2.FeedMessage.FromString(body).header.timestamp, UTC)
    clock.advance((at - clock.now()).total_seconds())
    import_feed(database, data / "gtfs" / "usf-bullrunner.zip", clock.now())
    publisher.body = body
    poll = Follower(database, Source(publisher.url), clock.now).poll()
    assert poll.vehicles == 10
    assert poll.on_line >= 5
    with database.reading() as session:
        found = progress_of(session, "1536", clock.now())
    assert found.line_id == "F"


@pytest.mark.needs_data("gtfs_rt/raba-trip-updates.pb")
def test_a_real_feed_of_another_kind_is_ignored(database, clock, data, publisher):
    publisher.body = (data / "gtfs_rt" / "raba-trip-updates.pb").read_bytes()
    assert Follower(database, Source(publisher.url), clock.now).poll().outcome == "without_vehicles"
