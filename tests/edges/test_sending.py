"""The sender: a channel that hangs, fails or lies holds up nobody else, and a worker that dies loses nothing."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from backend import failpoints, feed
from backend.crew import Crew
from backend.database import new_id
from backend.delivery.breaker import MOST_FAILURES, PAUSE
from backend.delivery.channels import RetryAt, Sent
from backend.delivery.models import Delivery, DeliveryAttempt, PushRegistration
from backend.delivery.sending import Sender
from backend.people.roles import Role
from backend.settings import Settings, SettingsRefused
from tests.people import add_staff, add_team


class Provider:
    """The world behind a channel: answers what it is told to, and remembers what it was given."""

    def __init__(self, name, answers=()):
        self.name = name
        self.answers = list(answers)
        self.given = []
        self.arrived, self.go_on = threading.Semaphore(0), threading.Event()
        self.go_on.set()

    def send(self, message, now):
        self.given.append(message)
        self.arrived.release()
        assert self.go_on.wait(10)
        return self.answers.pop(0) if self.answers else Sent()


@pytest.fixture
def push():
    return Provider("fcm")


@pytest.fixture
def text():
    return Provider("sms")


@pytest.fixture
def sender(wiring, push, text):
    made = Sender(replace(wiring, channels={"fcm": push, "sms": text}))
    yield made
    push.go_on.set()
    text.go_on.set()
    made.stop()


@pytest.fixture
def messages(database, clock):
    """Puts messages for one agent into the outbox."""
    with database.transaction() as session:
        agent = add_staff(session, "ada", Role.AGENT, clock.now(), team=add_team(session, "GAP 1", clock.now()))
        agent.phone = "+33600000001"
        phone = PushRegistration(
            id=new_id(), staff_id=agent.id, channel="fcm", address_kind="fcm_token", address="secret",
            address_hash=b"1" * 32, language="fr", created_at=clock.now(),
        )  # fmt: skip
        session.add(phone)
        agent_id, phone_id = agent.id, phone.id

    def put(channel, count=1, *, useful_s=60):
        made = [
            Delivery(
                id=new_id(), audience=feed.staff(agent_id), channel=channel, created_at=clock.now(), kind="test",
                useful_until=clock.now() + timedelta(seconds=useful_s), staff_id=agent_id, due_at=clock.now(),
                registration_id=phone_id if channel == "fcm" else None,
            )
            for _ in range(count)
        ]  # fmt: skip
        ids = [one.id for one in made]
        with database.transaction() as session:
            session.add_all(made)
        return ids

    return put


def count(database, *conditions):
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(Delivery).where(*conditions))


def test_everything_that_is_due_goes_out_once(sender, messages, push, text, database):
    messages("fcm", 20)
    messages("sms", 3)
    assert sender.turn() == 23
    assert sender.turn() == 0
    assert len({one.delivery_id for one in push.given}) == len(push.given) == 20
    assert len(text.given) == 3
    assert count(database, Delivery.sent_at.is_(None)) == 0


def test_a_provider_that_hangs_holds_up_no_other_channel(sender, messages, push, text):
    push.go_on.clear()
    messages("fcm")
    running = threading.Thread(target=sender.run, daemon=True)
    running.start()
    try:
        assert push.arrived.acquire(timeout=10)
        messages("sms")
        assert text.arrived.acquire(timeout=10), "the text waited for the push"
    finally:
        push.go_on.set()
        sender.stop()
        running.join(10)


def test_a_provider_that_fails_is_left_alone_and_then_tried_with_one(sender, messages, push, clock, database):
    push.answers = [RetryAt("UNAVAILABLE")] * (MOST_FAILURES + 1)
    messages("fcm", MOST_FAILURES, useful_s=600)
    assert sender.turn() == MOST_FAILURES
    messages("fcm", 3, useful_s=600)
    assert sender.turn() == 0, "the breaker is open"
    clock.advance(PAUSE.total_seconds())
    assert sender.turn() == 1, "one to try"
    clock.advance(PAUSE.total_seconds())
    assert sender.turn() > 1, "it works again: all the others"


def test_a_mistake_of_ours_at_one_message_stops_no_other(sender, messages, push, database):
    poison, *others = messages("fcm", 4)
    with database.transaction() as session:
        session.execute(update(Delivery).where(Delivery.id == poison).values(kind="nobody-knows"))
    sender.turn()
    assert {one.delivery_id for one in push.given} == set(others)
    with database.reading() as session:
        mistakes = session.scalars(select(DeliveryAttempt).where(DeliveryAttempt.outcome == "mistake")).all()
    assert {one.delivery_id for one in mistakes} == {poison}


def test_what_was_sent_and_not_written_down_is_sent_again(sender, messages, push, clock, tmp_path):
    lost = messages("fcm")
    failpoints.arm(f"@{tmp_path}")
    try:
        (tmp_path / "delivery.after_send").write_text("raise*1")
        sender.turn()
    finally:
        failpoints.arm("")
    clock.advance(3)
    sender.turn()
    assert [one.delivery_id for one in push.given] == lost * 2, "sent again: the phone drops the repeat by its id"


def test_whoever_stops_lets_what_is_under_way_be_finished(sender, messages, push, database):
    push.go_on.clear()
    messages("fcm")
    crew = Crew([sender])
    crew.start()
    assert push.arrived.acquire(timeout=10)
    crew.stop()
    push.go_on.set()
    crew.join(10)
    assert count(database, Delivery.sent_at.is_not(None)) == 1
    assert not crew.failed


def test_a_loop_that_ends_by_mistake_ends_the_whole_worker():
    class Broken:
        def run(self):
            raise ValueError("planted")

        def stop(self):
            pass

    class Waiting:
        def __init__(self):
            self.stopped = threading.Event()

        def run(self):
            self.stopped.wait(10)

        def stop(self):
            self.stopped.set()

    waiting = Waiting()
    crew = Crew([Broken(), waiting])
    crew.start()
    crew.join(10)
    assert crew.failed
    assert waiting.stopped.is_set()


def test_a_lease_that_ends_before_an_attempt_does_is_refused():
    with pytest.raises(SettingsRefused, match="VIGIE_LEASE_S must be longer"):
        Settings.from_env({"VIGIE_LEASE_S": "4", "VIGIE_PROVIDER_TIMEOUT_S": "4"})
    assert Settings.from_env({"VIGIE_LEASE_S": "4.5", "VIGIE_PROVIDER_TIMEOUT_S": "4"}).lease_s == 4.5
