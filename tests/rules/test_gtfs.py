"""Reading feeds: real, awkward and broken ones."""

import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.network import gtfs
from backend.network.gtfs_report import FeedRefused
from backend.network.packed_times import unpack
from tests.feeds import FILES, write_feed

TOWN = Path(__file__).resolve().parents[2] / "backend" / "simulation" / "town"


@pytest.fixture
def write(tmp_path):
    def write(**changes: str | bytes | None) -> Path:
        return write_feed(tmp_path, **changes)

    return write


def stops_of(network, direction):
    return [stop.stop_id for stop in network.line_stops if stop.direction_id == direction]


def test_a_small_folder_is_read_whole(write):
    network = gtfs.read(write())
    assert network.counts == {
        "lines": 1, "stops": 3, "stations": 0, "shapes": 2, "line_stops": 5, "patterns": 2, "trips": 2,
        "stop_times": 5, "services": 1, "service_dates": 0, "frequencies": 0,
    }  # fmt: skip
    assert (stops_of(network, 0), stops_of(network, 1)) == (["s1", "s2", "s3"], ["s3", "s1"])
    assert network.lines[0].night, "every trip begins after 20:00"
    assert network.timezone == "Europe/Paris"


def test_without_shapes_a_way_is_built_through_the_stops(write):
    shape = gtfs.read(write()).shapes[0]
    assert list(shape.geometry.coords) == [(5.37, 43.30), (5.38, 43.31), (5.38, 43.32)]
    assert shape.on_map


def test_without_directions_the_way_back_is_told_from_the_way_out(write):
    network = gtfs.read(write(trips="route_id,service_id,trip_id\nA,X,t1\nA,X,t2\n"))
    assert (stops_of(network, 0), stops_of(network, 1)) == (["s1", "s2", "s3"], ["s3", "s1"])


def test_times_out_of_order_in_the_file_are_put_in_order(write):
    shuffled = "trip_id,departure_time,stop_id,stop_sequence\nt1,6:20:00,s3,30\nt1,6:00:00,s1,4\nt1,6:05:00,s2,12\n"
    network = gtfs.read(write(stop_times=shuffled))
    assert stops_of(network, 0) == ["s1", "s2", "s3"]
    assert list(unpack(network.trips[0].times)) == [21600, 21600, 21900, 21900, 22800, 22800]
    assert not network.lines[0].night


def test_a_branch_served_by_few_trips_keeps_its_place(write):
    network = gtfs.read(
        write(
            stops=FILES["stops.txt"] + "s4,Quatre,43.315,5.39\n",
            trips="route_id,service_id,trip_id,direction_id\n" + "".join(f"A,X,t{n},0\n" for n in range(1, 4)),
            stop_times="trip_id,departure_time,stop_id,stop_sequence\n"
            "t1,7:00:00,s1,1\nt1,,s2,2\nt1,7:30:00,s3,3\nt2,8:00:00,s1,1\nt2,,s2,2\nt2,8:30:00,s3,3\n"
            "t3,9:00:00,s1,1\nt3,,s4,2\nt3,9:30:00,s3,3\n",
        )
    )
    assert stops_of(network, 0) == ["s1", "s4", "s2", "s3"]


def test_stations_hold_their_stops_and_entrances_are_left_out(write):
    stops = (
        "stop_id,stop_name,stop_lat,stop_lon,location_type,parent_station\n"
        "S,Gare,43.3,5.37,1,\ns1,Un,43.30,5.37,,S\ns2,Deux,43.31,5.38,0,S\ns3,Trois,43.32,5.38,,\nE,,,,2,S\n"
    )
    network = gtfs.read(write(stops=stops))
    assert {stop.id: (stop.is_station, stop.station_id) for stop in network.stops} == {
        "S": (True, None), "s1": (False, "S"), "s2": (False, "S"), "s3": (False, None),
    }  # fmt: skip


def test_bom_crlf_quotes_and_a_nested_folder_are_all_one(write, tmp_path):
    quoted = FILES["stops.txt"].replace("Deux", '"Deux, dit ""le Vieux"""').replace("\n", "\r\n")
    folder = write(stops=b"\xef\xbb\xbf" + quoted.encode())
    archive = tmp_path / "feed.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for file in folder.glob("*.txt"):
            packed.write(file, f"a/b/{file.name}")
        packed.writestr("__MACOSX/stops.txt", "rubbish")
    assert gtfs.read(archive).stops[1].name == 'Deux, dit "le Vieux"'


