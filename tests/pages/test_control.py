"""The control room's page under load, without a link, without a map, and with text that means harm."""

import re
import uuid
from typing import Any

import pytest
import requests
from playwright.sync_api import Route, expect

from tests.pages.conftest import ROOT, Crowd, Server

HARMFUL = (
    "<script>window.harmed = 1</script>",
    "<img src=x onerror='window.harmed = 1'>",
    '"><svg onload=window.harmed=1>',
    "javascript:window.harmed=1",
    "{{constructor.constructor('window.harmed=1')()}}",
    "</textarea><iframe srcdoc='<script>parent.harmed=1</script>'>",
    "\u202egnirts\u202c \u200b" + "e\u0301" * 3 + "\u0489" * 40,
)


def alert_from_a_phone(server: Server, **body: Any) -> str:
    """Raises an alert without a browser."""
    token = requests.post(f"{server.url}/v1/devices", json={"platform": "web"}, timeout=10).json()["access_token"]
    made = str(uuid.uuid4())
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.put(f"{server.url}/v1/alerts/{made}", json=body, headers=headers, timeout=10)
    assert answer.status_code == 201, answer.text
    return made


@pytest.mark.usefixtures("no_open_alerts")
def test_a_lost_link_shows_within_five_seconds_and_so_does_its_return(crowd: Crowd, server: Server) -> None:
    source = (ROOT / "backend" / "pages" / "static" / "live.js").read_text()
    stale, tick = (re.search(rule, source) for rule in (r"STALE_MS = (\d+)", r"this\.tick\(\), (\d+)"))
    assert stale
    assert tick
    assert int(stale[1]) + int(tick[1]) < 5_000
    page = crowd.desk().sign_in("/control", "operator")
    with server.frozen():
        page.wait_for_selector("#stale-banner:not([hidden])", timeout=20_000)
        assert page.get_attribute("#link-state", "data-kind") == "stale"
    page.wait_for_selector("#link-state[data-kind=live]", timeout=20_000)
    expect(page.locator("#stale-banner")).to_be_hidden()
    alert_from_a_phone(server, category="theft")
    expect(page.locator(".row")).to_have_count(1)


@pytest.mark.usefixtures("no_open_alerts")
def test_what_happened_while_the_page_was_away_is_there_when_it_comes_back(crowd: Crowd, server: Server) -> None:
    visitor = crowd.desk()
    page = visitor.sign_in("/control", "operator")
    visitor.context.set_offline(True)
    page.wait_for_selector("#link-state[data-kind=stale]")
    for category in ("theft", "threat", "medical"):
        alert_from_a_phone(server, category=category)
    visitor.context.set_offline(False)
    expect(page.locator(".row")).to_have_count(3, timeout=20_000)


@pytest.mark.usefixtures("no_open_alerts")
def test_text_that_means_harm_is_read_as_text(crowd: Crowd, server: Server) -> None:
    page = crowd.desk().sign_in("/control", "operator")
    for text in HARMFUL:
        place = {"station": text[:80], "carriage": text[:40]}
        alert_from_a_phone(server, category=text[:60], description=text, place=place, contact_mode="can_talk")
    expect(page.locator(".row")).to_have_count(len(HARMFUL))
    for row in page.locator(".row-open").all():
        row.click()
        expect(page.locator(".case-facts bdi.said")).to_be_visible()
    assert page.evaluate("window.harmed") is None
    assert page.locator("main img, main iframe, main script").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.usefixtures("no_open_alerts")
def test_the_keyboard_alone_sees_takes_and_closes_a_case(crowd: Crowd, server: Server) -> None:
    page = crowd.desk().sign_in("/control", "operator")
    page.click("#sound-heard")
    alert_from_a_phone(server, category="assault", contact_mode="can_talk")
    expect(page.locator(".row.unseen")).to_have_count(1)
    page.keyboard.press("s")
    expect(page.locator(".row.unseen")).to_have_count(0)
    page.keyboard.press("k")
    expect(page.locator(".case-facts")).to_contain_text("Prise en compte")
    page.keyboard.press("c")
    expect(page.locator("#close-code")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".row")).to_have_count(0)


@pytest.mark.usefixtures("no_open_alerts")
def test_keys_do_nothing_while_somebody_types_or_once_they_are_switched_off(crowd: Crowd, server: Server) -> None:
    page = crowd.desk().sign_in("/control", "operator")
    alert_from_a_phone(server, category="assault")
    page.wait_for_selector(".row.unseen")
    page.keyboard.press("/")
    page.keyboard.type("s")
    expect(page.locator("#queue-search")).to_have_value("s")
    page.click("#keys-help summary")
    page.uncheck("#keys-on")
    page.click("#keys-help summary")
    page.keyboard.press("s")
    page.wait_for_timeout(500)
    expect(page.locator(".row.unseen")).to_have_count(1)


def test_sound_counts_as_ready_only_after_somebody_has_heard_it(crowd: Crowd) -> None:
    page = crowd.desk().sign_in("/control", "operator")
    expect(page.locator("#sound-state")).to_have_attribute("data-state", "untested")
    page.click("#sound-heard")
    expect(page.locator("#sound-state")).to_have_attribute("data-state", "armed")
    expect(page.locator("#sound-banner")).to_be_hidden()
    page.reload()
    page.wait_for_selector("#work:not([hidden])")
    expect(page.locator("#sound-banner")).to_be_visible()


@pytest.mark.usefixtures("no_open_alerts")
def test_without_webgl_the_lists_say_everything(crowd: Crowd, server: Server) -> None:
    visitor = crowd.desk()
    visitor.context.add_init_script("HTMLCanvasElement.prototype.getContext = () => null;")
    page = visitor.sign_in("/control", "operator")
    alert_from_a_phone(server, category="theft", position={"latitude": 43.2968, "longitude": 5.3805})
    expect(page.locator("#map-missing")).to_be_visible()
    expect(page.locator(".row-place")).to_contain_text("près de Noailles")


def test_two_thousand_open_alerts_do_not_choke_the_page(crowd: Crowd, server: Server) -> None:
    token = server.token("operator")
    headers = {"Authorization": f"Bearer {token}"}
    alert_from_a_phone(server, category="theft", position={"latitude": 43.2968, "longitude": 5.3805})
    snapshot = requests.get(f"{server.url}/v1/control/snapshot", headers=headers, timeout=10).json()
    pattern = snapshot["alerts"][0]
    snapshot["alerts"] = [{**pattern, "id": str(uuid.uuid4()), "priority": 1 + n % 4} for n in range(2000)]

    def crowded(route: Route) -> None:
        route.fulfill(json=snapshot)

    visitor = crowd.desk()
    visitor.context.route("**/v1/control/snapshot", crowded)
    page = visitor.sign_in("/control", "operator")
    expect(page.locator(".row")).to_have_count(100)
    expect(page.locator("#count-open")).to_contain_text("2000")
    busy = page.evaluate(
        """async () => {
          const long = [];
          new PerformanceObserver((seen) => long.push(...seen.getEntries().map((one) => one.duration)))
            .observe({ type: 'longtask' });
          await new Promise((resolve) => setTimeout(resolve, 3000));
          return long.reduce((sum, one) => sum + one, 0);
        }"""
    )
    assert busy < 2000, "two thirds of the time must be free for the operator's own clicks"
    page.click("#queue-more")
    expect(page.locator(".row")).to_have_count(200)
