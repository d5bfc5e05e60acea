"""Survivors, holes and figures that are too good: each planted offender is caught, and honest data are not."""

from __future__ import annotations

import dataclasses
from datetime import date

import numpy as np
import pytest

from backtester.book import FillColumn
from backtester.guards.data_bias import data_holes, survivorship
from backtester.guards.too_good import too_good
from backtester.guards.warnings import BiasWarning, Guard, GuardReport, Severity, table_of
from backtester.market import Market
from backtester.money import MICRO
from backtester.result import BacktestResult
from backtester.run import run_backtest, trade_signals
from core.config_schema import Settings
from data.corporate_actions import ActionKind, CorporateAction
from data.packaged import load_packaged, packaged_calendar
from strategy.registry import STRATEGIES
from tests.backtester.cases import make_market
from tests.backtester.guards.test_experiments import walks


def subjects(warnings: list[BiasWarning]) -> dict[str, str]:
    return {one.subject: one.text for one in warnings}


@pytest.fixture(scope="module")
def real() -> Market:
    from backtester.market import align

    return align(load_packaged(["AAPL", "IBM", "MSFT"]), packaged_calendar(), settlement_days=1)


# --- survivorship and holes -------------------------------------------------------------------------------


def test_a_list_in_which_nobody_has_disappeared_is_told_of(real):
    (warning,) = survivorship(real)
    assert "all 3 still trade after 13 years" in warning.text
    (told,) = survivorship(real, "the list was made today")
    assert "the list was made today; that flatters" in told.text


def test_a_list_with_one_that_has_disappeared_is_not(real):
    ended = real.bars.copy()
    ended[2000:, 1] = np.nan
    assert survivorship(dataclasses.replace(real, bars=ended)) == []
    delisted = CorporateAction(symbol="IBM", day=date(2013, 2, 1), kind=ActionKind.DELISTING, value=10.0)
    assert survivorship(dataclasses.replace(real, actions=(delisted,))) == []


def test_a_symbol_that_joins_years_later_is_told_of(real):
    late = real.bars.copy()
    late[:2500, 2] = np.nan
    late[3000:, 1] = np.nan
    (warning,) = survivorship(dataclasses.replace(real, bars=late))
    assert warning.subject == "MSFT"


def test_a_short_span_says_nothing_about_survivors(real):
    assert survivorship(real.head(300)) == []


def test_holes_of_a_symbol_and_of_all_are_told_of(real):
    assert data_holes(real) == []
    holes = real.bars.copy()
    holes[100:110, 0] = np.nan
    holes[::20, 1] = np.nan
    found = subjects(data_holes(dataclasses.replace(real, bars=holes)))
    assert "10 of" in found["AAPL"]
    assert "up to 10 in a row" in found["AAPL"]
    assert "IBM" in found
    assert "MSFT" not in found


def test_sessions_without_any_bar_are_told_of():
    bars = walks(40)[:, 0]
    bars[20:23] = np.nan
    (warning,) = data_holes(make_market({"ABC": bars}))
    assert (warning.subject, warning.text[:10]) == ("all symbols", "3 sessions")


# --- figures ----------------------------------------------------------------------------------------------


def foresight(market: Market) -> BacktestResult:
    """Signals that know the next two opens, traded by the honest engine."""
    opens = market.bars[:, :, 0]
    tomorrow, after = np.roll(opens, -1, axis=0), np.roll(opens, -2, axis=0)
    signals = (after > tomorrow).astype(np.float64)[:, None, :]
    signals[-2:] = 0.0
    settings = Settings().model_copy(
        update={"caps": Settings().caps.model_copy(update={"monthly_fill_budget": 100_000})}
    )
    return trade_signals(settings, market, ["oracle"], signals, [1.0])


def test_a_strategy_that_knows_the_future_is_too_good(real):
    result = foresight(real.head(800))
    found = too_good(result, real.head(800))
    assert "Sharpe ratio" in subjects(found)
    assert all(one.guard is Guard.TOO_GOOD for one in found)
    assert subjects(found)["Sharpe ratio"].endswith("look for the mistake")


def test_an_ordinary_backtest_is_not(real):
    strategy = STRATEGIES["mean_reversion"].create({})
    result = run_backtest(Settings(), real, [strategy], [1.0])
    assert not {"Sharpe ratio", "hit rate", "profit factor", "fills"} & set(subjects(too_good(result, real)))


