"""What anybody must be able to do with the pages: read them, reach them, and use them on a small screen."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.pages.conftest import Crowd, Server
from tests.pages.night_bus import allow_night_stops
from tests.pages.test_story import raise_alert

# Words without a name, controls without a label, targets too small for a thumb, text too faint to read.
INSPECT = """
() => {
  const faults = [];
  const shown = (node) => node.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) && node.getBoundingClientRect().width > 1;
  const named = (node) => (node.getAttribute('aria-label') || node.innerText || node.textContent
    || (node.labels && [...node.labels].map((one) => one.innerText).join('')) || '').trim();
  const own = (node) => !node.closest('.maplibregl-map') && !node.closest('.skip');
  for (const node of document.querySelectorAll('button, a[href], input, select, textarea, summary')) {
    if (!shown(node) || !own(node)) continue;
    const label = node.matches('input, select, textarea')
      ? (node.getAttribute('aria-label') || [...node.labels].map((one) => one.innerText).join('')) : named(node);
    if (!label.trim()) faults.push(`no name: ${node.outerHTML.slice(0, 90)}`);
    const box = (node.matches('input[type=checkbox]') ? node.closest('label') : node).getBoundingClientRect();
    if (box.height < 43.5 || box.width < 24) faults.push(`small: ${Math.round(box.width)}x${Math.round(box.height)} ${label}`);
  }
  const pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => { pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); return [...pen.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => [r, g, b].map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] > 250) return colour;
    }
    return rgba(getComputedStyle(document.body).backgroundColor);
  };
  for (const node of document.querySelectorAll('body *')) {
    if (!own(node) || !shown(node) || node.closest('[disabled], svg, noscript, .unseen-text')) continue;
    if (![...node.childNodes].some((one) => one.nodeType === 3 && one.textContent.trim())) continue;
    const style = getComputedStyle(node);
    const [a, b] = [light(rgba(style.color)), light(behind(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.6 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) faults.push(`faint ${ratio.toFixed(1)}: ${node.textContent.trim().slice(0, 40)}`);
  }
  const ids = [...document.querySelectorAll('[id]')].map((node) => node.id);
  for (const id of new Set(ids.filter((one, index) => ids.indexOf(one) !== index))) faults.push(`twice: #${id}`);
  for (const node of document.querySelectorAll('[aria-labelledby], [aria-describedby]')) {
    for (const id of `${node.getAttribute('aria-labelledby') ?? ''} ${node.getAttribute('aria-describedby') ?? ''}`.split(' ')) {
      if (id && !document.getElementById(id)) faults.push(`points nowhere: ${id}`);
    }
  }
  if (document.querySelectorAll('h1').length < 1) faults.push('no heading');
  if (document.querySelectorAll('main:not([hidden])').length < 1) faults.push('no main');
  return faults;
}
"""


def inspect(page: Page) -> None:
    """Fails with every fault at once."""
    page.wait_for_timeout(300)
    faults = page.evaluate(INSPECT)
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.usefixtures("no_open_alerts")
def test_every_page_can_be_read_and_reached_by_day_and_by_night(crowd: Crowd, scheme: str) -> None:
    inspect(crowd.phone(color_scheme=scheme, reduced_motion="reduce").open("/"))
    rider = crowd.phone(color_scheme=scheme, reduced_motion="reduce").open("/rider")
    inspect(rider)
    rider.check("#quiet")
    inspect(rider)
    rider.uncheck("#quiet")
    raise_alert(rider)
    expect(rider.locator("#facts li").first).to_be_visible()
    inspect(rider)
    control = crowd.desk(color_scheme=scheme, reduced_motion="reduce").open("/control")
    control.wait_for_selector("#signin:not([hidden])")
    inspect(control)
    control = crowd.desk(color_scheme=scheme, reduced_motion="reduce").sign_in("/control", "operator")
    control.click(".row-open")
    expect(control.locator(".timeline li").first).to_be_visible()
    for panel in control.locator("details.panel:visible > summary").all():
        panel.click()
    inspect(control)
    agent = crowd.phone(color_scheme=scheme, reduced_motion="reduce").sign_in("/agent", "agent")
    inspect(agent)
    inspect(crowd.phone(color_scheme=scheme, reduced_motion="reduce").sign_in("/driver", "driver"))
    policies = crowd.desk(color_scheme=scheme, reduced_motion="reduce").sign_in_to_policies()
    policies.click("#policy-new")
    policies.select_option("#policy-line_id", "21")
    for kind in ("segment", "point", "area"):
        policies.click(f"[data-focus=add-{kind}]")
    inspect(policies)


@pytest.mark.usefixtures("no_open_alerts")
def test_nothing_scrolls_sideways_at_320_pixels(crowd: Crowd, server: Server) -> None:
    narrow = {"width": 320, "height": 640}

    def fits(page: Page) -> None:
        page.wait_for_timeout(300)
        too_wide = page.evaluate(
            """() => document.documentElement.scrollWidth <= 320 ? [] : [...document.querySelectorAll('body *')]
            .filter((node) => node.getBoundingClientRect().right > 321 && !node.closest('.maplibregl-map'))
            .map((node) => node.outerHTML.slice(0, 100))"""
        )
        assert too_wide == []

    rider = crowd.visitor(viewport=narrow).open("/rider")
    fits(rider)
    raise_alert(rider)
    rider.click("[data-focus=more]")
    fits(rider)
    control = crowd.visitor(viewport=narrow).sign_in("/control", "operator")
    control.wait_for_selector(".row")
    fits(control)
    control.click(".row-open")
    expect(control.locator(".timeline li").first).to_be_visible()
    fits(control)
    control.click("#case-back")
    expect(control.locator("#queue-list")).to_be_visible()
    fits(crowd.visitor(viewport=narrow).sign_in("/agent", "agent"))
    fits(crowd.visitor(viewport=narrow).open("/"))
    fits(crowd.visitor(viewport=narrow).sign_in("/driver", "driver"))
    policies = crowd.visitor(viewport=narrow).sign_in_to_policies()
    policies.click("#policy-new")
    policies.select_option("#policy-line_id", "21")
    policies.click("[data-focus=add-area]")
    fits(policies)
    policies.get_by_role("link", name="Chiffres").click()
    fits(policies)
    allow_night_stops(server, "21")
    rider = crowd.visitor(viewport=narrow).open("/rider")
    rider.click("#night-open")
    rider.click("[data-focus=line-21]")
    rider.locator("[data-focus^=way-]").first.click()
    expect(rider.locator(".verdict[data-kind=impossible]")).to_be_visible()
    fits(rider)


def test_the_theme_follows_the_machine_until_somebody_says_otherwise(crowd: Crowd) -> None:
    page = crowd.desk(color_scheme="dark").open("/rider")
    expect(page.locator("html")).to_have_attribute("data-theme", "night")
    page.click("#switch-theme")
    expect(page.locator("html")).to_have_attribute("data-theme", "day")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "day")


@pytest.mark.parametrize(
    ("language", "words"),
    [("fr-FR", "Maintenir pour alerter"), ("en-GB", "Hold to alert"), ("de-DE", "Maintenir pour alerter")],
)
def test_the_language_is_the_machines_own_where_we_have_it(crowd: Crowd, language: str, words: str) -> None:
    expect(crowd.phone(locale=language).open("/rider").locator("#hold")).to_contain_text(re.compile(words))
