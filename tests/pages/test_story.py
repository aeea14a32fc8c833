"""A rider calls for help on her phone; the control room and an agent see it on theirs."""

import itertools
import re
import time
from collections.abc import Callable

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.pages.conftest import NOAILLES, Crowd, Server
from tests.pages.night_bus import bus_on

STEPS = itertools.count(1)

pytestmark = pytest.mark.usefixtures("no_open_alerts")


def hold(page: Page, seconds: float) -> None:
    """Presses the alert button for so long."""
    box = page.locator("#hold").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.wait_for_timeout(seconds * 1000)
    page.mouse.up()


def raise_alert(page: Page) -> None:
    """Two taps, and out at once."""
    page.click("#two-taps")
    page.click("#confirm")
    expect(page.locator("#facts li").first).to_be_visible()
    send_now(page)


def send_now(page: Page) -> None:
    """Not waiting five seconds, unless they are over on a slow machine."""
    page.evaluate("() => { const now = document.getElementById('send-now'); if (!now.hidden) now.click(); }")


def on_duty(page: Page) -> None:
    """The agent's switch is on and her position has been told."""
    if page.get_attribute("#duty", "aria-checked") != "true":
        page.click("#duty")
    expect(page.locator("#duty")).to_have_attribute("aria-checked", "true")
    move(page)
    expect(page.locator("#check-position")).to_have_attribute("data-good", "true")
    stands(page)


def stands(page: Page, step: Callable[[Page], None] | None = None) -> None:
    """The server knows where this agent is: before, nobody would be sent."""
    token = page.evaluate("JSON.parse(sessionStorage.getItem('vigie.staff')).access_token")
    headers, address = {"Authorization": f"Bearer {token}"}, f"{page.url.removesuffix('/agent')}/v1/agent/snapshot"
    begun = moved = time.monotonic()
    while time.monotonic() < begun + 45:
        if requests.get(address, headers=headers, timeout=10).json()["position"] is not None:
            return
        page.wait_for_timeout(100)
        if time.monotonic() > moved + 3.2:  # a page tells its position each three seconds at most
            (step or move)(page)
            moved = time.monotonic()
    raise AssertionError("no position has arrived")


def move(page: Page) -> None:
    """A few steps: the pretended position of a browser grows old unless somebody moves it."""
    steps = next(STEPS) * 1e-5
    page.context.set_geolocation({**NOAILLES, "latitude": NOAILLES["latitude"] + steps})


def off_duty(page: Page) -> None:
    """The shift is over."""
    page.click("#duty")
    expect(page.locator("#duty")).to_have_attribute("aria-checked", "false")


def test_help_comes_and_everybody_reads_the_same_truth(crowd: Crowd) -> None:
    control = crowd.desk().sign_in("/control", "operator")
    agent = crowd.phone().sign_in("/agent", "agent")
    on_duty(agent)
    rider = crowd.phone().open("/rider")

    hold(rider, 1.4)
    expect(rider.locator("#status")).to_have_attribute("data-tone", "waiting")
    rider.click("[data-focus=threat]")
    send_now(rider)

    expect(control.locator(".row-title")).to_have_text("Menace")
    expect(control.locator(".row.unseen")).to_have_count(1)
    expect(control.locator("html")).to_have_attribute("data-ringing", "true")
    control.keyboard.press("s")
    expect(control.locator("html")).to_have_attribute("data-ringing", "false")
    expect(rider.locator("#facts")).to_contain_text("Vue par le PC sûreté")

    expect(agent.locator(".offer h2")).to_have_text("Menace")
    control.click(".row-open")
    expect(control.locator(".case-teams .stamps")).to_contain_text("vue")
    agent.click(".take")
    expect(rider.locator("#status-title")).to_contain_text("engagée")
    agent.click(".mission .strong")
    expect(rider.locator("#status-title")).to_contain_text("en route")
    expect(control.locator(".row-state")).to_contain_text("en route")
    expect(control.locator(".case-log")).to_contain_text("Acceptée par l’équipe")

    rider.fill("#message-text", "Il est dans la dernière voiture")
    rider.click("#message-form button")
    expect(control.locator(".case-messages")).to_contain_text("Il est dans la dernière voiture")
    control.fill("#message-text", "L’équipe arrive")
    control.click(".case-section:has(#message-text) button[type=submit]")
    expect(rider.locator("#messages")).to_contain_text("L’équipe arrive")

    agent.click(".mission .strong")
    expect(rider.locator("#status-title")).to_contain_text("sur place")
    agent.click(".mission .strong")
    expect(agent.locator(".mission")).to_have_count(0)
    control.keyboard.press("Escape")
    control.locator("#case-title").focus()
    control.keyboard.press("c")
    control.select_option("#close-code", "intervention_done")
    control.click("[data-panel=close] button[type=submit]")
    expect(rider.locator("#status-title")).to_contain_text("Clôturée")
    expect(rider.locator("#sharing")).to_be_empty()
    expect(control.locator(".row")).to_have_count(0)
    off_duty(agent)


