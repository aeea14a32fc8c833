"""Reading texts: whatever somebody types is taken, and what is understood is what was meant."""

import base64
import json
import string
import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backend.alerts.categories import Category
from backend.alerts.intake import read_alert
from backend.alerts.text_parsing import (
    LETTERS,
    callback_number,
    is_dialable,
    read_text,
    short_id,
    signature_of,
)
from backend.alerts.text_words import NO_NAMES, LineName, Names, StopName, understand
from backend.network.names import folded
from backend.network.stations import place_name

NOW = datetime(2026, 11, 22, 21, tzinfo=UTC)
LINES = [("M1", "metro"), ("M2", "metro"), ("T1", "tram"), ("21", "bus"), ("83", "bus"), ("1", "bus"), ("35T", "bus")]
STOPS = [
    ("cast-m", "Castellane", "castellane", {"M1", "M2"}),
    ("cast-b", "Castellane", "castellane", {"21"}),
    ("la-cast", "La Castellane", "la-castellane", {"35T"}),
    ("noai", "Métro Noailles", "noailles", {"M2", "T1"}),
    ("lift", "Ascenseur", "ascenseur", {"21"}),
    ("char", "Saint-Charles", "saint-charles", {"M1", "M2"}),
    ("mairie-n", "Mairie", "mairie-n", {"83"}),
    ("mairie-s", "Mairie", "mairie-s", {"21"}),
]


def _names():
    stops = {}
    for stop_id, name, station, lines in STOPS:
        stops.setdefault(place_name(name), []).append(StopName(stop_id, station, frozenset(lines)))
    return Names({folded(name): LineName(name, folded(name), mode) for name, mode in LINES}, stops)


NAMES = _names()
compact_parts = st.lists(
    st.one_of(
        st.text(alphabet=st.characters(blacklist_characters=" ;"), max_size=30),
        st.builds("{}={}".format, st.sampled_from(["u", "d", "c", "m", "r", "lt", "lg", "rd", "top", "lc", "pm", "l", "v", "s", "k", "zz"]),
                  st.text(max_size=30)),
        st.builds("lt={};lg={}".format, st.floats(), st.floats()),
    ),
    max_size=12,
)  # fmt: skip
texts = st.one_of(
    st.text(max_size=400),
    st.builds(lambda parts, words: ";".join(["RTM=1", *parts]) + words, compact_parts, st.text(max_size=80)),
    st.lists(
        st.sampled_from(
            [
                "agression",
                "M1",
                "castellane",
                "bus",
                "83",
                "le",
                "dans",
                "la",
                "vers",
                "métro",
                "1",
                "mairie",
                "noailles",
                "voiture",
                "2",
                "viol",
                "\x00",
                "é",
            ]
        ),
        max_size=90,
    ).map(" ".join),
)


@given(texts)
@example("RTM=1;u=" + "é" * 22)
@example("RTM=1;lt=1;lg=1;top=99999999999999")
@example("RTM=1;u=\ud800")
@example("RTM=1;d=²²²²²²²²²²²²²²²²²²²²²²")
def test_any_text_is_read_and_becomes_an_alert(text):
    for names in (NAMES, NO_NAMES):
        read = read_text(text, names, NOW)
        content = read_alert(read.body, NOW)
        assert json.dumps(read.body).encode("utf-8")
        assert content.observed_at == NOW
        read.is_signed_with(b"key")


@given(texts)
def test_words_are_never_lost(text):
    read = read_text(text, NAMES, NOW)
    shown = text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8").strip()[:2000].strip()
    if not read.compact:
        assert read.body.get("description", "") == shown == (read.words or "")
    elif any(char.isspace() for char in shown):
        words = shown.split(maxsplit=1)
        assert words[1].strip() in read.body["description"] if len(words) > 1 else True


@given(
    st.uuids(), st.uuids(), st.sampled_from(sorted(LETTERS)), st.binary(min_size=1, max_size=20), st.text(max_size=20)
)
def test_what_an_app_writes_is_what_is_read(alert_id, device_id, letter, secret, words):
    signed = f"VILLE=1;u={short_id(alert_id)};c={letter};m=V;d={short_id(device_id)};l=M1"
    read = read_text(f"{signed};k={signature_of(signed, secret)} {words}", NAMES, NOW)
    assert (read.alert_id, read.device_id) == (alert_id, device_id)
    assert (read.body["category"], read.body["place"]) == (LETTERS[letter], {"line_id": "M1"})
    assert read.is_signed_with(secret)
    assert not read.is_signed_with(secret + b"x")
    changed = read_text(f"{signed}x;k={signature_of(signed, secret)}", NAMES, NOW)
    assert not changed.is_signed_with(secret)


