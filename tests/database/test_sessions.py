"""Who a token stands for: phones, staff, stale and revoked ones, and invitations."""

import threading
from datetime import timedelta

import pytest

from backend.errors import Refused
from backend.people import invitations, pins, sessions
from backend.people.models import Device, Invitation
from backend.people.passwords import TEST_COST
from backend.people.roles import Role
from backend.people.sessions import who
from backend.people.tokens import TokenKind, new_token
from tests.people import add_staff, add_team

DAYS = 7


@pytest.fixture
def phone(database, clock):
    with database.transaction() as session:
        return sessions.register_device(session, "android", clock.now(), valid_days=365, app_version="1.0", locale="fr-FR")


@pytest.fixture
def anna(database, clock):
    with database.transaction() as session:
        return add_staff(session, "anna", Role.AGENT, clock.now(), team=add_team(session, "GAP 1", clock.now()))


def sign_in(database, clock, staff):
    with database.transaction() as session:
        return sessions.sign_in(session, staff.id, clock.now(), valid_hours=14)


def caller(database, clock, token):
    with database.reading() as session:
        return who(session, token, clock.now(), stale_days=DAYS)


class TestPhones:
    def test_a_phone_is_a_rider_without_a_name(self, database, clock, phone):
        found = caller(database, clock, phone.access_token)
        assert (found.role, found.id, found.name, found.session_id) == (Role.RIDER, phone.id, None, None)
        assert not found.identity_stale

    @pytest.mark.parametrize(
        ("later_days", "stale"), [(364.99, False), (365, True), (371.99, True), (372, None), (5000, None)]
    )
    def test_a_stale_phone_is_known_for_a_week_more(self, database, clock, phone, later_days, stale):
        clock.advance(later_days * 86_400)
        found = caller(database, clock, phone.access_token)
        assert (found and found.identity_stale) is stale

    def test_a_forgotten_phone_is_nobody(self, database, clock, phone):
        with database.transaction() as session:
            pins.set_pins(session, session.get_one(Device, phone.id), pins.hashed("1234", "4321", cost=TEST_COST), "unset")
            sessions.forget_device(session, phone.id, clock.now())
        assert caller(database, clock, phone.access_token) is None
        with database.reading() as session:
            assert session.get_one(Device, phone.id).pin_hash is None

    def test_the_token_itself_is_not_stored(self, database, phone):
        with database.reading() as session:
            device = session.get_one(Device, phone.id)
        assert phone.access_token.encode() not in device.token_hash
        assert len(device.token_hash) == 32


class TestStaff:
    def test_a_session_stands_for_the_person_as_now_stored(self, database, clock, anna):
        made = sign_in(database, clock, anna)
        found = caller(database, clock, made.access_token)
        assert (found.role, found.id, found.team_id, found.name) == (Role.AGENT, anna.id, anna.team_id, "Anna")
        assert found.session_id is not None

    def test_it_ends_with_its_time(self, database, clock, anna):
        made = sign_in(database, clock, anna)
        clock.advance(14 * 3600 - 1)
        assert caller(database, clock, made.access_token)
        clock.advance(1)
        assert caller(database, clock, made.access_token) is None

    def test_signing_out_ends_one_session_only(self, database, clock, anna):
        first, second = (sign_in(database, clock, anna).access_token for _ in range(2))
        session_id = caller(database, clock, first).session_id
        with database.transaction() as session:
            sessions.sign_out(session, session_id, clock.now())
        assert caller(database, clock, first) is None
        assert caller(database, clock, second)

    def test_revocation_ends_all_and_is_heard(self, database, clock, anna):
        tokens = [sign_in(database, clock, anna).access_token for _ in range(3)]
        ids = {caller(database, clock, token).session_id for token in tokens}
        asked_last = clock.now()
        clock.advance(5)
        with database.transaction() as session:
            assert sessions.revoke_sessions(session, anna.id, clock.now()) == 3
            assert sessions.revoke_sessions(session, anna.id, clock.now()) == 0
        assert not any(caller(database, clock, token) for token in tokens)
        with database.reading() as session:
            assert sessions.sessions_revoked_since(session, asked_last) == ids
            assert sessions.sessions_revoked_since(session, clock.now() + timedelta(seconds=1)) == set()

    def test_expiry_and_forgotten_phones_are_heard_too(self, database, clock, anna, phone):
        ending = caller(database, clock, sign_in(database, clock, anna).access_token).session_id
        clock.advance(14 * 3600)
        with database.transaction() as session:
            sessions.forget_device(session, phone.id, clock.now())
        with database.reading() as session:
            since = clock.now() - timedelta(seconds=30)
            assert sessions.sessions_revoked_since(session, since) == {phone.id}
            assert sessions.sessions_revoked_since(session, since, clock.now()) == {phone.id, ending}

    def test_a_disabled_person_is_nobody_even_with_a_session(self, database, clock, anna):
        token = sign_in(database, clock, anna).access_token
        with database.transaction() as session:
            session.merge(anna).disabled_at = clock.now()
        assert caller(database, clock, token) is None
        with database.reading() as session:
            assert sessions.credentials(session, "anna") is None
        with database.transaction() as session, pytest.raises(Refused, match="login_failed"):
            sessions.sign_in(session, anna.id, clock.now(), valid_hours=14)

    @pytest.mark.parametrize("login", ["anna", "ANNA", "  Anna "])
    def test_a_login_is_found_however_it_is_typed(self, database, anna, login):
        with database.reading() as session:
            assert sessions.credentials(session, login).staff_id == anna.id

    @pytest.mark.parametrize("login", ["", "nobody", "anna' OR 1=1 --", "an\x00", "\ud800", "é" * 80, "%"])
    def test_other_logins_are_nobody(self, database, anna, login):
        with database.reading() as session:
            assert sessions.credentials(session, login) is None

    @pytest.mark.parametrize("kind", list(TokenKind))
    def test_a_token_that_was_never_issued_is_nobody(self, database, clock, anna, kind):
        assert caller(database, clock, new_token(kind)) is None

    def test_a_token_opens_only_its_own_kind(self, database, clock, phone, anna):
        staff = sign_in(database, clock, anna).access_token
        assert caller(database, clock, "vs_" + phone.access_token[3:]) is None
        assert caller(database, clock, "vd_" + staff[3:]) is None


