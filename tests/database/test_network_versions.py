"""Versions of the network: whole or nothing, switched under the eyes of readers, restored, tried without writing."""

import json
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from backend.network import gtfs, importing, queries, versions
from backend.network.cli import check_feed, import_feed, network_commands
from backend.network.models import Line, LineStop, NetworkVersion, Shape, StopPoint
from backend.network.packed_times import unpack
from backend.network.timetable_models import Frequency, Pattern, Service, ServiceDate, Trip
from tests.feeds import FILES, write_feed

TOWN = Path(__file__).resolve().parents[2] / "backend" / "simulation" / "town"
NOW = datetime(2026, 11, 22, 21, tzinfo=UTC)
EXTRAS = {
    "frequencies": "trip_id,start_time,end_time,headway_secs,exact_times\nt1,6:00:00,24:30:00,600,1\n",
    "calendar_dates": "service_id,date,exception_type\nX,20260714,2\n",
}


TABLES = (NetworkVersion, Line, StopPoint, Shape, LineStop, Pattern, Service, ServiceDate, Trip, Frequency)


def rows(database):
    """How many rows each table of the network has."""
    with database.reading() as session:
        return {table.__tablename__: session.scalar(select(func.count()).select_from(table)) for table in TABLES}


def current(database):
    with database.reading() as session:
        return queries.current_id(session)


@pytest.fixture
def feed(tmp_path):
    return write_feed(tmp_path, **EXTRAS)


@pytest.fixture
def run(database):
    commands = network_commands(database, lambda: NOW)
    return lambda *words: CliRunner().invoke(commands, list(map(str, words)))


def test_the_timetable_is_written_as_it_was_read(database, feed):
    version, _ = import_feed(database, feed, NOW)
    with database.reading() as session:
        pattern = session.get(Pattern, (version.id, 1))
        trip = session.get(Trip, (version.id, "t1"))
        service = session.get(Service, (version.id, "X"))
        day = session.get(ServiceDate, (version.id, "X", date(2026, 7, 14)))
        frequency = session.get(Frequency, (version.id, "t1", 21600))
    assert (pattern.line_id, pattern.direction_id, pattern.headsign) == ("A", 0, "Trois")
    assert pattern.stop_ids == ["s1", "s2", "s3"]
    assert pattern.measures == sorted(pattern.measures)
    assert (trip.pattern_id, trip.service_id, trip.start_s, trip.end_s) == (1, "X", 75600, 76800)
    assert list(unpack(trip.times))[::5] == [75600, 76800]
    assert (service.weekdays, service.start_date, service.end_date) == (31, date(2026, 1, 1), date(2026, 12, 31))
    assert day.added is False
    assert (frequency.end_s, frequency.headway_s, frequency.exact) == (88200, 600, True)
    assert (version.valid_from, version.valid_until) == (date(2026, 1, 1), date(2026, 12, 31))
    assert version.report["rows"]["stop_times.txt"] == 5


def test_a_feed_that_breaks_half_way_leaves_no_row(database, feed):
    import_feed(database, TOWN, NOW)
    before = rows(database)
    network = gtfs.read(feed)
    network.frequencies.append(network.frequencies[0])  # the last table of all: the database refuses the second
    with pytest.raises(DBAPIError), database.transaction() as session:
        importing.write(session, network, source="broken", now=NOW)
    assert rows(database) == before
    assert current(database) is not None


@pytest.mark.parametrize("file", ["stops", "stop_times", "calendar", "trips"])
def test_a_refused_feed_leaves_no_row(database, tmp_path, run, file):
    import_feed(database, TOWN, NOW)
    before = rows(database)
    faults = FILES | {f"{file}.txt": FILES[f"{file}.txt"] + "broken\n"}
    refused = run("import", write_feed(tmp_path, **{name[:-4]: text for name, text in faults.items()}))
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith(f"refused: {file}.txt line ")
    assert rows(database) == before


def test_readers_see_one_whole_network_at_every_moment(database, feed):
    import_feed(database, TOWN, NOW)
    stop = threading.Event()
    seen: set[tuple[int, int]] = set()
    wrong: list[object] = []

    def look():
        while not stop.is_set():
            with database.reading() as session:
                found = session.scalars(select(NetworkVersion).where(NetworkVersion.is_current)).all()
                if len(found) != 1:
                    wrong.append(found)
                    continue
                lines = session.scalar(select(func.count()).select_from(Line).where(Line.version_id == found[0].id))
                trips = session.scalar(select(func.count()).select_from(Trip).where(Trip.version_id == found[0].id))
            if (lines, trips) != (found[0].counts["lines"], found[0].counts["trips"]):
                wrong.append((lines, trips))
            seen.add((lines, trips))

    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        import_feed(database, feed, NOW)
        for _ in range(5):
            with database.transaction() as session:
                versions.make_current(session, versions.find(session, "previous"), NOW)
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert not wrong
    assert seen <= {(10, 310), (1, 2)}


