"""A whole Vigie in a process of its own, and people with browsers who look at it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Geolocation,
    Page,
    Request,
    expect,
    sync_playwright,
)
from py_vapid import Vapid02

from tests.providers import PushService

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--headless=new",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
SMS_SECRET = "the gateway of the page tests, which sends nothing out"
PATIENCE_MS = 15_000
FAILED = pytest.StashKey[list[bool]]()
NOAILLES: Geolocation = {"latitude": 43.29680, "longitude": 5.38050, "accuracy": 15}
# Written by the page itself when its policy stops something: the console alone may be read too late.
WATCH = """
window.violations = [];
document.addEventListener('securitypolicyviolation', (event) => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
});
"""


@dataclass
class Server:
    """One running Vigie with the demo's town and people, and no simulation."""

    url: str
    process: subprocess.Popen[bytes]
    accounts: list[dict[str, Any]]

    def account(self, role: str, number: int = 0) -> tuple[str, str]:
        """Login and password of somebody with this role."""
        found = [one for one in self.accounts if one["role"] == role]
        found.sort(key=lambda one: one["simulated"])
        return found[number]["login"], found[number]["password"]

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """The server keeps its connections and answers nothing, as when a link dies without a word."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def token(self, role: str, number: int = 0) -> str:
        """A session of somebody with this role, without a browser."""
        login, password = self.account(role, number)
        answer = requests.post(f"{self.url}/v1/sessions", json={"login": login, "password": password}, timeout=10)
        return str(answer.json()["access_token"])


@dataclass
class Visitor:
    """Somebody in front of a page; everything that a page must never do is noted down."""

    context: BrowserContext
    page: Page
    server: Server
    foreign: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Notes requests to other hosts, scripts that fail, and complaints about the policy."""
        self.context.on("request", self._asked)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._said)

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.server.url, "data:", "blob:")):
            self.foreign.append(request.url)

    def _said(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "no text for" in message.text:
            self.faults.append(message.text)

    def open(self, path: str) -> Page:
        """The page at this path, ready to be used."""
        self.page.goto(f"{self.server.url}{path}")
        if path == "/rider":
            self.page.wait_for_selector("#main[data-ready]")
        return self.page

    def sign_in(self, path: str, role: str, number: int = 0) -> Page:
        """The page of a member of staff who has just signed in."""
        login, password = self.server.account(role, number)
        page = self.open(path)
        page.fill("#signin-login", login)
        page.fill("#signin-password", password)
        page.click("#signin-button")
        page.wait_for_selector("#work:not([hidden])")
        page.wait_for_selector("#link-state[data-kind=live]")
        return page

    def sign_in_to_policies(self) -> Page:
        """The page of an operator who sets where night stops are allowed."""
        login, password = self.server.account("operator")
        page = self.open("/control/night-stops")
        page.fill("#signin-login", login)
        page.fill("#signin-password", password)
        page.click("#signin-button")
        page.wait_for_selector("#main[data-ready]")
        return page

    def leave(self) -> None:
        """Closes the browser window and says what went wrong in it."""
        with contextlib.suppress(Exception):
            self.faults += self.page.evaluate("window.violations ?? []")
        self.context.close()
        assert not self.foreign, f"the page asked other hosts: {self.foreign}"
        assert not self.faults, f"the page complained: {self.faults}"


class Crowd:
    """Makes visitors, each with a browser window of their own."""

    def __init__(self, browser: Browser, server: Server) -> None:
        self.browser = browser
        self.server = server
        self.visitors: list[Visitor] = []

    def phone(self, **more: Any) -> Visitor:
        """Somebody with a phone in the hand, near Noailles."""
        return self.visitor(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, **more)

    def desk(self, **more: Any) -> Visitor:
        """Somebody at a desk."""
        return self.visitor(viewport={"width": 1440, "height": 900}, **more)

    def visitor(self, **window: Any) -> Visitor:
        """Somebody with a browser window such as this."""
        settings = {"locale": "fr-FR", "permissions": ["geolocation"], "geolocation": NOAILLES, **window}
        context = self.browser.new_context(**settings)
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(WATCH)
        made = Visitor(context, context.new_page(), self.server)
        made.watch()
        self.visitors.append(made)
        return made


expect.set_options(timeout=15_000)  # what is right comes at once; a machine that others use too may need longer


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's own Chromium."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"needs Chromium at {CHROMIUM} (CHROMIUM=… names another)")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        made.close()


@pytest.fixture(scope="session")
def push_service() -> Iterator[PushService]:
    """The push service that browsers subscribe with; it stands for Google's, Mozilla's or Apple's."""
    with PushService() as service:
        yield service


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`python -m backend` on an embedded database of its own, with web push set up."""
    folder = tmp_path_factory.mktemp("vigie")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    key = folder / "vapid.pem"
    vapid = Vapid02()
    vapid.generate_keys()
    vapid.save_key(str(key))
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "VIGIE_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "VIGIE_VAPID_KEY": str(key),
        "VIGIE_VAPID_CONTACT": "mailto:push@vigie.example",
        "VIGIE_WEBPUSH_HERE": "1",
        "VIGIE_SMS_SECRET": SMS_SECRET,
        "VIGIE_SMS_NUMBER": "+33639980000",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "backend", "--no-simulation", "--port", str(port)],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url, process, folder / "log")
        accounts = json.loads((folder / ".vigie" / "demo.json").read_text(encoding="utf-8"))["accounts"]
        yield Server(url, process, accounts)
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(20)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.RequestException):
            if requests.get(f"{url}/v1/meta", timeout=2).ok:
                return
        assert process.poll() is None, log.read_text(encoding="utf-8", errors="replace")[-3000:]
        time.sleep(0.2)
    raise AssertionError(f"no answer from {url} in 60 s")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keeps the report at hand, so that a fixture knows whether its test has failed."""
    report = yield
    item.stash.setdefault(FAILED, []).append(report.failed)
    return report


@pytest.fixture
def crowd(browser: Browser, server: Server, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Crowd]:
    """People with browsers; at the end none of their pages may have done what no page may do."""
    made = Crowd(browser, server)
    yield made
    if any(request.node.stash.get(FAILED, [])):
        for number, visitor in enumerate(made.visitors):
            picture = tmp_path / f"visitor-{number}.png"
            visitor.page.screenshot(path=picture)
            print(f"what visitor {number} saw: {picture}")
    for visitor in made.visitors:
        visitor.leave()


@pytest.fixture
def no_open_alerts(server: Server) -> Iterator[None]:
    """Leaves no alert and nobody on duty behind, so that the next story begins on a quiet evening."""
    yield
    headers = {"Authorization": f"Bearer {server.token('operator')}"}
    for alert in requests.get(f"{server.url}/v1/control/snapshot", headers=headers, timeout=10).json()["alerts"]:
        address = f"{server.url}/v1/control/alerts/{alert['id']}/close"
        requests.post(address, json={"closing_code": "drill"}, headers=headers, timeout=10)
