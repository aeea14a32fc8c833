"""The outbox: what is due goes out once per lease, whoever claims it, and everything that can happen to it is written."""

import threading
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from backend import feed
from backend.alerts.intake import read_alert
from backend.alerts.raising import raise_alert
from backend.database import Database, lock_rows, new_id
from backend.delivery import ending, fanout, outbox, policy, receipts
from backend.delivery.channels import AddressDead, GiveUp, RetryAt, Sent
from backend.delivery.models import Delivery, DeliveryAttempt, PushRegistration
from backend.delivery.outbox import Mistake
from backend.delivery.retries import MOST_LEASES_LOST
from backend.people import sessions
from backend.people.models import DutyShift
from backend.people.roles import Role
from tests import migrated
from tests.people import add_staff, add_team

LEASE_S = 10


class Desk:
    """One agent on duty with a phone, and what the outbox holds for her."""

    def __init__(self, database, clock):
        self.database, self.clock = database, clock
        with database.transaction() as session:
            team = add_team(session, "GAP 1", self.now)
            agent = add_staff(session, "ada", Role.AGENT, self.now, team=team)
            agent.phone = "+33600000001"
            session.add(DutyShift(staff_id=agent.id, team_id=team.id, started_at=self.now))
            phone = PushRegistration(
                id=new_id(), staff_id=agent.id, channel="fcm", address_kind="fcm_token", address="secret",
                address_hash=b"1" * 32, language="en", created_at=self.now,
            )  # fmt: skip
            session.add(phone)
            self.team_id, self.agent_id, self.phone_id = team.id, agent.id, phone.id

    @property
    def now(self):
        return self.clock.now()

    def offers(self, *, critical=True, useful_s=20):
        """The id of a message to the team, said again by push and text as the policy says."""
        with self.database.transaction() as session:
            offer = Delivery(
                id=new_id(), audience=feed.team(self.team_id), channel="socket", created_at=self.now,
                useful_until=self.now + timedelta(seconds=useful_s), body={"assignment_id": str(uuid.uuid4())},
            )  # fmt: skip
            session.add(offer)
            fanout.say_again(session, [offer], self.now, critical=critical)
            return offer.id

    def claims(self, channel="fcm", limit=8):
        with self.database.transaction() as session:
            return outbox.claim(session, channel, self.now, limit=limit, lease_s=LEASE_S)

    def settles(self, claimed, outcome, jitter=0.0):
        with self.database.transaction() as session:
            return outbox.settle(session, claimed, outcome, self.now, self.now, jitter=jitter)

    def row(self, channel="fcm"):
        with self.database.reading() as session:
            return session.scalars(
                select(Delivery).where(Delivery.channel == channel).order_by(Delivery.created_at.desc())
            ).first()

    def ledger(self):
        with self.database.reading() as session:
            rows = session.scalars(select(DeliveryAttempt).order_by(DeliveryAttempt.number, DeliveryAttempt.id))
            return [(row.number, row.outcome, row.code) for row in rows]

    def notes(self, delivery_id, *, seen=False, by=None):
        with self.database.transaction() as session:
            delivery = session.get_one(Delivery, delivery_id)
            return receipts.note(session, delivery, by or self.agent_id, self.now, seen=seen)


@pytest.fixture
def database(database_url):
    """A database of an installation that has pushes and texts."""
    settings = replace(
        migrated.settings(database_url), fcm_credentials="set", sms_url="http://127.0.0.1:9/", sms_secret="x" * 32
    )
    made = Database(settings)
    made.before_commit(lambda session: feed.number_entries(session, made))
    yield made
    made.dispose()


@pytest.fixture
def desk(database, clock):
    return Desk(database, clock)


def test_an_offer_is_said_again_at_once_when_it_is_critical_and_by_text_after_that(desk):
    desk.offers(critical=True)
    push, text = desk.row("fcm"), desk.row("sms")
    assert push.due_at == desk.now
    assert text.due_at - push.due_at == timedelta(seconds=policy.TEXT_AFTER_S)
    assert (push.urgency, push.staff_id, push.registration_id) == (1, desk.agent_id, desk.phone_id)


