"""Crises of the past: first and last session of each, by the S&P 500's high before and its low."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True, kw_only=True)
class Crisis:
    """A span of sessions."""

    name: str
    first: date
    last: date
    note: str


CRISES = (
    Crisis(
        name="2000-02 dot-com",
        first=date(2000, 3, 24),
        last=date(2002, 10, 9),
        note="from the high of March 2000 to the low of October 2002",
    ),
    Crisis(
        name="2008 financial crisis",
        first=date(2008, 9, 2),
        last=date(2009, 3, 9),
        note="from the weeks before Lehman's failure to the low",
    ),
    Crisis(
        name="2010 flash crash",
        first=date(2010, 5, 6),
        last=date(2010, 7, 2),
        note="the afternoon of 6 May, and the fall that followed; daily bars show the day's low",
    ),
    Crisis(
        name="2011 US downgrade",
        first=date(2011, 7, 22),
        last=date(2011, 10, 3),
        note="debt ceiling, downgrade of 5 August, euro crisis",
    ),
    Crisis(
        name="2015 August",
        first=date(2015, 8, 18),
        last=date(2015, 9, 29),
        note="devaluation of the yuan; the opening of 24 August",
    ),
    Crisis(
        name="2018 February",
        first=date(2018, 1, 29),
        last=date(2018, 2, 8),
        note="the end of short volatility on 5 February",
    ),
    Crisis(
        name="2020 March",
        first=date(2020, 2, 20),
        last=date(2020, 3, 23),
        note="Covid; the exchange halted on four days",
    ),
    Crisis(
        name="2022 rates",
        first=date(2022, 1, 4),
        last=date(2022, 10, 12),
        note="rising rates; stocks and bonds fell together",
    ),
)
