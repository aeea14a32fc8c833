"""The control room reads how well the system itself is, whom an alert may not reach, and how each message travelled."""

import json
import re
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from playwright.sync_api import Locator, Page, Route, WebSocketRoute, expect

from backend.delivery.signatures import HEADER, sign
from tests.pages.conftest import SMS_SECRET, Crowd, Server
from tests.pages.push_phone import Browser, with_pushes
from tests.pages.test_look import inspect
from tests.pages.test_story import off_duty, on_duty, raise_alert
from tests.providers import PushService

pytestmark = pytest.mark.usefixtures("no_open_alerts")


class Wire:
    """The control room's socket, on which the server's `status` can be changed or kept back."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.findings: list[dict[str, Any]] | None = None
        self.silent = False
        self._last: dict[str, Any] | None = None
        self._client: WebSocketRoute | None = None
        page.route_web_socket(re.compile("/socket.io/"), self._opened)
        page.route("**/v1/control/status", self._asked)

    def finds(self, *codes: str, subject: str = "", since: str = "2026-11-23T03:00:00.000Z") -> None:
        """The server finds these from now on, and says so at once."""
        self.findings = [{"code": code, "subject": subject, "since": since, "value": 12.0} for code in codes]
        for _ in range(200):  # the first one by the socket; before, the page has asked once by itself
            if self._client is not None and self._last is not None:
                break
            self._page.wait_for_timeout(50)
        assert self._client is not None
        assert self._last is not None
        self._client.send(self._changed(self._last))

    def _opened(self, client: WebSocketRoute) -> None:
        server = client.connect_to_server()
        self._client = client

        def from_server(message: str | bytes) -> None:
            if isinstance(message, str) and message.startswith('42/control,["status"'):
                self._last = json.loads(message.partition(",")[2])[1]
                if self.silent:
                    return
                message = self._changed(self._last)
            client.send(message)

        server.on_message(from_server)

    def _asked(self, route: Route) -> None:
        if self.silent:
            route.abort()
        elif self.findings is None:
            route.continue_()
        else:
            route.fulfill(json={**route.fetch().json(), "findings": self.findings})

    def _changed(self, status: dict[str, Any]) -> str:
        told = status if self.findings is None else {**status, "findings": self.findings}
        return f"42/control,{json.dumps(['status', told])}"


def test_what_is_wrong_is_said_with_what_to_do_and_is_heard_until_it_is_read(crowd: Crowd) -> None:
    visitor = crowd.desk()
    wire = Wire(visitor.page)
    control = visitor.sign_in("/control", "operator")
    said, root = control.locator("#health-said"), control.locator("html")
    expect(said).to_have_text("Système en ordre")
    expect(root).to_have_attribute("data-trouble", "false")

    wire.finds("worker_silent")
    expect(said).to_have_text("Moteur d’engagement muet")
    expect(root).to_have_attribute("data-trouble", "true")
    control.click("#health-summary")
    finding = control.locator("#health-findings .finding")
    expect(finding).to_contain_text("retard 0:12")
    expect(finding).to_contain_text("envoyez les équipes vous-même")
    inspect(control)
    control.locator("#health-heed").press("Enter")
    expect(root).to_have_attribute("data-trouble", "false")
    expect(said).to_have_text("Moteur d’engagement muet")

    control.reload()
    expect(said).to_have_text("Moteur d’engagement muet")
    expect(root).to_have_attribute("data-trouble", "false")
    wire.finds("worker_silent", "quarantined")
    expect(said).to_have_text("Moteur d’engagement muet, et 1 autre(s)")
    expect(root).to_have_attribute("data-trouble", "true")
    wire.finds()
    expect(said).to_have_text("Système en ordre")
    expect(root).to_have_attribute("data-trouble", "false")


def test_a_person_in_danger_is_louder_than_a_machine(crowd: Crowd) -> None:
    visitor = crowd.desk()
    wire = Wire(visitor.page)
    control = visitor.sign_in("/control", "operator")
    root = control.locator("html")
    expect(control.locator("#health-said")).to_have_text("Système en ordre")
    wire.finds("channel_failing", subject="webpush")
    expect(control.locator("#health-said")).to_have_text("Canal en panne : Navigateur")
    raise_alert(crowd.phone().open("/rider"))
    expect(root).to_have_attribute("data-ringing", "true")
    expect(root).to_have_attribute("data-sound", "danger")
    control.keyboard.press("s")
    expect(root).to_have_attribute("data-ringing", "false")


def test_silence_of_the_system_is_said_too(crowd: Crowd) -> None:
    visitor = crowd.desk()
    wire = Wire(visitor.page)
    control = visitor.sign_in("/control", "operator")
    expect(control.locator("#health-said")).to_have_text("Système en ordre")
    wire.silent = True
    expect(control.locator("#health")).to_have_attribute("data-state", "silent", timeout=15_000)
    expect(control.locator("#health-said")).to_contain_text("ne donne plus de nouvelles depuis 0:0")
    expect(control.locator("#link-state")).to_have_attribute("data-kind", "live")
    inspect(control)
    wire.silent = False
    expect(control.locator("#health-said")).to_have_text("Système en ordre", timeout=15_000)


def test_who_is_on_duty_and_hard_to_reach_is_named_with_why(crowd: Crowd, push_service: PushService) -> None:
    control = crowd.desk().sign_in("/control", "operator")
    agent = with_pushes(crowd, push_service).sign_in("/agent", "agent")
    browser = Browser(agent, "/agent", push_service)
    on_duty(agent)
    sign = agent.inner_text("#team")
    expect(control.locator("#health-deaf")).to_have_text("Difficiles à joindre : 1")
    control.click("#health-summary")
    expect(control.locator("#health-deaf-list .finding")).to_contain_text(sign)
    expect(control.locator("#health-deaf-list .finding")).to_contain_text("sans notifications")
    row = control.locator(".team", has_text=sign)
    expect(row.locator(".mark")).to_have_text("sans notifications")
    inspect(control)

    agent.click("[data-focus=push-push]")
    expect(row.locator(".mark")).to_have_text("notification jamais revenue", timeout=15_000)
    browser.arrives()
    expect(row.locator(".mark")).to_be_hidden(timeout=15_000)
    expect(control.locator("#health-deaf")).to_be_hidden()
    off_duty(agent)
    agent.click("#sign-out")
    agent.wait_for_selector("#signin:not([hidden])")


def steps(within: Locator) -> list[str]:
    """What is said of a message, as `name state` in order."""
    found: list[str] = within.evaluate(
        "(list) => [...list.children].map((one) => `${one.firstElementChild.textContent} ${one.dataset.state}`)"
    )
    return found


def test_how_an_alert_travelled_is_told_in_facts(crowd: Crowd, push_service: PushService) -> None:
    control = crowd.desk().sign_in("/control", "operator")
    agent = with_pushes(crowd, push_service).sign_in("/agent", "agent")
    browser = Browser(agent, "/agent", push_service)
    agent.click("[data-focus=push-push]")
    browser.arrives()
    on_duty(agent)
    browser.arrives()
    raise_alert(crowd.phone().open("/rider"))
    agent.wait_for_selector(".offer")
    control.click(".row-open")
    journey = control.locator(".journey").first
    expect(journey.locator("> .steps [data-state=done]")).to_have_count(4)  # stored, written, received, seen
    assert steps(journey.locator("> .steps"))[:4] == [
        "enregistrée done", "écrite au téléphone done", "reçue done", "vue done",
    ]  # fmt: skip
    agent.click(".take")
    expect(journey.locator("> .steps")).to_contain_text("acceptée")
    expect(journey.locator(".way > p")).to_contain_text("Navigateur")
    expect(journey.locator("[data-state=late]")).to_have_count(0)
    inspect(control)
    for _ in range(3):
        agent.click(".mission .strong")
    off_duty(agent)
    agent.click("#sign-out")
    agent.wait_for_selector("#signin:not([hidden])")


def test_a_message_that_reached_no_phone_is_red_as_soon_as_a_limit_has_passed(crowd: Crowd) -> None:
    control = crowd.desk().sign_in("/control", "operator")
    agent = crowd.phone().sign_in("/agent", "agent")
    on_duty(agent)
    agent.goto(agent.url.replace("/agent", "/"))
    raise_alert(crowd.phone().open("/rider"))
    control.click(".row-open")
    journey = control.locator(".journey").first
    expect(journey).to_contain_text("écrite au téléphone")
    expect(journey.locator("[data-state=late]").first).to_contain_text("écrite au téléphone non", timeout=20_000)
    agent.goto(agent.url + "agent")
    agent.wait_for_selector("#duty[aria-checked=true]")
    off_duty(agent)


def test_an_alert_by_text_says_so_and_whom_to_call_back(crowd: Crowd, server: Server) -> None:
    control = crowd.desk().sign_in("/control", "operator")
    text = {"id": f"t-{uuid.uuid4()}", "from": "+33612345678", "text": "agression M1 Noailles"}
    body = json.dumps(text).encode()
    headers = {HEADER: sign(SMS_SECRET, body, datetime.now(UTC)), "Content-Type": "application/json"}
    taken = requests.post(f"{server.url}/v1/sms/inbound", data=body, headers=headers, timeout=10)
    assert taken.json()["outcome"] == "alert", taken.text
    control.click(".row-open")
    facts = control.locator(".case-facts")
    expect(facts).to_contain_text("Arrivée par")
    expect(facts).to_contain_text("SMS")
    expect(facts.get_by_role("link", name="+33612345678")).to_have_attribute("href", "tel:+33612345678")
    inspect(control)


def test_a_supervisor_may_be_notified_on_this_device(crowd: Crowd, push_service: PushService) -> None:
    page = with_pushes(crowd, push_service, "desk").sign_in("/control", "supervisor")
    browser = Browser(page, "/control", push_service)
    page.click("#health-summary")
    page.click("#alarm-push [data-focus=push]")
    expect(page.locator("#alarm-push")).to_contain_text("Essai en cours")
    browser.arrives()
    expect(page.locator("#alarm-push")).to_contain_text("dernier essai")
    inspect(page)
    page.click("#alarm-push [data-focus=push_off]")
    expect(page.locator("#alarm-push [data-focus=push]")).to_be_visible()
    assert browser.kept() is None
