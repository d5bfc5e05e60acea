"""How algorithms and pegs are worked, step by step."""

import itertools
import math
from decimal import Decimal

import numpy as np
import pytest

from paper_gateway.types import OrderState
from tests.paper_gateway.desk import Desk
from tests.paper_gateway.trading_day import algo, at, day_desk, pass_until

S = 10**9
RICH = Decimal(10**9)


def test_twap_trades_the_same_number_of_shares_in_every_interval():
    desk = day_desk()
    order = desk.place("BUY", 12_000, "MKT", **algo("Twap", startTime="10:00:00", endTime="11:00:00"))
    assert desk.state(order) is OrderState.PRE_SUBMITTED
    pass_until(desk, "10:00:00")
    assert not desk.fills()
    desk.step()
    assert desk.state(order) is OrderState.SUBMITTED
    for minutes in range(10, 70, 10):
        pass_until(desk, f"{10 + minutes // 60}:{minutes % 60:02d}:00")
        assert abs(int(desk.view(order).filled) - 200 * minutes) <= 200
    assert desk.state(order) is OrderState.FILLED
    fills = desk.fills(order)
    assert len(fills) >= 60
    assert len({fill.exec_id for fill in fills}) == len(fills)
    assert sum(fill.quantity for fill in fills) == 12_000
    assert at(desk, "10:00:00") < fills[0].time_ns
    assert fills[-1].time_ns <= at(desk, "11:00:00")


def test_every_slice_is_told_of_as_ib_tells_partial_fills():
    desk = day_desk()
    order = desk.place("BUY", 1000, "MKT", **algo("Twap", endTime="10:00:00"))
    pass_until(desk, "10:00:00")
    views = [view for view in desk.views(order) if view.filled]
    assert [view.filled + view.remaining for view in views] == [1000] * len(views)
    assert [view.filled for view in views] == sorted(view.filled for view in views)
    assert {view.state for view in views[:-1]} == {OrderState.SUBMITTED}
    assert views[-1].state is OrderState.FILLED
    cost = sum(fill.quantity * fill.price for fill in desk.fills())
    assert abs(views[-1].average_fill_price - cost / 1000) < Decimal("0.00000001")


@pytest.mark.parametrize("past_end", [0, 1])
def test_what_is_left_at_the_end_time_is_cancelled_unless_trading_may_go_on(past_end):
    desk = day_desk(bar=(100.0, 101.0, 99.0, 100.0, 100_000.0), cash=RICH)
    params = {"endTime": "10:00:00", "allowPastEndTime": past_end}
    order = desk.place("BUY", 60_000, "MKT", **algo("Twap", **params))
    pass_until(desk, "10:05:00")
    beyond = [fill for fill in desk.fills() if fill.time_ns > at(desk, "10:00:00")]
    if past_end:
        assert beyond
        assert desk.state(order) is OrderState.SUBMITTED
    else:
        assert not beyond
        assert 0 < desk.view(order).filled < 60_000
        assert desk.state(order) is OrderState.CANCELLED
        assert desk.codes(order) == [202]


def test_vwap_follows_the_days_volume_and_never_exceeds_its_share():
    desk = day_desk(bar=(100.0, 101.0, 99.0, 100.0, 2_000_000.0), cash=RICH)
    order = desk.place("BUY", 100_000, "MKT", **algo("Vwap", maxPctVol=0.1))
    reader = desk.market.reader("AAA")
    assert reader is not None
    for clock in ("10:00:00", "11:00:00", "12:45:00", "14:30:00", "15:30:00"):
        pass_until(desk, clock)
        assert desk.view(order).filled <= 0.1 * reader.day_volume[desk.market.step_index]
    halves = [
        sum(f.quantity for f in desk.fills() if (f.time_ns < at(desk, c))) for c in ("10:30:00", "12:00:00")
    ]
    noon = sum(f.quantity for f in desk.fills() if at(desk, "12:15:00") <= f.time_ns < at(desk, "13:15:00"))
    assert halves[0] > 1.3 * float(noon), "the first hour trades more than the hour at noon"
    desk.close()
    assert desk.view(order).filled >= 95_000


def test_vwap_that_may_not_take_liquidity_never_pays_the_spread():
    desk = day_desk(bar=(100.0, 101.0, 99.0, 100.0, 5_000_000.0))
    order = desk.place("BUY", 5_000, "MKT", **algo("Vwap", endTime="12:00:00", noTakeLiq=1))
    crossing = desk.place("BUY", 5_000, "MKT", **algo("Vwap", endTime="12:00:00"))
    pass_until(desk, "12:00:00")
    assert {fill.last_liquidity for fill in desk.fills(order)} == {1}
    assert {fill.last_liquidity for fill in desk.fills(crossing)} == {1, 2}


def test_a_limit_holds_every_slice():
    desk = day_desk(bar=(100.0, 104.0, 99.0, 103.0, 5_000_000.0))
    orders = [
        desk.place("BUY", 3_000, "LMT", limit_price=100.2, **algo(*terms))
        for terms in (("Twap",), ("Vwap",), ("Adaptive",))
    ]
    desk.close()
    assert all(fill.price <= Decimal("100.2") for fill in desk.fills())
    assert desk.fills(orders[0])


