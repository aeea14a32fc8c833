"""A browser is woken up: asked for by a tap, measured, shown once, and nothing is left when somebody signs out."""

import re
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import APIResponse, Page, Route, expect

from tests.pages.conftest import Crowd, Server
from tests.pages.push_phone import Browser, with_pushes
from tests.pages.test_look import inspect
from tests.pages.test_story import off_duty, on_duty, raise_alert
from tests.providers import PushService

pytestmark = pytest.mark.usefixtures("no_open_alerts", "no_registrations")


@pytest.fixture
def no_registrations(server: Server) -> Iterator[None]:
    """Leaves nobody's browser registered: the next story's tests would go there as well."""
    yield
    for role in ("agent", "supervisor"):
        headers = {"Authorization": f"Bearer {server.token(role)}"}
        for one in requests.get(f"{server.url}/v1/push", headers=headers, timeout=10).json()["items"]:
            requests.delete(f"{server.url}/v1/push/{one['id']}", headers=headers, timeout=10)


def agent_with_pushes(crowd: Crowd, service: PushService) -> tuple[Page, Browser]:
    """An agent who has turned notifications on, and has seen them come back."""
    page = with_pushes(crowd, service).sign_in("/agent", "agent")
    browser = Browser(page, "/agent", service)
    page.click("[data-focus=push-push]")
    browser.arrives()
    expect(page.locator("#phone-results li")).to_have_attribute("data-good", "true")
    return page, browser


def looks_at(page: Page) -> None:
    """She looks at the page again: what it shows by itself leaves the lock screen."""
    page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_function(
        "async () => !(await (await navigator.serviceWorker.getRegistration('/agent')).getNotifications()).length"
    )


def message(**more: Any) -> dict[str, Any]:
    """A push that has nothing to do with anything the server knows."""
    return {
        "v": "1", "kind": "offer", "delivery_id": str(uuid.uuid4()), "exp": str(int(time.time()) + 45),
        "title": "Vigie", "text": "Nouveau message", **more,
    }  # fmt: skip


def test_a_push_that_is_faster_than_the_answer_to_the_button_is_measured_as_well(
    crowd: Crowd, push_service: PushService
) -> None:
    page, browser = agent_with_pushes(crowd, push_service)
    held: list[tuple[Route, APIResponse]] = []
    page.route("**/v1/push/test", lambda route: held.append((route, route.fetch())))
    page.evaluate("() => { document.getElementById('announcements').textContent = ''; }")
    page.click("#phone-test")
    browser.arrives()
    expect(page.locator("#announcements")).not_to_be_empty()  # the measured time has come by the socket
    route, answer = held[0]
    route.fulfill(response=answer)
    expect(page.locator("#phone-test")).to_be_enabled()
    expect(page.locator("#phone-results li")).to_have_attribute("data-good", "true")


def test_an_agent_turns_notifications_on_and_reads_how_long_they_take(crowd: Crowd, push_service: PushService) -> None:
    page = with_pushes(crowd, push_service).sign_in("/agent", "agent")
    browser = Browser(page, "/agent", push_service)
    row = page.locator("#check-push")
    expect(row).to_have_attribute("data-good", "false")
    expect(row).to_contain_text("aucune alerte ne vous parvient")
    inspect(page)
    page.click("[data-focus=push-push]")
    result = page.locator("#phone-results li")
    expect(result).to_contain_text("en route")
    inspect(page)
    (test,) = browser.arrives()
    assert test.payload["kind"] == "test"
    expect(result).to_contain_text("Navigateur")
    expect(result).to_have_attribute("data-good", "true")
    assert browser.notifications() == [
        {"title": "Vigie", "body": "Essai du téléphone", "tag": test.payload["delivery_id"]}
    ]

    page.click("#duty")
    expect(row).to_contain_text("essai en cours")
    browser.arrives()  # clocking in sends one by itself
    expect(row).to_have_attribute("data-good", "true")
    expect(row).to_contain_text("Notification mesurée : ")
    inspect(page)
    off_duty(page)


def test_an_agent_whose_page_the_phone_has_ended_is_not_asked_for_her_password(
    crowd: Crowd, push_service: PushService
) -> None:
    page, _ = agent_with_pushes(crowd, push_service)
    page.evaluate("sessionStorage.clear()")  # what an installed app has lost when it is opened by a notification
    page.reload()
    expect(page.locator("#work")).to_be_visible()
    expect(page.locator("#signin")).to_be_hidden()
    page.evaluate("sessionStorage.clear()")
    page.route("**/v1/me", lambda route: route.abort())  # in a tunnel
    page.reload()
    page.wait_for_timeout(500)
    expect(page.locator("#signin")).to_be_hidden()
    page.unroute("**/v1/me")
    expect(page.locator("#work")).to_be_visible()
    page.click("#sign-out")
    expect(page.locator("#signin")).to_be_visible()
    page.evaluate("sessionStorage.clear()")
    page.reload()
    expect(page.locator("#signin")).to_be_visible()