REFUSALS = [
    ({"agency": None}, "agency.txt: missing from the feed"),
    ({"calendar": None}, "calendar.txt: missing from the feed, and calendar_dates.txt too"),
    ({"stops": ""}, "stops.txt: the file is empty"),
    ({"stops": "stop_id,stop_name,stop_lat\n"}, "stops.txt line 1, stop_lon: the column is missing"),
    ({"routes": "route_id,route_short_name,route_type\nA,12,bus\n"},
     "routes.txt line 2, route_type: 'bus' is not a whole number"),
    ({"routes": "route_id,route_short_name,route_type\nA,1,3\nA,2,3\n"},
     "routes.txt line 3, route_id: 'A' stands in line 2 already"),
    ({"stops": FILES["stops.txt"] + "s4,Nul,0,0\n"}, "stops.txt line 5, stop_lat: 0, 0 is no place of a network"),
    ({"stops": FILES["stops.txt"] + "s4,Nul,43.3,est\n"}, "stops.txt line 5, stop_lon: 'est' is not a number"),
    ({"stops": FILES["stops.txt"] + "s4,Nul,nan,5\n"}, "stops.txt line 5, stop_lat: nan, 5 is no place of a network"),
    ({"stops": FILES["stops.txt"] + "s4,Quatre\n"}, "stops.txt line 5: 2 cells under a header of 4"),
    ({"stops": FILES["stops.txt"].encode() + b"s4,caf\xe9,43.3,5.3\n"}, "stops.txt line 5: not UTF-8 text"),
    ({"stops": FILES["stops.txt"] + "s4,N\0ul,43.3,5.3\n"}, "stops.txt line 5: a NUL character"),
    ({"stops": FILES["stops.txt"] + "s" * 70_000}, "stops.txt line 5: a line of more than 65536 characters"),
    ({"trips": "route_id,service_id,trip_id\nB,X,t1\n"}, "trips.txt line 2, route_id: unknown route 'B'"),
    ({"trips": "route_id,service_id,trip_id,shape_id\nA,X,t1,w\n"}, "trips.txt line 2, shape_id: unknown shape 'w'"),
    ({"stop_times": FILES["stop_times.txt"] + "t9,,s1,9\n"}, "stop_times.txt line 7, trip_id: unknown trip 't9'"),
    ({"stop_times": FILES["stop_times.txt"] + "t1,,s9,9\n"}, "stop_times.txt line 7, stop_id: unknown stop 's9'"),
    ({"stop_times": FILES["stop_times.txt"] + "t1,,s1,-1\n"},
     "stop_times.txt line 7, stop_sequence: '-1' is not a whole number"),
    ({"stop_times": FILES["stop_times.txt"] + "t1,,s1,2\n"},
     "stop_times.txt line 7, stop_sequence: 2 stands twice in trip 't1'"),
    ({"stop_times": "trip_id,stop_id,stop_sequence\nt1,s1,1\n"}, "stop_times.txt line 1, arrival_time: the column is missing"),
    ({"stop_times": FILES["stop_times.txt"] + "t1,7h30,s1,9\n"},
     "stop_times.txt line 7, departure_time: '7h30' is not a time such as 25:10:00"),
    ({"stop_times": FILES["stop_times.txt"] + "t1,7:60:00,s1,9\n"},
     "stop_times.txt line 7, departure_time: '7:60:00' is not a time: minutes and seconds end at 59"),
    ({"stop_times": FILES["stop_times.txt"] + "t1,,s1,9\n"},
     "stop_times.txt line 7, arrival_time: the last stop of a trip has no time (trip 't1'; 1 of 2 trips lack one)"),
    ({"trips": "route_id,service_id,trip_id\nA,Y,t1\n"}, "trips.txt line 2, service_id: unknown service 'Y'"),
    ({"calendar": FILES["calendar.txt"].replace("20261231", "2026-12-31")},
     "calendar.txt line 2, end_date: '2026-12-31' is not a date such as 20261231"),
    ({"calendar": FILES["calendar.txt"].replace("20261231", "20260230")},
     "calendar.txt line 2, end_date: '20260230' is not a date such as 20261231"),
    ({"calendar": FILES["calendar.txt"].replace("20261231", "20251231")},
     "calendar.txt line 2, end_date: 20251231 is before start_date 20260101"),
    ({"calendar": FILES["calendar.txt"] + "X,1,1,1,1,1,1,1,20260101,20261231\n"},
     "calendar.txt line 3, service_id: 'X' stands in line 2 otherwise"),
    ({"calendar_dates": "service_id,date,exception_type\nX,20260714,3\n"},
     "calendar_dates.txt line 2, exception_type: '3' is neither 1 (added) nor 2 (removed)"),
    ({"calendar_dates": "service_id,date,exception_type\nX,20260714,1\nX,20260714,2\n"},
     "calendar_dates.txt line 3, date: 'X' is both added and removed on 20260714"),
    ({"frequencies": "trip_id,start_time,end_time,headway_secs\nt9,6:00:00,7:00:00,600\n"},
     "frequencies.txt line 2, trip_id: unknown trip 't9'"),
    ({"frequencies": "trip_id,start_time,end_time,headway_secs\nt1,6:00:00,7:00:00,0\n"},
     "frequencies.txt line 2, headway_secs: '0' is not a number of seconds from 1 to 86400"),
    ({"agency": "agency_name,agency_timezone\nDemo,Marseille\n"},
     "agency.txt line 2, agency_timezone: 'Marseille' is no time zone such as Europe/Paris"),
    ({"agency": "agency_name,agency_timezone\nDemo,Europe/Paris\nAutre,Europe/London\n"},
     "agency.txt line 3, agency_timezone: Europe/London here, Europe/Paris before: a feed has one"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), REFUSALS, ids=[message for _, message in REFUSALS])
