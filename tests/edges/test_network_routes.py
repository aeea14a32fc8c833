"""The network over HTTP: what phones and pages load, and load again only when it changed."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backend.access import PUBLIC, role_matrix
from backend.network import gtfs, importing
from backend.network.cli import import_feed

TOWN = Path(__file__).resolve().parents[2] / "backend" / "simulation" / "town"
NOW = datetime(2026, 11, 22, 21, tzinfo=UTC)


@pytest.fixture
def network(database):
    return import_feed(database, TOWN, NOW)[0]


def test_lines_come_with_what_a_phone_shows(client, network):
    answer = client.get("/v1/network/lines")
    body = answer.get_json()
    assert body["version"] == str(network.id)
    assert body["attribution"] == network.attribution
    assert [line["short_name"] for line in body["lines"]][:4] == ["M1", "M2", "T1", "T2"]
    night = next(line for line in body["lines"] if line["id"] == "518")
    assert night == {
        "id": "518", "short_name": "518", "long_name": "Canebière Bourse - La Rouvière", "mode": "bus",
        "color": "#f0a81c", "text_color": "#000000", "night": True,
    }  # fmt: skip


def test_the_map_is_geojson_of_every_line_and_served_stop(client, network):
    answer = client.get("/v1/network/map")
    features = answer.get_json(force=True)["features"]
    assert answer.mimetype == "application/geo+json"
    lines = [feature for feature in features if feature["properties"]["kind"] == "line"]
    stops = [feature for feature in features if feature["properties"]["kind"] == "stop"]
    assert len(lines) == 20
    assert len(stops) == 82, "stations without a vehicle of their own are not drawn twice"
    longitude, latitude = stops[0]["geometry"]["coordinates"]
    assert (43 < latitude < 44, 5 < longitude < 6) == (True, True)
    assert set(lines[0]["properties"]) == {"kind", "line_id", "name", "color", "mode", "direction_id"}


@pytest.mark.parametrize("path", ["lines", "map", "lines/M1/stops", "stops?q=castellane"])
def test_an_unchanged_answer_is_not_sent_again_until_the_next_import(client, database, network, path):
    first = client.get(f"/v1/network/{path}")
    again = client.get(f"/v1/network/{path}", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    newer = gtfs.read(TOWN)
    newer.lines = [line._replace(long_name=f"{line.long_name} (neu)") for line in newer.lines]
    newer.stops = [stop._replace(name=f"{stop.name} (neu)") for stop in newer.stops]
    with database.transaction() as session:
        importing.write(session, newer, source="next", now=NOW + timedelta(days=60))
    changed = client.get(f"/v1/network/{path}", headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != first.headers["ETag"]


def test_a_phone_that_understands_gzip_gets_a_small_map(client, network):
    plain = client.get("/v1/network/map")
    packed = client.get("/v1/network/map", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) * 3 < len(plain.data)
    refused = client.get("/v1/network/map", headers={"Accept-Encoding": "gzip;q=0"})
    assert refused.data == plain.data


def test_stops_of_a_line_in_both_directions(client, network):
    out = client.get("/v1/network/lines/T2/stops").get_json()["items"]
    back = client.get("/v1/network/lines/T2/stops?direction_id=1").get_json()["items"]
    assert [stop["name"] for stop in out] == [stop["name"] for stop in back][::-1]
    assert [stop["sequence"] for stop in out] == list(range(1, len(out) + 1))
    assert set(out[0]) == {"stop_id", "name", "sequence", "latitude", "longitude"}


def test_stops_are_found_by_what_riders_type(client, network):
    items = client.get("/v1/network/stops?q=Réformes").get_json()["items"]
    assert [item["stop_id"] for item in items] == ["station:refo"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("lines/M9/stops", 404, "line_unknown"),
        ("lines/M1/stops?direction_id=2", 400, "query_invalid"),
        (f"stops?q={'x' * 101}", 400, "query_invalid"),
        ("stops?q=%00", 400, "query_invalid"),
    ],
)
def test_what_is_not_there_is_said(client, network, path, status, code):
    answer = client.get(f"/v1/network/{path}")
    assert (answer.status_code, json.loads(answer.data)["code"]) == (status, code)


def test_before_the_first_import_everything_is_empty_but_right(client):
    assert client.get("/v1/network/lines").get_json() == {"version": "none", "attribution": "", "lines": []}
    assert client.get("/v1/network/map").get_json(force=True)["features"] == []
    assert client.get("/v1/network/stops?q=a").get_json() == {"items": []}
    assert client.get("/v1/network/lines/M1/stops").status_code == 404


def test_every_route_is_public(client):
    matrix = [line for line in role_matrix(client.application, []) if "/v1/network" in line]
    assert len(matrix) == 6
    assert all(line.endswith(": public") for line in matrix)
    assert not PUBLIC
