"""The rider's page without data: it writes the text, the gateway hands it over, and the request that follows is the same alert."""

import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from playwright.sync_api import Page, expect

from backend.alerts.text_parsing import read_text
from backend.alerts.text_words import NO_NAMES
from backend.delivery.signatures import HEADER, sign
from tests.pages.conftest import SMS_SECRET, Crowd, Server
from tests.pages.test_rider import back_again, cut_off

pytestmark = pytest.mark.usefixtures("no_open_alerts")
FROM = "+33612345678"


def text_of(page: Page) -> str:
    """What the link would put into the phone's messages, to the network's number and no other."""
    expect(page.locator("#by-text-link")).to_have_attribute("href", re.compile("^sms:"))
    address = urlsplit(page.locator("#by-text-link").get_attribute("href") or "")
    assert address.path == "+33639980000"
    return parse_qs(address.query)["body"][0]


def hand_over(server: Server, text: str) -> dict[str, str]:
    """What the gateway is answered."""
    body = json.dumps({"id": f"gw-{datetime.now(UTC).timestamp()}", "from": FROM, "text": text}).encode()
    headers = {HEADER: sign(SMS_SECRET, body, datetime.now(UTC)), "Content-Type": "application/json"}
    answer = requests.post(f"{server.url}/v1/sms/inbound", data=body, headers=headers, timeout=10)
    answer.raise_for_status()
    found: dict[str, str] = answer.json()
    return found


def case_of(server: Server, taken: dict[str, str]) -> Any:
    """The alert as the control room sees it."""
    headers = {"Authorization": f"Bearer {server.token('operator')}"}
    return requests.get(f"{server.url}/v1/control/alerts/{taken['alert_id']}", headers=headers, timeout=10).json()


def alone_in_a_tunnel(crowd: Crowd, *, known: bool) -> Page:
    """A page whose alert does not go out; `known` when the phone had registered before."""
    phone = crowd.phone()
    with phone.page.expect_response("**/v1/meta"):
        page = phone.open("/rider")
    if known:
        page.evaluate(
            """async () => {
                const said = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"platform": "web"}' };
                const device = await (await fetch('/v1/devices', said)).json();
                localStorage.setItem('vigie.rider.device', JSON.stringify(device));
            }"""
        )
    cut_off(page)
    page.click("#two-taps")
    page.click("#confirm")
    expect(page.locator("#status-title")).to_have_text("Pas encore envoyé, nouvel essai…")
    return page


def test_a_text_raises_the_alert_and_the_request_that_follows_is_the_same_one(crowd: Crowd, server: Server) -> None:
    control = crowd.desk().sign_in("/control", "operator")
    page = alone_in_a_tunnel(crowd, known=True)
    page.click("[data-focus=assault]")
    expect(page.locator("#by-text-link")).to_have_attribute("href", re.compile("c%3DA"), timeout=20_000)
    text = text_of(page)
    assert len(text) <= 160
    taken = hand_over(server, text)
    assert taken["outcome"] == "alert"
    assert taken["alert_id"] == page.evaluate("JSON.parse(localStorage.getItem('vigie.rider.alert')).id")
    expect(control.locator(".row")).to_have_count(1)
    expect(page.locator("#status-title")).to_have_text("Pas encore envoyé, nouvel essai…"), "the page knows of nothing"
    assert "text_" not in str(case_of(server, taken)["alert"]["warnings"]), (
        "what the page signs is what the server checks"
    )
    back_again(page)
    expect(page.locator("#facts")).to_contain_text("Reçue par le serveur")
    expect(page.locator("#by-text")).to_be_hidden()
    expect(control.locator(".row")).to_have_count(1)
    case = case_of(server, taken)
    assert (case["alert"]["source"], case["alert"]["category"], case["alert"]["suspect"]) == ("sms", "assault", False)
    assert [one["action"] for one in case["timeline"]].count("raised") == 1


def test_a_phone_that_never_registered_texts_unsigned(crowd: Crowd) -> None:
    page = alone_in_a_tunnel(crowd, known=False)
    expect(page.locator("#by-text-link")).to_be_visible(timeout=20_000)
    page.fill("#describe-text", "Gare de l'Est, à l'arrière")
    page.click("#describe-form button")
    expect(page.locator("#by-text-link")).to_have_attribute("href", re.compile("arriere"))
    read = read_text(text_of(page), NO_NAMES, datetime.now(UTC))
    assert (read.signature, read.device_id) == (None, None)
    assert str(read.alert_id) == page.evaluate("JSON.parse(localStorage.getItem('vigie.rider.alert')).id")
    assert read.body["description"] == "Gare de l'Est, a l'arriere"
    assert read.body["position"]["latitude"] == pytest.approx(43.2968, abs=1e-4)


def test_with_a_connection_no_text_is_offered(crowd: Crowd) -> None:
    page = crowd.phone().open("/rider")
    page.click("#two-taps")
    page.click("#confirm")
    expect(page.locator("#facts")).to_contain_text("Reçue par le serveur")
    expect(page.locator("#by-text")).to_be_hidden()
