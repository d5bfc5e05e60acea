"""When a feature's value may be used: the one place for these rules, for live trading and for training sets alike.

A value is of the close of a session (its event) and can be used from its availability on, some time after that close and before
the next open. Its age is the number of sessions that have opened since its event: 0 in the evening, 1 all through the next
session, whatever weekend or holiday lies between. Time is the market's, never the wall clock's, so that a replay of old
prices judges as live trading did.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

AVAILABLE_AFTER_NS: Final = 4 * 3600 * 1_000_000_000
"""From a session's close until its features can be used; the nightly flow has so long. It only has to end before the next
open: decisions fall into sessions, so any other delay that does gives the same training sets."""


class Why(StrEnum):
    """Why a value is unknown."""

    NO_SNAPSHOT = "no_snapshot"
    NO_SYMBOL = "no_symbol"
    NO_FEATURE = "no_feature"
    OTHER_VERSION = "other_version"
    NO_VALUE = "no_value"
    NOT_YET = "not_yet"
    TOO_OLD = "too_old"
    NO_CALENDAR = "no_calendar"


class Sessions(Protocol):
    """What is asked of an exchange's calendar (`data.exchange_calendar.ExchangeCalendar` has it)."""

    def opened(self, after_ns: int, until_ns: int) -> int | None:
        """Sessions that opened after ``after_ns``, up to ``until_ns`` included; None beyond the calendar's range."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How old a value may be.

    Attributes
    ----------
    max_age_sessions
        1: of the session before the one that is traded in.
    sessions
        The exchange's calendar.
    """

    max_age_sessions: int
    sessions: Sessions

    def problem(self, *, event_ns: int, available_ns: int, at_ns: int) -> Why | None:
        """Say why a value may not be used at ``at_ns`` (market time); None when it may.

        Parameters
        ----------
        event_ns, available_ns
            Close of the value's session, and the time from which it can be used; nanoseconds UTC.
        at_ns
            Market time of the decision: the newest bar's close.
        """
        if available_ns > at_ns or event_ns > at_ns:
            return Why.NOT_YET
        age = self.sessions.opened(event_ns, at_ns)
        if age is None:
            return Why.NO_CALENDAR
        return Why.TOO_OLD if age > self.max_age_sessions else None
