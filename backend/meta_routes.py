"""HTTP for app start: versions, the server's time, emergency numbers."""

from __future__ import annotations

from flask import Blueprint, Response

from backend.access import PUBLIC, allow
from backend.alerts.categories import Category
from backend.http import answer, emergency_numbers, now
from backend.network.names import folded
from backend.settings import Settings
from backend.times import stamp
from backend.wiring import Wiring

CONTRACT_VERSION = "1.0.0"


def create_routes(wiring: Wiring) -> Blueprint:
    """What an app asks first."""
    routes = Blueprint("meta", __name__)

    @routes.get("/v1/meta")
    @allow(PUBLIC)
    def meta() -> Response:
        return answer(
            {
                "contract_version": CONTRACT_VERSION,
                "server_time": stamp(now()),
                "network": {"name": wiring.settings.network_name},
                "emergency_numbers": emergency_numbers(wiring),
                "languages": ["fr", "en"],
                "features": ["alerts", "armed_alerts", "messages"],
                "categories": [category.value for category in Category],
                "text_to": _text_to(wiring.settings),
            }
        )

    return routes


def _text_to(settings: Settings) -> dict[str, str] | None:
    """Where an app without data may text an alert, and the word that such a text begins with."""
    if not settings.sms_number:
        return None
    letters = "".join(char for char in folded(settings.network_name) if char.isascii() and char.isalnum())
    name = letters.lstrip("0123456789")[:16].upper()
    return {"number": settings.sms_number, "name": name if len(name) > 1 else "VIGIE"}
