"""What becomes of a feed's timetable: patterns, times, days, frequencies, and what the report says of it."""

from datetime import date

import pytest

from backend.network import gtfs, importing
from backend.network.packed_times import unpack
from tests.feeds import FILES, write_feed

TIMES = "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n"


@pytest.fixture
def read(tmp_path):
    return lambda **changes: gtfs.read(write_feed(tmp_path, **changes))


def said(network):
    return {str(remark): remark.count for remark in network.report.remarks.values()}


def times_of(network, trip_id):
    return list(unpack(next(trip.times for trip in network.trips if trip.id == trip_id)))


def test_trips_of_one_order_of_stops_share_a_pattern(read):
    network = read()
    out, back = network.patterns
    assert (out.stop_ids, out.direction_id, out.trips) == (["s1", "s2", "s3"], 0, 1)
    assert (back.stop_ids, back.direction_id) == (["s3", "s1"], 1)
    assert [trip.pattern_id for trip in network.trips] == [out.id, back.id]
    assert (out.measures[0], out.measures[1]) == (0, pytest.approx(1376, abs=3))
    assert {(shape.id, shape.direction_id) for shape in network.shapes} == {
        (pattern.shape_id, pattern.direction_id) for pattern in network.patterns
    }


def test_a_blank_time_lies_where_the_bus_is_then(read):
    network = read()
    measures = network.patterns[0].measures
    there = 21 * 3600 + round(1200 * measures[1] / measures[2])
    assert times_of(network, "t1") == [75600, 75600, there, there, 76800, 76800]
    assert network.trips[0][4:6] == (75600, 76800)
    assert said(network)["stop_times.txt: stops without a time: timed by their distance between those with one"] == 1


def test_times_go_on_past_midnight(read):
    assert times_of(read(), "t2") == [90600, 90600, 91800, 91800]


def test_hours_that_begin_again_at_midnight_are_put_right_and_told(read):
    network = read(
        stop_times=TIMES + "t1,23:50:00,23:50:00,s1,1\nt1,00:10:00,00:11:00,s3,2\nt2,1:00:00,,s3,1\nt2,,2:00:00,s1,2\n"
    )
    assert times_of(network, "t1") == [85800, 85800, 87000, 87060]
    assert any("begin again at 0" in remark for remark in said(network))


def test_a_time_out_of_order_is_replaced_and_told(read):
    network = read(stop_times=TIMES + "t1,7:00:00,7:00:00,s1,1\nt1,9:00:00,9:00:00,s2,2\nt1,7:20:00,7:20:00,s3,3\n")
    times = times_of(network, "t1")
    assert times == sorted(times)
    assert times[-1] == 26400
    (warning,) = [one for one in network.report.warnings if "replaced" in one.reason]
    assert (warning.count, warning.example) == (1, "t1")


def test_a_missing_headsign_is_the_last_stop(read):
    assert [pattern.headsign for pattern in read().patterns] == ["Trois", "Un"]
    told = read(trips="route_id,service_id,trip_id,direction_id,trip_headsign\nA,X,t1,0,Gare\nA,X,t2,1,\n")
    assert [pattern.headsign for pattern in told.patterns] == ["Gare", "Un"]
    assert said(told)["trips.txt: trips without headsign: the name of their last stop is shown"] == 1


def test_trips_that_go_nowhere_are_left_out_with_their_frequencies(read):
    network = read(
        trips=FILES["trips.txt"] + "A,X,t3,0\nA,X,t4,0\n",
        stop_times=FILES["stop_times.txt"] + "t3,6:00:00,s1,1\n",
        frequencies="trip_id,start_time,end_time,headway_secs,exact_times\nt1,6:00:00,24:30:00,600,1\nt3,6:00:00,7:00:00,60,\n",
    )
    assert {trip.id for trip in network.trips} == {"t1", "t2"}
    assert network.frequencies == [("t1", 21600, 88200, 600, True)]
    assert said(network)["trips.txt, trip_id: trips that serve fewer than two stops, left out"] == 2


def test_one_trip_of_many_without_an_end_is_left_out(read):
    trips = "".join(f"A,X,n{number},0\n" for number in range(100))
    times = "".join(f"n{number},7:00:00,s1,1\nn{number},7:30:00,s2,2\n" for number in range(99))
    network = read(
        trips=FILES["trips.txt"] + trips,
        stop_times=FILES["stop_times.txt"] + times + "n99,7:00:00,s1,1\nn99,,s2,2\n",
    )
    assert network.counts["trips"] == 101
    warning = "stop_times.txt line 206, arrival_time: the last stop of a trip has no time: trips left out"
    assert said(network)[warning] == 1


