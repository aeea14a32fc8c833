"""How a line looks to a rider: its mode and colours, from GTFS codes, always readable. Pure."""

from __future__ import annotations

import re

_COLORS = {"bus": "#2563a8", "metro": "#0b6bb5", "tram": "#c45a11", "ferry": "#0f766e", "other": "#5b5b66"}
_BASIC = {
    0: "tram", 1: "metro", 2: "other", 3: "bus", 4: "ferry", 5: "tram", 6: "other", 7: "other", 11: "bus",
    12: "metro",
}
_EXTENDED = {2: "bus", 4: "metro", 7: "bus", 8: "bus", 9: "tram", 10: "ferry", 12: "ferry"}
_HEX = re.compile(r"[0-9A-Fa-f]{6}")


def mode_of(route_type: int) -> str:
    """The mode of a GTFS route_type, the nine basic ones and the extended hundreds (700 bus, 900 tram…)."""
    return _BASIC.get(route_type) or _EXTENDED.get(route_type // 100, "other")


def color_of(color: str, mode: str) -> str:
    """`#rrggbb`; the mode's own colour when the feed gives none that can be read."""
    color = color.strip().removeprefix("#")
    return f"#{color.lower()}" if _HEX.fullmatch(color) else _COLORS[mode]


def text_color_on(background: str, wished: str) -> str:
    """The wished text colour when it can be read on this background (WCAG 3:1), else black or white."""
    wished = wished.strip().removeprefix("#")
    if _HEX.fullmatch(wished) and _contrast(background, f"#{wished}") >= 3:
        return f"#{wished.lower()}"
    return max(("#000000", "#ffffff"), key=lambda color: _contrast(background, color))


def _contrast(a: str, b: str) -> float:
    dark, light = sorted((_luminance(a), _luminance(b)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: str) -> float:
    channels = (int(color[start:start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
