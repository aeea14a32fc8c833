"""Pages that a phone can put on its home screen: on an iPhone that is the only way to be woken up by a push."""

import json
import re
import struct
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from backend.pages import assets
from backend.pages.manifest import INSTALLABLE, NIGHT_GROUND, NIGHT_PANEL, TOUCH_SIZE
from backend.pages.routes import create_pages
from tests.pages.conftest import Crowd, Visitor
from tests.pages.test_look import inspect
from tests.pages.test_story import raise_alert

PAGES = tuple(INSTALLABLE)
NETWORK = "RTM <b>"
# A page in Safari on an iPhone: the worker is there, and nothing that has to do with notifications.
IN_SAFARI = """
for (const [owner, names] of [
  [window, ['PushManager', 'Notification']],
  [ServiceWorkerRegistration.prototype, ['pushManager', 'getNotifications', 'showNotification']],
]) for (const name of names) delete owner[name];
Object.defineProperty(navigator, 'standalone', { value: false });
"""
ON_HOME_SCREEN = IN_SAFARI.replace("value: false", "value: true")


@pytest.fixture(scope="module")
def visitor() -> FlaskClient:
    app = Flask("pages alone", static_folder=None)
    app.register_blueprint(create_pages(network_name=NETWORK))
    return app.test_client()


def linked(visitor: FlaskClient, page: str, rel: str, language: str = "fr") -> str:
    html = visitor.get(f"/{page}", headers={"Accept-Language": language}).get_data(as_text=True)
    (found,) = re.findall(rf'<link rel="{rel}" href="([^"]+)"', html)
    return str(found)


def manifest_of(visitor: FlaskClient, page: str, language: str = "fr") -> dict[str, Any]:
    answer = visitor.get(linked(visitor, page, "manifest", language))
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/manifest+json"
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    found: dict[str, Any] = json.loads(answer.get_data(as_text=True))
    return found


def png_size(visitor: FlaskClient, path: str) -> tuple[int, int]:
    answer = visitor.get(path, buffered=True)
    assert answer.status_code == 200, path
    assert answer.headers["Content-Type"] == "image/png"
    assert "immutable" in answer.headers["Cache-Control"]
    content = answer.get_data()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(content) < 20_000, path
    width, height, _, colour = struct.unpack(">IIBB", content[16:26])
    assert colour in {2, 3}, "a transparent corner is black on an iPhone"
    return width, height


@pytest.mark.parametrize("page", PAGES)
def test_a_manifest_opens_its_own_page_without_the_browser(visitor: FlaskClient, page: str) -> None:
    for language in ("fr", "en"):
        told = manifest_of(visitor, page, language)
        assert told["id"] == told["start_url"] == told["scope"] == f"/{page}"
        assert told["display"] == "standalone"
        assert told["lang"] == language
        assert told["name"].startswith(NETWORK)


@pytest.mark.parametrize("page", PAGES)
def test_every_icon_has_the_size_that_it_claims(visitor: FlaskClient, page: str) -> None:
    sizes = set()
    for icon in manifest_of(visitor, page)["icons"]:
        if icon["type"] == "image/svg+xml":
            assert visitor.get(icon["src"], buffered=True).mimetype == "image/svg+xml"
            continue
        width, height = png_size(visitor, icon["src"])
        assert icon["sizes"] == f"{width}x{height}"
        sizes.add(width)
    assert sizes == {192, 512}
    assert png_size(visitor, linked(visitor, page, "apple-touch-icon")) == (TOUCH_SIZE, TOUCH_SIZE)


def test_a_riders_icon_says_nothing_but_the_networks_name(visitor: FlaskClient) -> None:
    for language in ("fr", "en"):
        told = manifest_of(visitor, "rider", language)
        assert told["name"] == told["short_name"] == NETWORK
        html = visitor.get("/rider", headers={"Accept-Language": language}).get_data(as_text=True)
        assert '<meta name="apple-mobile-web-app-title" content="RTM &lt;b&gt;">' in html
        assert not {"description", "shortcuts", "screenshots", "categories"} & told.keys()


def test_the_colours_are_those_of_the_night_because_a_white_screen_lights_up_who_hides() -> None:
    night = (assets.STATIC / "styles.css").read_text(encoding="utf-8").partition('[data-theme="night"]')[2]
    assert f"--panel: {NIGHT_PANEL};" in night
    assert f"--ground: {NIGHT_GROUND};" in night


