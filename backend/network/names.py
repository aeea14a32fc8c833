"""Names as riders type them: no accents, no case, no punctuation. Pure."""

from __future__ import annotations

import re
import unicodedata

_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ß": "ss", "ø": "o", "đ": "d", "ł": "l"})
_NO_WORD = re.compile(r"[^\w]+|_+")
_SHORT_FORMS = {"st": "saint", "ste": "sainte", "pl": "place", "bd": "boulevard", "av": "avenue"}


def folded(name: str) -> str:
    """The name for comparing: "Sainte-Marguerite – Dromël" and "ste marguerite dromel" become one."""
    decomposed = unicodedata.normalize("NFKD", name.casefold().translate(_LIGATURES))
    plain = "".join(char for char in decomposed if not unicodedata.combining(char))
    words = _NO_WORD.sub(" ", plain).split()
    return " ".join(_SHORT_FORMS.get(word, word) for word in words)
