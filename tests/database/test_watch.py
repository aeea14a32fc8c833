"""The watch on a database: what one look finds, how findings begin and end, who is told, who is deaf, who may."""

import threading
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event, select, text

from backend.database import new_id
from backend.delivery import ending
from backend.delivery.models import Delivery, DeliveryAttempt, PushRegistration
from backend.heartbeats import Heartbeat, beat
from backend.people.models import Presence, Staff
from backend.people.roles import Role
from backend.watch import figures, leases, presence
from backend.watch.auditing import Auditor
from backend.watch.auditor import open_and_close
from backend.watch.findings import Found, judge
from backend.watch.models import Finding, Lease
from backend.watch.status import deaf, status
from backend.wiring import wire
from tests import migrated
from tests.night import Night
from tests.people import add_staff


@pytest.fixture
def wiring(database_url, clock):
    """An installation with a channel beyond the socket; nothing is ever sent in these tests."""
    made = wire(replace(migrated.settings(database_url), log_channel=True), clock)
    yield made
    made.database.dispose()


@pytest.fixture
def night(wiring, clock):
    made = Night(wiring, clock)
    made.worker.beat()
    return made


def look(night):
    with night.database.reading() as session:
        return figures.look(session, night.now)


def found(night):
    return [(one.code, one.subject) for one in judge(look(night))]


def beats(night):
    night.worker._beaten = -10
    night.worker.beat()


def outbox_row(night, *, due_in_s=0.0, **more):
    row = {"id": new_id(), "audience": "staff:nobody", "channel": "log", "created_at": night.now, "kind": "test",
           "useful_until": night.now + timedelta(minutes=5), "due_at": night.now + timedelta(seconds=due_in_s),
           **more}  # fmt: skip
    with night.session() as session:
        session.add(Delivery(**row))
    return row["id"]


def attempted(night, *outcomes, channel="fcm", why=None, code=None):
    with night.session() as session:
        for outcome in outcomes:
            row = Delivery(id=new_id(), audience="staff:nobody", channel=channel, created_at=night.now, kind="test",
                           useful_until=night.now, settled_at=night.now, settled_why=why or outcome)  # fmt: skip
            session.add(row)
            session.flush()
            session.add(
                DeliveryAttempt(
                    delivery_id=row.id, number=1, channel=channel, at=night.now, took_ms=3, outcome=outcome, code=code
                )
            )  # fmt: skip


def test_on_a_quiet_night_nothing_is_found(night):
    assert found(night) == []


def test_an_overdue_round_is_found_and_over_when_it_ran(night, clock):
    night.raises()
    clock.advance(3.5)
    beats(night)
    assert found(night) == []
    clock.advance(0.5)
    assert found(night) == [("round_overdue", "")]
    night.works()
    assert found(night) == []


def test_overdue_attention_is_found(night, clock):
    alert_id = night.raises()
    night.works()
    due = night.alert(alert_id).attention_at
    clock.advance((due - night.now).total_seconds() + 4.5)
    beats(night)
    assert ("attention_overdue", "") in found(night)


def test_a_message_that_nobody_sends_is_found_also_while_a_dead_workers_lease_runs(night, clock):
    outbox_row(night, due_in_s=2)
    outbox_row(night, claim_token=uuid.uuid4(), claimed_until=night.now + timedelta(seconds=10))
    clock.advance(3.5)
    beats(night)
    assert found(night) == []
    clock.advance(0.5)
    assert found(night) == [("delivery_stuck", "")]


def test_a_message_that_is_to_be_tried_again_later_or_is_settled_is_not_stuck(night, clock):
    outbox_row(night, due_in_s=30)
    outbox_row(night, sent_at=night.now)
    outbox_row(night, settled_at=night.now, settled_why="taken")
    clock.advance(10)
    beats(night)
    assert found(night) == []


def test_an_offer_that_no_live_process_writes_to_an_open_socket_is_found(night, clock):
    team = night.team()
    night.raises()
    night.works()
    clock.advance(5)
    beats(night)
    assert look(night).unheard_offer_s == 0, "no socket of the team is open: that is what pushes are for"
    with night.session() as session:
        presence.note(session, [team.agent_id], night.now)
    assert found(night) == [("feed_lag", "")]
    with night.session() as session:
        for row in session.scalars(select(Delivery)):
            row.emitted_at = night.now
    assert found(night) == []


