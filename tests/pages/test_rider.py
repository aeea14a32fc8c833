"""The rider's page when things are not easy: no network, no pointer, a hand that shakes, somebody looking on."""

import itertools
import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.pages.conftest import Crowd
from tests.pages.test_story import raise_alert

pytestmark = pytest.mark.usefixtures("no_open_alerts")


def cut_off(page: Page) -> None:
    """A tunnel: the page stays, the server is gone."""
    page.route(re.compile("/v1/"), lambda route: route.abort())


def back_again(page: Page) -> None:
    """The end of the tunnel."""
    page.unroute_all(behavior="ignoreErrors")
    page.evaluate("window.dispatchEvent(new Event('online'))")


def test_the_keyboard_alone_raises_an_alert(crowd: Crowd) -> None:
    page = crowd.desk().open("/rider")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "hold":
            break
    page.keyboard.press("Enter")
    expect(page.locator("#confirm")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#send-now")).to_be_visible()
    expect(page.locator("#status-title")).to_be_focused()


def test_a_press_that_is_too_short_sends_nothing_and_says_so(crowd: Crowd) -> None:
    page = crowd.phone().open("/rider")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method))
    box = page.locator("#hold").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 90, box["y"] + 90)
    page.mouse.down()
    page.wait_for_timeout(300)
    page.mouse.up()
    expect(page.locator("#hold-hint")).to_contain_text("rien n’est parti")
    assert "PUT" not in asked
    expect(page.locator("#case")).to_be_hidden()


def test_without_network_nothing_is_promised_and_the_same_alert_goes_out_later(crowd: Crowd) -> None:
    page = crowd.phone().open("/rider")
    cut_off(page)
    page.click("#two-taps")
    page.click("#confirm")
    expect(page.locator("#status-title")).to_have_text("Pas encore envoyé, nouvel essai…")
    expect(page.locator("#facts")).to_be_empty()
    expect(page.locator("#sharing")).not_to_contain_text("partagée")
    expect(page.locator("#case-numbers a[href='tel:17']")).to_be_visible()
    expect(page.locator("#case-numbers a[href='sms:114']")).to_be_visible()
    before = page.evaluate("JSON.parse(localStorage.getItem('vigie.rider.alert')).id")
    back_again(page)
    expect(page.locator("#facts")).to_contain_text("Reçue par le serveur")
    assert page.evaluate("JSON.parse(localStorage.getItem('vigie.rider.alert')).id") == before


def test_an_answer_that_is_lost_on_its_way_makes_no_second_alert(crowd: Crowd) -> None:
    control = crowd.desk().sign_in("/control", "operator")
    page = crowd.phone().open("/rider")
    bodies: list[tuple[str, str | None]] = []
    attempts = itertools.count(1)

    def lose(route: Route) -> None:
        bodies.append((route.request.url, route.request.post_data))
        if next(attempts) < 3:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route(
        re.compile("/v1/alerts/[0-9a-f-]+$"),
        lambda route: lose(route) if route.request.method == "PUT" else route.continue_(),
    )
    page.click("#two-taps")
    page.click("#confirm")
    expect(page.locator("#facts")).to_contain_text("Reçue par le serveur", timeout=15_000)
    assert len(bodies) == 3
    assert len(set(bodies)) == 1
    expect(control.locator(".row")).to_have_count(1)


def test_closing_the_page_forgets_nothing_of_an_alert_that_is_open(crowd: Crowd) -> None:
    page = crowd.phone().open("/rider")
    raise_alert(page)
    page.click("[data-focus=theft]")
    page.reload()
    expect(page.locator("#facts")).to_contain_text("Reçue par le serveur")
    expect(page.locator("[data-focus=theft]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#home")).to_be_hidden()


def test_an_armed_alert_can_be_cancelled_and_leaves_no_trace_on_the_page(crowd: Crowd) -> None:
    page = crowd.phone().open("/rider")
    page.click("#two-taps")
    page.click("#confirm")
    page.wait_for_selector("#send-now:not([hidden])")
    page.click("#cancel-form button")
    expect(page.locator("#status-title")).to_have_text("Alerte annulée")
    page.click("#done-button")
    expect(page.locator("#home")).to_be_visible()
    assert page.evaluate("localStorage.getItem('vigie.rider.alert')") is None


