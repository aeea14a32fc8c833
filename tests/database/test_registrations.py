"""Registrations: whose phone rings, who may take it over, and how many may be given up at once."""

import json
import threading
import uuid
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from backend import feed
from backend.database import new_id
from backend.delivery import registrations
from backend.delivery.channels import NEWS, TEST
from backend.delivery.models import Delivery, PushRegistration
from backend.delivery.registrations import MOST_PER_OWNER, Given
from backend.errors import Refused
from backend.people import sessions
from backend.people.roles import Caller, Role
from tests.people import add_staff, fed

CHANNELS = ("fcm", "webpush")


def token(text="token-1"):
    return Given("fcm", "fcm_token", text)


@pytest.fixture
def people(database, clock):
    """Two agents and a rider, signed in."""
    now = clock.now()
    with database.transaction() as session:
        found = {}
        for login in ("anna", "bruno"):
            staff = add_staff(session, login, Role.AGENT, now)
            signed_in = sessions.sign_in(session, staff.id, now, valid_hours=14)
            found[login] = sessions.who(session, signed_in.access_token, now, stale_days=7)
        phone = sessions.register_device(session, "android", now, valid_days=365)
        found["rider"] = Caller(Role.RIDER, phone.id)
    return found


@pytest.fixture
def register(database, clock):
    def give(caller, given=None, registration_id=None):
        with database.transaction() as session:
            return registrations.register(
                session, registration_id or new_id(), caller, given or token(), clock.now()
            ).id

    return give


def of(database, caller):
    with database.reading() as session:
        return [one.id for one in registrations.of_caller(session, caller)]


