"""The security headers of the pages; one policy per page, with no more than that page uses."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

_SHARED = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "geolocation=(self), camera=(), microphone=(), payment=(), usb=()",
}


def page_headers(*, live_url: str, has_map: bool) -> Mapping[str, str]:
    """Headers of one page: its own files and the live address only, never kept in a cache."""
    images = "'self' data: blob:" if has_map else "'self'"
    rules = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": images,
        "connect-src": " ".join(["'self'", *live_sources(live_url)]),
        "worker-src": "'self'",
        "manifest-src": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    policy = "; ".join(f"{name} {value}" for name, value in rules.items())
    return {**_SHARED, "Content-Security-Policy": policy, "Cache-Control": "no-store", "Vary": "Accept-Language"}


def file_headers(*, is_current: bool) -> Mapping[str, str]:
    """Headers of a file under a versioned address; an old address gets today's file, but must not keep it."""
    kept = "public, max-age=31536000, immutable" if is_current else "no-store"
    return {**_SHARED, "Content-Security-Policy": "default-src 'none'; connect-src 'self'", "Cache-Control": kept}


def worker_headers() -> Mapping[str, str]:
    """Headers of a service worker: it loads our own scripts, asks our own server, and is looked at anew each time."""
    policy = "default-src 'none'; script-src 'self'; connect-src 'self'"
    return {**_SHARED, "Content-Security-Policy": policy, "Cache-Control": "no-store"}


def live_sources(live_url: str) -> list[str]:
    """The origins that a page may open its websocket to, when `live` is served at another address."""
    parts = urlsplit(live_url)
    if not parts.netloc:
        return []
    secure = parts.scheme in ("https", "wss")
    return [f"{'https' if secure else 'http'}://{parts.netloc}", f"{'wss' if secure else 'ws'}://{parts.netloc}"]
