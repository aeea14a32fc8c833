"""`flask push …`: keys that work, and an answer to "does her phone ring?" from a terminal."""

import threading
import uuid
from dataclasses import replace

import pytest
from click.testing import CliRunner

from backend.app import create_app
from backend.database import new_id
from backend.delivery import receipts, registrations
from backend.delivery.cli import push_commands
from backend.delivery.models import Delivery
from backend.delivery.registrations import Given
from backend.delivery.webpush import WebPush
from backend.people import sessions
from backend.people.roles import Role
from backend.settings import Settings
from backend.wiring import wire
from tests import migrated
from tests.people import add_staff
from tests.providers import FcmProvider, fcm_refusal


@pytest.fixture
def google():
    with FcmProvider() as provider:
        yield provider


@pytest.fixture
def wiring(database_url, clock, google, tmp_path):
    made = wire(
        replace(migrated.settings(database_url), fcm_credentials=google.credentials(tmp_path), fcm_url=google.fcm_url),
        clock,
    )
    yield made
    made.database.dispose()


@pytest.fixture
def run(wiring):
    return lambda *args: CliRunner().invoke(push_commands(wiring), args)


@pytest.fixture
def anna(wiring, clock):
    """Signed in, with one phone."""
    now = clock.now()
    with wiring.database.transaction() as session:
        staff = add_staff(session, "anna", Role.AGENT, now)
        token = sessions.sign_in(session, staff.id, now, valid_hours=14).access_token
        caller = sessions.who(session, token, now, stale_days=7)
        registrations.register(session, new_id(), caller, Given("fcm", "fcm_token", "secret-token"), now)
    return caller


def test_keys_are_lines_that_vigie_starts_with(run, tmp_path):
    result = run("keys", "--contact", "mailto:pc@reseau.example")
    lines = dict(line.split("=", 1) for line in result.stdout.splitlines())
    settings = Settings.from_env(lines | {"DATABASE_URL": "sqlite:///:memory:", "VIGIE_ENVIRONMENT": "test"})
    made = wire(settings)
    browsers = made.channels["webpush"]
    assert isinstance(browsers, WebPush)
    assert browsers.public_key in result.stderr
    assert lines["VIGIE_VAPID_KEY"] not in result.stderr
    made.database.dispose()


def test_each_call_makes_another_key(run):
    assert run("keys").stdout != run("keys").stdout


def test_a_phone_that_answers(run, anna, google, wiring, clock):
    def phone():
        heard = google.wait_for(1)[0].json["message"]["data"]
        clock.advance(0.75)
        with wiring.database.transaction() as session:
            delivery = session.get_one(Delivery, uuid.UUID(heard["delivery_id"]))
            receipts.note(session, delivery, anna.id, clock.now(), seen=False)

    answering = threading.Thread(target=phone)
    answering.start()
    result = run("test", "Anna")
    answering.join()
    assert result.exit_code == 0, result.output
    assert "sent in" in result.stdout
    assert "answered after" in result.stdout
    assert "secret-token" not in result.output


def test_a_phone_that_does_not(run, anna):
    result = run("test", "anna", "--wait", "0")
    assert (result.exit_code, "no answer" in result.stdout) == (2, True)


def test_what_the_provider_said_is_told(run, anna, google):
    google.always(fcm_refusal(404, "NOT_FOUND", "UNREGISTERED"))
    result = run("test", "anna")
    assert result.exit_code == 2
    assert "address_dead (UNREGISTERED)" in result.stdout


@pytest.mark.parametrize(
    ("login", "says"), [("nobody", "nobody has the login nobody"), ("bruno", "has registered no phone")]
)
def test_what_cannot_be_tested_is_one_line(run, wiring, clock, login, says):
    with wiring.database.transaction() as session:
        add_staff(session, "bruno", Role.AGENT, clock.now())
    result = run("test", login)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert says in result.stderr


def test_without_channels_it_says_what_to_set(clock):
    made = wire(migrated.settings("sqlite:///:memory:"), clock)
    result = CliRunner().invoke(push_commands(made), ["test", "anna"])
    assert result.exit_code == 1
    assert "VIGIE_VAPID_KEY" in result.stderr
    made.database.dispose()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"VIGIE_FCM_CREDENTIALS": "/nowhere.json"}, "VIGIE_FCM_CREDENTIALS /nowhere.json: No such file"),
        ({"VIGIE_VAPID_KEY": "x" * 9, "VIGIE_VAPID_CONTACT": "mailto:a@b.example"}, "VIGIE_VAPID_KEY"),
        ({"VIGIE_VAPID_KEY": "x" * 43}, "VIGIE_VAPID_CONTACT"),
        ({"VIGIE_SMS_URL": "http://gateway.example", "VIGIE_SMS_SECRET": "s"}, "VIGIE_SMS_URL"),
    ],
)
def test_a_setting_that_cannot_work_ends_the_start_with_one_line(monkeypatch, capsys, changes, says):
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DATABASE_URL", "sqlite:///:memory:")
    with pytest.raises(SystemExit) as ended:
        create_app()
    assert ended.value.code == 4, "gunicorn stops, rather than starting the same worker for ever"
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert says in said
