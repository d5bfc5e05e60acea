"""The colours of all reports, by what they stand for; a value for light and one for dark surroundings.

Figures and pages name a colour by its token, ``"@equity"``, or with an opacity, ``"@equity/0.2"``. The page's script
looks it up when it draws, so that one page serves both; pictures (matplotlib) take the light ones through `light`.
Gains are teal and losses rust, which people who can't tell red from green can tell apart.
"""

from __future__ import annotations

PALETTE: dict[str, tuple[str, str]] = {
    "page": ("#f6f6f3", "#11151a"),
    "card": ("#ffffff", "#181e26"),
    "ink": ("#1c2430", "#e4e8ee"),
    "muted": ("#626d7c", "#97a2b1"),
    "rule": ("#e3e5e8", "#2c3540"),
    "equity": ("#1d5c8f", "#6db3e6"),
    "benchmark": ("#9a9fa8", "#7b8694"),
    "gain": ("#1b7f74", "#4fb8aa"),
    "loss": ("#b5523b", "#e2836b"),
    "warn": ("#a66f00", "#e0b04a"),
    "shade": ("#d9a441", "#8a6d2f"),
    "second": ("#7a5195", "#b795d1"),
    "third": ("#4f772d", "#93b86c"),
    "fourth": ("#a23b72", "#dc86b4"),
    "fifth": ("#5a6b7d", "#a9b6c4"),
}
"""Token: (light, dark)."""

SERIES = ("@equity", "@second", "@third", "@fourth", "@warn", "@gain", "@loss", "@fifth")
"""Colours for curves that stand beside each other, in order."""


def light(token: str) -> str:
    """Colour of a token on paper, such as ``light("@equity")``; an opacity is left out."""
    return PALETTE[token.removeprefix("@").partition("/")[0]][0]


def style_rules() -> str:
    """CSS variables ``--equity`` and so on, for light and dark."""
    bright = ";".join(f"--{name}:{pair[0]}" for name, pair in PALETTE.items())
    dark = ";".join(f"--{name}:{pair[1]}" for name, pair in PALETTE.items())
    return (
        f":root{{color-scheme:light dark;{bright}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
    )