def test_with_a_pin_only_the_pin_asks_to_cancel(crowd: Crowd) -> None:
    page = crowd.phone().open("/rider")
    page.click("details.panel summary")
    page.fill("#pin", "1234")
    page.fill("#duress-pin", "9876")
    page.click("#pins-form button")
    expect(page.locator("#pins-message")).to_have_text("Codes enregistrés.")
    raise_alert(page)
    page.fill("#cancel-pin", "0000")
    page.click("#cancel-form button")
    expect(page.locator("#cancel-message")).not_to_have_text("Demande d’annulation…")
    expect(page.locator("#status-title")).not_to_contain_text("Annulation")
    page.fill("#cancel-pin", "1234")
    page.click("#cancel-form button")
    expect(page.locator("#status-title")).to_have_text("Annulation demandée")


def type_pins(page: Page, pin: str, duress_pin: str, current: str | None = None) -> None:
    """Fills the form with the keyboard alone, from its first field on, and sends it."""
    page.focus("#pin" if current is None else "#current-pin")
    for number, digits in enumerate([pin, duress_pin] if current is None else [current, pin, duress_pin]):
        if number:
            page.keyboard.press("Tab")
        page.keyboard.type(digits)
    page.keyboard.press("Enter")


def test_other_pins_need_the_present_one_and_the_duress_pin_seems_to_be_it(crowd: Crowd) -> None:
    page = crowd.phone().open("/rider")
    page.click("details.panel summary")
    expect(page.locator("#current-pin")).to_be_hidden()
    type_pins(page, "1234", "9876")
    expect(page.locator("#pins-message")).to_have_text("Codes enregistrés.")
    expect(page.locator("#current-pin")).to_be_visible()
    expect(page.locator("#duress-said")).to_be_hidden()
    page.reload()
    page.click("details.panel summary")
    type_pins(page, "1111", "2222", "")
    expect(page.locator("#pins-message")).to_have_text("Entrez d’abord votre code actuel.")
    type_pins(page, "", "", "0000")
    expect(page.locator("#pins-message")).to_contain_text("Code incorrect")
    expect(page.locator("#current-pin")).to_be_focused()
    type_pins(page, "", "", "9876")
    expect(page.locator("#pins-message")).to_have_text("Codes enregistrés.")
    type_pins(page, "3333", "4444", "1234")
    expect(page.locator("#pins-message")).to_have_text("Codes enregistrés.")


def test_a_page_that_does_not_know_of_its_pins_asks_for_the_present_one(crowd: Crowd) -> None:
    page = crowd.phone().open("/rider")
    page.click("details.panel summary")
    type_pins(page, "1234", "9876")
    expect(page.locator("#pins-message")).to_have_text("Codes enregistrés.")
    page.evaluate("localStorage.removeItem('vigie.rider.pins')")
    page.reload()
    page.click("details.panel summary")
    type_pins(page, "1111", "2222")
    expect(page.locator("#pins-message")).to_contain_text("donnez d'abord le code actuel")
    expect(page.locator("#current-pin")).to_be_focused()
    page.keyboard.type("1234")
    page.keyboard.press("Enter")
    expect(page.locator("#pins-message")).to_have_text("Codes enregistrés.")


def test_silent_mode_is_dark_and_says_nothing_in_the_title(crowd: Crowd) -> None:
    page = crowd.phone().open("/rider")
    page.check("#quiet")
    expect(page).to_have_title("Infos réseau")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(0, 0, 0)"


def test_one_switch_changes_the_language_of_everything_and_is_remembered(crowd: Crowd) -> None:
    page = crowd.phone().open("/rider")
    page.click("#switch-language")
    expect(page.locator("#hold")).to_contain_text("Hold to alert")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.reload()
    expect(page.locator("#hold")).to_contain_text("Hold to alert")


def test_the_page_opens_without_a_network_once_it_has_been_opened_with_one(crowd: Crowd) -> None:
    visitor = crowd.phone()
    page = visitor.open("/rider")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    # Asked from here: a page that polls by itself would have to evaluate a text, which its policy forbids.
    for _ in range(100):
        if page.evaluate("navigator.serviceWorker.controller !== null"):
            break
        page.wait_for_timeout(100)
    visitor.context.set_offline(True)
    page.reload()
    page.wait_for_selector("#main[data-ready]")
    page.click("#two-taps")
    page.click("#confirm")
    expect(page.locator("#status-title")).to_have_text("Pas encore envoyé, nouvel essai…")
    visitor.context.set_offline(False)
    expect(page.locator("#facts")).to_contain_text("Reçue par le serveur", timeout=15_000)
