"""Texts become alerts: once each, in the same alert as by HTTP, with a number that only the right people see."""

import itertools
import re
import uuid
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import MetaData, select

from backend.alerts import raising, rider_actions, views
from backend.alerts.intake import read_alert
from backend.alerts.models import Alert, Assignment, ReceivedText
from backend.alerts.register import control_card
from backend.alerts.text_parsing import short_id, signature_of
from backend.alerts.texting import Text, take
from backend.control_room import actions
from backend.delivery.models import Delivery
from backend.errors import Refused
from backend.network.cli import import_feed
from backend.people.models import Device
from backend.wiring import wire
from tests import migrated
from tests.database.test_assignments_races import at_once
from tests.night import EVERYTHING
from tests.night_bus import TOWN

NUMBER, OTHER, SHORT = "+33612345678", "+33698765432", "31177"
KEY = "key-of-these-tests"
_ids = itertools.count(1)


@pytest.fixture
def wiring(database_url, clock):
    settings = replace(migrated.settings(database_url), sms_secret=KEY, sms_url="http://127.0.0.1:9/texts")
    made = wire(settings, clock)
    yield made
    made.database.dispose()


def text(night, words, sender=NUMBER, *, id_=None, received_at=None):
    """What became of a text."""
    sent = Text(id_ or f"gateway-{next(_ids)}", sender, words, received_at or night.now)
    with night.session() as session:
        return take(session, sent, KEY.encode(), night.now)


def compact(alert_id, *, device=None, secret=None, more="c=A", words=""):
    """What an app would text."""
    parts = f"RTM=1;u={short_id(alert_id)};{more}" + (f";d={short_id(device)}" if device else "")
    signed = f"{parts};k={signature_of(parts, secret)}" if secret else parts
    return f"{signed} {words}".strip()


def by_http(night, alert_id, device, **body):
    """The alert as the app sends it."""
    with night.session() as session:
        alert, is_new = raising.raise_alert(session, alert_id, device, read_alert(body, night.now), night.now)
        return alert.id, is_new


def secret_of(night, device):
    with night.database.reading() as session:
        return session.get_one(Device, device).sms_secret


def alerts(night):
    with night.database.reading() as session:
        return list(session.scalars(select(Alert).order_by(Alert.received_at, Alert.id)))


def replies(night):
    with night.database.reading() as session:
        return list(session.scalars(select(Delivery).where(Delivery.kind == "reply").order_by(Delivery.created_at)))


def control(night, alert_id):
    with night.database.reading() as session:
        return control_card(session, session.get_one(Alert, alert_id))


def codes(alert):
    return {one["code"] for one in alert.warnings}


def test_own_words_become_an_alert_at_the_station_on_the_line(night):
    import_feed(night.database, TOWN, night.now)
    taken = text(night, "agression M1 castellane")
    assert taken.outcome == "alert"
    stored = night.alert(taken.alert_id)
    assert (stored.category, stored.line_id, stored.stop_id) == ("assault", "M1", "metro:cast")
    assert (stored.description, stored.contact_mode) == ("agression M1 castellane", "cannot_talk")
    assert (stored.source, stored.callback_number, stored.suspect) == ("sms", NUMBER, False)
    assert codes(stored) == {"text_unsigned"}
    assert night.actions(stored.id) == ["raised"]
    seen = control(night, stored.id)
    assert (seen["source"], seen["callback_number"]) == ("sms", NUMBER)


def test_a_text_that_is_handed_over_again_changes_nothing(night):
    first = text(night, "agression", id_="gw-1")
    again = text(night, "agression", id_="gw-1")
    assert (again.outcome, again.alert_id) == ("duplicate", first.alert_id)
    assert len(alerts(night)) == 1
    assert night.actions(first.alert_id) == ["raised"]
    assert len(replies(night)) == 1


