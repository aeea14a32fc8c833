"""Importing networks: all or nothing, one in force, and what others ask of it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from backend.geo import Point
from backend.network import gtfs, importing, queries
from backend.network.cli import import_feed, network_commands
from backend.network.gtfs_report import FeedRefused
from backend.network.models import Line, LineStop, NetworkVersion, Shape, StopPoint

TOWN = Path(__file__).resolve().parents[2] / "backend" / "simulation" / "town"
NOW = datetime(2026, 11, 22, 21, tzinfo=UTC)


@pytest.fixture
def town_version(database):
    return import_feed(database, TOWN, NOW)[0]


def count(database, table):
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(table))


def test_the_town_is_imported_whole(database, town_version):
    assert town_version.is_current
    assert count(database, Line) == town_version.counts["lines"] == 10
    assert count(database, StopPoint) == town_version.counts["stops"] + town_version.counts["stations"] == 98
    assert count(database, LineStop) == town_version.counts["line_stops"]
    with database.reading() as session:
        shape = session.scalars(select(Shape).where(Shape.line_id == "M1", Shape.direction_id == 0)).one()
    assert shape.geometry.geom_type == "LineString"
    assert len(shape.geometry.coords) > 50
    assert shape.on_map


def test_the_same_feed_again_changes_nothing(database, town_version):
    again, is_new = import_feed(database, TOWN, NOW + timedelta(days=1))
    assert (again.id, is_new) == (town_version.id, False)
    assert count(database, NetworkVersion) == 1


def test_a_new_network_replaces_the_old_one_which_stays_readable(database, town_version):
    with database.transaction() as session:
        second = importing.write(session, gtfs.read(TOWN), source="second", now=NOW + timedelta(days=1))
    with database.reading() as session:
        assert queries.current_id(session) == second.id
        current = session.scalars(select(NetworkVersion).where(NetworkVersion.is_current)).all()
        assert [version.id for version in current] == [second.id]
        assert len(queries.lines(session, town_version.id)) == 10


def test_a_write_that_fails_leaves_the_old_network_in_force(database, town_version):
    network = gtfs.read(TOWN)
    network.line_stops.append(network.line_stops[0])  # the key of another row: the database refuses it
    with pytest.raises(Exception, match=r"(?i)unique"), database.transaction() as session:
        importing.write(session, network, source="broken", now=NOW)
    with database.reading() as session:
        assert queries.current_id(session) == town_version.id
    assert count(database, NetworkVersion) == 1
    assert count(database, Line) == 10


def test_a_feed_without_any_served_stop_is_refused(database):
    network = gtfs.read(TOWN)
    network.line_stops.clear()
    with pytest.raises(FeedRefused), database.transaction() as session:
        importing.write(session, network, source="empty", now=NOW)
    assert count(database, NetworkVersion) == 0


def test_places_names_and_the_service_area(database, town_version):
    with database.reading() as session:
        castellane = queries.stop_point(session, "station:cast")
        assert castellane == queries.station_point(session, "station:cast")
        by_name = queries.station_point(session, "CASTELLANE")
        assert by_name is not None
        assert abs(by_name.latitude - castellane.latitude) < 0.001
        assert queries.stop_point(session, "nowhere") is None
        assert queries.station_point(session, "Tombouctou") is None
        assert queries.station_point(session, "!!!") is None
        assert (queries.line_name(session, "M1"), queries.line_name(session, "M9")) == ("M1", None)
        area = queries.service_area(session)
    assert area.holds(castellane)
    assert not area.holds(Point(48.85, 2.35), margin_m=20_000)
    outside = Point(area.north + 0.05, 5.4)
    assert not area.holds(outside)
    assert area.holds(outside, margin_m=20_000)


def test_before_the_first_import_there_is_nothing_and_no_error(database):
    with database.reading() as session:
        assert queries.current(session) is None
        assert queries.service_area(session) is None
        assert queries.stop_point(session, "metro:rose") is None
        assert queries.line_name(session, "M1") is None


def test_search_takes_what_riders_type(database, town_version):
    def found(words):
        with database.reading() as session:
            return [stop.name for stop in queries.find_stops(session, town_version.id, words)]

    assert found("castellane") == ["Castellane"], "three poles and a station are one place"
    assert found("SAINTE marg") == ["Sainte-Marguerite Dromel"]
    assert found("ste marguerite") == ["Sainte-Marguerite Dromel"]
    assert found("geze") == ["Gèze"]
    assert found("prado rond") == ["Rond-Point du Prado"]
    assert found("zzz") == found("%") == found("_") == []
    assert len(found("")) == 50


def test_stops_of_a_line_come_in_its_order(database, town_version):
    with database.reading() as session:
        out = [stop.name for _, stop in queries.stops_of_line(session, town_version.id, "M2", 0)]
        back = [stop.name for _, stop in queries.stops_of_line(session, town_version.id, "M2", 1)]
    assert (out[0], out[-1]) == ("Gèze", "Sainte-Marguerite Dromel")
    assert back == out[::-1]


def test_the_command_reports_and_refuses_in_one_line(database, tmp_path):
    commands = network_commands(database, lambda: NOW)
    run = CliRunner().invoke
    assert "no network yet" in run(commands, ["list"]).output
    done = run(commands, ["import", str(TOWN)])
    assert (done.exit_code, "10 lines, 82 stops, 16 stations" in done.output) == (0, True)
    assert "already" in run(commands, ["import", str(TOWN)]).output
    refused = run(commands, ["import", str(tmp_path)])
    assert refused.exit_code == 2
    assert refused.stderr.splitlines()[-1] == f"refused: {tmp_path.name}: holds no GTFS file such as stops.txt"
    assert "Traceback" not in refused.output
    gone = run(commands, ["import", str(tmp_path / "gone.zip")])
    assert gone.stderr.strip() == "refused: gone.zip: no such file or folder"
    assert "démonstration" in run(commands, ["list"]).output


@pytest.mark.needs_data("rtm/rtm-night.gtfs.zip")
def test_a_real_night_network_is_imported(database, data):
    version, is_new = import_feed(database, data / "rtm" / "rtm-night.gtfs.zip", NOW)
    assert is_new
    assert version.counts["lines"] == 9
    with database.reading() as session:
        features = queries.map_features(session, version.id)["features"]
    kinds = [feature["properties"]["kind"] for feature in features]
    assert (kinds.count("line"), kinds.count("stop")) == (version.counts["shapes"], 594)