def test_the_team_that_is_second_reads_who_has_it(crowd: Crowd) -> None:
    control = crowd.desk().sign_in("/control", "operator")
    first = crowd.phone().sign_in("/agent", "agent", 0)
    second = crowd.phone().sign_in("/agent", "agent", 1)
    on_duty(first)
    on_duty(second)
    raise_alert(crowd.phone().open("/rider"))
    control.click(".row-open")
    control.wait_for_selector(".assignment[data-state=offered]")
    control.keyboard.press("a")
    control.click(".assign-team:not([disabled])")
    first.wait_for_selector(".offer")
    second.wait_for_selector(".offer")
    call_sign = first.inner_text("#team")
    first.click(".take")
    expect(second.locator("#notice-text")).to_have_text(f"{call_sign} l’a prise.")
    expect(second.locator(".offer")).to_have_count(0)
    for step in ("En route", "Sur place", "Terminé"):
        first.click(f".mission .strong:has-text('{step}')")
    expect(first.locator(".mission")).to_have_count(0)
    off_duty(first)
    off_duty(second)


def test_an_offer_survives_a_reload_and_a_refusal_takes_one_tap_more(crowd: Crowd) -> None:
    agent = crowd.phone().sign_in("/agent", "agent")
    on_duty(agent)
    raise_alert(crowd.phone().open("/rider"))
    agent.wait_for_selector(".offer")
    agent.reload()
    agent.wait_for_selector(".offer")
    agent.click("[data-focus=cannot]")
    agent.click(".reasons button")
    expect(agent.locator(".offer")).to_have_count(0)
    off_duty(agent)


def test_without_a_team_the_control_room_is_called_and_the_rider_is_not_comforted(crowd: Crowd) -> None:
    control = crowd.desk().sign_in("/control", "operator")
    rider = crowd.phone().open("/rider")
    raise_alert(rider)
    expect(control.locator(".row.needs-human")).to_have_count(1)
    control.click(".row-open")
    expect(control.locator(".call")).to_contain_text("Rien ne se fera tout seul")
    expect(control.locator(".nobody")).to_contain_text("aucune équipe en service")
    expect(rider.locator("#status-title")).to_have_text("Aucune équipe libre pour l’instant")


def test_the_duty_switch_moves_once_for_each_press_and_not_for_a_colleague(crowd: Crowd) -> None:
    mine = crowd.phone().sign_in("/agent", "agent", 1)
    colleague = crowd.phone().sign_in("/agent", "agent", 2)
    assert mine.inner_text("#team") == colleague.inner_text("#team")
    for _ in range(3):
        on_duty(mine)
        off_duty(mine)
    on_duty(mine)
    on_duty(colleague)
    off_duty(colleague)
    mine.wait_for_timeout(500)
    expect(mine.locator("#duty")).to_have_attribute("aria-checked", "true")
    off_duty(mine)


def test_what_the_rider_adds_reaches_the_agent_who_has_the_alert(crowd: Crowd) -> None:
    agent = crowd.phone().sign_in("/agent", "agent")
    on_duty(agent)
    rider = crowd.phone().open("/rider")
    raise_alert(rider)
    expect(agent.locator(".offer")).to_be_visible()
    rider.click("[data-focus=assault]")
    expect(agent.locator(".offer h2")).to_have_text("Agression physique")
    expect(agent.locator(".offer .news")).to_contain_text("ce qui se passe")
    agent.click(".take")
    expect(agent.locator(".mission")).to_be_visible()
    rider.fill("#describe-text", "Manteau rouge, près de la porte")
    rider.click("#describe-form button")
    expect(agent.locator(".mission .said-box")).to_contain_text("Manteau rouge")
    expect(agent.locator(".mission .news")).to_contain_text("un texte")
    agent.locator(".mission .strong").click()
    agent.get_by_role("button", name="Terminé").click()
    off_duty(agent)


def test_a_team_ahead_of_the_bus_reads_where_to_meet_it(crowd: Crowd, server: Server) -> None:
    bus = bus_on(crowd, server, "21", driver=5)
    ahead = bus.direction["stops"][5]
    agent = crowd.phone(geolocation=bus.point(ahead["measure_m"])).sign_in("/agent", "agent")
    agent.click("#duty")
    metres = itertools.count()
    stands(agent, lambda page: page.context.set_geolocation(bus.point(ahead["measure_m"] + next(metres))))
    rider = requests.post(f"{server.url}/v1/devices", json={"platform": "web"}, timeout=10).json()
    headers = {"Authorization": f"Bearer {rider['access_token']}"}
    body = {"category": "assault", "place": {"vehicle_number": bus.number, "line_id": "21"}}
    assert requests.post(f"{server.url}/v1/alerts", json=body, headers=headers, timeout=10).status_code == 201
    meet = agent.locator(".offer .meet")
    expect(meet).to_have_text(re.compile(r"Rejoindre .+, dans \d+:\d\d"))
    stops = [one["name"] for one in bus.direction["stops"]]
    named = re.sub(r"Rejoindre (.+), dans .*", r"\1", meet.inner_text())
    assert stops.index(named) >= 1, "a stop that the bus has still to come to"
    agent.click(".take")
    expect(agent.locator(".mission .meet")).to_contain_text(named)
    for _ in range(3):
        agent.click(".mission .strong")
    off_duty(agent)