def test_a_fault_is_refused_in_one_line_that_says_where(write, changes, message):
    with pytest.raises(FeedRefused) as refused:
        gtfs.read(write(**changes))
    assert str(refused.value) == message


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"<html>404</html>"])
def test_what_is_no_zip_is_refused(tmp_path, content):
    path = tmp_path / "feed.zip"
    path.write_bytes(content)
    with pytest.raises(FeedRefused, match=r"^feed\.zip: neither a zip nor a folder"):
        gtfs.read(path)


def test_a_damaged_zip_is_refused(write, tmp_path):
    path = tmp_path / "feed.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in write().glob("*.txt"):
            packed.write(file, file.name)
    damaged = bytearray(path.read_bytes())
    damaged[40:60] = bytes(20)
    path.write_bytes(damaged)
    with pytest.raises(FeedRefused, match=r"\.txt"):
        gtfs.read(path)


@given(st.binary(max_size=300))
def test_whatever_the_bytes_reading_ends_in_a_network_or_a_refusal(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("feed")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    (folder / "stop_times.txt").write_bytes(FILES["stop_times.txt"].encode() + content)
    assert "\n" not in refusal(folder)


def refusal(path):
    """Why a feed is refused, "" when it is taken; anything but a refusal breaks the test."""
    try:
        gtfs.read(path)
    except FeedRefused as refused:
        return str(refused)
    return ""


def test_the_demo_town_is_a_small_city():
    network = gtfs.read(TOWN)
    assert {line.short_name for line in network.lines if line.night} == {"509", "518", "N1"}
    assert {line.mode for line in network.lines} == {"metro", "tram", "bus"}
    assert all(stops_of_line(network, line.id) >= 6 for line in network.lines)
    assert sum(stop.is_station for stop in network.stops) >= 5


def stops_of_line(network, line_id):
    return sum(stop.line_id == line_id and stop.direction_id == 0 for stop in network.line_stops)


@pytest.mark.needs_data("rtm/rtm-night.gtfs.zip")
def test_the_night_network_of_marseille(data):
    network = gtfs.read(data / "rtm" / "rtm-night.gtfs.zip")
    assert (network.counts["lines"], network.counts["stops"], network.counts["trips"]) == (9, 594, 277)
    assert all(line.night for line in network.lines)


@pytest.mark.needs_data("gtfs")
def test_ten_real_feeds_are_accepted(data):
    for feed in sorted((data / "gtfs").glob("*.zip")):
        network = gtfs.read(feed)
        assert network.line_stops, feed.name
        assert any(shape.on_map for shape in network.shapes), feed.name