@given(
    st.sampled_from(["u", "d", "c", "m", "r", "rd", "top"]),
    st.text(string.ascii_letters + string.digits, min_size=30, max_size=40),
)
def test_a_value_that_cannot_be_read_goes_to_the_description(name, value):
    read = read_text(f"RTM=1;lt=43.1;lg=5.1;{name}={value} words", NAMES, NOW)
    assert read.body["description"] == f"words {name}={value}"
    assert read.body["position"]["latitude"] == 43.1


def test_without_a_signature_nothing_is_signed():
    assert not read_text("RTM=1;c=A", NAMES, NOW).is_signed_with(b"secret")
    empty = base64.b32encode(b"").decode()
    assert not read_text(f"RTM=1;c=A;k={empty}", NAMES, NOW).is_signed_with(b"secret")


@pytest.mark.parametrize("top", ["20261122205950", "20261122210000", "20261123090000"])
def test_a_position_from_the_future_is_of_now(top):
    position = read_text(f"RTM=1;lt=+43.29;lg=-5.3;top={top}", NAMES, NOW).body["position"]
    assert position["fix_age_ms"] == (10_000 if top.endswith("950") else 0)
    assert position["longitude"] == -5.3


WORDS = [
    ("agression M1 castellane", Category.ASSAULT, "M1", "cast-m", None),
    ("AGRESSION MÉTRO 1 CASTELANE", Category.ASSAULT, "M1", "cast-m", None),
    ("agresion m 1 a la castellane", Category.ASSAULT, "M1", "cast-m", None),
    ("agression à la castellane", Category.ASSAULT, None, None, "la-castellane"),
    ("harcèlement ligne 1 du métro st charles", Category.SEXUAL_NO_CONTACT, "M1", "char", None),
    ("vol ligne 1", Category.THEFT, "1", None, None),
    ("someone grabbed me, sexual assault, bus 83", Category.SEXUAL_CONTACT, "83", None, None),
    ("vol avec un couteau", Category.ASSAULT, None, None, None),
    ("on me suit dans le 83 vers castellane", Category.SEXUAL_NO_CONTACT, "83", None, None),
    ("venez tout de suite noailles", None, None, None, "noailles"),
    ("2 hommes, 1 couteau", Category.ASSAULT, None, None, None),
    ("malaise castellane ou noailles", Category.MEDICAL, None, None, None),
    ("vol dans l'ascenseur de la station Noailles", Category.THEFT, None, None, "noailles"),
    ("bagarre mairie", Category.ASSAULT, None, None, None),
    ("bagarre mairie bus 83", Category.ASSAULT, "83", "mairie-n", None),
    ("agression M1 et T1", Category.ASSAULT, None, None, None),
    ("I am being followed at Noaille", Category.SEXUAL_NO_CONTACT, None, None, "noailles"),
    ("insulte raciste 35T", Category.DISCRIMINATION, "35T", None, None),
    ("colis abandonné", Category.SUSPICIOUS_OBJECT, None, None, None),
    ("au secours", None, None, None, None),
]


@pytest.mark.parametrize(("text", "category", "line", "stop", "station"), WORDS, ids=[one[0] for one in WORDS])
def test_words_mean_what_they_mean(text, category, line, stop, station):
    found = understand(text, NAMES)
    assert (found.category, found.line_id, found.stop_id, found.station) == (category, line, stop, station)


def test_who_and_how_and_which_carriage():
    found = understand("Témoin d'une agression, rame 3, rappelez-moi", NAMES)
    assert (found.witness, found.can_talk, found.carriage) == (True, True, "3")
    assert understand("malaise bus 4512", NAMES).vehicle_number == "4512"
    assert understand("malaise bus 83", NAMES).vehicle_number is None


NUMBERS = [("+33612345678", "+33612345678", True), ("0033 6 12-34.56 78", "+33612345678", True),
           ("33612345678", "+33612345678", True), ("06 12 34 56 78", "0612345678", False), ("114", None, False),
           ("31177", None, False), ("3117", None, False), ("INFO", None, False), ("", None, False),
           ("+", None, False), ("٣٣٦١٢٣٤٥٦٧٨", None, False)]  # fmt: skip


@pytest.mark.parametrize(("sender", "kept", "answered"), NUMBERS)
def test_numbers_to_call_back_and_to_answer(sender, kept, answered):
    assert callback_number(sender) == kept
    assert (kept is not None and is_dialable(kept)) == answered


@given(st.text(max_size=60))
def test_any_sender_is_taken(sender):
    kept = callback_number(sender)
    assert kept is None or len(kept) <= 20


@given(st.uuids())
def test_an_id_survives_its_short_form(given_id):
    assert read_text(f"RTM=1;u={short_id(given_id)};c=A", NO_NAMES, NOW).alert_id == given_id
    assert isinstance(uuid.UUID(bytes=base64.urlsafe_b64decode(short_id(given_id) + "==")), uuid.UUID)
