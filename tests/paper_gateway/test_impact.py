"""Market impact: the square-root law, its decay, and the depth of the book."""

import math
from decimal import Decimal

import pytest

from paper_gateway.impact import ImpactModel, Pressures
from tests.paper_gateway.trading_day import algo, at, day_desk, pass_until

S = 10**9
BAR = (100.0, 101.5, 98.5, 100.0, 10_000_000.0)


def reader_of(desk):
    reader = desk.market.reader("AAA")
    assert reader is not None
    return reader


def test_the_law_by_hand():
    # Range 3% of the price: sigma 1.8%. A tenth of the day's volume: 0.018 * sqrt(0.1) = 57 bps, of which two thirds.
    shift = ImpactModel().shift(reader_of(day_desk(bar=BAR)), 0, 1_000_000)
    assert shift == pytest.approx(2 / 3 * 0.018 * math.sqrt(0.1) * 10_000, rel=1e-9)


def test_slicing_alone_changes_nothing_of_the_sum():
    model, reader = ImpactModel(), reader_of(day_desk(bar=BAR))
    whole = model.shift(reader, 0, 100_000) * 100_000
    parts = sum(model.shift(reader, start, start + 1000) * 1000 for start in range(0, 100_000, 1000))
    assert parts == pytest.approx(whole, rel=1e-9)


def test_pressure_fades_by_half_in_its_half_life_and_works_on_its_own_side_only():
    reader = reader_of(day_desk(bar=BAR))
    pressures = Pressures(ImpactModel(half_life_s=600))
    pressures.add("AAA", 0, 400_000, is_buy=True)
    at_once = pressures.shift("AAA", reader, 0, 0, is_buy=True)
    later = pressures.shift("AAA", reader, 1200 * S, 0, is_buy=True)
    assert at_once == round(0.018 * math.sqrt(0.04) * 10_000)
    assert later == round(at_once / 2), "a quarter of the shares is half of the shift"
    assert pressures.shift("AAA", reader, 0, 0, is_buy=False) == 0
    assert pressures.shift("BBB", reader, 0, 0, is_buy=True) == 0


def test_an_order_larger_than_what_is_shown_walks_through_the_book():
    desk = day_desk(bar=BAR)
    pass_until(desk, "12:00:00")
    _, ask = desk.bid_ask()
    shown = desk.market.quote("AAA").ask_size
    desk.place("BUY", shown + 50, "MKT")
    first, second = desk.fills()[:2]
    assert [int(first.quantity), int(second.quantity)] == [shown, 50]
    assert (first.price, second.price) == (ask, ask + Decimal("0.01"))


def test_a_limit_stops_the_walk_and_the_impact():
    desk = day_desk(bar=BAR, impact=ImpactModel(strength=10), cash=Decimal(10**9))
    pass_until(desk, "12:00:00")
    _, ask = desk.bid_ask()
    limit = ask + Decimal("0.03")
    desk.place("BUY", 500_000, "LMT", limit_price=limit)
    desk.step(20)
    assert desk.fills()
    assert max(fill.price for fill in desk.fills()) <= limit


def cost_bps(share: float, strength: float = 1.0) -> float:
    """Cost against the tape's own prices of a Twap over two hours, in bps, mean of both sides and some days."""
    total = 0.0
    for seed in range(4):
        for action, sign in (("BUY", 1), ("SELL", -1)):
            desk = day_desk(bar=BAR, seed=seed, impact=ImpactModel(strength=strength), cash=Decimal(10**9))
            reader = reader_of(desk)
            first, last = (11 * 60 - 570) * 12, (13 * 60 - 570) * 12
            quantity = int(share * sum(reader.volume[first:last])) // 100 * 100
            pass_until(desk, "11:00:00")
            order = desk.place(action, quantity, "MKT", **algo("Twap", endTime="13:00:00"))
            pass_until(desk, "13:00:00")
            assert desk.view(order).filled >= 0.99 * quantity
            for fill in desk.fills(order):
                step = (fill.time_ns - at(desk, "09:30:00")) // (5 * S) - 1
                tape = reader.close[step] / 100
                total += sign * float(fill.quantity) * (float(fill.price) / tape - 1) / quantity * 1e4
    return total / 8


def test_cost_grows_with_participation_like_its_square_root():
    spread = cost_bps(0.02, strength=0.0)
    costs = [cost_bps(share) - spread for share in (0.02, 0.08)]
    assert costs[0] > 1
    slope = math.log(costs[1] / costs[0]) / math.log(4)
    assert 0.4 < slope < 0.6


@pytest.mark.parametrize(("name", "value"), [("strength", -1), ("strength", 11), ("half_life_s", 0)])
def test_numbers_that_make_no_sense_are_refused(name, value):
    with pytest.raises(ValueError, match=str(value)):
        ImpactModel(**{name: value})