def test_an_offer_that_is_not_critical_leaves_the_socket_two_seconds(desk):
    desk.offers(critical=False)
    assert desk.claims() == []
    desk.clock.advance(policy.PATIENCE_S)
    assert [one.kind for one in desk.claims()] == ["offer"]


def test_a_claimed_message_is_nobody_elses_until_its_lease_ends(desk):
    desk.offers()
    first = desk.claims()[0]
    assert desk.claims() == []
    desk.clock.advance(LEASE_S)
    second = desk.claims()[0]
    assert (second.id, second.attempts) == (first.id, 2)
    assert second.token != first.token


def test_who_comes_back_after_its_lease_changes_nothing_but_the_ledger(desk):
    desk.offers()
    late = desk.claims()[0]
    desk.clock.advance(LEASE_S)
    holder = desk.claims()[0]
    assert not desk.settles(late, GiveUp("TOO_OLD"))
    assert desk.row().settled_at is None
    assert desk.settles(holder, Sent("id-1"))
    assert desk.row().sent_at == desk.now
    assert desk.ledger() == [(1, "gave_up", "TOO_OLD"), (2, "sent", None)]


def test_a_message_says_nothing_but_ids_and_neutral_words(desk):
    desk.offers()
    message = desk.claims()[0].message()
    assert (message.text, message.title) == ("New message", "Vigie")
    assert message.assignment_id is not None
    assert "secret" not in repr(message)


def test_a_push_that_was_sent_waits_for_the_phones_own_word(desk):
    offer = desk.offers()
    sent = desk.claims()[0]
    desk.settles(sent, Sent())
    assert desk.row().settled_at is None
    desk.clock.advance(1)
    desk.notes(sent.id)
    assert (desk.row().settled_why, desk.row().received_at) == ("received", desk.now)
    assert desk.row("socket").received_at == desk.now, "the offer itself is with the team"
    assert desk.row("sms").settled_why == "received"
    with desk.database.reading() as session:
        phone = session.get_one(PushRegistration, desk.phone_id)
    assert (phone.round_trip_ms, phone.reached_at) == (1000, desk.now)
    assert offer != sent.id


def test_a_receipt_on_the_socket_ends_what_would_still_ring_for_that_person_alone(desk):
    with desk.database.transaction() as session:
        colleague = add_staff(session, "bea", Role.AGENT, desk.now)
        colleague.team_id, colleague.phone = desk.team_id, "+33600000002"
        session.flush()
        session.add(DutyShift(staff_id=colleague.id, team_id=desk.team_id, started_at=desk.now))
        colleague_id = colleague.id
    offer = desk.offers(critical=False)
    desk.notes(offer)
    desk.clock.advance(60)
    assert desk.claims() == []
    assert [one for one in desk.claims("sms") if one.attempts] == []
    with desk.database.reading() as session:
        by_person = {
            row.staff_id: row.settled_why for row in session.scalars(select(Delivery).where(Delivery.channel == "sms"))
        }
    assert by_person == {desk.agent_id: "received", colleague_id: "too_late"}


def test_seen_by_one_is_enough_for_all(desk):
    offer = desk.offers(critical=False)
    desk.notes(offer, seen=True, by=uuid.uuid4())
    assert {desk.row("fcm").settled_why, desk.row("sms").settled_why} == {"received"}


def test_an_offer_that_is_over_takes_everything_with_it(desk):
    offer = desk.offers(critical=False)
    with desk.database.transaction() as session:
        receipts.settle(session, [offer], "taken", desk.now)
    desk.clock.advance(10)
    assert desk.claims() == desk.claims("sms") == []
    assert {desk.row(channel).settled_why for channel in ("socket", "fcm", "sms")} == {"taken"}


