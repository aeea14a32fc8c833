"""`flask push keys` and `flask push test LOGIN`: setting push up, and seeing whether it works, from a terminal."""

from __future__ import annotations

import time
import uuid

import click
from py_vapid import Vapid02
from py_vapid.utils import b64urlencode
from rich.console import Console
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.delivery import registrations
from backend.delivery.models import Delivery, DeliveryAttempt, PushRegistration
from backend.delivery.sending import Sender
from backend.delivery.webpush import public_key
from backend.people import sessions
from backend.people.cli import refuse, told
from backend.people.models import Staff
from backend.wiring import Wiring

LOOK_S = 0.2
NO_ANSWER = 2


def push_commands(wiring: Wiring) -> click.Group:
    """The group `push`."""

    @click.group("push")
    def group() -> None:
        """Waking phones up: keys for web push, and whether a person's phones can be reached."""

    @group.command("keys")
    @click.option(
        "--contact", help="mailto: or https: address that push services may write to when something is wrong."
    )
    def keys(contact: str | None) -> None:
        """Print a new key for web push, as lines for the environment file.

        One key for the whole life of an installation: with another one, every browser has to subscribe again.
        """
        key = Vapid02()
        key.generate_keys()
        number = key.private_key.private_numbers().private_value.to_bytes(32, "big")
        click.echo(f"VIGIE_VAPID_KEY={b64urlencode(number)}")
        click.echo(f"VIGIE_VAPID_CONTACT={contact or 'mailto:'}")
        click.echo(f"secret; its public half, which browsers are told, is {public_key(key)}", err=True)
        if contact is None:
            click.echo("complete VIGIE_VAPID_CONTACT: push services refuse one that nobody could write to", err=True)

    @group.command("test")
    @click.argument("login")
    @click.option("--wait", "wait_s", default=30, show_default=True, help="Seconds to wait for the phones' answers.")
    def test(login: str, wait_s: int) -> None:
        """Send a test to each phone and browser of a person, and say what came back.

        Exit codes: 0 every phone has answered, 1 refused, 2 some phone has not, 3 the database does not answer.
        """
        if not wiring.channels:
            refuse("no channel is set up; set VIGIE_FCM_CREDENTIALS or VIGIE_VAPID_KEY (flask push keys)")
        with told(wiring):
            tests = _begin(wiring, login)
            if not tests:
                refuse(f"{login} has registered no phone or browser, or is signed out")
            table, missing = _watch(wiring, tests, wait_s)
        Console().print(table)
        if missing:
            raise SystemExit(NO_ANSWER)

    return group


def _begin(wiring: Wiring, login: str) -> list[uuid.UUID]:
    with wiring.database.transaction() as session:
        person = session.scalar(select(Staff).where(Staff.login == sessions.fold_login(login)))
        if person is None:
            refuse(f"nobody has the login {login}")
        sent = registrations.send_tests(session, person.id, list(wiring.channels), wiring.clock.now())
        return [delivery_id for delivery_id, _ in sent]


def _watch(wiring: Wiring, tests: list[uuid.UUID], wait_s: int) -> tuple[Table, int]:
    # A worker may send them as well; whoever is first has the lease. Without one, this command does it alone.
    sender = Sender(wiring)
    deadline = time.monotonic() + wait_s
    try:
        while True:
            sender.turn()
            with wiring.database.reading() as session:
                found = [session.get_one(Delivery, one) for one in tests]
                waiting = [one for one in found if one.received_at is None and one.settled_at is None]
                if not waiting or time.monotonic() > deadline:
                    return _table(session, found), sum(one.received_at is None for one in found)
            time.sleep(LOOK_S)
    finally:
        sender.stop()


def _table(session: Session, deliveries: list[Delivery]) -> Table:
    table = Table("channel", "registration", "provider", "phone", box=None)
    for one in deliveries:
        attempts = select(DeliveryAttempt).where(DeliveryAttempt.delivery_id == one.id).order_by(DeliveryAttempt.number)
        said = [
            f"{attempt.outcome}{f' ({attempt.code})' if attempt.code else ''} in {attempt.took_ms} ms"
            for attempt in session.scalars(attempts)
        ]
        registration = session.get(PushRegistration, one.registration_id) if one.registration_id else None
        answered = one.received_at is not None and registration is not None
        phone = f"answered after {registration.round_trip_ms} ms" if answered and registration else "no answer"
        table.add_row(one.channel, str(one.registration_id), ", ".join(said) or "not asked", phone)
    return table
