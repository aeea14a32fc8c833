"""The front as it is shipped: real nginx, TLS, two web processes and one live, on PostgreSQL."""

import contextlib
import re
import threading
import uuid

import pytest
import requests
from sqlalchemy import func, select

from backend.body import MAX_BYTES
from backend.people import sessions, throttle
from backend.people.models import LoginDelay, Staff, Team, TeamPosition
from backend.settings import Settings
from backend.socket_engine import Timing
from backend.wiring import wire
from backend.worker import Worker
from tests import nginx
from tests.migrated import HEAD, settings
from tests.postgres import free_port
from tests.processes import Gunicorn
from tests.sockets import Phone, eventually

pytestmark = pytest.mark.slow


class Installation:
    """What stands behind the front, and how a phone asks it."""

    def __init__(self, front, web, live, wiring, start):
        self.front, self.web, self.live, self.wiring, self.start = front, web, live, wiring, start

    def kill(self, number):
        """Ends a web process without a word."""
        gone = self.web[number]
        gone.process.kill()
        gone.process.wait(5)
        eventually(lambda: not _answers(gone), timeout=10)  # gunicorn's own workers see that they are orphans

    def start_again(self, number):
        self.web[number] = self.start("web", f"web{number + 1}", port=self.web[number].port)
        eventually(self.web[number].ready, timeout=60, what="starting")

    def ask(self, method, path, token=None, *, plain=False, **more):
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **more.pop("headers", {})}
        url = f"{self.front.plain_url if plain else self.front.url}{path}"
        return requests.request(
            method, url, headers=headers, verify=str(self.front.bundle), timeout=20, allow_redirects=False, **more
        )

    def rider(self):
        found = self.ask("POST", "/v1/devices", json={"platform": "android"})
        assert found.status_code == 201, found.text
        return found.json()["access_token"]

    def agent(self):
        """The token of an agent whose team is on duty, alone, at the Old Port."""
        now = self.wiring.clock.now()
        with self.wiring.database.transaction() as session:
            team = Team(name="Patrouille", call_sign=f"GAP {uuid.uuid4().hex[:6]}", created_at=now)
            session.add(team)
            session.flush()
            staff = Staff(
                login=f"a{uuid.uuid4().hex[:8]}", display_name="A", role="agent", team_id=team.id, created_at=now
            )
            session.add(staff)
            session.flush()
            token = sessions.sign_in(session, staff.id, now, valid_hours=14).access_token
        assert self.ask("POST", "/v1/agent/shift", token, json={}).ok
        here = {"latitude": 43.2951, "longitude": 5.3740, "accuracy_m": 8, "provider": "gnss"}
        assert self.ask("POST", "/v1/agent/positions", token, json={"points": [here]}).json()["accepted"] == 1
        eventually(self.stands, timeout=10, what="storing a position")
        return token

    def stands(self):
        with self.wiring.database.reading() as session:
            return session.scalar(select(func.count()).select_from(TeamPosition))