def test_a_provider_that_says_when_is_obeyed(desk):
    desk.offers(useful_s=120)
    desk.settles(desk.claims()[0], RetryAt("QUOTA_EXCEEDED", after_s=60))
    desk.clock.advance(59)
    assert desk.claims() == []
    desk.clock.advance(1)
    assert len(desk.claims()) == 1


def test_a_retry_that_would_come_too_late_is_given_up_at_once(desk):
    desk.offers(useful_s=20)
    desk.settles(desk.claims()[0], RetryAt("QUOTA_EXCEEDED", after_s=60))
    assert desk.row().settled_why == "too_late"


@pytest.mark.parametrize(
    "outcome", [RetryAt("UNAVAILABLE"), GiveUp("INVALID_ARGUMENT"), AddressDead("UNREGISTERED"), Mistake("KeyError")]
)
def test_whatever_does_not_go_brings_the_text_forward(desk, outcome):
    desk.offers()
    push = desk.claims()[0]
    assert desk.claims("sms") == []
    desk.settles(push, outcome)
    assert len(desk.claims("sms")) == 1


def test_a_dead_address_is_never_written_to_again(desk):
    desk.offers()
    desk.settles(desk.claims()[0], AddressDead("UNREGISTERED"))
    assert desk.row().settled_why == "address_dead"
    desk.clock.advance(30)
    desk.offers()
    with desk.database.reading() as session:
        assert session.get_one(PushRegistration, desk.phone_id).disabled_why == "UNREGISTERED"
        assert len(session.scalars(select(Delivery).where(Delivery.channel == "fcm")).all()) == 1


def test_a_message_at_which_our_code_fails_is_put_aside_and_others_go_on(desk):
    desk.offers(useful_s=300)
    for attempt in range(1, 4):
        poison = desk.claims()[0]
        assert poison.attempts == attempt
        desk.settles(poison, Mistake("ValueError"))
        desk.clock.advance(attempt)
    assert desk.claims() == []
    assert desk.row().settled_why == "quarantined"
    desk.offers()
    assert len(desk.claims()) == 1


def test_a_message_that_ends_every_worker_that_takes_it_is_put_aside(desk):
    desk.offers(useful_s=1_000)
    for _ in range(MOST_LEASES_LOST):
        assert len(desk.claims()) == 1
        desk.clock.advance(LEASE_S)
    assert desk.claims() == []
    assert desk.row().settled_why == "quarantined"


def test_what_is_of_no_use_any_more_is_swept_away_also_while_nobody_sends(desk):
    desk.offers(useful_s=20)
    sent = desk.claims()[0]
    desk.settles(sent, Sent())
    desk.clock.advance(20)
    with desk.database.transaction() as session:
        assert ending.sweep(session, desk.now) == 2
    assert (desk.row("fcm").settled_why, desk.row("sms").settled_why) == ("no_receipt", "too_late")


def test_a_number_is_kept_only_until_the_text_is_sent(desk):
    with desk.database.transaction() as session:
        session.add(
            Delivery(
                id=new_id(), audience="number", channel="sms", created_at=desk.now, kind="reply", number="+33611111111",
                useful_until=desk.now + timedelta(minutes=10), urgency=1, due_at=desk.now,
            )
        )  # fmt: skip
    claimed = desk.claims("sms")[0]
    assert claimed.message().address.value == "+33611111111"
    desk.settles(claimed, Sent())
    assert (desk.row("sms").number, desk.row("sms").settled_why) == (None, "sent")


def test_a_first_alert_goes_before_everything_that_waits(desk):
    for urgency in (6, 4, 1, 2):
        with desk.database.transaction() as session:
            session.add(
                Delivery(
                    id=new_id(), audience=f"staff:{desk.agent_id}", channel="fcm", created_at=desk.now, kind="test",
                    useful_until=desk.now + timedelta(minutes=1), registration_id=desk.phone_id, urgency=urgency,
                    due_at=desk.now - timedelta(seconds=urgency),
                )
            )  # fmt: skip
    assert [one.urgency for one in desk.claims(limit=3)] == [1, 2, 4]


