"""Routes of phones that want to be woken up: register, forget, list, test."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from backend.access import EVERYBODY, STAFF, allow, caller
from backend.delivery import registrations, subscriptions
from backend.delivery.models import PushRegistration
from backend.delivery.registrations import Given
from backend.delivery.subscriptions import SubscriptionInvalid
from backend.delivery.webpush import WebPush
from backend.errors import Refused
from backend.http import answer, body, now, uuid_of
from backend.settings import Settings
from backend.times import stamp
from backend.wiring import Wiring


def create_routes(wiring: Wiring) -> Blueprint:
    """The blueprint `push`."""
    push = Blueprint("push", __name__)
    settings = wiring.settings
    channels = [name for name, channel in wiring.channels.items() if channel.address_kinds]
    browsers = wiring.channels.get("webpush")
    vapid_public_key = browsers.public_key if isinstance(browsers, WebPush) else None

    @push.get("/v1/push")
    @allow(EVERYBODY)
    def list_push() -> Response:
        """The caller's registrations, never an address."""
        with wiring.database.reading() as session:
            items = [_view(one) for one in registrations.of_caller(session, caller())]
        return answer({"items": items, "channels": channels, "vapid_public_key": vapid_public_key})

    @push.put("/v1/push/<registration_id>")
    @allow(EVERYBODY)
    def register_push(registration_id: str) -> Response:
        """Where this phone or browser can be woken up, as now stored."""
        asked, wanted_id = body(), uuid_of(registration_id)
        if asked["channel"] not in channels:
            raise Refused("invalid", field="/channel", hint=f"one of {', '.join(channels)}" if channels else None)
        kinds = wiring.channels[asked["channel"]].address_kinds
        if asked["address_kind"] not in kinds:
            raise Refused("invalid", field="/address_kind", hint=f"one of {', '.join(kinds)}")
        given = Given(
            asked["channel"],
            asked["address_kind"],
            asked["address"],
            asked.get("language") or "fr",
            asked.get("app_id"),
        )
        if given.channel == "webpush":
            _refuse_stranger(given.address, settings)
        with wiring.database.transaction() as session:
            stored = registrations.register(session, wanted_id, caller(), given, now())
            return answer(_view(stored))

    @push.delete("/v1/push/<registration_id>")
    @allow(EVERYBODY)
    def forget_push(registration_id: str) -> Response:
        """Nothing is sent there any more."""
        with wiring.database.transaction() as session:
            registrations.forget(session, uuid_of(registration_id), caller())
        return answer(None, 204)

    @push.post("/v1/push/test")
    @allow(STAFF)
    def test_push() -> Response:
        """What is on its way to the caller's phones."""
        with wiring.database.transaction() as session:
            sent = registrations.send_tests(session, caller().id, channels, now())
        tests = [
            {"delivery_id": str(delivery_id), "registration_id": str(one.id), "channel": one.channel}
            for delivery_id, one in sent
        ]
        return answer({"tests": tests}, 202)

    return push


def _view(registration: PushRegistration) -> dict[str, Any]:
    return {
        "id": str(registration.id),
        "channel": registration.channel,
        "address_kind": registration.address_kind,
        "created_at": stamp(registration.created_at),
        "reached_at": stamp(registration.reached_at),
        "round_trip_ms": registration.round_trip_ms,
        "disabled_why": registration.disabled_why,
    }


def _refuse_stranger(address: str, settings: Settings) -> None:
    try:
        endpoint = subscriptions.read(address).endpoint
    except SubscriptionInvalid as wrong:
        raise Refused("invalid", field="/address", hint=str(wrong)) from None
    if not subscriptions.may_be_called(endpoint, settings.webpush_hosts, here=settings.webpush_here):
        raise Refused("invalid", field="/address", hint="this push service is not among VIGIE_WEBPUSH_HOSTS")
