"""Which methods an order may use now: cut-offs, early closes, odd lots, tiny orders, illiquid symbols, short sales, urgency."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.vocabulary import ExecutionMethod, Purpose, Side
from execution.methods import instruction_for
from execution.methods.admissibility import admit
from tests.execution.methods.cases import HALF_DAY, settings, situation, tools

M = ExecutionMethod
AUCTION = {M.MOC, M.LOC}
SLICED = {M.TWAP, M.VWAP}
PEGGED = {M.PEG_MID, M.REL}
ADAPTIVE = {M.ADAPTIVE_URGENT, M.ADAPTIVE_NORMAL, M.ADAPTIVE_PATIENT}
QUOTED = {*SLICED, *PEGGED, *ADAPTIVE}
NAN = math.nan


def refused(prudent: bool = True, *, methods: dict[str, object] | None = None, **case: object) -> set[M]:
    admission = admit(situation(**case), settings(**(methods or {})), prudent=prudent)  # type: ignore[arg-type]
    assert set(admission.methods) | {m for m, _ in admission.refusals} == set(M)
    assert all(reason for _, reason in admission.refusals)
    return {method for method, _ in admission.refusals}


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        pytest.param({}, set(), id="1 an afternoon like any other"),
        pytest.param({"before_close_s": 606}, set(), id="2 NYSE, before the cut-off"),
        pytest.param({"before_close_s": 599}, AUCTION, id="3 NYSE, after the cut-off"),
        pytest.param({"before_close_s": 599, "exchange": "NASDAQ"}, set(), id="4 Nasdaq is later"),
        pytest.param({"before_close_s": 299, "exchange": "NASDAQ"}, {M.MOC, *SLICED}, id="5 Nasdaq, LOC later than MOC"),
        pytest.param({"before_close_s": 119, "exchange": "NASDAQ"}, {*AUCTION, *SLICED, *PEGGED, *ADAPTIVE}, id="6 Nasdaq, too late for both"),
        pytest.param({"before_close_s": 599, "exchange": ""}, AUCTION, id="7 an unknown exchange counts as the earliest"),
        pytest.param({"before_close_s": 606, "day": HALF_DAY}, set(), id="8 early close at 13:00, 12:49:54"),
        pytest.param({"before_close_s": 599, "day": HALF_DAY}, AUCTION, id="9 early close, after its cut-off"),
        pytest.param({"before_close_s": 359, "exchange": "ARCA"}, SLICED, id="10 no time to slice, Arca still takes"),
        pytest.param({"is_open": False}, set(M) - {M.MKT}, id="11 the exchange is closed"),
        pytest.param({"quantity": 99}, {*SLICED, *PEGGED}, id="12 odd lot"),
        pytest.param({"quantity": 1}, set(M) - {M.MKT, M.LMT}, id="13 tiny order"),
        pytest.param({"quantity": 150}, SLICED, id="14 too few shares for a schedule"),
        pytest.param({"adv_share": 0.02}, {M.MKT, M.LMT, M.ADAPTIVE_URGENT, *SLICED}, id="15 illiquid: a large share of the daily volume"),
        pytest.param({"bid": 188.5, "ask": 191.5}, {M.MKT, M.ADAPTIVE_URGENT, M.TWAP}, id="16 illiquid: a wide spread"),
        pytest.param({"bid": NAN, "ask": NAN}, QUOTED, id="17 halted: no two-sided quote"),
        pytest.param({"bid": NAN, "ask": NAN, "reference": NAN}, {*QUOTED, M.LMT, M.LOC}, id="18 no price at all"),
        pytest.param({"side": Side.SELL, "is_short_restricted": True}, set(M) - PEGGED, id="19 short sale of a fallen stock"),
        pytest.param({"side": Side.SELL, "purpose": Purpose.EXIT, "is_short_restricted": True}, set(), id="20 selling what is held isn't short"),
        pytest.param({"side": Side.BUY, "is_short_restricted": True}, set(), id="21 buying a fallen stock"),
        pytest.param({"is_whole": False, "purpose": Purpose.EXIT}, set(M) - {M.MKT}, id="22 a reduction has no stop while it waits"),
        pytest.param({"patience_s": 0}, set(M) - {M.MKT, M.LMT, M.ADAPTIVE_URGENT}, id="23 urgent"),
        pytest.param({"patience_s": 1440}, AUCTION, id="24 an exit may take a while, not all afternoon"),
    ],
)  # fmt: skip
def test_what_is_refused(case: dict[str, object], expected: set[M]) -> None:
    assert refused(**case) == expected  # type: ignore[arg-type]


def test_a_limit_at_the_touch_may_sell_short_and_one_that_crosses_may_not() -> None:
    short = {"side": Side.SELL, "is_short_restricted": True}
    assert refused(methods={"limit_placement": "touch"}, **short) == set(M) - {*PEGGED, M.LMT}  # type: ignore[arg-type]


def test_what_is_prudent_binds_the_wheel_and_not_a_configured_method() -> None:
    assert refused(prudent=False, quantity=150, adv_share=0.3, patience_s=0.0) == set()


def test_where_nothing_is_left_the_market_order_is() -> None:
    case = situation(before_close_s=30, adv_share=0.5)
    admission = admit(case, settings())
    assert admission.methods == (M.MKT,)
    assert admission.reason(M.MKT) is None


@pytest.mark.parametrize("seconds", [604.0, 605.0])
def test_an_order_must_be_there_by_the_cut_off_not_on_its_way(seconds: float) -> None:
    assert (M.MOC in refused(before_close_s=seconds)) == (seconds < 605)


@given(
    st.floats(0, 23_400), st.integers(1, 10_000), st.sampled_from(Side), st.sampled_from(["NYSE", "NASDAQ", ""]),
    st.floats(0, 1), st.booleans(),
)  # fmt: skip
def test_whatever_is_admissible_can_be_put_into_words(
    before_close_s: float, quantity: int, side: Side, exchange: str, adv_share: float, prudent: bool
) -> None:
    case = situation(
        before_close_s=before_close_s, quantity=quantity, side=side, exchange=exchange, adv_share=adv_share
    )
    admission = admit(case, settings(), prudent=prudent)
    assert admission.methods
    for method in admission.methods:
        told = instruction_for(method, case, tools())
        assert told.until_ns is None or told.until_ns >= case.now_ns