@pytest.mark.postgres_only
def test_workers_that_claim_at_the_same_moment_never_take_the_same(desk):
    for _ in range(20):
        desk.offers()
    taken, start = [], threading.Barrier(4)

    def worker():
        start.wait()
        for _ in range(10):
            taken.extend(one.id for one in desk.claims(limit=3))

    threads = [threading.Thread(target=worker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 20


def test_a_provider_that_is_away_for_minutes_is_asked_until_the_message_is_of_no_use(desk):
    desk.offers(useful_s=600)
    began = desk.now
    while claimed := desk.claims():
        desk.settles(claimed[0], RetryAt("UNAVAILABLE"))
        desk.clock.advance(max(0, (desk.row().due_at - desk.now).total_seconds()))
    assert desk.row().settled_why == "too_late"
    assert desk.now - began > timedelta(seconds=500)


def test_who_was_told_later_many_times_is_not_put_aside_for_one_worker_that_died(desk):
    desk.offers(useful_s=600)
    for _ in range(MOST_LEASES_LOST):
        desk.settles(desk.claims()[0], RetryAt("UNAVAILABLE"))
        desk.clock.advance(30)
    assert len(desk.claims()) == 1
    desk.clock.advance(LEASE_S)
    assert len(desk.claims()) == 1


def test_who_comes_back_after_its_lease_ends_no_address_either(desk):
    desk.offers()
    late = desk.claims()[0]
    desk.clock.advance(LEASE_S)
    desk.claims()
    assert not desk.settles(late, AddressDead("UNREGISTERED"))
    with desk.database.reading() as session:
        assert session.get_one(PushRegistration, desk.phone_id).disabled_at is None


def test_a_push_to_the_old_address_does_not_end_the_new_one(desk):
    desk.offers()
    under_way = desk.claims()[0]
    with desk.database.transaction() as session:
        session.get_one(PushRegistration, desk.phone_id).address = "renewed"
    desk.settles(under_way, AddressDead("UNREGISTERED"))
    with desk.database.reading() as session:
        assert session.get_one(PushRegistration, desk.phone_id).disabled_at is None


@pytest.mark.postgres_only
def test_neither_the_sweep_nor_the_notes_wait_for_who_holds_a_message(desk):
    held, free = desk.offers(), desk.offers()
    desk.clock.advance(30)
    with desk.database.transaction() as holder:
        rows = select(Delivery).where((Delivery.id == held) | (Delivery.about == held))
        holder.execute(lock_rows(rows)).all()
        with desk.database.transaction() as session:
            assert ending.sweep(session, desk.now) == 2
            assert receipts.note_emitted(session, [(held, desk.now), (free, desk.now)]) == {free}
    with desk.database.transaction() as session:
        assert ending.sweep(session, desk.now) == 2
        assert receipts.note_emitted(session, [(held, desk.now)]) == {held}
        assert session.get_one(Delivery, held).emitted_at == desk.now


def test_news_that_comes_while_the_last_is_being_sent_is_news_as_well(desk):
    with desk.database.transaction() as session:
        rider_id = sessions.register_device(session, "android", desk.now, valid_days=365).id
        session.add(
            PushRegistration(
                id=new_id(), device_id=rider_id, channel="fcm", address_kind="fcm_token", address="hers",
                address_hash=b"3" * 32, created_at=desk.now,
            )
        )  # fmt: skip
        alert_id = new_id()
        raise_alert(session, alert_id, rider_id, read_alert({}, desk.now, late_s=600), desk.now)

    def told():
        with desk.database.transaction() as session:
            fanout.tell_rider(session, rider_id, alert_id, desk.now)

    told()
    told()
    claimed = desk.claims()
    assert len(claimed) == 1, "two changes in a moment are one notification"
    told()
    assert len(desk.claims()) == 1, "she may have been told already, and not of this"