class TestWhosePhoneItIs:
    def test_each_sees_only_her_own(self, database, people, register):
        mine, hers = register(people["anna"], token("a")), register(people["rider"], token("b"))
        assert (of(database, people["anna"]), of(database, people["bruno"]), of(database, people["rider"])) == (
            [mine],
            [],
            [hers],
        )

    def test_the_same_again_changes_nothing(self, database, people, register, clock):
        first = register(people["anna"])
        with database.transaction() as session:
            session.execute(update(PushRegistration).values(reached_at=clock.now(), round_trip_ms=900))
        assert register(people["anna"], registration_id=first) == first
        with database.reading() as session:
            assert session.get_one(PushRegistration, first).round_trip_ms == 900

    def test_a_new_address_has_not_been_reached(self, database, people, register, clock):
        first = register(people["anna"])
        with database.transaction() as session:
            session.execute(
                update(PushRegistration).values(
                    reached_at=clock.now(), round_trip_ms=900, disabled_at=clock.now(), disabled_why="x"
                )
            )
        register(people["anna"], token("token-2"), first)
        with database.reading() as session:
            kept = session.get_one(PushRegistration, first)
            assert (kept.reached_at, kept.round_trip_ms, kept.disabled_at, kept.disabled_why) == (
                None,
                None,
                None,
                None,
            )

    def test_a_phone_that_changes_hands_rings_for_the_last_who_signed_in(self, database, people, register):
        first = register(people["anna"])
        second = register(people["bruno"])
        assert (of(database, people["anna"]), of(database, people["bruno"])) == ([], [second])
        assert register(people["anna"], registration_id=first) == first
        assert (of(database, people["anna"]), of(database, people["bruno"])) == ([first], [])

    def test_the_same_installation_under_another_name(self, database, people, register, clock):
        """The id and the address stay, the person changes; what still waited for the other loses its way."""
        same = register(people["anna"])
        with database.transaction() as session:
            registrations.send_tests(session, people["anna"].id, CHANNELS, clock.now())
        assert register(people["bruno"], registration_id=same) == same
        assert (of(database, people["anna"]), of(database, people["bruno"])) == ([], [same])
        with database.reading() as session:
            assert session.scalar(select(Delivery.registration_id)) is None

    def test_an_id_alone_takes_nothing_away(self, database, people, register):
        first = register(people["anna"])
        with pytest.raises(Refused, match="key_reused"):
            register(people["bruno"], token("another"), first)
        with pytest.raises(Refused, match="key_reused"):
            register(people["rider"], token("another"), first)
        assert of(database, people["anna"]) == [first]

    def test_nobody_forgets_anothers(self, database, people, register):
        first = register(people["anna"])
        with pytest.raises(Refused, match="not_found"), database.transaction() as session:
            registrations.forget(session, first, people["bruno"])
        with database.transaction() as session:
            registrations.forget(session, first, people["anna"])
        assert of(database, people["anna"]) == []

    def test_a_ninth_phone_takes_the_place_of_the_oldest(self, database, people, register, clock):
        made = []
        for number in range(MOST_PER_OWNER + 1):
            clock.advance(1)
            made.append(register(people["anna"], token(str(number))))
        assert of(database, people["anna"]) == list(reversed(made[1:]))

    def test_a_browser_is_its_endpoint(self, database, people, register):
        def subscription(auth):
            keys = {"p256dh": "B" + "A" * 86, "auth": auth}
            return Given(
                "webpush", "subscription", json.dumps({"endpoint": "https://fcm.googleapis.com/x", "keys": keys})
            )

        register(people["anna"], subscription("A" * 22))
        second = register(people["bruno"], subscription("B" * 21 + "A"))
        assert (of(database, people["anna"]), of(database, people["bruno"])) == ([], [second])

    def test_a_subscription_that_is_none(self, people, register):
        with pytest.raises(Refused, match="invalid"):
            register(people["anna"], Given("webpush", "subscription", "x"))

    @pytest.mark.postgres_only
    def test_two_requests_of_one_phone_at_once(self, database, people, register):
        """Both are answered, one perhaps with "again, please"; the phone is registered once."""
        outcomes, ready = [], threading.Barrier(6)

        def one():
            ready.wait()
            try:
                outcomes.append(register(people["anna"]))
            except Refused as refused:
                outcomes.append(refused.code)

        threads = [threading.Thread(target=one) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(outcomes) == 6
        assert {one for one in outcomes if isinstance(one, str)} <= {"busy"}
        assert len(of(database, people["anna"])) == 1


class TestSignedOut:
    def test_a_session_takes_its_registrations_along(self, database, people, register, clock):
        anna = people["anna"]
        register(anna)
        with database.transaction() as session:
            other = sessions.sign_in(session, anna.id, clock.now(), valid_hours=14)
            another = sessions.who(session, other.access_token, clock.now(), stale_days=7)
        kept = register(another, token("other"))
        with database.transaction() as session:
            sessions.sign_out(session, anna.session_id, clock.now())
            registrations.forget_ended(session, anna.id)
        assert of(database, anna) == [kept]

    def test_a_revoked_session_is_not_written_to_even_before_that(self, database, people, register, clock):
        register(people["anna"])
        with database.transaction() as session:
            assert len(registrations.of_staff(session, [people["anna"].id], CHANNELS, clock.now())) == 1
            sessions.revoke_sessions(session, people["anna"].id, clock.now())
            assert registrations.of_staff(session, [people["anna"].id], CHANNELS, clock.now()) == []

    def test_a_forgotten_phone(self, database, people, register, clock):
        register(people["rider"])
        with database.transaction() as session:
            sessions.forget_device(session, people["rider"].id, clock.now())
            registrations.forget_ended(session, people["rider"].id)
        assert of(database, people["rider"]) == []


    def test_addresses_of_no_use_are_forgotten(self, database, people, register, clock):
        """Disabled long ago, or of a sign-in or phone that is long over; nothing else."""
        gone = register(people["anna"], token("disabled"))
        with database.transaction() as session:
            registrations.disable(session, gone, session.get_one(PushRegistration, gone).address, "UNREGISTERED", clock.now())
        register(people["bruno"], token("signed in for fourteen hours"))
        kept = register(people["rider"], token("a year"))
        with database.transaction() as session:
            assert registrations.forget_old(session, clock.now()) == 0
            later = clock.advance(8 * 86_400)
            assert registrations.forget_old(session, later - timedelta(days=7)) == 2
            assert session.scalars(select(PushRegistration.id)).all() == [kept]


class TestReached:
    @pytest.fixture
    def delivery(self, database, people, register, clock):
        register(people["anna"])
        with database.transaction() as session:
            ((delivery_id, _),) = registrations.send_tests(session, people["anna"].id, CHANNELS, clock.now())
        return delivery_id

    def receive(self, database, delivery_id, now):
        with database.transaction() as session:
            registrations.reached(session, session.get_one(Delivery, delivery_id), now)

    def test_the_way_is_measured_and_its_owner_told(self, database, people, delivery, clock):
        with database.transaction() as session:
            session.get_one(Delivery, delivery).sent_at = clock.advance(3)
        self.receive(database, delivery, clock.advance(1.25))
        with database.reading() as session:
            one = session.scalars(select(PushRegistration)).one()
            assert (one.reached_at, one.round_trip_ms) == (clock.now(), 1250)
            told = fed(session, feed.staff(people["anna"].id))
            assert told == [("phone.tested", {"registration_id": str(one.id), "channel": "fcm", "round_trip_ms": 1250})]

    def test_a_phone_faster_than_the_providers_answer(self, database, delivery, clock):
        self.receive(database, delivery, clock.advance(0.4))
        with database.reading() as session:
            assert session.scalars(select(PushRegistration.round_trip_ms)).one() == 400

    def test_a_message_that_was_planned_for_later_counts_from_then(self, database, delivery, clock):
        with database.transaction() as session:
            session.get_one(Delivery, delivery).due_at = clock.now() + timedelta(seconds=2)
        self.receive(database, delivery, clock.advance(3))
        with database.reading() as session:
            assert session.scalars(select(PushRegistration.round_trip_ms)).one() == 1000

    def test_a_clock_that_jumped_measures_nothing_negative(self, database, delivery, clock):
        with database.transaction() as session:
            session.get_one(Delivery, delivery).sent_at = clock.now()
        self.receive(database, delivery, clock.advance(-60))
        with database.reading() as session:
            assert session.scalars(select(PushRegistration.round_trip_ms)).one() == 0

    def test_a_riders_phone_is_told_nothing(self, database, people, register, clock):
        registered = register(people["rider"], token("rider"))
        with database.transaction() as session:
            news = Delivery(
                id=new_id(),
                audience=feed.device(people["rider"].id),
                channel="fcm",
                created_at=clock.now(),
                useful_until=clock.now(),
                kind=NEWS,
                registration_id=registered,
            )
            session.add(news)
            session.flush()
            registrations.reached(session, news, clock.advance(1))
        with database.reading() as session:
            assert session.get_one(PushRegistration, registered).round_trip_ms == 1000
            assert feed.last_seq(session) == 0

    def test_an_impatient_finger_makes_no_queue(self, database, people, register, clock):
        register(people["anna"], token("a"))
        register(people["anna"], token("b"))
        sent = []
        for _ in range(3):
            with database.transaction() as session:
                sent.append(
                    {
                        delivery
                        for delivery, _ in registrations.send_tests(session, people["anna"].id, CHANNELS, clock.now())
                    }
                )
        assert sent[0] == sent[1] == sent[2]
        assert len(sent[0]) == 2
        with database.reading() as session:
            assert {one.kind for one in session.scalars(select(Delivery))} == {TEST}

    def test_no_test_where_nothing_can_arrive(self, database, people, register, clock):
        gone, _ = register(people["anna"], token("a")), register(people["anna"], Given("log", "log", "x"))
        with database.transaction() as session:
            registrations.disable(session, gone, session.get_one(PushRegistration, gone).address, "UNREGISTERED", clock.now())
            assert registrations.send_tests(session, people["anna"].id, CHANNELS, clock.now()) == []


class TestMassDeletion:
    """A wrong key or project makes a provider call every phone unknown."""

    @pytest.fixture
    def phones(self, database, people, clock):
        def make(count, channel="fcm", kind="fcm_token"):
            made = [
                PushRegistration(
                    id=new_id(), staff_id=people["anna"].id, channel=channel, address_kind=kind, address=f"{channel}{number}",
                    address_hash=uuid.uuid4().bytes * 2, created_at=clock.now(),
                )
                for number in range(count)
            ]  # fmt: skip
            with database.transaction() as session:
                session.add_all(made)
                session.flush()
                return [one.id for one in made]

        return make

    def disable(self, database, registration_id, now):
        with database.transaction() as session:
            known = session.get(PushRegistration, registration_id)
            return registrations.disable(session, registration_id, known.address if known else "", "UNREGISTERED", now)

    @pytest.mark.parametrize(("count", "given_up"), [(1, 1), (3, 3), (10, 3), (30, 3), (40, 4), (200, 20)])
    def test_three_or_a_tenth_in_ten_minutes(self, database, phones, clock, count, given_up):
        outcomes = [self.disable(database, one, clock.now()) for one in phones(count)]
        assert outcomes == [True] * given_up + [False] * (count - given_up)
        with database.reading() as session:
            enabled = session.scalars(select(PushRegistration.id).where(PushRegistration.disabled_at.is_(None))).all()
        assert len(enabled) == count - given_up

    def test_later_there_is_room_again(self, database, phones, clock):
        made = phones(10)
        assert [self.disable(database, one, clock.now()) for one in made[:4]] == [True, True, True, False]
        clock.advance(599)
        assert not self.disable(database, made[3], clock.now())
        clock.advance(2)
        assert self.disable(database, made[3], clock.now())

    def test_each_channel_by_itself(self, database, phones, clock):
        for one in phones(5):
            self.disable(database, one, clock.now())
        assert self.disable(database, phones(5, "webpush", "subscription")[0], clock.now())

    def test_the_same_phone_twice_counts_once(self, database, phones, clock):
        first, *others = phones(10)
        assert all(self.disable(database, first, clock.now()) for _ in range(5))
        assert [self.disable(database, one, clock.now()) for one in others[:3]] == [True, True, False]

    def test_one_that_has_a_new_address_meanwhile_keeps_it(self, database, phones, clock):
        (renewed,) = phones(1)
        with database.transaction() as session:
            session.get_one(PushRegistration, renewed).address = "new"
        with database.transaction() as session:
            assert registrations.disable(session, renewed, "fcm0", "UNREGISTERED", clock.now())
            assert session.get_one(PushRegistration, renewed).disabled_at is None

    def test_one_that_is_gone_meanwhile(self, database, clock):
        assert self.disable(database, new_id(), clock.now())

    @pytest.mark.postgres_only
    def test_all_workers_together(self, database, phones, clock):
        made, outcomes, ready = phones(6), [], threading.Barrier(6)

        def one(registration_id):
            ready.wait()
            outcomes.append(self.disable(database, registration_id, clock.now()))

        threads = [threading.Thread(target=one, args=(each,)) for each in made]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == [False] * 3 + [True] * 3