def test_the_gateways_id_does_not_tell_the_alerts(night):
    stored = text(night, "agression", id_="1").alert_id
    with night.session() as session:
        other = take(session, Text("1 ", NUMBER, "vol", night.now), b"another key", night.now).alert_id
    assert stored != other
    assert stored.version == 5


@pytest.mark.parametrize(
    "words", ["", "  \n", "Message recu. Urgence: 17/112, SMS 114.", "RE: message reçu urgence 17/112 sms 114"]
)
def test_nothing_and_our_own_answer_are_no_alert_and_no_reply(night, words):
    assert text(night, words).outcome == "ignored"
    assert alerts(night) == replies(night) == []


@pytest.mark.postgres_only
def test_twenty_times_the_same_text_at_once_is_one_alert(night):
    results = at_once(*[lambda: text(night, "agression castellane", id_="gw-7")] * 20)
    assert sorted(one.outcome for one in results) == ["alert", *["duplicate"] * 19]
    assert len({one.alert_id for one in results}) == len(alerts(night)) == len(replies(night)) == 1


@pytest.mark.postgres_only
def test_texts_and_requests_of_one_id_at_once_are_one_alert(night):
    for _ in range(4):
        alert_id, device = uuid.uuid4(), night.phone()
        sent = compact(alert_id, device=device, secret=secret_of(night, device), words="help")
        jobs = [partial(text, night, sent), partial(by_http, night, alert_id, device, category="assault")]
        at_once(*jobs * 5)
        stored = night.alert(alert_id)
        assert (stored.device_id, stored.callback_number) == (device, NUMBER)
        assert night.actions(alert_id).count("raised") == 1
    assert len(alerts(night)) == 4


@pytest.mark.postgres_only
def test_two_texts_of_one_number_at_once_are_an_alert_and_a_message(night):
    for count in range(1, 6):  # the first time the number is new, later it is known
        results = at_once(lambda: text(night, "au secours"), lambda: text(night, "M1 castellane"))
        assert sorted(one.outcome for one in results) == ["alert", "message"]
        assert len(alerts(night)) == len(replies(night)) == count
        night.clock.advance(31 * 60)


def test_a_text_after_the_request_leaves_one_line_and_the_number(night):
    alert_id, device = uuid.uuid4(), night.phone()
    by_http(night, alert_id, device, category="theft", description="my bag")
    sent = compact(alert_id, device=device, secret=secret_of(night, device), more="c=A;l=M1")
    assert text(night, sent).outcome == "duplicate"
    assert text(night, sent).outcome == "duplicate"
    stored = night.alert(alert_id)
    assert (stored.category, stored.description, stored.source) == ("theft", "my bag", "app")
    assert (stored.line_id, stored.callback_number) == ("M1", NUMBER)
    assert night.actions(alert_id) == ["raised", "also_by_text"]
    assert night.log(alert_id)[-1].detail == {"signature": "right", "line_id": "M1"}


def test_words_that_a_text_adds_are_a_message(night):
    alert_id, device = uuid.uuid4(), night.phone()
    by_http(night, alert_id, device, category="assault")
    assert text(night, compact(alert_id, words="two men, one has a knife")).outcome == "message"
    with night.database.reading() as session:
        (message,) = rider_actions.messages(session, alert_id)
        assert (message.author, message.text) == ("rider", "two men, one has a knife")


def test_a_forged_text_about_a_known_alert_changes_nothing_but_is_written_down(night):
    alert_id, device = uuid.uuid4(), night.phone()
    by_http(night, alert_id, device, category="assault")
    for forged in (
        compact(alert_id, device=device, secret=b"guessed", more="l=M1"),
        compact(alert_id, device=(thief := night.phone()), secret=secret_of(night, thief), more="l=M1"),
        compact(alert_id, secret=b"guessed", more="l=M1"),
    ):
        text(night, forged, OTHER)
    stored = night.alert(alert_id)
    assert (stored.device_id, stored.callback_number, stored.line_id) == (device, None, None)
    assert night.log(alert_id)[-1].detail == {"signature": "wrong"}


