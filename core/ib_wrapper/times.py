"""Times as TWS writes them, in nanoseconds since the epoch, UTC.

TWS writes executions in the zone of the login (``20121112  09:35:00``), newer versions with a zone
(``20121112 09:35:00 US/Eastern``) or in UTC with a hyphen (``20121112-14:35:00``). Bars asked for with
``formatDate=2`` come as epoch seconds, daily bars as ``20121112``.
"""

from __future__ import annotations

from datetime import UTC, datetime, time
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

NS_PER_S: Final = 1_000_000_000
_HOUR_S: Final = 3_600
# Names that TWS uses and that a system's zone database may lack ("US/..." is a package of its own by now), or reads as
# a fixed offset.
_NEW_YORK: Final = "America/New_York"
_ALIASES: Final = {
    "US/Eastern": _NEW_YORK,
    "EST": _NEW_YORK,
    "EDT": _NEW_YORK,
    "US/Central": "America/Chicago",
    "US/Mountain": "America/Denver",
    "US/Pacific": "America/Los_Angeles",
}
# A daily bar carries only its date; regular trading in US stocks ends then (an early close isn't known here).
DAILY_CLOSE: Final = time(16, 0)


@lru_cache(maxsize=32)
def zone_named(name: str) -> ZoneInfo:
    """Time zone of that name.

    Raises
    ------
    ValueError
        If there is no such zone.
    """
    try:
        return ZoneInfo(_ALIASES.get(name, name))
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(f"no time zone is called {name!r}") from error


def to_ns(moment: datetime) -> int:
    """Nanoseconds of an aware time, exact to its microseconds."""
    delta = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * NS_PER_S + delta.microseconds * 1_000


def parse_execution_time(text: str, default_zone: ZoneInfo) -> int:
    """Time of an execution.

    Parameters
    ----------
    text
        One of the forms above, or epoch seconds.
    default_zone
        Zone of the login, for the form without one.

    Raises
    ------
    ValueError
        If the text has another form.
    """
    words = text.split()
    if len(words) == 1 and words[0].isdigit() and len(words[0]) > 8:
        return int(words[0]) * NS_PER_S
    if len(words) == 1 and len(words[0]) == 17 and words[0][8] == "-":
        return to_ns(datetime.strptime(words[0], "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC))
    if len(words) not in {2, 3}:
        raise ValueError(f"not a time of TWS: {text!r}")
    zone = zone_named(words[2]) if len(words) == 3 else default_zone
    naive = datetime.strptime(f"{words[0]} {words[1]}", "%Y%m%d %H:%M:%S")  # noqa: DTZ007 (zone follows)
    return to_ns(naive.replace(tzinfo=zone))


def parse_bar_end(text: str, bar_size_s: int, zone: ZoneInfo) -> int:
    """End of a historical bar, which TWS stamps with its start.

    Bars end at multiples of their size on the clock: the first hourly bar of a session that opens at 09:30 ends at
    10:00.

    Raises
    ------
    ValueError
        If the text is neither epoch seconds nor a date.
    """
    stamp = text.strip()
    if len(stamp) == 8 and stamp.isdigit():
        day = datetime.strptime(stamp, "%Y%m%d")  # noqa: DTZ007 (zone follows)
        return to_ns(datetime.combine(day, DAILY_CLOSE, tzinfo=zone))
    start_s = int(stamp)
    end_s = (start_s // bar_size_s + 1) * bar_size_s if bar_size_s <= _HOUR_S else start_s + bar_size_s
    return end_s * NS_PER_S


def format_end(end_ns: int | None) -> str:
    """End of a historical request, in UTC; empty for now."""
    if end_ns is None:
        return ""
    return f"{datetime.fromtimestamp(end_ns // NS_PER_S, UTC):%Y%m%d %H:%M:%S} UTC"
