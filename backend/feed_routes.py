"""HTTP for everybody's live feed: what a phone missed while its socket was away."""

from __future__ import annotations

import orjson
from flask import Blueprint, Response, request

from backend import feed
from backend.access import EVERYBODY, allow, caller
from backend.errors import Refused
from backend.http import answer
from backend.people.audiences import audiences_of
from backend.times import stamp
from backend.wiring import Wiring

MAX_LIMIT = 500


def limit_of(text: str | None, *, most: int, otherwise: int) -> tuple[int, bool]:
    """(how many to answer, whether the caller's wish had to be changed)."""
    if text is None:
        return otherwise, False
    try:
        wished = int(float(text)) if len(text) < 12 else most
    except (ValueError, OverflowError):
        return otherwise, True
    return min(max(wished, 1), most), not 1 <= wished <= most


def create_routes(wiring: Wiring) -> Blueprint:
    """Catching up on the feed."""
    routes = Blueprint("feed", __name__)

    @routes.get("/v1/feed")
    @allow(EVERYBODY)
    def get_feed() -> Response:
        limit, clamped = limit_of(request.args.get("limit"), most=MAX_LIMIT, otherwise=200)
        cursor = request.args.get("after", "0")
        if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
            raise Refused("cursor_invalid", field="after", hint="GET the snapshot, then go on from its seq")
        with wiring.database.reading() as session:
            last = feed.last_seq(session)
            # Nothing kept at all, and yet numbers were given out: a database that came back from a backup.
            forgotten = 0 < int(cursor) < (feed.oldest_seq(session) or last + 1) - 1
            if int(cursor) > last or forgotten:
                raise Refused("cursor_invalid", field="after", hint="GET the snapshot, then go on from its seq")
            found = feed.read_after(session, int(cursor), limit + 1, audiences_of(caller()), up_to=last)
        items = [
            {"seq": one.seq, "type": one.type, "at": stamp(one.at), "data": orjson.loads(one.data)}
            for one in found[:limit]
        ]
        more = len(found) > limit
        # Nothing more for this audience up to `last`: the phone need not read over the others' entries again.
        last_seq = items[-1]["seq"] if more else last
        return answer(
            {"items": items, "last_seq": last_seq, "more": more},
            headers={"X-Limit-Applied": str(limit)} if clamped else None,
        )

    return routes