@pytest.mark.parametrize("path", ["/manifest/driver.fr.webmanifest", "/manifest/rider.de.webmanifest"])
def test_there_is_no_other_manifest(visitor: FlaskClient, path: str) -> None:
    assert visitor.get(path).status_code == 404


def test_a_network_that_is_renamed_is_not_kept_under_its_old_name(visitor: FlaskClient) -> None:
    old = linked(visitor, "rider", "manifest")
    app = Flask("renamed", static_folder=None)
    app.register_blueprint(create_pages(network_name="Autre"))
    assert linked(app.test_client(), "rider", "manifest") != old
    answer = app.test_client().get(old)
    assert "Autre" in answer.get_data(as_text=True)
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("page", PAGES)
def test_chromium_finds_nothing_wrong_with_it(crowd: Crowd, page: str) -> None:
    opened = crowd.phone().open(f"/{page}")
    session = opened.context.new_cdp_session(opened)
    found = session.send("Page.getAppManifest")
    assert f"/manifest/{page}.fr.webmanifest" in found["url"]
    assert found["errors"] == []
    assert json.loads(found["data"])["id"] == f"/{page}"
    faults = [one["errorId"] for one in session.send("Page.getInstallabilityErrors")["installabilityErrors"]]
    assert set(faults) <= {"in-incognito"}, "a test's window is a private one"


def iphone(crowd: Crowd, where: str = IN_SAFARI, **more: Any) -> Visitor:
    visitor = crowd.phone(**more)
    visitor.context.add_init_script(where)
    return visitor


@pytest.mark.parametrize(
    ("locale", "words"),
    [("fr-FR", "touchez Partager, puis «\u00a0Sur l’écran d’accueil\u00a0»"), ("en-GB", "tap Share, then “Add to Home Screen”")],
)
@pytest.mark.usefixtures("no_open_alerts")
def test_a_rider_on_an_iphone_reads_how_to_get_notifications(crowd: Crowd, locale: str, words: str) -> None:
    page = iphone(crowd, locale=locale).open("/rider")
    expect(page.locator("#notify-said")).to_contain_text(words)
    expect(page.locator("#notify-on")).to_be_hidden()
    inspect(page)
    raise_alert(page)
    expect(page.locator("#notify")).to_be_hidden()  # on the home screen she would find nothing of her alert
    page.reload()
    expect(page.locator("#facts li").first).to_be_visible()
    expect(page.locator("#notify")).to_be_hidden()


def test_a_phone_that_takes_no_pushes_can_be_forgotten_all_the_same(crowd: Crowd) -> None:
    page = iphone(crowd).open("/rider")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.click("details.panel summary")
    page.click("#forget")
    expect(page.locator("#pins-message")).to_contain_text("oublié")


@pytest.mark.parametrize(("locale", "words"), [("fr-FR", "Touchez Partager, puis"), ("en-GB", "Tap Share, then")])
def test_an_agent_on_an_iphone_reads_what_to_do(crowd: Crowd, locale: str, words: str) -> None:
    page = iphone(crowd, locale=locale).sign_in("/agent", "agent")
    row = page.locator("#check-push")
    expect(row).to_have_attribute("data-good", "false")
    expect(row).to_contain_text(words)
    expect(row.locator("button")).to_have_count(0)
    inspect(page)


def test_a_supervisor_on_an_iphone_reads_what_to_do(crowd: Crowd) -> None:
    page = iphone(crowd).sign_in("/control", "supervisor")
    page.click("#health-summary")
    expect(page.locator("#alarm-push")).to_contain_text("touchez Partager, puis")


def test_nobody_is_sent_to_the_home_screen_where_that_would_not_help(crowd: Crowd) -> None:
    def without_pushes(where: str) -> Page:
        return iphone(crowd, where).sign_in("/agent", "agent")

    already_there = without_pushes(ON_HOME_SCREEN)
    expect(already_there.locator("#check-push")).to_contain_text("iOS 16.4")
    other_browser = without_pushes("delete window.PushManager;")
    expect(other_browser.locator("#check-push")).to_contain_text("ne reçoit pas de notifications")
