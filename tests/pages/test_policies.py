"""Policies set by keyboard or by clicks on the line, their versions, and the figures with their tables."""

import re
from typing import Any

import requests
from playwright.sync_api import Page, expect

from tests.pages.conftest import Crowd, Server
from tests.pages.night_bus import allow_night_stops, as_operator
from tests.pages.test_look import inspect


def policies(server: Server, line_id: str) -> list[dict[str, Any]]:
    """What is in force on a line."""
    answer = requests.get(f"{server.url}/v1/control/night-stop-policies", headers=as_operator(server), timeout=10)
    return [one for one in answer.json()["items"] if one["line_id"] == line_id]


def focus(page: Page, name: str) -> None:
    """Goes on with the Tab key until this control has the focus."""
    for _ in range(80):
        if name in page.evaluate("[document.activeElement.id, document.activeElement.dataset.focus]"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {name}")


def test_the_keyboard_alone_sets_a_policy_with_an_excluded_stretch(crowd: Crowd, server: Server) -> None:
    page = crowd.desk().sign_in_to_policies()
    page.focus("#policy-new")
    page.keyboard.press("Enter")
    expect(page.locator("#editor-title")).to_be_focused()
    focus(page, "policy-line_id")
    page.keyboard.type("83")
    expect(page.locator(".policy-map polyline").first).to_be_visible()
    focus(page, "add-segment")
    page.keyboard.press("Enter")
    focus(page, "from")
    page.keyboard.press("Control+a")
    page.keyboard.type("1200")
    focus(page, "to")
    page.keyboard.press("Control+a")
    page.keyboard.type("1500")
    focus(page, "done")
    page.keyboard.press("Enter")
    expect(page.locator(".exclusion")).to_contain_text("1200–1500 m")
    before = [one["id"] for one in policies(server, "83")]
    page.locator(".policy-form button[type=submit]").focus()
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        page.keyboard.press("Enter")
    expect(page.locator("#policy-list")).to_contain_text("ligne 83")
    (made,) = [one for one in policies(server, "83") if one["id"] not in before]
    assert made["starts"] == "22:00"
    (excluded,) = made["exclusions"]
    assert excluded["measures"] == [1200, 1500]
    assert len(excluded["path"]) >= 2


def test_two_clicks_on_the_line_make_a_stretch_and_a_new_version(crowd: Crowd, server: Server) -> None:
    policy_id = allow_night_stops(server, "35")
    page = crowd.desk().sign_in_to_policies()
    row = page.locator(f".policy[data-id='{policy_id}']")
    row.get_by_role("button", name="Modifier").click()
    page.click("[data-focus=add-segment]")
    page.locator(".policy-map svg").scroll_into_view_if_needed()
    box = page.locator(".policy-map polyline.way").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.3)
    page.mouse.click(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.7)
    page.click("[data-focus=add-point]")
    page.fill("[data-focus=radius_m]", "40")
    page.keyboard.press("Tab")
    inspect(page)
    page.click(".policy-form button[type=submit]")
    expect(row).to_contain_text("Version 2")
    row.get_by_role("button", name="Versions").click()
    expect(row.locator(".versions li")).to_have_count(2)
    (now,) = policies(server, "35")
    segment, point = now["exclusions"]
    assert segment["measures"][0] < segment["measures"][1]
    assert point["point"]["radius_m"] == 40


def test_a_value_that_cannot_be_is_refused_beside_its_field(crowd: Crowd, server: Server) -> None:
    policy_id = allow_night_stops(server, "21")
    page = crowd.desk(locale="en-GB").sign_in_to_policies()
    page.locator(f".policy[data-id='{policy_id}']").get_by_role("button", name="Edit").click()
    page.click(".policy-form details summary")
    page.fill("#policy-min_seconds", "9999")
    page.click(".policy-form button[type=submit]")
    expect(page.locator("#policy-min_seconds")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#policy-min_seconds")).to_be_focused()


def test_figures_are_drawn_and_the_same_numbers_stand_in_tables(crowd: Crowd, server: Server) -> None:
    figures = {
        "requests": 40, "asked": 30, "accepted": 24, "accepted_share": 0.8,
        "by_code": [{"code": "alighted", "count": 24}, {"code": "too_late", "count": 10}, {"code": "refused", "count": None}],
        "by_refusal_and_place": [{"line_id": "21", "after_stop": "Castellane", "reason": "works", "count": 6}],
        "by_hour": [9, 0, 0, 0, 0, 12, None, *[0] * 15, 7, 8], "metres_of_walking_avoided": 5400,
    }  # fmt: skip
    visitor = crowd.desk()
    visitor.page.route(re.compile("/night-stops/figures"), lambda route: route.fulfill(json=figures))
    page = visitor.sign_in_to_policies()
    page.get_by_role("link", name="Chiffres").click()
    expect(page.locator(".plot")).to_have_count(4)
    expect(page.locator("#figures")).to_contain_text("80 %")
    expect(page.locator("#figures")).to_contain_text("5 400 m")
    expect(page.locator("table").nth(1)).to_contain_text("après Castellane")
    expect(page.locator("table").nth(2).locator("tbody tr")).to_have_count(5)
    expect(page.locator("table").nth(2)).to_contain_text("masqué")
    inspect(page)
    page.click("#switch-language")
    expect(page.locator("#figures")).to_contain_text("Accepted share")


def test_real_figures_of_a_quiet_network_hide_small_numbers(crowd: Crowd) -> None:
    page = crowd.phone().sign_in_to_policies()
    page.get_by_role("link", name="Chiffres").click()
    expect(page.locator("#figures h2").first).to_be_visible()
    inspect(page)
