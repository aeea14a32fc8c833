"""`sms.md` tells the truth: each of its examples is read exactly as it says, on the network of the demo town."""

import base64
import itertools
import json
import re
from datetime import UTC, datetime

import pytest

from backend.alerts.text_names import names_of
from backend.alerts.text_parsing import LETTERS, read_text
from backend.delivery.words import reply_words
from backend.network.cli import import_feed
from backend.settings import Settings
from tests.contract.documents import FOLDER, SCHEMAS
from tests.night_bus import TOWN

DOCUMENT = (FOLDER / "sms.md").read_text(encoding="utf-8")
NOW = datetime(2026, 11, 22, 21, tzinfo=UTC)
SECRET = base64.urlsafe_b64decode(re.search(r"`sms_secret` is `([\w-]+)`", DOCUMENT)[1] + "=")
EXAMPLES = re.findall(r"```sms\n(.*?)\n```\n\n```json\n(.*?)\n```", DOCUMENT, re.DOTALL)
# GSM 03.38, the default alphabet, and what counts twice in it.
GSM = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
TWICE = set("^{}\\[~]|€")


def septets(text):
    """How much of a message of 160 this takes; None when a letter is outside the alphabet."""
    return sum(2 if char in TWICE else 1 for char in text) if set(text) <= GSM | TWICE else None


@pytest.fixture
def names(wiring, clock):
    import_feed(wiring.database, TOWN, clock.now())
    with wiring.database.reading() as session:
        return names_of(session)


def told(read):
    """A text as read, in the form in which `sms.md` writes it."""
    found = {
        "id": str(read.alert_id) if read.alert_id else None,
        "device_id": str(read.device_id) if read.device_id else None,
        "signature": None,
    }
    if read.compact:
        found["signature"] = "none" if read.signature is None else "right" if read.is_signed_with(SECRET) else "wrong"
    return {name: value for name, value in (found | read.body).items() if value is not None}


def test_there_are_examples_of_every_kind():
    assert len(EXAMPLES) >= 7
    assert DOCUMENT.count("```sms") == DOCUMENT.count("```json") == len(EXAMPLES)


def test_every_example_is_read_as_it_says(names):
    for text, expected in EXAMPLES:
        assert told(read_text(text, names, NOW)) == json.loads(expected), text


@pytest.mark.parametrize("text", [text for text, _ in EXAMPLES if text.startswith("RTM=")])
def test_a_compact_example_is_one_message(text):
    assert septets(text) is not None
    assert septets(text) <= 160


def test_what_is_answered_is_one_message_and_stands_there():
    usual = [(one.number, one.kind) for one in Settings().emergency_numbers]
    assert f"`{reply_words(usual, 'fr')}`" in DOCUMENT
    many = [(str(number), kind) for number in range(1000, 1060) for kind in ("call", "sms")]
    for language, numbers in itertools.product(("fr", "en"), (usual, many, [])):
        assert septets(reply_words(numbers, language)) <= 160
    assert reply_words([("999", "call")], "en") == "Message received. Emergency: 999."


def test_the_letters_are_those_of_the_document_and_name_every_category():
    row = next(line for line in DOCUMENT.splitlines() if line.startswith("| `c` "))
    assert dict(re.findall(r"`([A-Z])` (\w+)", row)) == {letter: str(category) for letter, category in LETTERS.items()}
    assert {str(category) for category in LETTERS.values()} == set(SCHEMAS["AlertCategory"]["enum"])