def test_who_signs_in_after_her_session_has_ended_is_registered_anew(crowd: Crowd, push_service: PushService) -> None:
    page, browser = agent_with_pushes(crowd, push_service)
    page.evaluate(
        """async () => {  // fourteen hours later
          sessionStorage.clear();
          await vigieKept.write('/agent', {...await vigieKept.read('/agent'), token: 'of yesterday'});
        }"""
    )
    page.reload()
    expect(page.locator("#signin")).to_be_visible()
    login, password = crowd.server.account("agent")
    page.fill("#signin-login", login)
    page.fill("#signin-password", password)
    with page.expect_request(lambda one: one.method == "PUT" and "/v1/push/" in one.url):
        page.click("#signin-button")
    page.wait_for_selector("#link-state[data-kind=live]")
    page.click("#phone-test")
    browser.arrives()
    expect(page.locator("#phone-results li")).to_have_attribute("data-good", "true")


def test_an_alert_reaches_a_phone_whose_page_is_closed(crowd: Crowd, push_service: PushService) -> None:
    control = crowd.desk().sign_in("/control", "operator")
    page, browser = agent_with_pushes(crowd, push_service)
    on_duty(page)
    browser.arrives()
    expect(page.locator("#check-push")).to_have_attribute("data-good", "true")
    page.goto(page.url.replace("/agent", "/"))
    raise_alert(crowd.phone().open("/rider"))
    (push,) = browser.arrives()
    assert push.payload["kind"] == "offer"
    assert push.payload.keys() <= {"v", "kind", "delivery_id", "exp", "title", "text", "alert_id", "assignment_id"}
    assert browser.shows(push.payload["delivery_id"])["body"] == "Nouveau message"
    control.click(".row-open")
    expect(control.locator(".assignment .stamps li").nth(1)).to_have_text(re.compile(r"reçue \d\d:\d\d:\d\d"))
    assert browser.taps(push.payload["delivery_id"]) == ["/agent"]
    assert push.payload["delivery_id"] not in [one["tag"] for one in browser.notifications()]

    page.goto(page.url + "agent")
    page.click(".take")
    for _ in range(3):
        page.click(".mission .strong")
    off_duty(page)


def test_one_notification_for_each_message_and_a_tap_leads_to_the_open_page(
    crowd: Crowd, push_service: PushService
) -> None:
    page, browser = agent_with_pushes(crowd, push_service)
    looks_at(page)
    told = message()
    for _ in range(3):
        browser.deliver(told)
    browser.shows(told["delivery_id"])
    page.wait_for_timeout(300)
    assert [one["tag"] for one in browser.notifications()] == [told["delivery_id"]]
    with page.expect_request("**/v1/feed*"):
        assert browser.taps(told["delivery_id"]) == ["focus"]
    browser.deliver(told)
    other = message()
    browser.deliver(other)
    browser.shows(other["delivery_id"])
    assert [one["tag"] for one in browser.notifications()] == [other["delivery_id"]], "dismissed is dismissed"


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(message(exp=str(int(time.time()) - 5)), id="too late"),
        pytest.param(message(delivery_id="../../v1/sessions/current"), id="no id"),
        pytest.param("no json", id="no json"),
        pytest.param("{}", id="empty"),
    ],
)
def test_a_push_that_is_over_or_not_ours_is_not_shown(
    crowd: Crowd, push_service: PushService, payload: dict[str, Any] | str
) -> None:
    page, browser = agent_with_pushes(crowd, push_service)
    looks_at(page)
    browser.deliver(payload)
    good = message()
    browser.deliver(good)
    browser.shows(good["delivery_id"])
    assert [one["tag"] for one in browser.notifications()] == [good["delivery_id"]]


def test_a_phone_whose_clock_is_wrong_still_hears(crowd: Crowd, push_service: PushService) -> None:
    page, browser = agent_with_pushes(crowd, push_service)
    ahead = """async () => {
      const kept = await vigieKept.read('/agent');
      await vigieKept.write('/agent', { ...kept, clock_ms: kept.clock_ms - 3600_000 });
    }"""
    page.evaluate(ahead)  # the server's time is an hour before the phone's
    told = message(exp=str(int(time.time()) - 3600 + 45))
    browser.deliver(told)
    browser.shows(told["delivery_id"])