def test_a_signature_without_the_phones_id_counts_for_its_own_alert(night):
    alert_id, device = uuid.uuid4(), night.phone()
    by_http(night, alert_id, device, category="assault")
    text(night, compact(alert_id, secret=secret_of(night, device), more="l=M1"))
    assert night.alert(alert_id).line_id == "M1"
    assert night.log(alert_id)[-1].detail["signature"] == "right"


def test_a_request_after_the_text_makes_the_alert_the_phones_own(night):
    alert_id, device = uuid.uuid4(), night.phone()
    taken = text(night, compact(alert_id, more="c=H;l=M1", words="red coat"))
    assert (taken.outcome, taken.alert_id) == ("alert", alert_id)
    body = {"category": "sexual_contact", "description": "third carriage", "place": {"station": "Castellane"},
            "position": {"latitude": 43.2951, "longitude": 5.374, "accuracy_m": 10}}  # fmt: skip
    assert by_http(night, alert_id, device, **body) == (alert_id, False)
    stored = night.alert(alert_id)
    assert stored.device_id == device
    assert (stored.category, stored.priority) == ("sexual_contact", 1)
    assert (stored.line_id, stored.station) == ("M1", "Castellane")
    assert stored.description == "red coat\nthird carriage"
    assert stored.lat == pytest.approx(43.2951)
    assert stored.callback_number == NUMBER
    assert codes(stored) == set()
    assert night.actions(alert_id) == ["raised", "adopted"]
    assert night.heard_by_rider(alert_id)[-1]["alert"]["category"] == "sexual_contact"
    assert by_http(night, alert_id, device, **body) == (alert_id, False), "a retry is a retry"
    assert night.actions(alert_id) == ["raised", "adopted"]
    with pytest.raises(Refused, match="key_reused"):
        by_http(night, alert_id, device, category="other")
    with pytest.raises(Refused, match="alert_unknown"):
        by_http(night, alert_id, night.phone(), **body)


def test_a_place_that_comes_with_the_request_sends_a_team_at_once(night):
    night.team(200)
    alert_id, device = uuid.uuid4(), night.phone()
    text(night, compact(alert_id))
    night.works()
    assert night.called(alert_id)[0]["reason"] == "no_position"
    by_http(night, alert_id, device, position={"latitude": 43.2951, "longitude": 5.374})
    night.works()
    assert [one.state for one in night.asked(alert_id)] == ["offered"]


def test_a_signed_text_is_the_phones_own_from_the_start(night):
    alert_id, device = uuid.uuid4(), night.phone()
    text(night, compact(alert_id, device=device, secret=secret_of(night, device)))
    stored = night.alert(alert_id)
    assert (stored.device_id, codes(stored)) == (device, {"location_missing"})
    with pytest.raises(Refused, match="alert_unknown"):
        by_http(night, alert_id, night.phone(), category="assault")
    assert by_http(night, alert_id, device, category="assault") == (alert_id, False)


@pytest.mark.parametrize("secret", [b"guessed", None])
def test_a_bad_or_missing_signature_is_stored_and_marked(night, secret):
    alert_id, device = uuid.uuid4(), night.phone()
    text(night, compact(alert_id, device=device, secret=secret))
    stored = night.alert(alert_id)
    assert stored.device_id != device
    assert (stored.state, stored.priority, stored.suspect) == ("open", 1, secret is not None)
    assert codes(stored) >= {"text_signature_wrong" if secret else "text_unsigned"}


