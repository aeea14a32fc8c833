"""A night line in the town of the stories: a bus that really drives along it, and riders in it."""

import uuid
from typing import Any

from backend.network.cli import import_feed
from backend.network.index import network_of
from tests.night_bus import LINE, POLICY, TOWN, WISHED_M
from tests.town import Driver, Json, Operator, Rider, Town


class NightBus:
    """A bus of the line with its driver's tablet; where it is comes from the tablet's positions."""

    def __init__(self, night: "NightTown", number: str, at_m: float) -> None:
        self.night = night
        self.town = night.town
        self.number = number
        self.driver: Driver = self.town.driver(number, LINE)
        self.at_m = at_m - 30
        self.drives(at_m)

    def drives(self, to_m: float, speed: float = 10.0) -> None:
        """Drives on along the line, its tablet telling every three seconds where it is."""
        while self.at_m < to_m:
            self.at_m = min(to_m, self.at_m + 3 * speed)
            self._tells(speed)

    def stands(self, seconds: int) -> None:
        """Stands where it is."""
        for _ in range(0, seconds, 3):
            self._tells(0.0)

    def _tells(self, speed: float) -> None:
        self.town.clock.advance(3)
        way = self.night.way.way
        place = way.point_at(self.at_m)
        fix = {"latitude": place.latitude, "longitude": place.longitude, "accuracy_m": 5, "speed_mps": speed,
               "heading_deg": way.heading_at(self.at_m), "provider": "gnss", "fix_age_ms": 0}  # fmt: skip
        answer = self.driver.post("/v1/driver/positions", {"points": [fix]})
        assert answer["accepted"] == 1, answer
        self.town.settle()
        self.town.work()

    def asked(self) -> Json:
        """The stop that this driver is asked for."""
        heard: Json = self.driver.hears("night_stop.requested")["night_stop"]
        assert self.driver.tells("received", {"delivery_id": heard["delivery_id"]}) == {"ok": True}
        return heard

    def says(self, word: str, stop: Json, **more: Any) -> Json:
        """One tap of the driver, by socket."""
        return self.driver.tells(f"night_stop.{word}", {"night_stop_id": stop["id"], **more})


class NightStop:
    """A night stop as its rider has it."""

    def __init__(self, rider: Rider, stop_id: str, receipt: Json) -> None:
        self.rider = rider
        self.id = stop_id
        self.receipt = receipt

    @property
    def now(self) -> Json:
        """What the server says about it at this moment."""
        return self.rider.get(f"/v1/night-stops/{self.id}")

    def becomes(self, state: str) -> Json:
        """What the rider hears when it has come to this."""
        heard = self.rider.hears(
            "night_stop.changed", lambda data: data["night_stop"]["id"] == self.id and data["night_stop"]["state"] == state
        )
        found: Json = heard["night_stop"]
        return found


class NightTown:
    """The town at ten in the evening, with one line on which night stops are possible."""

    def __init__(self, town: Town) -> None:
        self.town = town
        import_feed(town.wiring.database, TOWN, town.clock.now())
        with town.wiring.database.reading() as session:
            network = network_of(session)
        assert network is not None
        self.network = network
        self.way = network.patterns_of(LINE, 0)[0]
        self.room: Operator = town.operator()
        self.policy_id = self.room.post("/v1/control/night-stop-policies", POLICY)["id"]

    def bus(self, at_m: float = 300.0, number: str = "A-101") -> NightBus:
        """A bus on its way out of town."""
        return NightBus(self, number, at_m)

    def policy(self, **changes: Any) -> None:
        """The authority sets something else."""
        self.room.put(f"/v1/control/night-stop-policies/{self.policy_id}", {**POLICY, **changes})

    def wish(self, measure_m: float = WISHED_M, *, beside_m: float = 0.0, **more: Any) -> Json:
        """The body of a wish for a place so far along the way, so far north of it."""
        place = self.way.way.point_at(measure_m)
        wanted = {"latitude": place.latitude + beside_m / 111_195, "longitude": place.longitude}
        return {"line_id": LINE, "vehicle_number": "A-101", "wanted": wanted, **more}

    def asks(self, rider: Rider, measure_m: float = WISHED_M, **more: Any) -> NightStop:
        """A rider asks, and may."""
        stop_id = str(uuid.uuid4())
        return NightStop(rider, stop_id, rider.put(f"/v1/night-stops/{stop_id}", self.wish(measure_m, **more)))

    def refused(self, rider: Rider, measure_m: float = WISHED_M, **more: Any) -> Json:
        """A rider asks, and is told why not and what instead."""
        answer = rider.ask("PUT", f"/v1/night-stops/{uuid.uuid4()}", self.wish(measure_m, **more))
        assert answer.status_code == 422, answer.text
        found: Json = answer.json()
        return found
