"""The files that pages load: their version, and the few third-party files that may leave node_modules."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from backend.problem_texts import Language

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
NODE_MODULES = FOLDER.parent.parent / "node_modules"

VENDOR = {
    "maplibre-gl.mjs": "maplibre-gl/dist/maplibre-gl.mjs",
    "maplibre-gl-worker.mjs": "maplibre-gl/dist/maplibre-gl-worker.mjs",
    "maplibre-gl.css": "maplibre-gl/dist/maplibre-gl.css",
    "socket.io.esm.min.js": "socket.io-client/dist/socket.io.esm.min.js",
}

WORDS = ("words", "words.staff")
"""What every page says, and what only those of staff say: a rider's phone need not load the control room's texts."""

MIME_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}


def static_version() -> str:
    """A name for exactly this set of files, so that a page never mixes modules of two releases."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(STATIC).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def vendor_version() -> str:
    """A name for the pinned third-party files, read from the lock file beside them."""
    lock = NODE_MODULES.parent / "package-lock.json"
    content = lock.read_bytes() if lock.is_file() else b""
    return hashlib.sha256(content).hexdigest()[:12]


def words(language: Language) -> dict[str, str]:
    """Every text of the pages in one language, from the same files that the browser reads."""
    texts: dict[str, str] = {}
    for name in WORDS:
        texts |= json.loads((STATIC / f"{name}.{language}.json").read_text(encoding="utf-8"))
    return texts


def mime_type(name: str) -> str:
    """The type for a file we serve; a machine's own table may call .mjs plain text, which stops the page."""
    kind = MIME_TYPES.get(Path(name).suffix, "application/octet-stream")
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
