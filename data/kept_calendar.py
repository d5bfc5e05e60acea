"""`data.exchange_calendar` for research: sessions that were asked for before are read from a file.

Loading the library and asking it for thirty years of sessions takes as long as a backtest of twenty symbols. The files stand
in ``state/calendars`` and are named by the library's version and the code that asks it, so that a new one asks anew. Live
trading and the paper gateway load it anyway, and a process that has loaded it asks it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from datetime import date
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from core.atomic_file import write_atomic
from data.sessions import ExchangeCalendar, Session

FOLDER = Path(__file__).resolve().parent.parent / "state" / "calendars"


@lru_cache(maxsize=16)
def kept_calendar(name: str, first: date, last: date) -> ExchangeCalendar:
    """Calendar of the sessions between two dates, both included.

    Raises
    ------
    ValueError
        As `data.exchange_calendar.exchange_calendar`.
    """
    if "exchange_calendars" in sys.modules:
        return _ask(name, first, last)
    path = FOLDER / f"{name}-{first}-{last}-{_stamp()}.json"
    # A file that is missing, or isn't what was written, is made anew.
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return _read(name, path)
    calendar = _ask(name, first, last)
    # A read-only project folder: slower starts, but no reason not to start.
    with contextlib.suppress(OSError):
        FOLDER.mkdir(parents=True, exist_ok=True)
        write_atomic(path, _text_of(calendar).encode(), durable=False)
    return calendar


def _ask(name: str, first: date, last: date) -> ExchangeCalendar:
    from data.exchange_calendar import exchange_calendar  # noqa: PLC0415 (loads the library)

    return exchange_calendar(name, first, last)


def _stamp() -> str:
    """Hash of the library's version and of the code that makes sessions of its tables."""
    digest = hashlib.sha256(version("exchange_calendars").encode())
    for name in ("exchange_calendar.py", "sessions.py", "kept_calendar.py"):
        digest.update((Path(__file__).parent / name).read_bytes())
    return digest.hexdigest()[:16]


def _read(name: str, path: Path) -> ExchangeCalendar:
    body = json.loads(path.read_bytes())
    sessions = [
        Session(
            date=date.fromordinal(day), open_ns=int(open_ns), close_ns=int(close_ns), early_close=bool(early)
        )
        for day, open_ns, close_ns, early in body["sessions"]
    ]
    return ExchangeCalendar(name, body["timezone"], sessions)


def _text_of(calendar: ExchangeCalendar) -> str:
    sessions = [
        (one.date.toordinal(), one.open_ns, one.close_ns, one.early_close) for one in calendar.all_sessions
    ]
    return json.dumps({"timezone": calendar.timezone.key, "sessions": sessions})