def test_adaptive_walks_from_inside_the_quote_to_its_other_side():
    still = (
        100.0,
        100.2,
        100.0,
        100.1,
        100_000.0,
    )  # the bid is never traded through, and newly touched never
    last = [100.1 + 0.1 * i for i in range(91)]
    rising = [(old, new + 0.1, old, new, 100_000.0) for old, new in itertools.pairwise(last)]
    waited = {}
    for priority in ("Urgent", "Normal", "Patient"):
        desk = Desk.drawn(still, *rising).open()
        desk.step()
        order = desk.place("BUY", 100, "MKT", **algo("Adaptive", adaptivePriority=priority))
        start_ns = desk.market.now_ns
        while not desk.fills(order) and desk.market.step_index < 85:
            desk.step()
        waited[priority] = (desk.fills(order)[0].time_ns - start_ns) // S
    assert waited["Urgent"] < waited["Normal"] < waited["Patient"]
    assert waited["Urgent"] <= 15


@pytest.mark.parametrize("kind", ["PEG MID", "MIDPRICE"])
def test_a_midpoint_peg_fills_at_the_midpoint_or_not_at_all(kind):
    desk = day_desk(bar=(400.0, 404.0, 396.0, 400.0, 5_000_000.0))
    pegs = [desk.place("BUY", 500, kind), desk.place("SELL", 500, kind)]
    seen = []
    for _ in range(400):
        middle = sum(desk.bid_ask()) / 2
        before = len(desk.fills())
        desk.step()
        seen += [(fill.price, middle) for fill in desk.fills()[before:]]
    assert seen
    assert all(price == middle for price, middle in seen)
    assert {fill.last_liquidity for fill in desk.fills()} == {1}
    assert desk.view(pegs[0]).filled > 0


def test_a_capped_midpoint_peg_waits_below_its_cap():
    desk = day_desk(bar=(100.0, 106.0, 99.9, 105.0, 5_000_000.0), cash=RICH)
    order = desk.place("BUY", 500_000, "MIDPRICE", limit_price=100.5)
    desk.close()
    assert desk.fills(order)
    assert all(fill.price <= Decimal("100.5") for fill in desk.fills(order))
    assert desk.state(order) is OrderState.CANCELLED


def test_a_relative_order_waits_at_its_offset_from_the_near_side():
    desk = day_desk(bar=(400.0, 404.0, 396.0, 400.0, 5_000_000.0))
    order = desk.place("BUY", 300, "REL", aux_price=0.01)
    while not desk.fills(order):
        bid, _ = desk.bid_ask()
        desk.step()
    assert desk.fills(order)[0].price == bid + Decimal("0.01")


def test_a_global_cancel_ends_every_method():
    desk = day_desk()
    fields = [
        ("MKT", algo("Twap")),
        ("MKT", algo("Vwap")),
        ("MKT", algo("Adaptive", adaptivePriority="Patient")),
    ]
    for kind, terms in [*fields, ("PEG MID", {}), ("REL", {}), ("MIDPRICE", {})]:
        desk.place("BUY", 50_000, kind, **terms)
    desk.step(100)
    filled = len(desk.fills())
    desk.events += desk.brokerage.global_cancel()
    assert not desk.brokerage.open_orders()
    desk.step(100)
    assert len(desk.fills()) == filled


def test_the_same_seed_gives_the_same_fills_and_another_one_others():
    def run(seed: int) -> list[object]:
        desk = day_desk(seed=seed, bar=(100.0, 101.5, 99.0, 100.7, 3_000_000.0))
        for terms in (algo("Twap", endTime="11:00:00"), algo("Vwap"), algo("Adaptive")):
            desk.place("BUY", 5_000, "MKT", **terms)
        desk.place("SELL", 2_000, "PEG MID")
        pass_until(desk, "11:00:00")
        return [(fill.time_ns, fill.price, fill.quantity, fill.order_id) for fill in desk.fills()]

    assert run(1) == run(1)
    assert run(1) != run(2)


def adaptive_orders(priority: str) -> tuple[list[float], list[float]]:
    """Costs against the arrival midpoint in bps, and seconds until filled: a buy and a sell at the same moments."""
    costs, waits = [], []
    for seed, action in itertools.product(range(10), ("BUY", "SELL")):
        desk = day_desk(bar=(400.0, 404.0, 396.0, 400.0, 5_000_000.0), seed=seed)
        for _ in range(18):
            desk.step(180)
            middle, placed_ns = float(sum(desk.bid_ask())) / 2, desk.market.now_ns
            order = desk.place(action, 100, "MKT", **algo("Adaptive", adaptivePriority=priority))
            desk.step(70)
            fills = desk.fills(order)
            assert sum(fill.quantity for fill in fills) == 100
            paid = float(sum(fill.quantity * fill.price for fill in fills)) / 100
            costs.append((paid / middle - 1) * (1e4 if action == "BUY" else -1e4))
            waits.append((fills[-1].time_ns - placed_ns) / S)
    return costs, waits


def test_a_patient_adaptive_order_is_cheaper_and_slower_than_an_urgent_one_and_both_than_the_market():
    urgent, urgent_waits = adaptive_orders("Urgent")
    patient, patient_waits = adaptive_orders("Patient")
    saved = np.array(urgent) - np.array(patient)
    longer = np.array(patient_waits) - np.array(urgent_waits)
    for difference in (
        saved,
        longer,
        1.0 - np.array(urgent),
    ):  # the market order pays half of a spread of 2 bps
        assert difference.mean() > 2 * difference.std() / math.sqrt(len(difference))