def test_days_come_from_both_calendars(read):
    network = read(calendar_dates="service_id,date,exception_type\nX,20260714,2\nY,20260101,1\nY,20270101,1\n")
    assert network.services == [
        ("X", 0b0011111, date(2026, 1, 1), date(2026, 12, 31)),
        ("Y", 0, date(2026, 1, 1), date(2027, 1, 1)),
    ]
    assert ("X", date(2026, 7, 14), False) in network.service_dates
    assert (network.valid_from, network.valid_until) == (date(2026, 1, 1), date(2027, 1, 1))


def test_the_publisher_says_from_when_to_when_a_feed_is_valid(read):
    info = "feed_publisher_name,feed_publisher_url,feed_start_date,feed_end_date\nRTM,https://example.org,20260301,20260430\n"
    network = read(feed_info=info)
    assert (network.valid_from, network.valid_until) == (date(2026, 3, 1), date(2026, 4, 30))
    importing.look_at_dates(network, date(2026, 4, 30))
    assert not any("ended" in remark for remark in said(network))
    importing.look_at_dates(network, date(2026, 5, 1))
    assert said(network)["calendar.txt, end_date: the timetable ended on 2026-04-30"] == 1


def test_a_shape_that_goes_elsewhere_gives_way_to_the_stops(read):
    shapes = "shape_id,shape_pt_lat,shape_pt_lon,shape_pt_sequence\nw,44.0,5.0,1\nw,44.1,5.0,2\n"
    network = read(shapes=shapes, trips="route_id,service_id,trip_id,direction_id,shape_id\nA,X,t1,0,w\nA,X,t2,1,\n")
    assert network.shapes[0].geometry.coords[0] == (5.37, 43.30)
    (warning,) = [one for one in network.report.warnings if one.file == "shapes.txt"]
    assert (warning.field, warning.example) == ("shape_id", "w")


def test_stops_of_one_name_are_a_station_where_the_feed_has_none(read):
    near = "stop_id,stop_name,stop_lat,stop_lon\ns1,Castellane,43.30,5.37\ns2,Métro Castellane,43.301,5.37\ns3,Trois,43.32,5.38\n"
    network = read(stops=near)
    assert network.counts["stations"] == 1
    assert {stop.id: stop.station_id for stop in network.stops} == {
        "s1": "place:castellane", "s2": "place:castellane", "s3": None, "place:castellane": None,
    }  # fmt: skip
    one_known = near.replace("lon\n", "lon,location_type\n").replace("5.38\n", "5.38,\nS,Gare,43.4,5.4,1\n")
    assert read(stops=one_known).counts["stations"] == 1, "a feed that knows stations is believed"
    assert all(stop.station_id is None for stop in read(stops=one_known).stops)


def test_the_report_knows_what_was_read_and_what_was_not(read):
    network = read(fares="fare_id\n1\n", transfers="from_stop_id\n")
    assert network.report.not_read == ["fares.txt", "transfers.txt"]
    assert network.report.rows == {
        "agency.txt": 1, "calendar.txt": 1, "routes.txt": 1, "stops.txt": 3, "trips.txt": 2, "stop_times.txt": 5,
    }  # fmt: skip
    assert "shapes.txt: not in the feed: ways are drawn straight from stop to stop" in said(network)


@pytest.mark.needs_data("rtm/rtm-metro-tram.gtfs.zip")
def test_the_poles_of_a_real_square_are_one_station(data):
    network = gtfs.read(data / "rtm" / "rtm-metro-tram.gtfs.zip")
    poles = [stop for stop in network.stops if stop.name == "Castellane" and not stop.is_station]
    assert len({stop.station_id for stop in poles}) == 1
    assert len(poles) > 1


@pytest.mark.needs_data("gtfs")
def test_real_timetables_never_run_backwards(data):
    for name in ("porto-alegre-sample", "caltrain-2016", "usf-bullrunner-no-shapes"):
        network = gtfs.read(data / "gtfs" / f"{name}.zip")
        patterns = {pattern.id: pattern for pattern in network.patterns}
        for trip in network.trips:
            times = list(unpack(trip.times))
            assert times == sorted(times)
            assert len(times) == 2 * len(patterns[trip.pattern_id].stop_ids)
        assert all(pattern.measures == sorted(pattern.measures) for pattern in network.patterns)
