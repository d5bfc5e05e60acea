"""Which corporate actions an account must book on prices that hold some of them already."""

from __future__ import annotations

from datetime import date

from data.corporate_actions import ActionKind, CorporateAction, not_in_the_prices


def action(year: int, kind: ActionKind, value: float, symbol: str = "XYZ") -> CorporateAction:
    return CorporateAction(symbol=symbol, day=date(year, 6, 1), kind=kind, value=value)


EARLY = action(2001, ActionKind.DIVIDEND, 1.5)
SPLIT = action(2002, ActionKind.SPLIT, 2.0)
FOREIGN = action(2003, ActionKind.SPLIT, 5.0, "ABC")
LATER = action(2004, ActionKind.SPLIT, 3.0)
LATE = action(2005, ActionKind.DIVIDEND, 0.5)
END = action(2006, ActionKind.DELISTING, 7.0)
ALL = (EARLY, SPLIT, FOREIGN, LATER, LATE, END)


def test_raw_prices_leave_everything_to_the_account():
    assert not_in_the_prices(ALL, splits=False, dividends=False) == ALL


def test_prices_adjusted_for_splits_leave_dividends_in_the_shares_of_the_last_day():
    left = not_in_the_prices(ALL, splits=True, dividends=False)
    assert left == (action(2001, ActionKind.DIVIDEND, 0.25), LATE, END)


def test_total_return_prices_leave_the_delisting_only():
    assert not_in_the_prices(ALL, splits=True, dividends=True) == (END,)
