"""The network over HTTP: what phones and pages load, and load again only when it changed."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask

from backend import http
from backend.access import PUBLIC, role_matrix
from backend.network import gtfs, importing
from backend.network.cli import import_feed
from backend.network.routes import create_network

TOWN = Path(__file__).resolve().parents[2] / "backend" / "simulation" / "town"
NOW = datetime(2026, 11, 22, 21, tzinfo=UTC)


@pytest.fixture
def web(wiring):
    app = Flask("network")
    http.install(app, wiring)
    app.register_blueprint(create_network(wiring.database))
    return app.test_client()


@pytest.fixture
def town(database):
    return import_feed(database, TOWN, NOW)[0]


def test_lines_come_with_what_a_phone_shows(web, town):
    answer = web.get("/v1/network/lines")
    body = answer.get_json()
    assert body["version"] == str(town.id)
    assert body["attribution"] == town.attribution
    assert [line["short_name"] for line in body["lines"]][:4] == ["M1", "M2", "T1", "T2"]
    night = next(line for line in body["lines"] if line["id"] == "518")
    assert night == {
        "id": "518", "short_name": "518", "long_name": "Canebière Bourse - La Rouvière", "mode": "bus",
        "color": "#f0a81c", "text_color": "#000000", "night": True,
    }  # fmt: skip


def test_the_map_is_geojson_of_every_line_and_served_stop(web, town):
    answer = web.get("/v1/network/map")
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
def test_an_unchanged_answer_is_not_sent_again_until_the_next_import(web, database, town, path):
    first = web.get(f"/v1/network/{path}")
    again = web.get(f"/v1/network/{path}", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    network = gtfs.read(TOWN)
    network.lines = [line._replace(long_name=f"{line.long_name} (neu)") for line in network.lines]
    network.stops = [stop._replace(name=f"{stop.name} (neu)") for stop in network.stops]
    with database.transaction() as session:
        importing.write(session, network, source="next", now=NOW + timedelta(days=60))
    changed = web.get(f"/v1/network/{path}", headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != first.headers["ETag"]


def test_a_phone_that_understands_gzip_gets_a_small_map(web, town):
    plain = web.get("/v1/network/map")
    packed = web.get("/v1/network/map", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) * 3 < len(plain.data)
    refused = web.get("/v1/network/map", headers={"Accept-Encoding": "gzip;q=0"})
    assert refused.data == plain.data


def test_stops_of_a_line_in_both_directions(web, town):
    out = web.get("/v1/network/lines/T2/stops").get_json()["items"]
    back = web.get("/v1/network/lines/T2/stops?direction_id=1").get_json()["items"]
    assert [stop["name"] for stop in out] == [stop["name"] for stop in back][::-1]
    assert [stop["sequence"] for stop in out] == list(range(1, len(out) + 1))
    assert set(out[0]) == {"stop_id", "name", "sequence", "latitude", "longitude"}


def test_stops_are_found_by_what_riders_type(web, town):
    items = web.get("/v1/network/stops?q=Réformes").get_json()["items"]
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
def test_what_is_not_there_is_said(web, town, path, status, code):
    answer = web.get(f"/v1/network/{path}")
    assert (answer.status_code, json.loads(answer.data)["code"]) == (status, code)


def test_before_the_first_import_everything_is_empty_but_right(web):
    assert web.get("/v1/network/lines").get_json() == {"version": "none", "attribution": "", "lines": []}
    assert web.get("/v1/network/map").get_json(force=True)["features"] == []
    assert web.get("/v1/network/stops?q=a").get_json() == {"items": []}
    assert web.get("/v1/network/lines/M1/stops").status_code == 404


def test_every_route_is_public(web):
    matrix = [line for line in role_matrix(web.application, []) if "/v1/network" in line]
    assert len(matrix) == 4
    assert all(line.endswith(": public") for line in matrix)
    assert not PUBLIC