def test_the_last_worker_is_missed_an_hour_later_too(night, clock):
    clock.advance(7_200)
    with night.session() as session:
        beat(session, uuid.uuid4(), "live", night.now)
        assert [row.kind for row in session.scalars(select(Heartbeat).order_by(Heartbeat.kind))] == ["live", "worker"]
    assert found(night) == [("worker_silent", "")]
    clock.advance(5)
    assert found(night) == [("worker_silent", ""), ("live_silent", "")]


def test_a_channel_fails_when_nothing_went_for_a_minute(night, clock):
    attempted(night, "retry", "gave_up_ours", "retry", "retry")
    assert found(night) == []
    attempted(night, "mistake")
    assert found(night) == [("channel_failing", "fcm")]
    attempted(night, "sent", channel="sms")
    assert found(night) == [("channel_failing", "fcm")]
    attempted(night, "sent")
    assert found(night) == []
    clock.advance(61)
    beats(night)
    assert look(night).channels == ()


def test_one_refusal_of_our_own_key_is_enough_on_a_quiet_night(night):
    attempted(night, "gave_up_ours", code="INVALID_ARGUMENT")
    assert found(night) == [], "one message that was built badly says nothing about the next"
    attempted(night, "gave_up_ours", code="credentials")
    assert found(night) == [("channel_failing", "fcm")]
    attempted(night, "sent")
    assert found(night) == []


def test_deaths_that_were_not_believed_and_what_was_put_aside_are_shown_for_ten_minutes(night, clock):
    attempted(night, "address_dead", "address_dead", why="address_dead")
    assert found(night) == []
    attempted(night, "address_dead", why="gave_up")
    attempted(night, "mistake", channel="sms", why="quarantined")
    assert found(night) == [("address_deaths", "fcm"), ("quarantined", "")]
    clock.advance(601)
    beats(night)
    assert found(night) == []


