"""Times as TWS writes them: local to the login's zone, which here is that of the exchanges."""

from __future__ import annotations

import datetime as dt
import re
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

EASTERN = ZoneInfo("America/New_York")
_NS = 1_000_000_000
_CLOCK = re.compile(r"(\d{1,2}:\d{2}(?::\d{2})?)(?: +([A-Za-z0-9_/+-]+))?")
_END = re.compile(r"(\d{8})[ -]+(\d{1,2}:\d{2}(?::\d{2})?)(?: +([A-Za-z0-9_/+-]+))?")


def local(time_ns: int) -> datetime:
    """Eastern time of a moment."""
    return datetime.fromtimestamp(time_ns // _NS, EASTERN)


def date_and_time(time_ns: int) -> str:
    """Write ``20200102  09:30:00``, two spaces, Eastern: executions and intraday bars."""
    return f"{local(time_ns):%Y%m%d  %H:%M:%S}"


def date(time_ns: int) -> str:
    """Write ``20200102``, Eastern: daily bars."""
    return f"{local(time_ns):%Y%m%d}"


def connection_time(time_ns: int) -> str:
    """Write the time of the handshake: ``20200102 09:30:00 EST``."""
    return f"{local(time_ns):%Y%m%d %H:%M:%S %Z}"


def parse_end(text: str) -> int:
    """Nanoseconds since the epoch of a request's end time.

    ``20200102 16:00:00`` is Eastern, ``20200102 16:00:00 Europe/Berlin`` of that zone, and ``20200102-21:00:00``
    (one hyphen) UTC.

    Raises
    ------
    ValueError
        When it is none of these.
    """
    match = _END.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text[:40]!r} isn't a date and time")
    day, clock, zone = match.groups()
    layout = "%Y%m%d %H:%M:%S" if clock.count(":") == 2 else "%Y%m%d %H:%M"
    naive = datetime.strptime(f"{day} {clock}", layout)  # noqa: DTZ007 (the zone is set in the next line)
    aware = naive.replace(tzinfo=_zone(zone, hyphen="-" in text[:10]))
    return int(aware.timestamp()) * _NS


def parse_moment(text: str, day: dt.date) -> int:
    """Nanoseconds since the epoch of an algorithm's time, which may leave out the date: it is then on ``day``.

    Raises
    ------
    ValueError
        When it is neither a time nor a date and time.
    """
    text = text.strip()
    return parse_end(f"{day:%Y%m%d} {text}" if _CLOCK.fullmatch(text) else text)


def _zone(name: str | None, *, hyphen: bool) -> tzinfo:
    if name is None:
        return UTC if hyphen else EASTERN
    try:
        return ZoneInfo({"EST": "America/New_York", "EDT": "America/New_York"}.get(name, name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name[:40]!r} isn't a time zone") from None