def test_two_imports_at_once_end_with_one_network_in_force(database, feed):
    import_feed(database, TOWN, NOW)
    network = gtfs.read(feed)
    faults: list[Exception] = []

    def write():
        try:
            with database.transaction() as session:
                importing.write(session, network, source="at once", now=NOW)
        except Exception as fault:  # noqa: BLE001 - told below
            faults.append(fault)

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert not faults
    with database.reading() as session:
        assert [version.is_current for version in versions.oldest_first(session)].count(True) == 1


def test_an_earlier_network_is_restored_by_number_id_or_as_the_previous_one(database, feed, run):
    town, _ = import_feed(database, TOWN, NOW)
    small, _ = import_feed(database, feed, NOW + timedelta(days=1))
    assert current(database) == small.id
    assert run("restore", "previous").exit_code == 0
    assert current(database) == town.id
    assert "is now the current network" in run("restore", "2").output
    assert current(database) == small.id
    run("restore", town.id)
    assert current(database) == town.id
    run("restore", "previous")
    assert current(database) == small.id
    listed = run("list").output
    assert listed.count("●") == 1
    assert "2026-01-01 to 2026-12-31" in listed.replace("\n", " ") or "2026-01-01" in listed


@pytest.mark.parametrize("word", ["0", "7", "x", "previous", "01a20601-0000-7000-8000-000000000000", "²"])
def test_what_is_no_version_is_refused_and_changes_nothing(database, run, word):
    town, _ = import_feed(database, TOWN, NOW)
    refused = run("restore", word)
    assert (refused.exit_code, refused.stderr[:9]) == (2, "refused: ")
    assert current(database) == town.id


def test_a_dry_run_writes_nothing_and_says_everything(database, feed, run):
    import_feed(database, TOWN, NOW)
    before = rows(database)
    tried = run("import", feed, "--dry-run")
    assert tried.exit_code == 0
    assert "would be the current network: 1 lines, 3 stops" in tried.output
    assert "drawn straight" in " ".join(tried.output.split())
    told = json.loads(run("import", feed, "--dry-run", "--json").stdout)
    assert (told["version"], told["counts"]["trips"], told["valid_until"]) == (None, 2, "2026-12-31")
    assert {"lines", "stops"} == told["ids"].keys()
    assert rows(database) == before
    assert check_feed(database, feed, NOW).counts["lines"] == 1


def test_the_report_is_kept_with_the_version_and_printed_as_json(database, feed, run):
    told = json.loads(run("import", feed, "--json").stdout)
    with database.reading() as session:
        version = queries.current(session)
    assert (told["version"], told["counts"]) == (str(version.id), version.counts)
    assert told["remarks"] == version.report["remarks"]
    assert told["state"] == "is now the current network"
    again = json.loads(run("import", feed, "--json").stdout)
    assert (again["version"], again["state"]) == (told["version"], "is the current network already")


def test_a_refusal_is_json_too(database, run, tmp_path):
    refused = run("import", write_feed(tmp_path, stops=None), "--json")
    assert refused.exit_code == 2
    assert json.loads(refused.stdout)["refused"] == {
        "file": "stops.txt", "line": 0, "field": "", "reason": "missing from the feed",
        "message": "stops.txt: missing from the feed",
    }  # fmt: skip


def test_ids_that_a_new_feed_changed_are_told(database, tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    import_feed(database, write_feed(tmp_path / "old"), NOW)
    renumbered = {
        name[:-4]: text.replace("s1,", "z9,").replace("A,", "B,") if name != "agency.txt" else text
        for name, text in FILES.items()
    }
    version, _ = import_feed(database, write_feed(tmp_path / "new", **renumbered), NOW)
    assert version.report["ids"]["stops"]["renamed"] == {"s1": "z9"}
    assert version.report["ids"]["lines"]["renamed"] == {"A": "B"}
    assert version.report["ids"]["stops"]["kept"] == 2


def test_a_hostile_name_is_stored_and_printed_as_it_is(database, tmp_path, run):
    named = FILES["agency.txt"].replace("Demo", "[bold]Net\x1b[2J[/red]")
    shown = run("import", write_feed(tmp_path, agency=named)).output + run("list").output
    assert "\x1b[2J" not in shown
    assert "[bold]Net" in shown


def test_stops_of_one_name_share_a_station_that_can_be_asked_for(database, tmp_path):
    stops = FILES["stops.txt"].replace("Deux,43.31,5.38", "Un,43.301,5.37")
    version, _ = import_feed(database, write_feed(tmp_path, stops=stops), NOW)
    with database.reading() as session:
        station = session.get(StopPoint, (version.id, "place:un"))
        assert station.is_station
        assert queries.station_point(session, "place:un") == queries.stop_point(session, "place:un")
        assert session.get(StopPoint, (version.id, "s1")).station_id == "place:un"


@pytest.mark.needs_data("gtfs")
@pytest.mark.parametrize("name", ["grapeline-bom", "caltrain-2017-nested", "usf-bullrunner-no-shapes"])
def test_real_feeds_are_imported_whole(database, data, name):
    version, _ = import_feed(database, data / "gtfs" / f"{name}.zip", NOW)
    with database.reading() as session:
        for model, key in ((Line, "lines"), (Pattern, "patterns"), (Trip, "trips"), (Frequency, "frequencies")):
            assert session.scalar(select(func.count()).select_from(model)) == version.counts[key]
