"""How people behave: when alerts happen, of what kind, and what a patrol does with an offer. Pure, seeded."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

DEFAULT_CATEGORIES = {
    "sexist_insult": 18.0, "sexual_no_contact": 14.0, "sexual_contact": 9.0, "threat": 12.0, "antisocial": 12.0,
    "assault": 8.0, "medical": 9.0, "theft": 7.0, "suspicious_object": 4.0, "discrimination": 4.0, "other": 3.0,
}
# A security log speaks of incidents, Vigie of alerts: what each of its words would have been.
LOG_WORDS = {
    "medical": "medical", "incivility/disorderly": "antisocial", "passenger other": "other",
    "alarm, nothing found": "other", "assault on passenger": "assault", "person on track": "other",
    "assault on staff": "threat", "emergency alarm used": "threat", "graffiti": "antisocial", "robbery": "theft",
    "sexual assault": "sexual_contact", "police hold": "other", "bomb threat": "suspicious_object",
}
DECLINES = ("too_far", "busy", "other_incident", "vehicle_problem", "other")
SENTENCES = (
    "Un homme me suit depuis deux arrêts.", "Il m'insulte et ne veut pas s'arrêter.", "Une personne est tombée.",
    "Ils sont trois, au fond du bus.", "On m'a pris mon téléphone.", "Quelqu'un filme sous les jupes.",
    "Un sac est abandonné sur le quai.", "Il s'est assis à côté de moi et me touche la jambe.",
    "Je suis près de la porte avant.", "Some men are shouting at a woman.", "She needs help, she cannot talk.",
)
MESSAGES = ("Il est toujours là.", "Je suis descendue à l'arrêt suivant.", "Blouson rouge, casquette noire.",
            "Je vois votre équipe.", "Ça va mieux, il est parti.")
REFUSALS = ("traffic", "visibility", "parked_vehicles", "works", "road_layout", "weather", "timetable", "other")
# How a wish for a night stop lies to the bus. Most can be granted; the others show what the checks say.
WISHES = {"ahead": 70.0, "too_late": 8.0, "off_route": 6.0, "behind": 5.0, "at_a_stop": 6.0, "after_a_tunnel": 5.0}


@dataclass(frozen=True)
class Profile:
    """When and what: weights by hour of the day and by category."""

    by_hour: Mapping[int, float] = field(default_factory=lambda: dict.fromkeys(range(24), 1.0))
    by_category: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_CATEGORIES))
    by_category_and_hour: Mapping[str, Mapping[int, float]] = field(default_factory=dict)

    def rate_factor(self, hour: int) -> float:
        """How much busier than the average hour this hour is."""
        total = sum(self.by_hour.values())
        return self.by_hour.get(hour, 0.0) * 24 / total if total else 1.0

    def weights(self, hour: int) -> dict[str, float]:
        """The categories' weights at this hour; all day's weights when the log has nothing at this hour."""
        at_hour = {category: hours.get(hour, 0.0) for category, hours in self.by_category_and_hour.items()}
        return at_hour if sum(at_hour.values()) > 0 else dict(self.by_category)


def load_profile(path: Path) -> Profile:
    """A load profile from JSON with by_hour, by_category and, if it likes, by_category_and_hour."""
    content = json.loads(path.read_text(encoding="utf-8"))
    by_category: dict[str, float] = {}
    by_both: dict[str, dict[int, float]] = {}
    for word, weight in content["by_category"].items():
        category = _category(word)
        by_category[category] = by_category.get(category, 0.0) + float(weight)
    for word, hours in content.get("by_category_and_hour", {}).items():
        of_category = by_both.setdefault(_category(word), {})
        for hour, weight in hours.items():
            of_category[int(hour)] = of_category.get(int(hour), 0.0) + float(weight)
    return Profile({int(h): float(w) for h, w in content["by_hour"].items()}, by_category, by_both)


def _category(word: str) -> str:
    return word if word in DEFAULT_CATEGORIES else LOG_WORDS.get(word, "other")


class NightWish(NamedTuple):
    """What a rider of a night bus has in mind."""

    kind: str
    reads_number: bool
    ramp: bool
    home_timer_s: int | None
    says_home: bool


class Answer(NamedTuple):
    """What somebody will do with an offer or a request: a word or "silence", after so many seconds."""

    what: str
    after_s: float
    reason: str | None = None


class Dice:
    """Every choice of one actor: the same seed and name give the same life."""

    def __init__(self, seed: int, name: str) -> None:
        self.random = random.Random(f"{seed} {name}")

    def chance(self, share: float) -> bool:
        """True in this share of cases."""
        return self.random.random() < share

    def between(self, low: float, high: float) -> float:
        """Any number of the interval."""
        return self.random.uniform(low, high)

    def next_alert_s(self, per_minute: float) -> float:
        """Seconds to the next alert of a Poisson process; a day where there is none."""
        return self.random.expovariate(per_minute / 60) if per_minute > 0 else 86_400.0

    def answer(self, speed: float = 1.0) -> Answer:
        """What a patrol does with an offer: most accept in seconds, some decline, some look elsewhere."""
        luck = self.random.random()
        if luck < 0.80:
            return Answer("accept", self.between(1.5, 8) / speed)
        if luck < 0.90:
            return Answer("decline", self.between(2, 8) / speed, self.random.choice(DECLINES))
        return Answer("silence", 0)

    def driver_answer(self, speed: float = 1.0) -> Answer:
        """What a driver does with a wish for a night stop: a glance at the tablet, an answer or none."""
        luck, after_s = self.random.random(), self.between(2, 12) / speed
        if luck < 0.64:
            return Answer("accept", after_s)
        if luck < 0.76:
            return Answer("propose", after_s)
        if luck < 0.88:
            return Answer("refuse", after_s, self.random.choice(REFUSALS))
        return Answer("silence", 0)

    def promise(self, speed: float = 1.0) -> Answer:
        """What becomes of a promised stop: mostly made, sometimes taken back in time, sometimes driven past."""
        luck = self.random.random()
        if luck < 0.78:
            return Answer("stop", 0)
        if luck < 0.88:
            return Answer("withdraw", self.between(4, 20) / speed, self.random.choice(REFUSALS))
        return Answer("drive_on", 0)

    def night_wish(self) -> NightWish:
        """How a rider asks for a night stop."""
        timer = self.random.choice((300, 600, 900)) if self.chance(0.35) else None
        kind = self.random.choices(list(WISHES), list(WISHES.values()))[0]
        return NightWish(kind, self.chance(0.85), self.chance(0.06), timer, self.chance(0.8))

    def category(self, profile: Profile, hour: int) -> str:
        """What happens at this hour."""
        weights = profile.weights(hour)
        return self.random.choices(list(weights), list(weights.values()))[0]

    def alert(self, profile: Profile, hour: int) -> dict[str, Any]:
        """The answers a rider gives on the way to sending, most of them optional and often left out."""
        body: dict[str, Any] = {
            "category": self.category(profile, hour),
            "reporter_role": "witness" if self.chance(0.35) else "victim",
        }
        if self.chance(0.8):
            body["contact_mode"] = "cannot_talk" if self.chance(0.6) else "can_talk"
        if self.chance(0.4):
            body["description"] = self.random.choice(SENTENCES)
        if self.chance(0.1):
            body["armed"] = True
        return body

    def accuracy_m(self) -> float:
        """How well a phone knows where it is: mostly street level, sometimes a whole quarter."""
        return round(self.random.lognormvariate(2.5, 0.7), 1)

    def witnesses(self) -> int:
        """How many others aboard report the same event: usually nobody."""
        return self.random.choice((1, 1, 2, 3)) if self.chance(0.08) else 0
