"""Raw prices with splits, dividends and delistings: what the account holds before and after."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from backtester.market import Market, align
from backtester.run import run_backtest
from core.config_schema import Settings
from data.corporate_actions import ActionKind, CorporateAction
from data.packaged import load_packaged, packaged_calendar
from strategy.registry import create
from tests.backtester.cases import make_market
from tests.backtester.test_drawn_bars import settings

DAYS = 30
EVENT = 25  # bar of the event


def flat(price: float, after: float | None = None) -> np.ndarray:
    rows = np.array([(price, price + 1, price - 1, price, 5_000_000)] * DAYS, dtype=float)
    if after is not None:
        rows[EVENT:, :4] *= after / price
    return rows


def market_of(
    columns: dict[str, np.ndarray], *actions: tuple[str, ActionKind, float], bar: int = EVENT
) -> Market:
    market = make_market(columns)
    day = market.sessions[bar].date
    made = tuple(
        CorporateAction(symbol=symbol, day=day, kind=kind, value=value) for symbol, kind, value in actions
    )
    return replace(market, actions=made)


def hold(market: Market, **backtest):
    return run_backtest(settings(**backtest), market, (create("buy_and_hold", {}),), (1.0,))


@pytest.mark.parametrize(("ratio", "price", "rest"), [(2.0, 50.0, 0), (1.5, 100 / 1.5, 1), (0.1, 1000.0, 9)])
def test_a_split_changes_the_shares_and_not_the_value(ratio, price, rest):
    market = market_of({"XYZ": flat(100, price)}, ("XYZ", ActionKind.SPLIT, ratio))
    result = hold(market)
    (bought,) = result.fills()
    before, after = (result.nlv_micros[bar] / 1e6 for bar in (EVENT - 1, EVENT))
    whole = int(bought.quantity * ratio + 1e-9)
    assert result.gross_micros[EVENT] / 1e6 == pytest.approx(whole * price, rel=1e-6)
    assert after == pytest.approx(before, abs=0.01)  # the new price has six decimals
    paid = result.flows_by_kind().get("cash_in_lieu", Decimal(0))
    assert float(paid) == pytest.approx((bought.quantity - whole / ratio) * 100, abs=1e-5)
    assert (paid > 0) == (bought.quantity * ratio != whole)


def test_a_stop_moves_with_the_split_and_is_not_hit_by_it():
    rows = flat(100, 50)
    rows[EVENT + 3, 2] = 44.0  # the ATR of 2 puts the stop 4 below 100: 96 before, 48 after the split
    rows[EVENT + 3, 0] = 49.0
    result = hold(market_of({"XYZ": rows}, ("XYZ", ActionKind.SPLIT, 2.0)))
    bought, stopped = result.fills()
    assert stopped.price == 48
    assert stopped.quantity == 2 * bought.quantity
    assert stopped.bar_end_ns == result.market_end_ns[EVENT + 3]


def test_a_dividend_is_paid_to_the_long_and_by_the_short():
    rows = flat(100, 99)
    long = hold(market_of({"XYZ": rows}, ("XYZ", ActionKind.DIVIDEND, 1.0)))
    (bought,) = long.fills()
    assert long.flows_by_kind() == {"dividend": Decimal(bought.quantity)}
    assert long.nlv_micros[EVENT] == long.nlv_micros[EVENT - 1]
    falling = rows.copy()
    falling[:, :4] -= np.arange(DAYS)[:, None] * 0.1
    short = run_backtest(
        settings(borrow_fee_annual=0.0),
        market_of({"XYZ": falling}, ("XYZ", ActionKind.DIVIDEND, 1.0)),
        (create("momentum", {"fast_window": 2, "slow_window": 5}),),
        (1.0,),
    )
    (sold,) = short.fills()
    assert short.flows_by_kind() == {"dividend": -Decimal(sold.quantity)}


def test_a_delisted_position_is_paid_out_and_never_entered_again():
    rows, other = flat(100), flat(30)
    rows[EVENT + 1 :] = np.nan
    result = hold(market_of({"XYZ": rows, "ABC": other}, ("XYZ", ActionKind.DELISTING, 12.5)))
    bought, paid = (fill for fill in result.fills() if fill.symbol == "XYZ")
    assert (paid.price, paid.quantity, paid.commission) == (Decimal("12.5"), bought.quantity, 0)
    assert (paid.reason, paid.bar_end_ns) == ("delisted", result.market_end_ns[EVENT + 1])
    assert result.ledger().position("buy_and_hold", "XYZ") == 0


def test_raw_prices_with_their_splits_trade_like_adjusted_ones():
    adjusted = load_packaged(["AAPL", "MSFT"])
    days = {"AAPL": (date(2000, 6, 21), date(2005, 2, 28)), "MSFT": (date(2003, 2, 18),)}
    tables, actions = {}, []
    for symbol, table in adjusted.items():
        factor = np.ones(len(table))
        for day in days[symbol]:
            before = table.end_ns < np.datetime64(day, "ns").astype(np.int64)
            factor[before] *= 2.0
            actions.append(CorporateAction(symbol=symbol, day=day, kind=ActionKind.SPLIT, value=2.0))
        columns = {name: getattr(table, name) * factor for name in ("open", "high", "low", "close")}
        tables[symbol] = type(table)(
            symbol=symbol, size_s=table.size_s, end_ns=table.end_ns, volume=table.volume / factor, **columns
        )
    assumed = Settings.model_validate({"backtest": {"commission": "none"}})
    strategies = (create("momentum", {}), create("mean_reversion", {}))
    end = date(2006, 1, 3)

    def run(tables, actions):
        market = align(tables, packaged_calendar(), settlement_days=1, until=end, actions=actions)
        return run_backtest(assumed, market, strategies, (0.5, 0.5))

    raw, smooth = run(tables, actions), run(adjusted, ())
    moments = [[(one.bar_end_ns, one.symbol, one.side) for one in result.fills()] for result in (raw, smooth)]
    assert len(moments[1]) > 50
    assert moments[0] == moments[1]
    assert float(raw.final_nlv) == pytest.approx(
        float(smooth.final_nlv), rel=1e-3
    )  # whole shares differ a little


def test_events_outside_the_bars_or_of_other_symbols_change_nothing():
    market = make_market({"XYZ": flat(100)})
    outside = [
        CorporateAction(
            symbol="XYZ", day=market.sessions[0].date - timedelta(days=9), kind=ActionKind.SPLIT, value=2
        ),
        CorporateAction(symbol="XYZ", day=date(2099, 1, 2), kind=ActionKind.SPLIT, value=2),
        CorporateAction(symbol="ABC", day=market.sessions[EVENT].date, kind=ActionKind.DIVIDEND, value=3),
    ]
    with_them = replace(market, actions=tuple(outside))
    assert hold(with_them).nlv_micros.tolist() == hold(market).nlv_micros.tolist()


@pytest.mark.parametrize("hole", [0, 2])
def test_a_dividend_is_measured_by_the_last_close_in_the_shares_of_its_day(hole):
    rows = flat(100, 49)  # 2:1, and a dollar for each new share
    rows[EVENT - hole : EVENT] = np.nan
    market = make_market({"XYZ": rows, "ABC": flat(30)})
    split, dividend = (market.sessions[bar].date for bar in (EVENT - hole, EVENT))
    actions = (
        CorporateAction(symbol="XYZ", day=split, kind=ActionKind.SPLIT, value=2.0),
        CorporateAction(symbol="XYZ", day=dividend, kind=ActionKind.DIVIDEND, value=1.0),
    )
    seen = replace(market, actions=actions).signal_bars()[:, 0, 3]
    assert seen[EVENT - hole - 1] == pytest.approx(seen[EVENT], rel=1e-12)


@pytest.mark.parametrize("shares", [1500, 2500, 30_000])
def test_a_reverse_split_may_leave_less_than_a_thousandth(shares):
    market = market_of({"XYZ": flat(2, 2.0 * shares)}, ("XYZ", ActionKind.SPLIT, 1 / shares))
    events = market.events()
    assert (events.numerator.tolist(), events.denominator.tolist()) == ([1], [shares])
    result = hold(market)
    assert result.nlv_micros[EVENT] == result.nlv_micros[EVENT - 1]
