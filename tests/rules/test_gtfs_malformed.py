"""Thirty-six feeds, each with a planted fault or an oddity: what an operator wants of each, and why."""

import pytest

from backend.network import gtfs
from backend.network.gtfs_report import FeedRefused

pytestmark = pytest.mark.needs_data("gtfs_malformed")
COLUMN = "the column is missing"
FILE = "missing from the feed"

# fmt: off
REFUSED = {
    # Nothing to build a network from: half of one would end every line of the present one.
    "au-sydney-entrances": f"routes.txt: {FILE}",
    "missing_agency": f"agency.txt: {FILE}",
    "missing_calendar": f"calendar.txt: {FILE}, and calendar_dates.txt too",
    "missing_routes": f"routes.txt: {FILE}",
    "missing_stop_times": f"stop_times.txt: {FILE}",
    "missing_stops": f"stops.txt: {FILE}",
    "missing_trips": f"trips.txt: {FILE}",
    "empty_file": "agency.txt: the file is empty",
    "missing_column": f"agency.txt line 1, agency_name: {COLUMN}",
    # A Thursday taken for "no service" would leave riders without their bus on every Thursday.
    "missing_weekday_column": f"calendar.txt line 1, thursday: {COLUMN}",
    # Not text that can be shown to anybody.
    "bad_utf8": "agency.txt line 1: not UTF-8 text",
    "utf16": "agency.txt line 1: not UTF-8 text",
    "contains_null": "stops.txt line 9: a NUL character",
    "unknown_format": "unknown_format.zip: neither a zip nor a folder: File is not a zip file",
    # What is named does not exist: a guess would put somebody on the wrong line, day or stop.
    "bad_date_format": "calendar.txt line 2, start_date: '2007.01.01' is not a date such as 20261231",
    "invalid_route_agency": "routes.txt line 4, agency_id: unknown agency 'DVT'",
    "undefined_stop": "stop_times.txt line 11, stop_id: unknown stop 'NADAR'",
    # The order of stops decides which one comes next: it is never guessed.
    "duplicate_stop_sequence": "stop_times.txt line 4, stop_sequence: 10 stands twice in trip 'CITY1'",
    "negative_stop_sequence": "stop_times.txt line 9, stop_sequence: '-2' is not a whole number",
    # One such trip in a hundred is left out; here it is two of eleven.
    "missing_endpoint_times": "stop_times.txt line 16, arrival_time: the first stop of a trip has no time"
                              " (trip 'AB2'; 2 of 11 trips lack one)",
}
ACCEPTED_WITH_WARNING = {
    # The same line twice leaves no doubt about what is meant.
    "duplicate_schedule_id": "calendar.txt line 4, service_id: the same service word for word a second time, taken once",
    # Many programs drop empty cells at the end of a line; every column that Vigie needs is there.
    "duplicate_stop": "stops.txt line 2: cells missing at the end of the line, taken as empty",
    "missing_row_cells": "routes.txt line 4: cells missing at the end of the line, taken as empty",
    # A comma too many after the last column moves nothing.
    "extra_row_cells": "routes.txt line 4: empty cells beyond the header, left out",
    # Nothing in Vigie hangs on which of two agencies has no id.
    "invalid_agency_ids": "agency.txt line 3, agency_id: empty, although there are several agencies",
    # A stop with an arrival and no departure is left when it is reached.
    "missing_departure_time": "stop_times.txt, departure_time: only one of arrival and departure: taken for both",
}
VALID = (
    "bad_eol", "filter_unusual_trips", "good_feed", "only_calendar_dates", "repeated_route_name",
    "same_short_long_name", "unknown_file", "unrecognized_columns", "unused_stop", "utf8bom",
)
# fmt: on


def test_every_feed_has_an_answer(data):
    feeds = {path.stem for path in (data / "gtfs_malformed").glob("*.zip")}
    assert feeds == {*REFUSED, *ACCEPTED_WITH_WARNING, *VALID}


@pytest.mark.parametrize(("name", "reason"), REFUSED.items(), ids=REFUSED)
def test_what_cannot_be_trusted_is_refused_with_its_place(data, name, reason):
    with pytest.raises(FeedRefused) as refused:
        gtfs.read(data / "gtfs_malformed" / f"{name}.zip")
    assert str(refused.value) == reason


@pytest.mark.parametrize(("name", "warning"), ACCEPTED_WITH_WARNING.items(), ids=ACCEPTED_WITH_WARNING)
def test_what_leaves_no_doubt_is_accepted_and_told(data, name, warning):
    network = gtfs.read(data / "gtfs_malformed" / f"{name}.zip")
    assert warning in [str(remark) for remark in network.report.warnings]
    assert network.trips


@pytest.mark.parametrize("name", VALID)
def test_what_is_only_unusual_is_accepted_without_a_warning(data, name):
    network = gtfs.read(data / "gtfs_malformed" / f"{name}.zip")
    assert not network.report.warnings
    assert network.line_stops
    assert network.trips
