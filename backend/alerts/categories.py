"""The table of categories and how urgent an alert is. Pure: standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Category(StrEnum):
    """What a rider says happened, in the rider's words (domain.md §7)."""

    SEXUAL_CONTACT = "sexual_contact"
    SEXUAL_NO_CONTACT = "sexual_no_contact"
    SEXIST_INSULT = "sexist_insult"
    ASSAULT = "assault"
    THREAT = "threat"
    THEFT = "theft"
    MEDICAL = "medical"
    ANTISOCIAL = "antisocial"
    SUSPICIOUS_OBJECT = "suspicious_object"
    DISCRIMINATION = "discrimination"
    OTHER = "other"


PRIORITY: dict[Category, int] = {
    Category.SEXUAL_CONTACT: 1,
    Category.ASSAULT: 1,
    Category.THREAT: 1,
    Category.MEDICAL: 1,
    Category.SEXUAL_NO_CONTACT: 2,
    Category.THEFT: 2,
    Category.DISCRIMINATION: 2,
    Category.SUSPICIOUS_OBJECT: 2,
    Category.SEXIST_INSULT: 3,
    Category.ANTISOCIAL: 3,
    Category.OTHER: 2,
}
"""1 immediate danger, 2 urgent, 3 to be dealt with, 4 information."""


@dataclass(frozen=True)
class Urgency:
    """A priority from 1 (immediate danger) to 4 (information) and the codes of what made it so."""

    priority: int
    reasons: tuple[str, ...]


def urgency(
    category: Category | None,
    *,
    witness: bool,
    silent: bool,
    duress: bool,
    corroborated: bool = False,
    set_by_operator: int | None = None,
) -> Urgency:
    """How urgent an alert is and why. An alert that says nothing at all is held to be the worst."""
    if duress:
        return Urgency(1, ("duress",))
    if set_by_operator is not None:
        return Urgency(set_by_operator, ("operator",))
    if category is None:
        return Urgency(1, ("nothing_said",))
    priority, reasons = PRIORITY[category], [f"category_{category.value}"]
    if witness:
        priority, reasons = priority + 1, [*reasons, "witness"]
    if silent:
        priority, reasons = priority - 1, [*reasons, "silent"]
    if corroborated:
        priority, reasons = priority - 1, [*reasons, "corroborated"]
    return Urgency(min(4, max(1, priority)), tuple(reasons))


class ClosingCode(StrEnum):
    """How a case ended (domain.md §7, Disposition)."""

    INTERVENTION_DONE = "intervention_done"
    VICTIM_SAFE = "victim_safe"
    PERPETRATOR_GONE = "perpetrator_gone"
    PERPETRATOR_HELD = "perpetrator_held"
    HANDED_OVER = "handed_over"
    INFORMATION_ONLY = "information_only"
    NOT_FOUND = "not_found"
    UNFOUNDED = "unfounded"
    FALSE_ALARM = "false_alarm"
    DUPLICATE = "duplicate"
    DRILL = "drill"


class LegalClass(StrEnum):
    """The classes of the yearly report of article L. 1631-5 of the Code des transports."""

    SEXUAL_WITH_CONTACT = "sexual_with_contact"
    SEXUAL_WITHOUT_CONTACT = "sexual_without_contact"
    SEXIST_OUTRAGE = "sexist_outrage"
    UNKNOWN_NATURE = "unknown_nature"
    NOT_APPLICABLE = "not_applicable"
