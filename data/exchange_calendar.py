"""Sessions of an exchange, asked of the library ``exchange_calendars`` (which needs pandas)."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

import exchange_calendars
import numpy as np

from data.sessions import ExchangeCalendar, Session, is_bank_holiday

__all__ = ["ExchangeCalendar", "Session", "exchange_calendar", "is_bank_holiday"]


@lru_cache(maxsize=16)
def exchange_calendar(name: str, first: date, last: date) -> ExchangeCalendar:
    """Calendar of the sessions between two dates, both included; made once (it takes a few tenths of a second).

    Raises
    ------
    ValueError
        When the name is not known, or the range holds no session.
    """
    try:
        calendar = exchange_calendars.get_calendar(name, start=first.isoformat(), end=last.isoformat())
    except exchange_calendars.errors.InvalidCalendarName as error:
        raise ValueError(f"there is no exchange calendar named {name!r}") from error
    schedule = calendar.schedule
    opens = schedule["open"].to_numpy("datetime64[ns]").astype(np.int64).tolist()
    closes = schedule["close"].to_numpy("datetime64[ns]").astype(np.int64).tolist()
    early = {stamp.date() for stamp in calendar.early_closes}
    sessions = (
        Session(date=stamp.date(), open_ns=open_ns, close_ns=close_ns, early_close=stamp.date() in early)
        for stamp, open_ns, close_ns in zip(schedule.index, opens, closes, strict=True)
    )
    return ExchangeCalendar(name, str(calendar.tz), sessions)