def test_nothing_is_left_of_somebody_who_has_signed_out(
    crowd: Crowd, server: Server, push_service: PushService
) -> None:
    page, browser = agent_with_pushes(crowd, push_service)
    kept = browser.kept()
    assert kept is not None
    assert kept["token"].startswith("vs_")
    told = message()
    browser.deliver(told)
    browser.shows(told["delivery_id"])
    page.click("#sign-out")
    page.wait_for_selector("#signin:not([hidden])")
    assert browser.kept() is None
    assert browser.notifications() == []
    assert page.evaluate("localStorage.getItem('test.subscriptions')") == "{}"

    login, password = server.account("agent")
    page.fill("#signin-login", login)
    page.fill("#signin-password", password)
    page.click("#signin-button")
    page.wait_for_selector("#work:not([hidden])")
    expect(page.locator("#check-push")).to_contain_text("pas encore mesurée")  # taken up again, without being asked
    assert browser.kept() is not None


def test_notifications_that_the_browser_blocks_are_told_with_the_way_out(crowd: Crowd) -> None:
    visitor = crowd.phone()
    visitor.context.add_init_script("Object.defineProperty(Notification, 'permission', { get: () => 'denied' });")
    page = visitor.sign_in("/agent", "agent")
    row = page.locator("#check-push")
    expect(row).to_have_attribute("data-good", "false")
    expect(row).to_contain_text("réglages du navigateur")
    inspect(page)


def test_a_push_service_that_does_not_answer_is_told_and_can_be_tried_again(crowd: Crowd) -> None:
    # Chromium's own subscribe() needs Google's servers, which are not here: what a phone in a cellar gets.
    page = crowd.phone(permissions=["geolocation", "notifications"]).sign_in("/agent", "agent")
    page.click("[data-focus=push-push]")
    row = page.locator("#check-push")
    expect(row).to_contain_text("inscription impossible")
    expect(row.locator("button")).to_have_text("Activer les notifications")


def rider_with_pushes(crowd: Crowd, service: PushService) -> tuple[Page, Browser]:
    """A rider who wants to be told when there is news."""
    page = with_pushes(crowd, service).open("/rider")
    page.check("#notify-on")
    expect(page.locator("#notify-said")).to_contain_text("Ce téléphone sera prévenu")
    return page, Browser(page, "/rider", service)


def test_a_rider_who_can_talk_is_told_that_there_is_news_and_nothing_of_what(
    crowd: Crowd, push_service: PushService
) -> None:
    control = crowd.desk().sign_in("/control", "operator")
    page, browser = rider_with_pushes(crowd, push_service)
    inspect(page)
    raise_alert(page)
    expect(page.locator("#notify")).to_be_hidden()  # nothing said counts as not being able to talk
    page.click("[data-focus=can_talk]")
    expect(page.locator("#notify")).to_be_visible()
    expect(control.locator(".row .mark")).to_have_count(0)
    control.keyboard.press("s")
    pushes = browser.arrives()
    told = browser.shows(pushes[-1].payload["delivery_id"])
    assert told["body"] == "Nouvelle information"
    assert pushes[-1].payload.keys() <= {"v", "kind", "delivery_id", "exp", "title", "text", "alert_id"}


@pytest.mark.parametrize("why", ["cannot_talk", "quiet", "forgotten"])
def test_nothing_lights_up_where_it_could_give_a_rider_away(crowd: Crowd, push_service: PushService, why: str) -> None:
    page, browser = rider_with_pushes(crowd, push_service)
    assert browser.kept() is not None
    if why == "cannot_talk":
        raise_alert(page)
        page.click("[data-focus=cannot_talk]")
    elif why == "quiet":
        page.check("#quiet")
    else:
        page.click("details.panel summary")
        page.click("#forget")
        expect(page.locator("#pins-message")).to_contain_text("oublié")
    page.wait_for_function("async () => await vigieKept.read('/rider') === null")
    page.wait_for_function("() => localStorage.getItem('test.subscriptions') === '{}'")
    if why != "forgotten":
        expect(page.locator("#notify")).to_be_hidden()
    # One that was on its way already.
    browser.deliver(message(kind="news"))
    browser.deliver(message(kind="news"))
    page.wait_for_timeout(300)
    assert browser.notifications() == []
    page.reload()
    expect(page.locator("#main[data-ready]")).to_be_visible()
    page.wait_for_function("async () => globalThis.vigieKept && await vigieKept.read('/rider') === null")
