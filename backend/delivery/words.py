"""What a push or a text says: neutral words, which tell an aggressor who reads along nothing. Pure."""

from __future__ import annotations

from backend.delivery.channels import NEWS, OFFER, REPLY, SUPERVISOR, TEST, TROUBLE

_TEXTS: dict[str, dict[str, str]] = {
    OFFER: {"fr": "Nouveau message", "en": "New message"},
    SUPERVISOR: {"fr": "Votre attention est demandée. Ouvrez la salle de contrôle.",
                 "en": "Your attention is asked for. Open the control room."},
    NEWS: {"fr": "Nouvelle information", "en": "New information"},
    TEST: {"fr": "Essai du téléphone", "en": "Phone test"},
    REPLY: {"fr": "Message recu. Urgence: 17/112, SMS 114.", "en": "Message received. Emergency: 17/112, text 114."},
    TROUBLE: {"fr": "Le systeme demande votre attention. Ouvrez la salle de controle.",
              "en": "The system asks for your attention. Open the control room."},
}  # fmt: skip


def words(kind: str, language: str) -> str:
    """The text of a message of this kind; English where a language is missing."""
    found = _TEXTS[kind]
    return found.get(language, found["en"])
