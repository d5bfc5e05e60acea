from datetime import date

import numpy as np
import pytest

from data.bar_table import DAILY, DataError
from data.packaged import load_packaged, packaged_calendar, packaged_symbols, split_factors


def test_the_package_holds_five_symbols():
    assert packaged_symbols() == ("AAPL", "FB", "GOOG", "IBM", "MSFT")


def test_every_session_between_the_first_and_the_last_has_a_bar():
    calendar = packaged_calendar()
    for table in load_packaged().values():
        assert table.size_s == DAILY
        closes = [session.close_ns for session in calendar.sessions(date(2000, 3, 1), date(2013, 3, 1))]
        first = closes.index(int(table.end_ns[0]))
        assert table.end_ns.tolist() == closes[first:]


def test_the_newest_prices_are_those_that_were_traded():
    table = load_packaged(["AAPL"])["AAPL"]
    assert (table.open[-1], table.high[-1], table.low[-1], table.close[-1]) == (
        438.0,
        438.1799,
        429.98,
        430.47,
    )
    assert table.volume[-1] == 19_730_300


def test_splits_are_taken_out_of_the_prices_before_them():
    table = load_packaged(["AAPL"])["AAPL"]
    assert table.close[0] == pytest.approx(130.31 / 4)
    assert table.volume[0] == 9_616_100 * 4
    assert [note.split(" of ")[1] for note in table.notes] == ["2000-06-21", "2005-02-28"]
    # What is left is a real crash: the profit warning of September 2000.
    returns = table.close[1:] / table.close[:-1]
    assert (returns < 0.7).sum() == 1


def test_a_special_dividend_is_not_a_split():
    notes = load_packaged(["MSFT"])["MSFT"].notes
    assert [note.split(" of ")[1] for note in notes] == ["2003-02-18"]


def test_a_reverse_split_multiplies_the_prices_before_it():
    factors, notes = split_factors([date(2012, 1, day) for day in (2, 3, 4)], np.array([0.1, 1.0, 1.0]))
    assert factors.tolist() == pytest.approx([0.1, 1.0, 1.0])
    assert notes == ["adjusted for the 10:1 split of 2012-01-03"]


def test_a_symbol_that_is_not_packaged_is_named():
    with pytest.raises(DataError, match="XYZ isn't among the packaged symbols AAPL, FB, GOOG, IBM, MSFT"):
        load_packaged(["AAPL", "XYZ"])


def test_bars_can_not_be_changed():
    table = load_packaged(["IBM"])["IBM"]
    with pytest.raises(ValueError, match="read-only"):
        table.close[0] = 1.0