def test_another_text_within_half_an_hour_is_a_message_and_what_it_names_is_known(night):
    import_feed(night.database, TOWN, night.now)
    night.team(200)
    first = text(night, "au secours")
    night.works()
    assert night.alert(first.alert_id).needs_human
    second = text(night, "je suis M1 castellane")
    assert (second.outcome, second.alert_id) == ("message", first.alert_id)
    stored = night.alert(first.alert_id)
    assert (stored.stop_id, stored.description) == ("metro:cast", "au secours")
    night.works()
    assert [one.state for one in night.asked(first.alert_id)] == ["offered"], "now a team can be sent"
    (said,) = night.heard("control", "message.added")
    assert said["message"]["text"] == "je suis M1 castellane"
    assert text(night, "vol a noailles", OTHER).outcome == "alert", "another number, another alert"
    night.clock.advance(29 * 60)
    assert text(night, "vite").outcome == "message", "the conversation goes on"
    night.clock.advance(31 * 60)
    assert text(night, "agression").outcome == "alert"


def test_nobody_writes_to_a_phone_that_would_not_show_it(night):
    alert_id, device = uuid.uuid4(), night.phone()
    text(night, compact(alert_id))

    def write():
        return night.operates(
            lambda session, alert, me, now: rider_actions.add_message(
                session, alert, uuid.uuid4(), "we are coming", "control_room", me.id, now
            ),
            alert_id,
        )

    with pytest.raises(Refused, match="rider_by_text"):
        write()
    by_http(night, alert_id, device, category="assault")
    write()
    assert night.heard_by_rider(alert_id, "message.added")[-1]["message"]["text"] == "we are coming"


def test_when_the_alert_is_over_a_text_is_a_new_one(night):
    first = text(night, "agression")
    night.operates(actions.close, first.alert_id, closing_code="victim_safe", legal_class=None, note=None)
    second = text(night, "il revient")
    assert second.outcome == "alert"
    assert second.alert_id != first.alert_id


def test_words_under_the_id_of_an_alert_that_is_over_are_for_the_control_room(night):
    alert_id, device = uuid.uuid4(), night.phone()
    by_http(night, alert_id, device, category="assault")
    night.operates(actions.close, alert_id, closing_code="victim_safe", legal_class=None, note=None)
    heard = len(night.heard_by_rider(alert_id, "message.added"))
    assert text(night, compact(alert_id, words="he is back")).outcome == "message"
    assert night.log(alert_id)[-1].reason == "he is back"
    assert len(night.heard_by_rider(alert_id, "message.added")) == heard
    assert night.alert(alert_id).state == "closed"


def test_after_duress_a_text_shows_nothing_on_the_phone(night):
    alert_id, device = uuid.uuid4(), night.phone()
    by_http(night, alert_id, device, category="assault", armed=True)
    night.cancels(alert_id, "duress")
    heard = len(night.heard(f"device:{device}"))
    text(night, compact(alert_id, device=device, secret=secret_of(night, device), words="he has my phone", more="l=M1"))
    stored = night.alert(alert_id)
    assert (stored.line_id, stored.duress, stored.state) == ("M1", True, "open")
    assert night.log(alert_id)[-1].reason == "he has my phone"
    assert len(night.heard(f"device:{device}")) == heard


def test_after_duress_words_of_her_own_raise_a_new_alert_as_after_any_end(night):
    alert_id, device = uuid.uuid4(), night.phone()
    by_http(night, alert_id, device, category="assault", armed=True)
    text(night, compact(alert_id, device=device, secret=secret_of(night, device)))
    night.cancels(alert_id, "duress")
    taken = text(night, "il a mon telephone")
    assert taken.outcome == "alert"
    assert taken.alert_id != alert_id


def test_a_text_that_waited_is_late(night):
    stored = night.alert(text(night, "agression", received_at=night.now - timedelta(minutes=20)).alert_id)
    assert stored.late
    assert stored.observed_at == night.now - timedelta(minutes=20)