@pytest.fixture(scope="module")
def installation(postgres_copies, tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    url = postgres_copies.copy(HEAD)
    wiring = wire(settings(url))
    # The front's address is the only one whose pages may open a socket, and the only hop that is believed.
    env = {"VIGIE_FORWARDED_HOPS": "1", "VIGIE_PUBLIC_URL": f"https://127.0.0.1:{port}"}

    def start(kind, log, **more):
        return Gunicorn(url, f"create_{kind}", folder / f"{log}.log", env=env, **more)

    with contextlib.ExitStack() as stack:
        stack.callback(wiring.database.dispose)
        web, live = [start("web", "web1"), start("web", "web2")], start("live", "live")
        stack.callback(lambda: [one.stop() for one in (*web, live)])
        for one in (*web, live):
            eventually(one.ready, timeout=60, what="starting")
        front = stack.enter_context(nginx.running(port, [one.port for one in web], [live.port]))
        yield Installation(front, web, live, wiring, start)


@pytest.fixture(autouse=True)
def _trust(monkeypatch, request):
    if "installation" in request.fixturenames:
        front = request.getfixturevalue("installation").front
        monkeypatch.setenv("WEBSOCKET_CLIENT_CA_BUNDLE", str(front.bundle))


def raised(asked, token, method="PUT", **body):
    alert_id = str(uuid.uuid4())
    path = f"/v1/alerts/{alert_id}" if method == "PUT" else "/v1/alerts"
    found = asked.ask(method, path, token, json={"category": "threat", "text": alert_id, **body})
    assert found.status_code == 201, found.text
    return found.json()["id"]


def test_an_alert_through_the_front_reaches_a_socket_through_the_front(installation):
    phone = Phone(installation.front.url, "/agent", installation.agent())
    phone.hears("welcome")
    alert_id = raised(
        installation, installation.rider(), position={"latitude": 43.2953, "longitude": 5.3742, "accuracy_m": 8}
    )
    worker = Worker(installation.wiring)
    eventually(lambda: worker.run_due() > 0, timeout=10)  # its clock may be a moment behind that of the other
    offer = phone.hears("assignment.offered")
    assert offer["assignment"]["alert"]["id"] == alert_id
    assert "deflate" not in str(phone.client.eio.ws.headers).lower(), "no compression is agreed on"
    phone.close()


def test_what_the_front_refuses_and_what_it_says(installation):
    token = installation.rider()
    for size in (MAX_BYTES + 1, 400_000):  # the first is refused by Vigie, the second by nginx
        found = installation.ask(
            "PUT", f"/v1/alerts/{uuid.uuid4()}", token, json={"category": "threat", "text": "x" * size}
        )
        assert found.status_code == 413
        assert found.headers["Content-Type"] == "application/problem+json"
        assert found.json()["code"] == "body_too_large"
        assert found.json()["status"] == 413

    for path in (
        "/metrics",
        "/readyz",
        "//metrics",
        "/%6detrics",
        "/v1/../metrics",
        "/metrics?x=1",
        "/metrics/",
        "/health/canary",
    ):
        session = requests.Session()
        asked = requests.Request("GET", "https://replaced/").prepare()
        asked.url = f"{installation.front.url}{path}"  # as it stands: requests would tidy it up
        found = session.send(asked, verify=str(installation.front.bundle), timeout=10)
        assert found.status_code == 404, path
        assert "vigie_" not in found.text
        assert "worker_silence" not in found.text
        session.close()
    assert installation.ask("GET", "/livez").ok, "somebody outside may ask whether it answers, and no more"

    for path in ("/v1/meta", "/socket.io/?EIO=4&transport=websocket"):
        assert installation.ask("GET", path, plain=True).status_code == 403, "no token without encryption"
    moved = installation.ask("GET", "/rider?from=poster", plain=True)
    assert (moved.status_code, moved.headers["Location"]) == (301, "https://127.0.0.1/rider")


def test_only_the_front_says_who_asks(installation):
    for number in range(2):
        forged = f"203.0.113.{number}"
        headers = {
            "X-Forwarded-For": forged, "X-Real-IP": forged, "Forwarded": f"for={forged};proto=http",
            "X-Forwarded-Proto": "http", "X-Forwarded-Ssl": "off", "X-Forwarded-Host": "evil.example",
            "X-Forwarded-Prefix": "/evil",
        }  # fmt: skip
        found = installation.ask(
            "POST", "/v1/sessions", json={"login": "nobody", "password": "wrong password"}, headers=headers
        )
        assert found.status_code == 401, (number, found.text)
    with installation.wiring.database.reading() as session:
        charged = [session.get(LoginDelay, key).failures for key in throttle._keys("nobody", "127.0.0.1")]
    assert charged == [2, 2, 2], "login, network and both together: one network asked twice, whatever it wrote"


def test_gunicorn_itself_believes_nobody(installation):
    """By its defaults it trusts whoever calls from this machine, and answers 400 when such headers disagree."""
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Ssl": "off"}
    assert requests.get(f"{installation.web[0].url}/livez", headers=headers, timeout=5).status_code == 200


def test_a_web_process_that_is_gone_is_nobodys_error(installation):
    token = installation.rider()
    installation.kill(0)
    for _ in range(10):
        raised(installation, token)
        raised(installation, token, "POST")
        assert installation.ask("GET", "/v1/alerts", token).ok
    asked = [line for line in installation.front.log.splitlines() if f"127.0.0.1:{installation.web[0].port}, " in line]
    assert asked, "it was asked first at times, and the other one answered"

    installation.kill(1)
    found = installation.ask("PUT", f"/v1/alerts/{uuid.uuid4()}", token, json={"category": "threat"})
    assert found.status_code == 503
    assert found.headers["Retry-After"] == "2"
    problem = found.json()
    assert (problem["code"], problem["retryable"]) == ("busy", True)
    numbers = [(one["number"], one["label"], one["kind"]) for one in problem["emergency_numbers"]]
    assert numbers == [(one.number, one.label, one.kind) for one in Settings().emergency_numbers]

    installation.start_again(1)
    raised(installation, token)  # at once: an instance that was away is not held for dead
    installation.start_again(0)


def test_limits_never_meet_a_cry_for_help(installation):
    token = installation.rider()
    answers: list[int] = []

    def ask(method, path, body):
        with contextlib.suppress(requests.RequestException):
            answers.append(installation.ask(method, path, token, json=body).status_code)

    guesses = [
        threading.Thread(target=ask, args=("POST", "/v1/sessions", {"login": "x", "password": "y" * 12}))
        for _ in range(90)
    ]
    for one in guesses:
        one.start()
    for one in guesses:
        one.join(60)
    assert 429 in answers, "guesses from one address are slowed down by the front"
    answers.clear()
    cries = [
        threading.Thread(target=ask, args=("PUT", f"/v1/alerts/{uuid.uuid4()}", {"category": "threat"}))
        for _ in range(90)
    ]
    for one in cries:
        one.start()
    for one in cries:
        one.join(60)
    assert answers == [201] * 90


def test_its_log_says_how_it_went_and_not_who_asked(installation):
    token = installation.rider()
    alert_id = raised(installation, token)
    found = installation.ask("GET", "/v1/feed?after=0&secret=inthequery", token, headers={"User-Agent": "a-phone"})
    assert found.ok, found.text
    installation.ask("GET", "/v1/missing?secret=inthequery", token)
    lines = installation.front.log
    assert re.search(rf"T\S+ 201 PUT /v1/alerts/{alert_id} \d+ \d+ [\d.]+ 127\.0\.0\.1:\d+ 201 ", lines)
    assert found.headers["X-Request-Id"] in lines, "what it says can be found in Vigie's own log"
    written = "".join(path.read_text() for path in installation.front.folder.glob("*.log"))
    for secret in (token, "inthequery", "a-phone", "client: "):
        assert secret not in written


def test_nothing_that_passes_is_ever_in_a_file_of_the_front(installation):
    """Bodies stay in memory: the buffer holds the largest that is let in, and answers are never put aside."""
    shipped = (nginx.SHIPPED / "vigie-locations.conf").read_text()
    limits = dict(
        re.findall(
            r"^(client_max_body_size|client_body_buffer_size|proxy_max_temp_file_size) (\w+);", shipped, re.MULTILINE
        )
    )
    assert limits["client_body_buffer_size"] == limits["client_max_body_size"]
    assert limits["proxy_max_temp_file_size"] == "0"


def test_the_front_waits_longer_than_a_silent_socket_lives():
    shipped = (nginx.SHIPPED / "vigie-locations.conf").read_text()
    socket_location = shipped[shipped.index("location /socket.io/") :]
    read_s = int(re.search(r"proxy_read_timeout (\d+)s", socket_location)[1])
    timing = Timing()
    assert read_s > 2 * (timing.ping_every_s + timing.pong_within_s), (
        "pings keep an idle socket open, and Vigie ends it first"
    )
    usual = shipped[: shipped.index("location")]
    assert int(re.search(r"proxy_connect_timeout (\d+)s", usual)[1]) <= 1
    assert int(re.search(r"proxy_read_timeout (\d+)s", usual)[1]) <= 10
    given_up_s = int(re.search(r"proxy_next_upstream_timeout (\d+)s", usual)[1])
    assert given_up_s < int(re.search(r"proxy_read_timeout (\d+)s", usual)[1]), "what took its time is not tried again"
    assert "proxy_add_x_forwarded_for" not in re.sub(r"#.*", "", shipped)


def test_no_limit_stands_where_alerts_pass():
    shipped = re.sub(r"#.*", "", (nginx.SHIPPED / "vigie-locations.conf").read_text())
    for location, inside in re.findall(r"location (\S[^{]*) \{([^}]*)\}", shipped):
        if "limit_" in inside:
            assert location in ("= /v1/sessions", "/socket.io/"), location
    outside = re.sub(r"location [^{]*\{[^}]*\}", "", shipped)
    assert "limit_" not in outside, "what is said for all locations would be said for alerts, too"


def _answers(one):
    try:
        return requests.get(f"{one.url}/livez", timeout=2).ok
    except requests.RequestException:
        return False
