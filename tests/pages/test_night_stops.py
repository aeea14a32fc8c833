"""A rider asks to get off between two stops; the driver answers with one tap; everybody reads the same facts."""

import re
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.pages.conftest import Crowd, Server
from tests.pages.night_bus import Bus, aboard, allow_night_stops, as_operator, bus_on, choose_and_ask
from tests.pages.test_look import inspect
from tests.pages.test_rider import back_again, cut_off
from tests.pages.test_story import raise_alert

pytestmark = pytest.mark.usefixtures("no_open_alerts")

# The phone's clock goes on as if it had waited this long; nothing else on the page does.
A_WHILE_LATER = "() => { const now = Date.now; Date.now = () => now() + 12_000; }"


def card(page: Page, words: str | re.Pattern[str]) -> None:
    """The rider reads these words about her request."""
    expect(page.locator(".night-headline")).to_have_text(words)


def lane_of(control: Page, bus: Bus) -> Locator:
    """What the control room shows of the night stop asked of this bus; other stories leave theirs in the lane."""
    return control.locator(".lane-row", has_text=bus.number)


@pytest.fixture(scope="module")
def unanswered(browser: Browser, server: Server) -> Iterator[Page]:
    """The phone of a rider whose driver will not answer; the twenty seconds pass while other stories are told."""
    crowd = Crowd(browser, server)
    bus = bus_on(crowd, server, "83", driver=6)
    rider = aboard(crowd, bus, locale="en-GB")
    choose_and_ask(rider, segment=1)
    yield rider
    for visitor in crowd.visitors:
        visitor.leave()


def test_a_request_is_on_its_way_to_the_driver(unanswered: Page) -> None:
    card(unanswered, "Sent to the driver")
    expect(unanswered.locator(".night-card")).not_to_contain_text("Ask the driver aloud")


def test_the_driver_accepts_and_the_rider_reads_it(crowd: Crowd, server: Server) -> None:
    control = crowd.desk().sign_in("/control", "operator")
    bus = bus_on(crowd, server, "21", driver=0)
    bus.creeps_to(380)
    rider = aboard(crowd, bus)
    rider.check("#night-ramp")
    choose_and_ask(rider)
    card(rider, "Envoyée au conducteur")

    driver = bus.page
    expect(driver.locator(".stop h2")).to_have_text(re.compile(r"Descente après .+, ~\d+ m, porte avant · rampe"))
    for button in driver.locator(".stop .answers button").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 79.5
    inspect(driver)
    driver.click("[data-focus=accept]")
    card(rider, "Le conducteur s’arrêtera")
    code = rider.inner_text(".night-code b")
    expect(driver.locator(".stop-state")).to_contain_text(code)
    expect(lane_of(control, bus)).to_contain_text("acceptée")
    inspect(rider)

    driver.click("[data-focus=alighted]")
    card(rider, "Descente faite")
    rider.get_by_role("button", name="Retour").click()
    expect(rider.locator("#night-open")).to_be_visible()
    expect(rider.locator("#hold")).to_be_visible()


def test_a_refusal_says_why_and_a_promise_can_be_taken_back(crowd: Crowd, server: Server) -> None:
    bus = bus_on(crowd, server, "35", driver=1)
    rider = aboard(crowd, bus)
    choose_and_ask(rider)
    bus.page.click("[data-focus=refuse]")
    bus.page.click("[data-focus=reason-works]")
    card(rider, "Refusée : Travaux")
    expect(rider.locator(".next-stop")).to_contain_text("Prochain arrêt")
    expect(bus.page.locator("#idle")).to_be_visible()

    rider.get_by_role("button", name="Choisir un autre lieu").click()
    expect(rider.locator("#night-segment")).to_be_visible()
    choose_and_ask(rider, segment=3)
    bus.page.click("[data-focus=accept]")
    card(rider, "Le conducteur s’arrêtera")
    bus.page.click("[data-focus=refuse]")
    bus.page.click("[data-focus=reason-visibility]")
    card(rider, "Le conducteur a retiré son accord : Visibilité")