def test_one_reply_in_two_minutes_and_five_for_one_alert(night):
    for _ in range(3):
        text(night, "agression")
    (reply,) = replies(night)
    assert (reply.audience, reply.channel, reply.number, reply.urgency) == ("number", "sms", NUMBER, 1)
    assert reply.due_at == night.now
    assert reply.useful_until == night.now + timedelta(minutes=10)
    text(night, "vol", OTHER)
    assert len(replies(night)) == 2
    for _ in range(9):
        night.clock.advance(125)
        text(night, "on me frappe")
    assert len([one for one in replies(night) if one.number == NUMBER]) == 5


@pytest.mark.parametrize(
    ("sender", "kept"),
    [(SHORT, None), ("114", None), ("INFO-SMS", None), ("+33", None), ("06 12 34 56 78", "0612345678")],
)
def test_nobody_is_answered_without_a_whole_number_of_her_own(night, sender, kept):
    taken = text(night, "agression", sender)
    assert taken.outcome == "alert", "taken all the same"
    assert replies(night) == []
    assert night.alert(taken.alert_id).callback_number == kept


def test_without_texts_out_nothing_waits_to_be_sent(night):
    with night.session() as session:
        session.info["settings"] = replace(night.wiring.settings, sms_url="")
        take(session, Text("gw-x", NUMBER, "agression", night.now), KEY.encode(), night.now)
    assert replies(night) == []


def test_many_texts_of_one_number_are_flagged_and_none_is_refused(night):
    taken = [text(night, compact(uuid.uuid4())) for _ in range(7)]
    assert {one.outcome for one in taken} == {"alert"}
    assert [night.alert(one.alert_id).suspect for one in taken] == [False] * 6 + [True]


def test_a_team_sees_the_number_once_it_has_accepted(night):
    patrol = night.team(200)
    taken = text(night, "RTM=1;c=A;lt=+43.2951;lg=+5.374")
    night.works()
    assignment_id = night.offer_to(patrol, taken.alert_id)

    def seen():
        with night.database.reading() as session:
            alert, assignment = session.get_one(Alert, taken.alert_id), session.get_one(Assignment, assignment_id)
            assert NUMBER not in str(views.rider_view(alert, []))
            return views.agent_view(assignment, alert)["alert"]["callback_number"]

    assert seen() is None
    assert NUMBER not in str(night.heard_by_team(patrol))
    night.does("accept", patrol, assignment_id)
    assert seen() == NUMBER


def test_the_number_is_kept_with_the_alert_and_in_what_waits_to_be_sent_alone(night):
    text(night, "agression M1")
    found = set()
    with night.database.reading() as session:
        metadata = MetaData()
        metadata.reflect(session.connection())
        for table in metadata.sorted_tables:
            for row in session.execute(table.select()).mappings():
                found |= {f"{table.name}.{name}" for name, value in row.items() if "612345678" in _shown(value)}
    assert found == {"alerts.callback_number", "deliveries.number", "feed_entries.data"}
    audiences = {audience for audience, data in _entries(night) if NUMBER in data}
    assert audiences == {"control"}


def _shown(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes | memoryview) else str(value)


def _entries(night):
    from backend import feed

    with night.database.reading() as session:
        return [(one.audience, one.data.decode()) for one in feed.read_after(session, 0, EVERYTHING)]


def test_the_row_of_a_number_is_made_with_the_key(night):
    text(night, "agression")
    text(night, "vol", "0033 6 12 34 56 78")
    with night.database.reading() as session:
        (sender,) = session.scalars(select(Device).where(Device.platform == "sms"))
        assert {row.sender_id for row in session.scalars(select(ReceivedText))} == {sender.id}
    with night.session() as session:
        take(session, Text("gw-y", NUMBER, "vol", night.now), b"another key", night.now)
        assert len(session.scalars(select(Device).where(Device.platform == "sms")).all()) == 2


def test_a_text_says_nothing_about_itself_in_a_log(night):
    shown = repr(Text("gw", NUMBER, "agression", night.now))
    assert not re.search(r"612|agress", shown)