def test_fills_at_the_best_price_of_their_bar_are_too_good(real):
    strategy = STRATEGIES["mean_reversion"].create({})
    result = run_backtest(Settings(), real, [strategy], [1.0])
    table = result.fill_table.copy()
    bars = real.bars[table[:, FillColumn.BAR], table[:, FillColumn.SYMBOL]]
    best = np.where(table[:, FillColumn.QUANTITY] > 0, bars[:, 2], bars[:, 1])
    table[:, FillColumn.PRICE] = np.rint(best * MICRO).astype(np.int64)
    lucky = dataclasses.replace(result, fill_table=table)
    found = subjects(too_good(lucky, real))
    assert found["fills"].startswith("100% of ")
    assert "nobody is that lucky" in found["fills"]


def test_hardly_any_loser_is_too_good():
    found = subjects(too_good(*made_fills(profits=[100.0] * 19 + [-1.0])))
    assert found["hit rate"] == "95% of 20 round trips win"
    assert found["profit factor"].startswith("1,900") or "over 20 round trips" in found["profit factor"]
    assert "no losing" in subjects(too_good(*made_fills(profits=[100.0] * 12)))["profit factor"]


def test_a_few_round_trips_are_mostly_luck():
    found = subjects(too_good(*made_fills(profits=[10.0, -5.0, 10.0])))
    assert found["round trips"].startswith("only 3")
    balanced = made_fills(profits=[10.0, -9.0] * 20)
    assert "round trips" not in subjects(too_good(*balanced))
    assert "hit rate" not in subjects(too_good(*balanced))


def test_one_symbol_that_makes_all_the_profit_is_told_of():
    result, market = made_fills(profits=[1000.0, -3.0, 2.0] * 12, symbols=3)
    found = subjects(too_good(result, market))
    assert "makes 100% of the profit" in found["S0"]
    even, _ = made_fills(profits=[100.0, 90.0, 110.0] * 12, symbols=3)
    assert "S0" not in subjects(too_good(even, market))


def test_a_split_between_two_fills_is_no_profit():
    result, market = made_fills(profits=[0.0] * 12)
    day = market.sessions[int(market.clock.session[1])].date
    action = CorporateAction(symbol="S0", day=day, kind=ActionKind.SPLIT, value=2.0)
    table = result.fill_table.copy()
    table[1:, FillColumn.QUANTITY] *= 2
    table[1:, FillColumn.PRICE] //= 2
    split = dataclasses.replace(result, fill_table=table)
    found = subjects(too_good(split, dataclasses.replace(market, actions=(action,))))
    assert "hit rate" not in found


def made_fills(profits: list[float], symbols: int = 1) -> tuple[BacktestResult, Market]:
    """Round trips of 100 shares with these profits, one after the other, symbol by turns."""
    names = [f"S{number}" for number in range(symbols)]
    market = make_market({name: walks(max(2 * len(profits) + 2, 30))[:, 0] for name in names})
    result = run_backtest(Settings(), market, [STRATEGIES["momentum"].create({})], [1.0])
    rows = []
    for number, profit in enumerate(profits):
        for bar, quantity, price in ((2 * number, 100, 50.0), (2 * number + 1, -100, 50.0 + profit / 100)):
            row = [0] * len(FillColumn)
            row[FillColumn.BAR] = bar
            row[FillColumn.SYMBOL] = number % symbols
            row[FillColumn.QUANTITY] = quantity
            row[FillColumn.PRICE] = round(price * MICRO)
            rows.append(row)
    return dataclasses.replace(result, fill_table=np.array(rows, dtype=np.int64)), market


def test_the_table_names_every_guard_that_ran():
    warning = BiasWarning(
        guard=Guard.HOLES, severity=Severity.CAUTION, subject="IBM", text="12 bars are missing"
    )
    report = GuardReport((warning,), ((Guard.LOOK_AHEAD, "signals"), (Guard.HOLES, "100 bar ends")))
    assert table_of(report).splitlines() == [
        "look-ahead    nothing found  signals",
        "holes         1 found        100 bar ends",
        "  caution   IBM: 12 bars are missing",
    ]
    assert report.as_json()["warnings"] == [warning.as_json()]