def test_another_place_is_offered_by_the_driver_and_taken_by_the_rider(crowd: Crowd, server: Server) -> None:
    bus = bus_on(crowd, server, "509", driver=3)
    rider = aboard(crowd, bus)
    choose_and_ask(rider, segment=1)
    bus.page.click("[data-focus=propose]")
    card(rider, re.compile("Le conducteur propose : .+"))
    rider.get_by_role("button", name="D’accord pour ce lieu").click()
    card(rider, "Le conducteur s’arrêtera")
    rider.get_by_role("button", name="Annuler la demande").click()
    card(rider, "Demande annulée")
    expect(bus.page.locator("#idle")).to_be_visible()


def test_why_not_there_and_what_instead_is_said_at_once(crowd: Crowd, server: Server) -> None:
    line = requests.get(f"{server.url}/v1/network/lines/21", timeout=10).json()["directions"][0]
    stops = line["stops"]
    tunnel = [stops[3]["measure_m"] + 200, stops[4]["measure_m"] - 200]
    bus = bus_on(
        crowd, server, "21", driver=4, exclusions=[{"kind": "segment", "reason": "tunnel", "measures": tunnel}]
    )
    rider = aboard(crowd, bus)
    rider.select_option(
        "#night-segment", label=rider.locator("#night-segment option", has_text=f"{stops[3]['name']} →").inner_text()
    )
    verdict = rider.locator(".verdict")
    expect(verdict).to_have_attribute("data-kind", "impossible")
    expect(verdict).to_contain_text("Le bus ne peut pas s’arrêter sur ce tronçon")
    expect(rider.locator(".night-step .tall")).to_be_disabled()
    inspect(rider)
    verdict.get_by_role("button", name=re.compile("Au plus près")).click()
    expect(verdict).to_have_attribute("data-kind", "possible")
    expect(rider.locator(".night-step .tall")).to_be_enabled()


def test_a_request_waits_in_a_tunnel_and_goes_out_after_it(crowd: Crowd, server: Server) -> None:
    bus = bus_on(crowd, server, "518", driver=5)
    rider = aboard(crowd, bus)
    rider.select_option("#night-segment", index=1)
    expect(rider.locator(".verdict")).to_have_attribute("data-kind", "possible")
    cut_off(rider)
    rider.click(".night-step .tall")
    card(rider, "Pas encore envoyée, nouvel essai…")
    expect(bus.page.locator("#idle")).to_be_visible()
    back_again(rider)
    card(rider, "Envoyée au conducteur")
    expect(bus.page.locator(".stop")).to_have_count(1)


def test_a_stop_that_was_passed_meanwhile_is_told_and_is_no_error(crowd: Crowd, server: Server) -> None:
    bus = bus_on(crowd, server, "N1", driver=4)
    rider = aboard(crowd, bus)
    rider.select_option("#night-segment", index=1)
    expect(rider.locator(".verdict")).to_have_attribute("data-kind", "possible")
    cut_off(rider)
    rider.click(".night-step .tall")
    card(rider, "Pas encore envoyée, nouvel essai…")
    stops = bus.direction["stops"]
    bus.drives_to(stops[3]["measure_m"] + 100)
    rider.evaluate(A_WHILE_LATER)
    back_again(rider)
    card(rider, "Le bus est passé pendant que la demande attendait")
    expect(rider.locator(".night-card")).to_contain_text("Ce n’est pas une erreur de votre part")


def test_the_link_in_the_bus_opens_the_right_line_and_leaves_no_trace(crowd: Crowd, server: Server) -> None:
    bus = bus_on(crowd, server, "35", driver=1)
    visitor = crowd.phone()
    page = visitor.page
    page.goto(f"{server.url}/rider#vehicle={bus.number}")
    expect(page.locator(".night-line-title")).to_contain_text(bus.number)
    assert page.evaluate("location.hash") == ""
    alert = page.locator("#hold").bounding_box()
    night = page.locator("#night").bounding_box()
    assert alert is not None
    assert night is not None
    assert alert["y"] + alert["height"] <= night["y"], "nothing may push the alert button down"


