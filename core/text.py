"""Text for logs and people: what comes from outside made harmless, moments made readable."""

from __future__ import annotations

import datetime as dt
import re

# C0 and C1 controls (newline and the escape of terminal sequences among them), line separators, the marks that
# reverse the direction of text, and lone surrogates.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def escape(text: str, limit: int = 2_000) -> str:
    r"""``text`` on one line, control characters written as ``\x1b``, cut to about ``limit`` characters."""
    length = len(text)
    text = text[:limit]
    if not (text.isascii() and text.isprintable()):
        text = _UNSAFE.sub(_code, text)[:limit]
    return text if length <= limit else f"{text}... ({length} characters)"


def stamp(time_ns: int) -> str:
    """Write a moment (ns since the epoch) for people, in UTC: ``2012-10-01 13:35:00Z``."""
    return f"{dt.datetime.fromtimestamp(time_ns // 1_000_000_000, tz=dt.UTC):%Y-%m-%d %H:%M:%SZ}"


def _code(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode()
