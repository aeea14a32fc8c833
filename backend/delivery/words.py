"""What a push or a text says: neutral words, which tell an aggressor who reads along nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from backend.delivery.channels import NEWS, OFFER, REPLY, SUPERVISOR, TEST, TROUBLE

_TEXTS: dict[str, dict[str, str]] = {
    OFFER: {"fr": "Nouveau message", "en": "New message"},
    SUPERVISOR: {"fr": "Votre attention est demandée. Ouvrez la salle de contrôle.",
                 "en": "Your attention is asked for. Open the control room."},
    NEWS: {"fr": "Nouvelle information", "en": "New information"},
    TEST: {"fr": "Essai du téléphone", "en": "Phone test"},
    REPLY: {"fr": "Message recu.", "en": "Message received."},
    TROUBLE: {"fr": "Le systeme demande votre attention. Ouvrez la salle de controle.",
              "en": "The system asks for your attention. Open the control room."},
}  # fmt: skip


_IN_DANGER = {"fr": ("Urgence", "SMS"), "en": ("Emergency", "text")}
_ONE_TEXT = 160


def words(kind: str, language: str) -> str:
    """The text of a message of this kind; English where a language is missing."""
    found = _TEXTS[kind]
    return found.get(language, found["en"])


def reply_words(numbers: Iterable[tuple[str, str]], language: str) -> str:
    """The answer to a text: that it has come, and as many of the country's numbers as fit into one text.

    Each number comes with its kind, `call` or `sms`.
    """
    emergency, by_text = _IN_DANGER.get(language, _IN_DANGER["en"])
    given = list(numbers)
    while True:
        calls = "/".join(number for number, kind in given if kind == "call")
        texts = "/".join(number for number, kind in given if kind == "sms")
        told = ", ".join(part for part in (calls, f"{by_text} {texts}" if texts else "") if part)
        said = words(REPLY, language) + (f" {emergency}: {told}." if told else "")
        if len(said) <= _ONE_TEXT:
            return said
        given.pop()
