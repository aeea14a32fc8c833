"""The network over HTTP: lines, map, stops. Public, the same for everybody until the next import."""

from __future__ import annotations

import gzip
import hashlib
import threading
import uuid
from collections.abc import Callable
from typing import Any

import orjson
from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from backend.access import PUBLIC, allow
from backend.database import Database
from backend.errors import Refused
from backend.network import queries
from backend.network.models import Line, StopPoint

JSON, GEOJSON = "application/json", "application/geo+json"
SMALLEST_TO_PACK = 1024
MOST_KEPT = 1000

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
        plain = orjson.dumps(build(session))
        packed = gzip.compress(plain, 6) if len(plain) >= SMALLEST_TO_PACK else None
        made = (plain, packed, hashlib.sha256(plain).hexdigest()[:20])
        with self._lock:
            if self._version == version_id and len(self._kept) < MOST_KEPT:
                self._kept[key] = made
        return made


def create_network(database: Database) -> Blueprint:
    """The blueprint `network`."""
    network = Blueprint("network", __name__)
    answers = Answers()

    def reply(key: str, build: Callable[[Session, uuid.UUID | None], Any], kind: str = JSON) -> Response:
        with database.reading() as session:
            version = queries.current_id(session)
            plain, packed, tag = answers.get(session, version, key, lambda s: build(s, version))
        response = Response(status=304)
        if not request.if_none_match.contains_weak(tag):
            pack = packed is not None and request.accept_encodings["gzip"] > 0
            response = Response(packed if pack else plain, mimetype=kind)
            if pack:
                response.headers["Content-Encoding"] = "gzip"
        response.set_etag(tag, weak=True)  # weak: the packed and the plain bytes share it
        response.headers["Cache-Control"] = "public, max-age=0, must-revalidate"
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
