"""A bus on a line at night, where night stops are allowed at every hour: what the stories of night stops begin with."""

import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests
from playwright.sync_api import Geolocation, Page, expect

from tests.pages.conftest import Crowd, Server

NUMBERS = itertools.count(7001)
METRES_PER_DEGREE = 111_195


@dataclass
class Bus:
    """A bus whose driver sits before a page of her own."""

    server: Server
    number: str
    line_id: str
    direction: dict[str, Any]
    page: Page

    def point(self, measure_m: float) -> Geolocation:
        """The place so many metres along the way."""
        path, passed = self.direction["path"], 0.0
        for (lon, lat), (next_lon, next_lat) in itertools.pairwise(path):
            east = (next_lon - lon) * math.cos(math.radians(lat))
            length = math.hypot(east, next_lat - lat) * METRES_PER_DEGREE
            if length and passed + length >= measure_m:
                part = (measure_m - passed) / length
                return {
                    "latitude": lat + (next_lat - lat) * part,
                    "longitude": lon + (next_lon - lon) * part,
                    "accuracy": 5,
                }
            passed += length
        raise AssertionError(f"the way is {passed:.0f} m long")

    def drives_to(self, measure_m: float) -> None:
        """The bus is there, and the server knows: its receiver says so more often than the page needs to.

        The receiver also says which way it heads. Without that, a bus that stands at the end of a line whose two
        directions share a road may be taken for the one that has just arrived, and a standing bus never tells.
        """
        self.page.context.set_geolocation(self.point(measure_m))
        self._until(measure_m, self._receiver_says)

    def creeps_to(self, measure_m: float) -> None:
        """The bus rolls there, told by the page alone, as slowly as a browser's pretended positions allow."""
        steps = itertools.count(1)
        self._until(measure_m, lambda there: self.page.context.set_geolocation(self.point(there - 80 / next(steps))))

    def _until(self, measure_m: float, say: Callable[[float], None]) -> None:
        deadline = time.monotonic() + 45
        while time.monotonic() < deadline:
            say(measure_m)
            time.sleep(0.25)
            found = requests.get(f"{self.server.url}/v1/driver/snapshot", headers=self._driver(), timeout=10).json()
            progress = found["progress"]
            if (
                progress
                and progress["state"] == "on_line"
                and progress["direction_id"] == self.direction["direction_id"]
                and abs(progress["measure_m"] - measure_m) < 60
            ):
                return
        raise AssertionError(f"the bus is not at {measure_m} m: {found}")

    def _receiver_says(self, measure_m: float) -> None:
        here, ahead = self.point(measure_m), self.point(measure_m + 5)
        east = (ahead["longitude"] - here["longitude"]) * math.cos(math.radians(here["latitude"]))
        heading = math.degrees(math.atan2(east, ahead["latitude"] - here["latitude"])) % 360
        # Three that agree: one fix alone, far from the last, is taken for a glitch.
        points = [{**here, "fix_age_ms": age, "heading_deg": heading, "speed_mps": 3} for age in (120, 60, 0)]
        points = [{("accuracy_m" if name == "accuracy" else name): one[name] for name in one} for one in points]
        told = requests.post(
            f"{self.server.url}/v1/driver/positions", json={"points": points}, headers=self._driver(), timeout=10
        )
        assert told.ok, told.text

    def _driver(self) -> dict[str, str]:
        token = self.page.evaluate("JSON.parse(sessionStorage.getItem('vigie.staff')).access_token")
        return {"Authorization": f"Bearer {token}"}


def as_operator(server: Server) -> dict[str, str]:
    """The headers of somebody of the control room."""
    return {"Authorization": f"Bearer {server.token('operator')}"}


def allow_night_stops(server: Server, line_id: str, **more: Any) -> str:
    """The id of the policy of this line, the only one that it has now."""
    headers, address = as_operator(server), f"{server.url}/v1/control/night-stop-policies"
    for one in requests.get(address, headers=headers, timeout=10).json()["items"]:
        if one["line_id"] == line_id:
            requests.post(f"{address}/{one['id']}/end", json={}, headers=headers, timeout=10)
    body = {"line_id": line_id, "starts": "12:00", "ends": "11:59", "valid_from": "2026-01-01", **more}
    made = requests.post(address, json=body, headers=headers, timeout=10)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def bus_on(crowd: Crowd, server: Server, line_id: str, driver: int, **policy: Any) -> Bus:
    """A bus that has just left the first stop of the line, with its driver's page open."""
    allow_night_stops(server, line_id, **policy)
    line = requests.get(f"{server.url}/v1/network/lines/{line_id}", timeout=10).json()
    page = crowd.phone().sign_in("/driver", "driver", driver)
    bus = Bus(server, str(next(NUMBERS)), line_id, line["directions"][0], page)
    page.context.set_geolocation(bus.point(300))
    if page.is_visible("#bring-back"):
        page.click("#bring-back")
    page.fill("#vehicle-number", bus.number)
    page.select_option("#vehicle-line", line_id)
    page.click("#take-out button[type=submit]")
    expect(page.locator("#idle")).to_be_visible()
    bus.drives_to(380)
    return bus


def aboard(crowd: Crowd, bus: Bus, **window: Any) -> Page:
    """A rider in this bus who has scanned the sticker and may choose a place now."""
    visitor = crowd.phone(geolocation=bus.point(380), **window)
    page = visitor.open("/rider")
    page.click("#night-open")
    page.fill("#night-vehicle", bus.number)
    page.click(".night-number button")
    expect(page.locator("#night-segment")).to_be_visible()
    return page


def choose_and_ask(page: Page, segment: int = 2) -> None:
    """The middle between two stops, as soon as it is known to be possible, and the driver is asked."""
    page.select_option("#night-segment", index=segment)
    expect(page.locator(".verdict")).to_have_attribute("data-kind", "possible")
    page.click(".night-step .tall")
