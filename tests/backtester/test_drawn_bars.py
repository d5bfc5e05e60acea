"""Hand-drawn bars and the fills that must come of them. One strategy that says what the bar's volume says."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pytest

from backtester.run import run_backtest
from core.config_schema import Settings
from strategy.base import BarRow, Strategy, StrategyKind
from tests.backtester.cases import make_market

LONG, SHORT, FLAT = 1_000_001, 1_000_002, 1_000_000
"""Volumes of bars that ask for a position: their last digit."""


class Nothing(NamedTuple):
    """No parameters, no state."""


def step(parameters: Nothing, state: Nothing, bar: BarRow) -> tuple[Nothing, float]:
    asked = int(bar.volume) % 10
    return state, -1.0 if asked == 2 else float(asked)


SAID = Strategy(
    kind=StrategyKind(
        name="said",
        summary="Does what the volume says",
        specs=(),
        parameters_type=Nothing,
        new_state=lambda _parameters: Nothing(),
        step=step,
        warmup_bars=lambda _parameters: 1,
    ),
    parameters=Nothing(),
)

QUIET = [(100, 101, 99, 100, FLAT)] * 20  # range 2, so the ATR is 2 and a stop stands 4 away


def settings(**backtest) -> Settings:
    free = {
        "commission": "none",
        "half_spread_bps": 0,
        "slippage_bps": 0,
        "impact_bps": 0,
        "fill_participation": 1,
    }
    return Settings.model_validate(
        {
            "sizing": {"risk_per_trade": 0.01, "allow_short": True, "target_volatility_annual": 2},
            "caps": {"max_symbol_exposure": 1.0, "max_participation": 1.0},
            "execution": {"pretrade": {"max_order_notional": 10_000_000}},
            "backtest": {"cash": 100_000, **free, **backtest},
        }
    )


def trade(*bars: tuple[float, ...], with_settings: Settings | None = None, size_s: int = 86_400):
    """Fills of bars that follow twenty quiet ones, as (bar, purpose, side, quantity, price)."""
    rows = np.array([*QUIET, *bars], dtype=float)
    market = make_market({"AAA": rows}, size_s=size_s)
    result = run_backtest(with_settings or settings(), market, (SAID,), (1.0,))
    ends = {int(end): number - len(QUIET) for number, end in enumerate(market.end_ns)}
    fills = [
        (ends[one.bar_end_ns], str(one.purpose), str(one.side), one.quantity, one.price)
        for one in result.fills()
    ]
    return fills, result


def test_a_signal_on_the_close_fills_at_the_next_open():
    fills, _ = trade((100, 101, 99, 100, LONG), (101, 102, 100, 101, LONG))
    assert fills == [(1, "entry", "BUY", 250, Decimal(101))]  # 1% of 100,000 over a stop 4 away


def test_a_signal_on_the_last_bar_never_fills():
    assert trade((100, 101, 99, 100, LONG))[0] == []


def test_an_exit_fills_at_the_next_open():
    fills, result = trade((100, 101, 99, 100, LONG), (101, 102, 100, 101, FLAT), (103, 104, 102, 103, FLAT))
    assert fills[1] == (2, "exit", "SELL", 250, Decimal(103))
    assert result.final_nlv == Decimal(100_500)


def test_a_stop_inside_the_bar_fills_at_its_price():
    fills, _ = trade((100, 101, 99, 100, LONG), (100, 101, 99, 100, LONG), (99, 99.5, 95.5, 97, LONG))
    assert fills[1] == (2, "stop", "SELL", 250, Decimal(96))


def test_a_low_that_only_touches_the_stop_triggers_it():
    fills, _ = trade((100, 101, 99, 100, LONG), (100, 101, 99, 100, LONG), (99, 99.5, 96, 97, LONG))
    assert fills[1] == (2, "stop", "SELL", 250, Decimal(96))


def test_a_low_just_above_the_stop_does_not():
    fills, _ = trade((100, 101, 99, 100, LONG), (100, 101, 99, 100, LONG), (99, 99.5, 96.01, 97, LONG))
    assert len(fills) == 1


def test_a_gap_through_the_stop_fills_at_the_open():
    fills, _ = trade((100, 101, 99, 100, LONG), (100, 101, 99, 100, LONG), (90, 92, 89, 91, LONG))
    assert fills[1] == (2, "stop", "SELL", 250, Decimal(90))


def test_the_stop_works_in_the_bar_of_the_entry():
    fills, _ = trade((100, 101, 99, 100, LONG), (100, 101, 95, 97, LONG))
    assert fills == [(1, "entry", "BUY", 250, Decimal(100)), (1, "stop", "SELL", 250, Decimal(96))]


def test_an_entry_that_opens_beyond_its_stop_leaves_at_that_open():
    fills, _ = trade((100, 101, 99, 100, LONG), (94, 95, 93, 94, LONG))
    assert fills == [(1, "entry", "BUY", 250, Decimal(94)), (1, "stop", "SELL", 250, Decimal(94))]


def test_a_stopped_position_is_not_entered_again_while_its_signal_stands():
    fills, result = trade((100, 101, 99, 100, LONG), (100, 101, 95, 97, LONG), *[(97, 98, 96, 97, LONG)] * 3)
    assert len(fills) == 2
    assert result.denials_by_reason() == {"stopped_out": 1}


def test_a_short_is_stopped_above_and_gaps_up():
    short = (100, 101, 99, 100, SHORT)
    inside, _ = trade(short, short, (101, 104.5, 100, 103, SHORT))
    assert inside == [(1, "entry", "SELL", 250, Decimal(100)), (2, "stop", "BUY", 250, Decimal(104))]
    gap, _ = trade(short, short, (110, 111, 109, 110, SHORT))
    assert gap[1] == (2, "stop", "BUY", 250, Decimal(110))


def test_an_exit_at_the_open_comes_before_a_stop_of_the_same_bar():
    fills, _ = trade((100, 101, 99, 100, LONG), (100, 101, 99, 100, FLAT), (98, 99, 90, 91, FLAT))
    assert fills[1] == (2, "exit", "SELL", 250, Decimal(98))


def test_a_flip_goes_through_flat_and_enters_a_bar_later():
    fills, _ = trade((100, 101, 99, 100, LONG), *[(100, 101, 99, 100, SHORT)] * 4)
    assert [(bar, purpose, side) for bar, purpose, side, *_ in fills] == [
        (1, "entry", "BUY"),
        (2, "exit", "SELL"),
        (3, "entry", "SELL"),
    ]


def test_market_on_close_orders_fill_at_the_next_close():
    fills, _ = trade(
        (100, 101, 99, 100, LONG),
        (101, 102, 100, 101.5, FLAT),
        (102, 103, 101, 102.5, FLAT),
        with_settings=settings(fill_at="close"),
    )
    assert fills == [(1, "entry", "BUY", 250, Decimal("101.5")), (2, "exit", "SELL", 250, Decimal("102.5"))]


def test_an_entry_at_the_close_can_not_be_stopped_in_its_own_bar():
    fills, _ = trade(
        (100, 101, 99, 100, LONG),
        (100, 101, 90, 100, LONG),
        (100, 101, 95, 97, LONG),
        with_settings=settings(fill_at="close"),
    )
    assert fills == [(1, "entry", "BUY", 250, Decimal(100)), (2, "stop", "SELL", 250, Decimal(96))]


def test_costs_are_against_us_on_both_sides():
    fills, _ = trade(
        (100, 101, 99, 100, LONG),
        (100, 101, 99, 100, FLAT),
        (100, 101, 99, 100, FLAT),
        with_settings=settings(half_spread_bps=2, slippage_bps=3),
    )
    assert [price for *_, price in fills] == [Decimal("100.05"), Decimal("99.95")]


def test_commission_has_its_minimum_once_an_order_however_many_fills():
    thin = (100, 101, 99, 100, 1_001)
    fills, result = trade(
        (100, 101, 99, 100, LONG),
        *[thin] * 4,
        with_settings=settings(commission="fixed", fill_participation=0.1, time_in_force="GTC"),
    )
    assert [(bar, quantity) for bar, _, _, quantity, _ in fills] == [(1, 100), (2, 100), (3, 50)]
    # $1 covers 200 shares; the last fifty cost half a cent each; FINRA's CAT fee is $0.000072 a share
    assert [one.commission for one in result.fills()] == [
        Decimal("1.0072"),
        Decimal("0.0072"),
        Decimal("0.2536"),
    ]


def test_the_rest_of_a_day_order_ends_with_the_session():
    thin = (100, 101, 99, 100, 1_001)
    fills, result = trade(
        (100, 101, 99, 100, LONG), *[thin] * 3, with_settings=settings(fill_participation=0.1)
    )
    assert [quantity for *_, quantity, _ in fills] == [100]
    assert [(one.reason.code, one.quantity) for one in result.denials()] == [("order_expired", 150)]


def test_an_order_waits_while_its_symbol_has_no_bar():
    missing = (np.nan,) * 5
    rows = np.array([*QUIET, (100, 101, 99, 100, LONG), missing, (103, 104, 102, 103, LONG)], dtype=float)
    other = np.array([*QUIET, *[(50, 51, 49, 50, FLAT)] * 3], dtype=float)
    market = make_market({"AAA": rows, "BBB": other})
    result = run_backtest(settings(time_in_force="GTC"), market, (SAID,), (1.0,))
    assert [(one.bar_end_ns, one.price) for one in result.fills()] == [(int(market.end_ns[22]), Decimal(103))]


def test_no_entry_is_sent_after_the_last_bar_of_an_intraday_session():
    # Half-hour bars: a session has thirteen, so the twenty-sixth bar is the second session's last.
    fills, result = trade(
        *[(100, 101, 99, 100, FLAT)] * 5,
        (100, 101, 99, 100, LONG),
        (100, 101, 99, 100, LONG),
        (102, 103, 101, 102, LONG),
        size_s=1800,
    )
    assert [(one.reason.code, one.quantity) for one in result.denials()] == [("market_closed", 250)]
    assert [(bar, price) for bar, *_, price in fills] == [(7, Decimal(102))]


@pytest.mark.parametrize(("pause", "second"), [(2, (4, 49)), (4, (6, 49)), (5, (7, 950))])
def test_money_of_a_sale_is_not_spent_before_it_has_settled(pause, second):
    values = settings(cash=100_000).model_dump()
    values["caps"] |= {"account_type": "cash", "settlement_days": 3}
    values["sizing"] |= {"risk_per_trade": 0.05}
    long, flat = (100, 101, 99, 100, LONG), (100, 101, 99, 100, FLAT)
    rows = np.array([*QUIET, long, *[flat] * pause, long, long])
    market = make_market({"AAA": rows}, settlement_days=3)
    result = run_backtest(Settings.model_validate(values), market, (SAID,), (1.0,))
    buys = [
        (int(np.searchsorted(market.end_ns, one.bar_end_ns)) - len(QUIET), one.quantity)
        for one in result.fills()
        if one.side == "BUY"
    ]
    # The cap is the whole account, which an entry fills to 95%: 950 shares; 99% of what is left buys 49. They are sold on bar 2, 4 October 2012, and paid for three days later, on
    # bar 6: banks rest on Columbus Day, the 8th.
    assert buys == [(1, 950), second]


def test_the_monthly_budget_of_fills_counts_the_backtests_own_month():
    limited = settings().model_copy(
        update={"caps": settings().caps.model_copy(update={"monthly_fill_budget": 2})}
    )
    long, flat = (100, 101, 99, 100, LONG), (100, 101, 99, 100, FLAT)
    fills, result = trade(long, flat, flat, long, long, long, with_settings=limited)
    assert [purpose for _, purpose, *_ in fills] == ["entry", "exit"]
    assert result.denials_by_reason() == {"fill_budget": 1}


@pytest.mark.parametrize("size_s", [86_400, 1_800])
def test_altering_future_bars_leaves_past_fills_as_they_were(size_s):
    rng = np.random.default_rng(5)
    closes = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, 120)))
    rows = np.column_stack(
        [closes, closes * 1.01, closes * 0.99, closes, rng.integers(10**6, 10**6 + 3, 120)]
    )
    rows = np.round(rows, 2)
    whole = run_backtest(settings(), make_market({"AAA": rows}, size_s=size_s), (SAID,), (1.0,))
    assert len(whole.fill_table) > 10
    for cut in range(25, 120, 7):
        altered = rows.copy()
        altered[cut:, :4] = np.round(altered[cut:, :4] * rng.uniform(0.5, 1.5), 2)
        altered[cut:, 4] = 1_000_000 + rng.integers(0, 3, 120 - cut)
        other = run_backtest(settings(), make_market({"AAA": altered}, size_s=size_s), (SAID,), (1.0,))
        for ours, theirs in ((whole.fill_table, other.fill_table), (whole.denial_table, other.denial_table)):
            assert ours[ours[:, 0] < cut].tolist() == theirs[theirs[:, 0] < cut].tolist()
        assert whole.nlv_micros[:cut].tolist() == other.nlv_micros[:cut].tolist()


@pytest.mark.parametrize(
    ("after", "filled"),
    [
        ((101, 103, 100.2, 102), None),  # the limit of 100 is not reached
        ((101, 103, 100, 102), None),  # touched only: others stand before us
        ((101, 103, 99.99, 102), "100"),  # traded through: at the limit
        ((99.5, 103, 99, 102), "99.5"),  # opens below it: at the open
    ],
)
def test_a_limit_entry_fills_at_its_price_or_better_or_not_at_all(after, filled):
    bars = [*QUIET, (100, 101, 99, 100, LONG), (*after, LONG)]
    market = make_market({"XYZ": np.array(bars, dtype=float)})
    limited = settings().model_copy(
        update={
            "execution": settings().execution.model_copy(update={"method": "LMT", "limit_offset_bps": 0.0})
        }
    )
    result = run_backtest(limited, market, (SAID,), (1.0,))
    assert [fill.price for fill in result.fills()] == ([Decimal(filled)] if filled else [])
    if not filled:
        assert "order_expired" in result.denials_by_reason()
