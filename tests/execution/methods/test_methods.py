"""What each method tells the broker."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config_execution_methods import WHEEL, MethodName
from core.vocabulary import ExecutionMethod, OrderType, Side
from execution.methods import instruction_for
from execution.methods.registry import METHODS
from execution.methods.situation import NS
from execution.methods.sliced import ib_time
from execution.ticks import DEFAULT_TICK
from tests.execution.methods.cases import HALF_DAY, session_on, situation, tools

M = ExecutionMethod
D = Decimal


def test_every_method_of_the_vocabulary_is_carried_out_and_can_be_configured() -> None:
    assert set(METHODS) == set(M)
    assert set(get_args(MethodName)) == {*map(str, M), WHEEL}


@pytest.mark.parametrize(
    ("method", "side", "kind", "limit"),
    [
        (M.MKT, Side.BUY, OrderType.MARKET, None),
        (M.LMT, Side.BUY, OrderType.LIMIT, "190.09"),  # 5 bps beyond 190: 190.095, a buy is rounded down
        (M.LMT, Side.SELL, OrderType.LIMIT, "189.91"),
        (M.PEG_MID, Side.BUY, OrderType.MIDPRICE, "198.55"),
        (M.PEG_MID, Side.SELL, OrderType.MIDPRICE, "181.45"),
        (M.REL, Side.BUY, OrderType.RELATIVE, "198.55"),
        (M.MOC, Side.BUY, OrderType.MARKET_ON_CLOSE, None),
        (M.LOC, Side.BUY, OrderType.LIMIT_ON_CLOSE, "190.47"),
        (M.LOC, Side.SELL, OrderType.LIMIT_ON_CLOSE, "189.53"),
    ],
)
def test_type_and_limit(method: M, side: Side, kind: OrderType, limit: str | None) -> None:
    told = instruction_for(method, situation(side=side), tools())
    assert told.order_type is kind
    assert told.limit_price == (None if limit is None else D(limit))
    assert told.algo is None


@pytest.mark.parametrize(("side", "price"), [(Side.BUY, "189.99"), (Side.SELL, "190.01")])
def test_a_limit_at_the_touch_rests_on_its_own_side_for_a_window(side: Side, price: str) -> None:
    now = situation(side=side)
    told = instruction_for(M.LMT, now, tools(limit_placement="touch", window_s=600))
    assert (told.limit_price, told.until_ns) == (D(price), now.now_ns + 600 * NS)


def test_a_marketable_limit_works_until_its_day_ends_as_in_a_backtest() -> None:
    assert instruction_for(M.LMT, situation(), tools()).until_ns is None


@pytest.mark.parametrize(
    ("method", "priority"),
    [(M.ADAPTIVE_URGENT, "Urgent"), (M.ADAPTIVE_NORMAL, "Normal"), (M.ADAPTIVE_PATIENT, "Patient")],
)
def test_adaptive_names_its_priority(method: M, priority: str) -> None:
    told = instruction_for(method, situation(), tools())
    assert (told.order_type, told.algo) == (OrderType.MARKET, "Adaptive")
    assert told.algo_params == (("adaptivePriority", priority),)


def test_twap_spreads_over_its_window_in_new_york_time() -> None:
    now = situation(before_close_s=7200)  # 14:00
    told = instruction_for(M.TWAP, now, tools(window_s=1800))
    assert told.algo == "Twap"
    assert dict(told.algo_params) == {
        "strategyType": "Marketable",
        "startTime": "20120518 14:00:00 US/Eastern",
        "endTime": "20120518 14:29:30 US/Eastern",
        "allowPastEndTime": "0",
    }
    assert told.until_ns == now.now_ns + 1800 * NS


def test_vwap_limits_its_share_of_the_volume() -> None:
    told = instruction_for(M.VWAP, situation(), tools(max_participation=0.15))
    assert told.algo == "Vwap"
    assert dict(told.algo_params)["maxPctVol"] == "0.15"
    assert dict(told.algo_params)["noTakeLiq"] == "0"


def test_a_window_leaves_room_before_an_early_close() -> None:
    now = situation(day=HALF_DAY, before_close_s=600)  # 12:50
    told = instruction_for(M.TWAP, now, tools(window_s=1800, close_margin_s=120))
    assert told.until_ns == session_on(HALF_DAY).close_ns - 120 * NS
    assert dict(told.algo_params)["endTime"] == "20121123 12:57:30 US/Eastern"


def test_the_clock_of_ib_follows_summer_time() -> None:
    assert ib_time(session_on(HALF_DAY).close_ns) == "20121123 13:00:00 US/Eastern"
    assert ib_time(situation(before_close_s=0).now_ns) == "20120518 16:00:00 US/Eastern"


def test_a_relative_order_betters_the_touch_by_ticks_of_the_price_grid() -> None:
    told = instruction_for(M.REL, situation(), tools(relative_offset_ticks=2))
    assert told.peg_offset == D("0.02")
    cheap = situation(bid=0.5, ask=0.5003, reference=0.5001)
    assert instruction_for(M.REL, cheap, tools("0.0001", relative_offset_ticks=2)).peg_offset == D("0.0002")


@given(st.sampled_from(sorted(M)), st.sampled_from(Side), st.floats(1.0, 5000.0), st.floats(0.0001, 0.02))
def test_limits_lie_on_the_price_grid_and_inside_the_pretrade_collar(
    method: M, side: Side, price: float, half_spread: float
) -> None:
    bid, ask = price * (1 - half_spread), price * (1 + half_spread)
    mid = (bid + ask) / 2
    told = instruction_for(method, situation(side=side, bid=bid, ask=ask, reference=mid), tools())
    if told.limit_price is not None:
        assert told.limit_price % DEFAULT_TICK == 0
        assert math.isclose(float(told.limit_price), mid, rel_tol=0.05)