def test_one_look_is_a_handful_of_statements(night):
    night.team()
    night.raises()
    asked = []
    event.listen(night.database.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    look(night)
    assert len([one for one in asked if "SELECT" in one]) <= 4


@pytest.mark.postgres_only
def test_no_look_reads_a_whole_table(night):
    with night.session() as session:
        session.execute(text("SET LOCAL enable_seqscan TO off"))
        statements = []
        event.listen(
            night.database.engine, "before_cursor_execute", lambda *given: statements.append((given[2], given[3]))
        )
        figures.look(session, night.now)
        for statement, parameters in tuple(statements):
            plan = "\n".join(row[0] for row in session.connection().exec_driver_sql(f"EXPLAIN {statement}", parameters))
            for table in ("deliveries", "delivery_attempts", "alerts", "log_entries"):
                assert f"Seq Scan on {table}" not in plan, plan


# -- findings as rows -------------------------------------------------------------------------------------------


def rows(night):
    with night.database.reading() as session:
        return list(session.scalars(select(Finding).order_by(Finding.found_at, Finding.code)))


def keep(night, *now_found):
    with night.session() as session:
        return open_and_close(session, now_found, night.now)


STUCK, DEAF = Found("delivery_stuck", value=4.4), Found("channel_failing", "fcm", 9)


def test_a_finding_is_one_row_from_its_beginning_to_its_end(night, clock):
    began = night.now
    assert [one.code for one in keep(night, STUCK).opened] == ["delivery_stuck"]
    clock.advance(1)
    assert keep(night, STUCK, DEAF).opened == [DEAF]
    clock.advance(1)
    assert [one.code for one in keep(night, DEAF).closed] == ["delivery_stuck"]
    assert [(one.code, one.subject, one.found_at, one.over_at) for one in rows(night)] == [
        ("delivery_stuck", "", began, night.now),
        ("channel_failing", "fcm", began + timedelta(seconds=1), None),
    ]
    clock.advance(1)
    keep(night, STUCK, DEAF)
    assert len(rows(night)) == 3, "what comes back is another finding"


def supervisor(night):
    with night.session() as session:
        chief = add_staff(session, "chief", Role.SUPERVISOR, night.now)
        session.add(
            PushRegistration(
                id=new_id(), staff_id=chief.id, channel="log", address_kind="log", address="x", address_hash=b"2" * 32,
                created_at=night.now,
            )
        )  # fmt: skip
        return chief.id


def calls(night):
    with night.database.reading() as session:
        return [row.body["why"] for row in session.scalars(select(Delivery).where(Delivery.kind == "trouble"))]


def test_supervisors_are_called_once_for_what_lasts_and_not_for_a_hiccup(night, clock):
    supervisor(night)
    for _ in range(5):
        keep(night, STUCK)
        clock.advance(1)
    assert calls(night) == []
    told = keep(night, STUCK).told
    assert [one.code for one in told] == ["delivery_stuck"]
    assert calls(night) == ["delivery_stuck"]
    for _ in range(5):
        clock.advance(1)
        assert keep(night, STUCK).told == []
    keep(night)
    keep(night, DEAF)
    clock.advance(2)
    keep(night)
    assert calls(night) == ["delivery_stuck"]
    keep(night, DEAF)
    clock.advance(6)
    keep(night, DEAF)
    assert calls(night) == ["delivery_stuck", "channel_failing:fcm"]


def test_what_comes_back_while_its_call_is_fresh_is_told_when_that_is_over(night, clock):
    supervisor(night)
    keep(night, STUCK)
    clock.advance(6)
    assert keep(night, STUCK).told
    keep(night)
    keep(night, STUCK)
    clock.advance(6)
    assert keep(night, STUCK).told == [], "they have heard it ten seconds ago"
    clock.advance(600)
    assert [one.code for one in keep(night, STUCK).told] == ["delivery_stuck"]
    assert calls(night) == ["delivery_stuck"] * 2


def test_a_call_that_never_went_mutes_no_other(night, clock):
    supervisor(night)
    keep(night, STUCK)
    clock.advance(6)
    keep(night, STUCK)
    with night.session() as session:
        session.scalars(select(Delivery)).one().settled_at = clock.now()
    keep(night)
    keep(night, STUCK)
    clock.advance(6)
    assert keep(night, STUCK).told
    assert len(calls(night)) == 2


def test_who_leaves_an_address_later_is_told_then(night, clock):
    keep(night, STUCK)
    clock.advance(6)
    assert keep(night, STUCK).told == []
    supervisor(night)
    clock.advance(1)
    assert keep(night, STUCK).told


def test_one_drill_that_failed_wakes_nobody_and_failing_ones_do_whatever_step_they_fail_at(night, clock):
    supervisor(night)
    began = night.now
    keep(night, Found("drill_failed", "offered"))
    clock.advance(20)
    keep(night, Found("drill_failed", "offered"))
    keep(night)
    keep(night, Found("drill_failed", "connected"))
    clock.advance(20)
    assert keep(night, Found("drill_failed", "raised")).told == [], "a new trouble, which began when the last was over"
    clock.advance(10)
    told = keep(night, Found("drill_failed", "raised")).told
    assert [(one.subject, one.found_at) for one in told] == [("raised", began + timedelta(seconds=20))]
    clock.advance(5)
    assert keep(night, Found("drill_failed", "offered")).told == []
    clock.advance(60)
    assert keep(night, Found("drill_failed", "offered")).told == [], "told once, under whatever name"
    assert calls(night) == ["drill_failed:raised"]


def test_what_has_weeks_left_is_shown_and_wakes_nobody(night, clock):
    supervisor(night)
    keep(night, Found("certificate_soon", value=20.5))
    clock.advance(60)
    assert keep(night, Found("certificate_soon", value=20.5)).told == []
    assert calls(night) == []
    assert [one.over_at for one in rows(night)] == [None]


def test_a_call_says_no_more_than_that_somebody_is_needed(night, clock):
    supervisor(night)
    keep(night, STUCK)
    clock.advance(6)
    keep(night, STUCK)
    with night.database.reading() as session:
        call = session.scalars(select(Delivery).where(Delivery.kind == "trouble")).one()
    assert (call.alert_id, call.urgency, set(call.body)) == (None, 1, {"why"})


def test_one_auditor_writes_and_the_next_takes_over_when_it_is_dead(night, clock):
    first, second = Auditor(night.wiring), Auditor(night.wiring)
    assert first.turn() is not None
    assert second.turn() is None
    clock.advance(2)
    assert first.turn() is not None
    clock.advance(2)
    assert second.turn() is None
    clock.advance(2)
    assert second.turn() is not None, "its lease is over"
    assert first.turn() is None


def test_two_auditors_at_once_never_make_two_rows_of_one_finding(night, clock):
    clock.advance(60)  # nobody works: that is what they find
    auditors = [Auditor(night.wiring) for _ in range(4)]
    together, failed = threading.Barrier(len(auditors)), []

    def run(auditor):
        together.wait()
        try:
            auditor.turn()
        except Exception as error:  # noqa: BLE001 - shown below
            failed.append(error)

    threads = [threading.Thread(target=run, args=(auditor,)) for auditor in auditors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert [one.code for one in rows(night)] == ["worker_silent"]


# -- leases ------------------------------------------------------------------------------------------------------


def hold(night, name, holder, for_s=3.0):
    with night.session() as session:
        return leases.hold(session, name, holder, night.now, for_s)


def test_a_lease_is_held_by_one_until_it_ends_or_is_let_go(night, clock):
    mine, other = uuid.uuid4(), uuid.uuid4()
    assert hold(night, "drill", mine)
    assert hold(night, "drill", mine)
    assert not hold(night, "drill", other)
    assert hold(night, "dead_man", other), "another thing"
    clock.advance(3)
    assert hold(night, "drill", other)
    assert not hold(night, "drill", mine)
    with night.session() as session:
        leases.let_go(session, "drill", mine)
        assert leases.is_held(session, "drill", night.now), "only its holder lets it go"
        leases.let_go(session, "drill", other)
        assert not leases.is_held(session, "drill", night.now)
    assert hold(night, "drill", mine)


def test_a_clock_that_was_wrong_holds_no_lease_for_ever(night, clock):
    mine, other = uuid.uuid4(), uuid.uuid4()
    clock.advance(86_400)
    assert hold(night, "auditor", mine)
    clock.advance(-86_400)
    assert hold(night, "auditor", other)


@pytest.mark.postgres_only
def test_of_many_that_want_a_lease_at_once_one_gets_it(night):
    together, got = threading.Barrier(6), []

    def run():
        me = uuid.uuid4()
        together.wait()
        if hold(night, "drill", me):
            got.append(me)

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with night.database.reading() as session:
        assert [session.get_one(Lease, "drill").holder] == got


# -- presence and who is deaf ----------------------------------------------------------------------------------


def test_presence_is_one_row_a_person_and_never_goes_back(night, clock):
    team = night.team()
    with night.session() as session:
        presence.note(session, [team.agent_id, team.agent_id, night.operator_id], night.now)
    clock.advance(-60)
    with night.session() as session:
        presence.note(session, [team.agent_id], night.now)
        presence.note(session, [], night.now)
    with night.database.reading() as session:
        assert {row.at for row in session.scalars(select(Presence))} == {night.now + timedelta(seconds=60)}


def registered(night, staff_id, **more):
    with night.session() as session:
        row = PushRegistration(
            id=new_id(), staff_id=staff_id, channel="log", address_kind="log", address=str(staff_id),
            address_hash=staff_id.bytes * 2, created_at=night.now, **more,
        )  # fmt: skip
        session.add(row)


def deafness(night, channels=("log",)):
    with night.database.reading() as session:
        return {
            one["call_sign"]: (one["socket"], one["push_ms"], one["why"]) for one in deaf(session, channels, night.now)
        }


def pushed(night, agent_id, *, received=False, **more):
    """A push that went out to this agent's phone, and whether the phone has said so."""
    with night.session() as session:
        phone = session.query(PushRegistration).filter_by(staff_id=agent_id).one()
        heard = night.now if received else None
    return outbox_row(night, staff_id=agent_id, registration_id=phone.id, sent_at=night.now, received_at=heard, **more)


def opens_a_socket(night, *teams):
    with night.session() as session:
        presence.note(session, [team.agent_id for team in teams], night.now)


def test_who_is_on_duty_and_cannot_be_reached_is_said_with_the_reason(night, clock):
    nobody, open_only, untested, old, heard, off = (night.team() for _ in range(6))
    night.leaves(off)
    registered(night, untested.agent_id)
    registered(night, old.agent_id, reached_at=night.now - timedelta(seconds=1), round_trip_ms=80)
    clock.advance(1)
    registered(night, heard.agent_id, reached_at=night.now, round_trip_ms=95)
    opens_a_socket(night, open_only, untested, old)
    assert deafness(night) == {
        nobody.call_sign: (False, None, "unreachable"),
        open_only.call_sign: (True, None, "no_push"),
        untested.call_sign: (True, None, "push_untested"),
        old.call_sign: (True, None, "push_untested"),
    }


def measured(night, *teams):
    for team in teams:
        registered(night, team.agent_id, reached_at=night.now, round_trip_ms=95)


def test_a_phone_that_died_after_it_was_measured_is_found_by_the_first_push_in_vain(night, clock):
    fine, dead, back = (night.team() for _ in range(3))
    measured(night, fine, dead, back)
    clock.advance(1)
    pushed(night, fine.agent_id, received=True)
    for team in (dead, back):
        pushed(night, team.agent_id)
    clock.advance(200)
    with night.session() as session:
        session.query(PushRegistration).filter_by(staff_id=back.agent_id).one().reached_at = night.now
    clock.advance(101)
    with night.session() as session:
        assert ending.sweep(session, night.now) == 2
    assert deafness(night) == {dead.call_sign: (False, None, "unreachable")}
    opens_a_socket(night, dead)
    assert deafness(night) == {dead.call_sign: (True, None, "push_untested")}


def test_an_offer_that_runs_out_unheard_says_the_same_of_the_phone_it_was_pushed_to(night, clock):
    silent = night.team(200)
    measured(night, silent)
    clock.advance(1)
    alert_id = night.raises()
    night.works()
    with night.session() as session:
        for push in session.query(Delivery).filter_by(staff_id=silent.agent_id, channel="log"):
            push.sent_at = night.now
    assert deafness(night) == {}
    night.wait(21)
    assert "offer_expired" in night.actions(alert_id)
    assert deafness(night) == {silent.call_sign: (False, None, "unreachable")}


def test_without_pushes_an_open_socket_is_enough_and_has_to_be_open(night, clock):
    inside, outside = night.team(), night.team()
    opens_a_socket(night, inside)
    assert deafness(night, ()) == {outside.call_sign: (False, None, "unreachable")}
    assert deafness(night, ("sms",)) == {outside.call_sign: (False, None, "unreachable")}
    clock.advance(9)
    assert set(deafness(night, ())) == {inside.call_sign, outside.call_sign}


def test_a_registration_that_was_given_up_reaches_nobody(night):
    team = night.team()
    registered(night, team.agent_id, reached_at=night.now, round_trip_ms=95, disabled_at=night.now)
    opens_a_socket(night, team)
    assert deafness(night) == {team.call_sign: (True, None, "no_push")}


def test_the_status_says_since_when_and_which_channels_work(night, clock):
    began = night.now
    keep(night, DEAF)
    attempted(night, *["retry"] * 6, channel="log")
    clock.advance(2)
    beats(night)
    with night.database.reading() as session:
        told = status(session, figures.look(session, night.now), night.now)
    assert [(one["code"], one["subject"], one["value"]) for one in told["findings"]] == [
        ("channel_failing", "log", 6.0)
    ]
    assert began < night.now
    assert {one["channel"]: (one["state"], one["failed"]) for one in told["channels"]} == {
        "fcm": ("off", 0), "webpush": ("off", 0), "sms": ("off", 0), "log": ("failing", 6),
    }  # fmt: skip
    assert told["drill"] == {"ok": None, "age_s": None, "took_ms": None}
    assert told["deaf"] == []


def test_names_are_what_people_are_called(night):
    team = night.team()
    with night.session() as session:
        session.get_one(Staff, team.agent_id).display_name = "Inès"
    with night.database.reading() as session:
        assert [one["name"] for one in deaf(session, (), night.now)] == ["Inès"]
