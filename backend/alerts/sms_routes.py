"""HTTP for the network's text gateway: it hands over what people and apps texted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Response, request

from backend.access import PUBLIC, allow
from backend.alerts.reading import instant
from backend.alerts.texting import Text, take
from backend.delivery.signatures import HEADER, is_signed
from backend.errors import Refused
from backend.http import answer, body, lenient, now, raw_body
from backend.wiring import Wiring

_OLDEST = timedelta(days=30)
_LONGEST = {"id": 200, "from": 40}


def create_routes(wiring: Wiring) -> Blueprint:
    """The gateway's way in; without a secret there is none."""
    texts = Blueprint("texts", __name__)
    secret = wiring.settings.sms_secret

    @texts.post("/v1/sms/inbound")
    @allow(PUBLIC)
    @lenient
    def receive_text() -> Response:
        """One text, taken once however often it comes."""
        if not secret:
            raise Refused("not_found", hint="set VIGIE_SMS_SECRET to take texts")
        if not is_signed(secret, raw_body(), request.headers.get(HEADER), now()):
            raise Refused("signature_invalid", hint=f"{HEADER}: t=<unix seconds>,v1=<HMAC-SHA256 of t.body>, 5 min")
        text = _text(body(), now())
        with wiring.database.transaction() as session:
            taken = take(session, text, secret.encode(), now())
        return answer({"outcome": taken.outcome, "alert_id": str(taken.alert_id) if taken.alert_id else None})

    return texts


def _text(sent: dict[str, Any], moment: datetime) -> Text:
    for name in ("id", "from", "text"):
        if not isinstance(sent.get(name), str) or (name in _LONGEST and not 1 <= len(sent[name]) <= _LONGEST[name]):
            raise Refused("invalid", field=f"/{name}", hint="id, from and text are texts")
    received_at = instant(sent.get("received_at")) or moment
    # A gateway whose clock is wrong must not make an alert of now look old, or one of tomorrow.
    plausible = moment - _OLDEST <= received_at <= moment
    return Text(sent["id"], sent["from"], sent["text"], received_at if plausible else moment)
