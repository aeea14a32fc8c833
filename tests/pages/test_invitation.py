"""The link that `flask bootstrap-admin` prints, and that administrators hand out, leads to an account."""

import itertools
from typing import Any

import pytest
import requests
from playwright.sync_api import expect

from tests.pages.conftest import Crowd, Server
from tests.pages.test_look import inspect

PASSWORD = "sept chevaux sous la pluie"
NAMES = itertools.count(1)


def invited(server: Server, role: str) -> dict[str, Any]:
    """A new member of staff, and the invitation to hand over."""
    headers = {"Authorization": f"Bearer {server.token('admin')}"}
    body = {"login": f"invited{next(NAMES)}", "display_name": "Invitée", "role": role}
    answer = requests.post(f"{server.url}/v1/staff", json=body, headers=headers, timeout=10)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


@pytest.mark.parametrize(("role", "path"), [("operator", "/control"), ("driver", "/driver")])
def test_an_invitation_becomes_an_account_and_leaves_the_address_bar(
    crowd: Crowd, server: Server, role: str, path: str
) -> None:
    made = invited(server, role)
    visitor = crowd.phone()
    page = visitor.page
    page.goto(f"{server.url}/#invitation={made['invitation']}")
    expect(page.locator("#invitation-login")).to_be_focused()
    assert made["invitation"] not in page.url
    inspect(page)
    page.fill("#invitation-login", made["staff"]["login"])
    page.fill("#invitation-name", "Nadia")
    page.fill("#invitation-password", PASSWORD)
    page.click("#invitation-button")
    page.wait_for_url(f"**{path}")
    page.wait_for_selector("#work:not([hidden])")
    page.go_back()
    assert made["invitation"] not in page.url


def test_a_weak_password_or_a_used_invitation_is_refused_in_words(crowd: Crowd, server: Server) -> None:
    made = invited(server, "operator")
    page = crowd.desk(locale="en-GB").page
    page.goto(f"{server.url}/#invitation={made['invitation']}")
    page.click("#invitation-button")
    expect(page.locator("#invitation-message")).to_have_text("Fill in all three fields.")
    page.fill("#invitation-login", made["staff"]["login"])
    page.fill("#invitation-name", "Nadia")
    page.fill("#invitation-password", "short")
    page.click("#invitation-button")
    expect(page.locator("#invitation-message")).not_to_have_text("Fill in all three fields.")
    expect(page.locator("#invitation-button")).to_be_enabled()
    page.fill("#invitation-password", PASSWORD)
    page.click("#invitation-button")
    page.wait_for_url("**/control")

    again = crowd.desk().page
    again.goto(f"{server.url}/#invitation={made['invitation']}")
    for field, value in (("login", "somebody"), ("name", "Nadia"), ("password", PASSWORD)):
        again.fill(f"#invitation-{field}", value)
    again.click("#invitation-button")
    expect(again.locator("#invitation-message")).not_to_be_empty()
    expect(again.locator("#invitation")).to_be_visible()