class TestInvitations:
    def accept(self, database, clock, token, login="boss"):
        with database.transaction() as session:
            invitations.check(session, token, login, clock.now())
            return invitations.accept(session, token, clock.now(), password_hash="hash", login=login, display_name="Boss")

    def first(self, database, clock):
        with database.transaction() as session:
            assert not invitations.admin_exists(session)
            return invitations.invite(session, Role.ADMIN, clock.now())

    def test_the_first_admin(self, database, clock):
        made = self.first(database, clock)
        staff = self.accept(database, clock, made.token, "  Boss ")
        assert (staff.login, staff.role, staff.display_name) == ("boss", "admin", "Boss")
        with database.reading() as session:
            assert invitations.admin_exists(session)

    def test_it_works_once(self, database, clock):
        made = self.first(database, clock)
        self.accept(database, clock, made.token)
        with pytest.raises(Refused, match="invitation_invalid"):
            self.accept(database, clock, made.token, "other")

    def test_it_works_once_for_two_at_the_same_moment(self, database, clock):
        made, results = self.first(database, clock), []

        def accept(login):
            try:
                results.append(self.accept(database, clock, made.token, login).login)
            except Refused as refused:
                results.append(refused.code)

        threads = [threading.Thread(target=accept, args=(f"boss{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(results)[1:] == ["invitation_invalid"] * 3
        assert min(results).startswith("boss")

    def test_it_works_for_half_an_hour(self, database, clock):
        made = self.first(database, clock)
        clock.advance(30 * 60)
        with pytest.raises(Refused, match="invitation_invalid"):
            self.accept(database, clock, made.token)

    def test_a_second_link_replaces_the_first(self, database, clock):
        first, second = self.first(database, clock), self.first(database, clock)
        with pytest.raises(Refused, match="invitation_invalid"):
            self.accept(database, clock, first.token)
        assert self.accept(database, clock, second.token)

    @pytest.mark.parametrize("token", ["", "vi_short", "x" * 200, new_token(TokenKind.INVITATION), new_token(TokenKind.STAFF)])
    def test_a_made_up_link_is_refused(self, database, clock, token):
        with pytest.raises(Refused, match="invitation_invalid"):
            self.accept(database, clock, token)

    def test_a_new_link_for_an_account_lets_nobody_else_stay_in(self, database, clock, anna):
        token = sign_in(database, clock, anna).access_token
        with database.transaction() as session:
            made = invitations.invite(session, Role.AGENT, clock.now(), staff_id=anna.id)
        with pytest.raises(Refused, match="invalid") as refused:
            self.accept(database, clock, made.token, "somebody")
        assert refused.value.hint == "anna"
        staff = self.accept(database, clock, made.token, "Anna")
        assert (staff.id, staff.password_hash, staff.display_name) == (anna.id, "hash", "Anna")
        assert caller(database, clock, token) is None

    def test_a_taken_login_is_refused_and_the_link_stays_good(self, database, clock, anna):
        made = self.first(database, clock)
        with pytest.raises(Refused, match="login_taken"):
            self.accept(database, clock, made.token, "anna")
        assert self.accept(database, clock, made.token, "boss")
        with database.reading() as session:
            assert session.query(Invitation).one().used_at is not None
