"""The network over HTTP: lines, map, stops. Public, the same for everybody until the next import."""

from __future__ import annotations

import gzip
import hashlib
import math
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from backend.access import PUBLIC, allow
from backend.database import Database
from backend.errors import Refused
from backend.geo import Point
from backend.network import line_views, queries
from backend.network.index import Network, network_of
from backend.network.models import Line, StopPoint

JSON, GEOJSON = "application/json", "application/geo+json"
SMALLEST_TO_PACK = 1024
MOST_KEPT = 1000
FARTHEST_M = 2000.0

Packed = tuple[bytes, bytes | None, str]
Build = Callable[[Session], Any]


class Answers:
    """Finished answers of one network version, in memory: a thousand phones may ask at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._version: uuid.UUID | None = None
        self._kept: dict[str, Packed] = {}

    def get(self, session: Session, version_id: uuid.UUID | None, key: str, build: Build) -> Packed:
        """The bytes, the same packed by gzip, and their ETag; built at the first question only."""
        with self._lock:
            if self._version != version_id:
                self._version, self._kept = version_id, {}
            found = self._kept.get(key)
        if found is not None:
            return found
        made = _pack(build(session))
        with self._lock:
            if self._version == version_id and len(self._kept) < MOST_KEPT:
                self._kept[key] = made
        return made


def _pack(answer: Any) -> Packed:
    plain = orjson.dumps(answer)
    packed = gzip.compress(plain, 6) if len(plain) >= SMALLEST_TO_PACK else None
    return plain, packed, hashlib.sha256(plain).hexdigest()[:20]


def create_network(database: Database) -> Blueprint:
    """The blueprint `network`."""
    network = Blueprint("network", __name__)
    answers = Answers()

    def reply(key: str | None, build: Callable[[Session, uuid.UUID | None], Any], kind: str = JSON) -> Response:
        with database.reading() as session:
            version = queries.current_id(session)
            if key is None:
                plain, packed, tag = _pack(build(session, version))
            else:
                plain, packed, tag = answers.get(session, version, key, lambda s: build(s, version))
        response = Response(status=304)
        if not request.if_none_match.contains_weak(tag):
            pack = packed is not None and request.accept_encodings["gzip"] > 0
            response = Response(packed if pack else plain, mimetype=kind)
            if pack:
                response.headers["Content-Encoding"] = "gzip"
        response.set_etag(tag, weak=True)  # weak: the packed and the plain bytes share it
        who = "public" if key is not None else "private"
        response.headers["Cache-Control"] = f"{who}, max-age=0, must-revalidate"
        response.headers["Vary"] = "Accept-Encoding"
        return response

    @network.get("/v1/network/lines")
    @allow(PUBLIC)
    def list_lines() -> Response:
        """Every line of the network in force."""
        return reply("lines", _lines)

    @network.get("/v1/network/map")
    @allow(PUBLIC)
    def get_network_map() -> Response:
        """Lines and stops to draw, as GeoJSON."""
        return reply("map", _map, GEOJSON)

    @network.get("/v1/network/lines/<line_id>")
    @allow(PUBLIC)
    def get_line(line_id: str) -> Response:
        """One line: its way and its stops in each direction."""
        return reply(f"line {line_id}", lambda s, _version: line_views.line_view(_network(s), line_id))

    @network.get("/v1/network/near")
    @allow(PUBLIC)
    def find_near() -> Response:
        """What runs and stops near a place."""
        point, radius_m = _place(request.args)
        # Never kept, not even by its address: it says where somebody is.
        return reply(None, lambda s, _version: line_views.near_view(network_of(s), point, radius_m))

    @network.get("/v1/network/lines/<line_id>/stops")
    @allow(PUBLIC)
    def list_line_stops(line_id: str) -> Response:
        """The stops of a line in one direction, in order."""
        direction = request.args.get("direction_id", "0")
        if direction not in ("0", "1"):
            raise Refused("query_invalid", field="direction_id", hint="0 or 1")
        return reply(f"stops {direction} {line_id}", lambda s, v: _line_stops(s, v, line_id, int(direction)))

    @network.get("/v1/network/stops")
    @allow(PUBLIC)
    def find_stops() -> Response:
        """Stops by name."""
        words = request.args.get("q", "")
        if len(words) > 100 or "\0" in words:
            raise Refused("query_invalid", field="q", hint="100 characters at most")
        return reply(f"find {words}", lambda s, v: _found(s, v, words))

    return network


def _network(session: Session) -> Network:
    found = network_of(session)
    if found is None:
        raise Refused("line_unknown")
    return found


def _place(args: Mapping[str, str]) -> tuple[Point, float]:
    """The place and the radius that a query names; the radius is brought into range."""
    numbers: dict[str, float] = {}
    for name in ("latitude", "longitude", "radius_m"):
        try:
            numbers[name] = float(args.get(name, "500" if name == "radius_m" else ""))
        except ValueError:
            raise Refused("query_invalid", field=name, hint="a number") from None
        if not math.isfinite(numbers[name]):
            raise Refused("query_invalid", field=name, hint="a number")
    for name, most in (("latitude", 90), ("longitude", 180)):
        if abs(numbers[name]) > most:
            raise Refused("query_invalid", field=name, hint=f"-{most} to {most}")
    return Point(numbers["latitude"], numbers["longitude"]), min(max(numbers["radius_m"], 1.0), FARTHEST_M)


def _lines(session: Session, version_id: uuid.UUID | None) -> dict[str, Any]:
    version = queries.current(session)
    if version is None or version_id is None:
        return {"version": "none", "attribution": "", "lines": []}
    lines = [_line(line) for line in queries.lines(session, version_id)]
    return {"version": str(version_id), "attribution": version.attribution, "lines": lines}


def _line(line: Line) -> dict[str, Any]:
    return {
        "id": line.id, "short_name": line.short_name, "long_name": line.long_name, "mode": line.mode,
        "color": line.color, "text_color": line.text_color, "night": line.night,
    }


def _map(session: Session, version_id: uuid.UUID | None) -> dict[str, Any]:
    if version_id is None:
        return {"type": "FeatureCollection", "features": []}
    return queries.map_features(session, version_id)


def _line_stops(
    session: Session, version_id: uuid.UUID | None, line_id: str, direction: int,
) -> dict[str, Any]:
    if version_id is None or not queries.line_exists(session, version_id, line_id):
        raise Refused("line_unknown")
    rows = queries.stops_of_line(session, version_id, line_id, direction)
    return {"items": [{**_stop(stop), "sequence": place.sequence} for place, stop in rows]}


def _found(session: Session, version_id: uuid.UUID | None, words: str) -> dict[str, Any]:
    if version_id is None:
        return {"items": []}
    return {"items": [_stop(stop) for stop in queries.find_stops(session, version_id, words)]}


def _stop(stop: StopPoint) -> dict[str, Any]:
    return {"stop_id": stop.id, "name": stop.name, "latitude": stop.latitude, "longitude": stop.longitude}
