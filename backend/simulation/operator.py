"""A simulated operator: looks, acknowledges, decides on cancels, closes cases, so that the demo does not fill up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from backend.simulation.phone import Raised
from backend.simulation.staff import Account, StaffActor, World

OPEN_STATES = ("open", "assigned", "en_route", "on_scene", "resolved", "cancel_requested", "reopened")
CLOSINGS = (
    ("intervention_done", "sexist_outrage"), ("victim_safe", "sexual_without_contact"),
    ("victim_safe", "not_applicable"), ("perpetrator_gone", "unknown_nature"),
    ("information_only", "not_applicable"), ("not_found", "unknown_nature"),
)


class Operator(StaffActor):
    """Works on the alerts that the simulation sent, and on those left from before it began; a person's own are hers."""

    namespace = "/control"

    def __init__(self, world: World, account: Account, raised: Raised) -> None:
        super().__init__(world, account)
        self._raised = raised
        self._began = datetime.now(UTC).isoformat()
        self._alerts: dict[str, dict[str, Any]] = {}
        self._next: dict[str, tuple[float, str]] = {}
        self._calls: dict[str, float] = {}  # when the telephone call with a rider whom no team can reach will be over

    def clock_in(self) -> None:
        """The control room has no shifts."""

    def catch_up_whole(self) -> None:
        """The queue as it is now."""
        answer = self.wire.insist("GET", "/v1/control/snapshot")
        if answer.ok:
            self.last_seq = answer.body["seq"]
            self._alerts.clear()
            for alert in answer.body["alerts"]:
                self._changed(alert)

    def hear(self, event: str, body: dict[str, Any]) -> None:
        """New and changed alerts."""
        if event in ("alert.raised", "alert.changed"):
            self._changed(body["alert"])

    def tick(self, *, connected: bool) -> None:
        """Does, one after the other, what it has thought about long enough."""
        del connected
        now = self.world.monotonic()
        for alert_id, (moment, what) in list(self._next.items()):
            if moment <= now and not self.world.stop.is_set():
                del self._next[alert_id]
                self._do(alert_id, what)
        for alert_id, over in list(self._calls.items()):
            if over <= now and self._alerts.get(alert_id, {}).get("state") in ("open", "reopened"):
                self._do(alert_id, "close")

    def _changed(self, alert: dict[str, Any]) -> None:
        alert_id = alert["id"]
        mine = alert_id in self._raised or alert["received_at"] < self._began
        if alert["state"] not in OPEN_STATES or not mine:
            for known in (self._alerts, self._next, self._calls):
                known.pop(alert_id, None)
            return
        self._alerts[alert_id] = alert
        what, low, high = self._thought(alert)
        planned = self._next.get(alert_id)
        if what and (planned is None or planned[1] != what):
            self._next[alert_id] = (self.world.monotonic() + self.dice.between(low, high) / self.world.speed, what)
        elif not what:
            self._next.pop(alert_id, None)

    def _thought(self, alert: dict[str, Any]) -> tuple[str, float, float]:
        """What this alert needs of an operator next, and after how many seconds."""
        if alert["seen_at"] is None:
            return "seen", 3, 12
        if alert["state"] == "cancel_requested":
            return ("refuse-cancel" if alert["duress"] else "confirm-cancel"), 8, 25
        if alert["needs_human"] and alert["acknowledged_at"] is None:
            return "acknowledge", 5, 15
        if alert["state"] == "resolved":
            return "close", 20, 60
        return "", 0, 0

    def _do(self, alert_id: str, what: str) -> None:
        if alert_id not in self._alerts:
            return
        if what == "acknowledge" and alert_id not in self._calls:
            self._calls[alert_id] = self.world.monotonic() + self.dice.between(60, 240) / self.world.speed
        heard = self.live.call("seen", {"alert_id": alert_id}) if what == "seen" and self.live.connected else None
        if heard is None or not heard.get("ok"):
            answer = self.wire.insist("POST", f"/v1/control/alerts/{alert_id}/{what}", self._body(what))
            if answer.ok:
                self._changed(answer.body)
            else:  # somebody else decided meanwhile; the feed will say what
                self._calls.pop(alert_id, None)
        self.world.counters.add(f"operator: {what}")

    def _body(self, what: str) -> dict[str, Any]:
        if what != "close":
            return {}
        closing, legal_class = self.dice.random.choice(CLOSINGS)
        return {"closing_code": closing, "legal_class": legal_class}
