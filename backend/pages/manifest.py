"""What a phone is told when one of the pages is put on its home screen; on iPhones nothing else lets pushes through."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from backend.problem_texts import Language

NIGHT_PANEL = "#121a23"
NIGHT_GROUND = "#0a0f15"
"""Of styles.css: the bar at the top of each page, and what lies behind it until the page is drawn.

A manifest holds one pair of colours. It is the night's: a white screen would light up whoever hides in the dark.
"""

SIZES = (192, 512)
TOUCH_SIZE = 180
"""What iPhones ask for; without such a file their icon is a picture of the page, with everything that it says."""

# Of each page that takes pushes: the drawing of its icon, and the text that follows the network's name, if any. A
# rider's is the network's name alone, under a line and its stops: whoever takes her phone must not see what it is for.
INSTALLABLE: Mapping[str, tuple[str, str | None]] = {
    "rider": ("rider", None),
    "agent": ("staff", "agent.title"),
    "control": ("staff", "control.title"),
}


@dataclass(frozen=True)
class Manifest:
    """A page's web app manifest in one language, and what the page itself says of it."""

    text: str
    path: str
    icon: str
    short_name: str

    @property
    def version(self) -> str:
        """A name for exactly this text: a network that is renamed must not keep its old name for a year."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]


def manifest(page: str, network_name: str, language: Language, words: Mapping[str, str], static: str) -> Manifest:
    """The manifest of an installable page; `static` is the versioned folder that its icons are served from."""
    drawing, title = INSTALLABLE[page]
    short_name = network_name if title is None else words[title]
    folder = f"{static}/icons/{drawing}"
    pictures = [{"src": f"{folder}-{size}.png", "sizes": f"{size}x{size}", "type": "image/png"} for size in SIZES]
    text = json.dumps(
        {
            "id": f"/{page}",
            "start_url": f"/{page}",
            "scope": f"/{page}",
            "name": short_name if title is None else f"{network_name} · {short_name}",
            "short_name": short_name,
            "lang": language,
            "display": "standalone",
            "theme_color": NIGHT_PANEL,
            "background_color": NIGHT_GROUND,
            "icons": [
                {"src": f"{folder}.svg", "sizes": "any", "type": "image/svg+xml"},
                *pictures,
                # The drawing fills its square and keeps to the middle, so a phone may cut any shape out of it.
                {**pictures[-1], "purpose": "maskable"},
            ],
        },
        ensure_ascii=False,
    )
    return Manifest(text, f"/manifest/{page}.{language}.webmanifest", f"{folder}-{TOUCH_SIZE}.png", short_name)


def manifests(
    network_name: str, words: Mapping[Language, Mapping[str, str]], static: str
) -> Mapping[tuple[str, str], Manifest]:
    """The manifests of all installable pages, by page and language."""
    return {
        (page, language): manifest(page, network_name, language, texts, static)
        for page in INSTALLABLE
        for language, texts in words.items()
    }
