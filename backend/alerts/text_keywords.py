"""The words by which people say what happens, in French and English, folded; and what a text says by them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from backend.alerts.categories import PRIORITY, Category

ALIKE = 0.84
"""How alike a word and a name must be, from 0 to 1: one wrong letter in seven."""

# fmt: off
# Beginnings of words; with `=` the whole word ("vol", not "volant").
_STEMS: dict[Category, str] = {
    Category.SEXUAL_CONTACT:
        "attouch pelot tripot frott grope groping rape= raped rapist viol= viole violee violer violeur viols "
        "fondl molest fesse= fesses= seins=",
    Category.SEXUAL_NO_CONTACT:
        "harcel harass exhib masturb upskirt voyeur follow stalk suit= suivie= suivi= poursui",
    Category.SEXIST_INSULT:
        "sexis catcall siffle=",
    Category.ASSAULT:
        "agress attaque attack assault frapp tabass bagarre rixe fight= fighting couteau knife stab poignard "
        "gifle giflee violen battu battue beaten beating punch mugg strangl etrangl arme= pistolet fusil gun= "
        "tirs= shooting shots=",
    Category.THREAT:
        "menac threat danger chantage blackmail",
    Category.THEFT:
        "vol= vole= volee= voler= voleur= voleurs= vols= theft thief thieves stole= stolen steal= robb pickpocket "
        "arrach racket braqu",
    Category.MEDICAL:
        "malaise medic bless injured injury inconscien unconscious crise= cardia saign bleed epilep faint evanoui "
        "ambulance accident collapsed chute= malade sick= wounded",
    Category.ANTISOCIAL:
        "incivil drogue drug= drugs= crack= fume= smok ivre= drunk alcool degrad vandal tapage insult injure= "
        "injures= injurie bruit=",
    Category.SUSPICIOUS_OBJECT:
        "colis= bombe= bomb= abandonne unattended",
    Category.DISCRIMINATION:
        "racis homophob lesbophob transphob antisemit islamophob discrimin lgbtphob",
}
_PHRASES: dict[str, Category] = {
    "agression sexuelle": Category.SEXUAL_CONTACT, "agressee sexuellement": Category.SEXUAL_CONTACT,
    "sexual assault": Category.SEXUAL_CONTACT, "sexually assaulted": Category.SEXUAL_CONTACT,
    "main aux fesses": Category.SEXUAL_CONTACT, "me touche": Category.SEXUAL_CONTACT,
    "m a touchee": Category.SEXUAL_CONTACT, "m a touche": Category.SEXUAL_CONTACT,
    "touching me": Category.SEXUAL_CONTACT, "touched me": Category.SEXUAL_CONTACT,
    "heart attack": Category.MEDICAL, "crise cardiaque": Category.MEDICAL, "pas bien": Category.MEDICAL,
    "sac suspect": Category.SUSPICIOUS_OBJECT, "objet suspect": Category.SUSPICIOUS_OBJECT,
    "bagage suspect": Category.SUSPICIOUS_OBJECT, "suspicious bag": Category.SUSPICIOUS_OBJECT,
    "suspicious package": Category.SUSPICIOUS_OBJECT, "suspicious object": Category.SUSPICIOUS_OBJECT,
    "tout de suite": Category.OTHER,  # or "suit" would be heard in it
}
# What a hand that shakes writes: "agresion", "harcelment".
_MISSPELT = {
    "agression": Category.ASSAULT, "agresser": Category.ASSAULT, "agressee": Category.ASSAULT,
    "assaulted": Category.ASSAULT, "attacked": Category.ASSAULT, "attaquer": Category.ASSAULT,
    "bagarre": Category.ASSAULT, "harcelement": Category.SEXUAL_NO_CONTACT, "harcelee": Category.SEXUAL_NO_CONTACT,
    "harassment": Category.SEXUAL_NO_CONTACT, "harassed": Category.SEXUAL_NO_CONTACT,
    "attouchement": Category.SEXUAL_CONTACT, "attouchements": Category.SEXUAL_CONTACT,
    "malaise": Category.MEDICAL, "menacee": Category.THREAT, "threatened": Category.THREAT,
    "pickpocket": Category.THEFT,
}
# fmt: on


def category_of(words: Sequence[str]) -> tuple[Category | None, set[int]]:
    """(the worst of what is said, the places of the words that said anything)."""
    found: dict[Category, set[int]] = {}
    covered: set[int] = set()
    for phrase, meant in _PHRASES.items():
        for at in _places_of(phrase.split(), words):
            covered |= at
            found.setdefault(meant, set()).update(at)
    for place, word in enumerate(words):
        if place not in covered and (category := _of_word(word)) is not None:
            found.setdefault(category, set()).add(place)
    found.pop(Category.OTHER, None)
    if not found:
        return None, covered
    worst = min(found, key=lambda one: (PRIORITY[one], list(_STEMS).index(one)))
    return worst, covered | set().union(*found.values())


def _of_word(word: str) -> Category | None:
    for category, stems in _BY_CATEGORY.items():
        if any(word == stem[:-1] if stem.endswith("=") else word.startswith(stem) for stem in stems):
            return category
    likely = [(alike, full) for full in _MISSPELT if len(word) >= 6 and (alike := likeness(word, full)) >= ALIKE]
    return _MISSPELT[max(likely)[1]] if likely else None


_BY_CATEGORY = {category: tuple(stems.split()) for category, stems in _STEMS.items()}


def _places_of(phrase: Sequence[str], words: Sequence[str]) -> Iterator[set[int]]:
    for start in range(len(words) - len(phrase) + 1):
        if list(words[start : start + len(phrase)]) == list(phrase):
            yield set(range(start, start + len(phrase)))


def likeness(one: str, other: str) -> float:
    """How alike two words are, from 0 to 1; 0 when not alike enough to matter."""
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    return matcher.ratio() if matcher.real_quick_ratio() >= ALIKE and matcher.quick_ratio() >= ALIKE else 0.0
