"""Bars of several symbols on one clock: which sessions are in."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from backtester.market import align
from data.bar_table import DAILY, BarTable, DataError
from data.exchange_calendar import exchange_calendar


@pytest.mark.parametrize("name", ["XNYS", "XTKS", "XASX"])
@pytest.mark.parametrize("size_s", [DAILY, 1800])
def test_the_end_is_the_last_session_of_the_calendars_own_date(name, size_s):
    days = exchange_calendar(name, date(2024, 1, 4), date(2024, 6, 28))
    ends = np.array(
        [
            end
            for one in days.sessions(date(2024, 2, 1), date(2024, 3, 28))
            for end in (
                [one.close_ns]
                if size_s == DAILY
                else range(one.open_ns + size_s * 10**9, one.close_ns + 1, size_s * 10**9)
            )
        ]
    )
    price = np.full(len(ends), 100.0)
    table = BarTable(
        symbol="A", size_s=size_s, end_ns=ends, open=price, high=price, low=price, close=price, volume=price
    )
    market = align({"A": table}, days, settlement_days=1, until=date(2024, 3, 5))
    assert market.sessions[-1].date == date(2024, 3, 5)
    assert market.end_ns[-1] == market.sessions[-1].close_ns
    # A Sunday ends with the Friday before it, and an end behind all data is none.
    assert align({"A": table}, days, settlement_days=1, until=date(2024, 3, 3)).sessions[-1].date == date(
        2024, 3, 1
    )
    assert len(align({"A": table}, days, settlement_days=1, until=date(2024, 12, 31)).end_ns) == len(ends)
    with pytest.raises(DataError, match="no bars are left"):
        align({"A": table}, days, settlement_days=1, until=date(2024, 1, 31))