def test_a_stop_refused_to_a_rider_in_danger_stands_out_at_once(crowd: Crowd, server: Server) -> None:
    control = crowd.desk().sign_in("/control", "operator")
    bus = bus_on(crowd, server, "509", driver=3)
    rider = aboard(crowd, bus)
    raise_alert(rider)
    expect(rider.locator("#night-segment")).to_be_visible()
    choose_and_ask(rider, segment=1)
    expect(lane_of(control, bus)).to_contain_text("attend le conducteur")
    bus.page.click("[data-focus=refuse]")
    bus.page.click("[data-focus=reason-traffic]")
    card(rider, "Refusée : Circulation")
    expect(lane_of(control, bus)).to_contain_text("ALERTE OUVERTE")
    expect(lane_of(control, bus)).to_have_class(re.compile("danger"))
    expect(control.locator(".row-state")).to_contain_text("descente refusée à une personne en alerte")
    lane, queue = control.locator("#lane").bounding_box(), control.locator("#queue").bounding_box()
    assert lane is not None
    assert queue is not None
    assert lane["y"] >= queue["y"] + queue["height"], "night stops are never above alerts"


def test_the_way_home_is_timed_only_when_asked_and_ends_with_one_tap(crowd: Crowd, server: Server) -> None:
    bus = bus_on(crowd, server, "83", driver=2)
    rider = aboard(crowd, bus)
    rider.select_option("#night-home", "600")
    choose_and_ask(rider, segment=1)
    bus.page.click("[data-focus=accept]")
    card(rider, "Le conducteur s’arrêtera")
    bus.page.click("[data-focus=alighted]")
    card(rider, "Bonne fin de trajet")
    expect(rider.locator(".night-card")).to_contain_text("on vous demandera si vous êtes à bon port")
    rider.reload()
    rider.get_by_role("button", name="Oui, je suis à bon port").click()
    card(rider, "À bon port")


def test_the_alert_of_a_way_home_without_an_answer_can_be_called_off_here(crowd: Crowd, server: Server) -> None:
    bus = bus_on(crowd, server, "35", driver=1)
    rider = aboard(crowd, bus)
    rider.select_option("#night-home", "600")
    choose_and_ask(rider, segment=1)
    bus.page.click("[data-focus=accept]")
    card(rider, "Le conducteur s’arrêtera")
    bus.page.click("[data-focus=alighted]")
    card(rider, "Bonne fin de trajet")
    token = rider.evaluate("JSON.parse(localStorage.getItem('vigie.rider.device')).access_token")
    headers = {"Authorization": f"Bearer {token}"}
    requests.post(f"{server.url}/v1/alerts", json={"category": "other"}, headers=headers, timeout=10)

    def alerted(route: Route) -> None:
        found = route.fetch()
        route.fulfill(json={**found.json(), "version": 99, "home_state": "alerted", "home_due_at": None})

    rider.route(re.compile("/v1/night-stops/[0-9a-f-]+$"), alerted)
    rider.reload()
    card(rider, "Sans réponse, une alerte est partie")
    expect(rider.locator("#status-title")).to_be_visible()
    rider.click("#cancel-form button")
    expect(rider.locator("#status-title")).to_contain_text("nnul")


def test_a_suspension_is_set_shown_and_ended(crowd: Crowd, server: Server) -> None:
    allow_night_stops(server, "21")
    page = crowd.desk().sign_in_to_policies()
    page.click("#suspend-form button[type=submit]")
    expect(page.locator("#suspensions")).to_contain_text("Suspendue (météo)")
    running = requests.get(f"{server.url}/v1/control/night-stops", headers=as_operator(server), timeout=10).json()
    assert len(running["suspensions"]) == 1
    page.click("#suspensions button")
    expect(page.locator("#suspensions")).to_contain_text("Rien n’est suspendu")


def test_silence_is_not_an_acceptance_and_the_rider_is_told_to_ask_aloud(unanswered: Page) -> None:
    expect(unanswered.locator(".night-headline")).to_have_text("No answer", timeout=40_000)
    expect(unanswered.locator(".night-card")).to_contain_text("Ask the driver aloud")
    expect(unanswered.locator(".next-stop")).to_contain_text("Next stop")
