"""The bar fill model on hand-drawn bars: which price, how much, and when. One drawn bar is a minute, twelve steps."""

from __future__ import annotations

from decimal import Decimal

import pytest

from paper_gateway.bar_fills import BarModel
from paper_gateway.types import ExecutionView, OrderChanged, OrderState, RequestFailed
from tests.paper_gateway.desk import Candle, Desk, drawn_table

BAR = 12
FREE = {"half_spread_bps": 0.0, "slippage_bps": 0.0, "impact_bps": 0.0, "participation": 1.0}


def desk_on(*candles: Candle, **model: float) -> Desk:
    """A desk on bars of a minute; the paths inside them go through open, high, low and close."""
    table = drawn_table("AAA", list(candles), size_s=60)
    return Desk({"AAA": table}, bar_model=BarModel(size_s=60, **(FREE | model)))


def fills(desk: Desk) -> list[tuple[str, int, Decimal]]:
    return [(one.side, int(one.quantity), one.price) for one in executions(desk)]


def executions(desk: Desk) -> list[ExecutionView]:
    return desk.brokerage.executions()


CALM = (100.0, 101.0, 99.0, 100.0, 12_000.0)


def test_a_market_order_fills_at_the_next_bars_open_and_not_before() -> None:
    desk = desk_on(CALM, (102.0, 103.0, 101.0, 102.5, 12_000.0)).open()
    desk.step(5)
    desk.place("BUY", 100, "MKT")
    desk.step(BAR - 5)
    assert fills(desk) == []
    desk.step()
    assert fills(desk) == [("BOT", 100, Decimal(102))]


def test_every_cost_moves_the_price_against_the_order() -> None:
    desk = desk_on(CALM, CALM, half_spread_bps=2.0, slippage_bps=1.0, impact_bps=10.0).open()
    desk.place("BUY", 3_000, "MKT")
    desk.step()
    # A quarter of the volume: half of the impact. 2 + 1 + 5 basis points of 100 dollars.
    assert fills(desk) == [("BOT", 3_000, Decimal("100.08"))]
    desk.place("SELL", 120, "MKT")
    desk.step(BAR)
    # A hundredth of the volume: a tenth of the impact.
    assert fills(desk)[1:] == [("SLD", 120, Decimal("99.96"))]


def test_orders_share_what_the_bar_allows_and_the_rest_waits_for_the_next_bar() -> None:
    desk = desk_on(CALM, CALM, CALM, participation=0.01).open()
    desk.place("BUY", 100, "MKT")
    desk.place("BUY", 100, "MKT")
    desk.step(BAR)
    assert [quantity for _side, quantity, _price in fills(desk)] == [100, 20]
    desk.step(1)
    assert [quantity for _side, quantity, _price in fills(desk)] == [100, 20, 80]


@pytest.mark.parametrize(
    ("candle", "price"),
    [
        pytest.param((100.0, 100.5, 97.0, 99.0, 12_000.0), Decimal(98), id="reached inside the bar"),
        pytest.param((96.0, 99.0, 95.0, 97.0, 12_000.0), Decimal(96), id="opened beyond it"),
    ],
)
def test_a_stop_fills_at_its_price_or_at_the_open_of_a_gap(candle: Candle, price: Decimal) -> None:
    desk = desk_on(CALM, candle).open()
    parent = desk.place("BUY", 100, "MKT", transmit=False)
    desk.place("SELL", 100, "STP", aux_price=98.0, parent_id=parent)
    desk.step(BAR)
    assert fills(desk) == [("BOT", 100, Decimal(100))]
    desk.step(BAR)
    assert fills(desk)[1:] == [("SLD", 100, price)]


def test_the_stop_of_an_entry_works_in_the_bar_of_its_fill() -> None:
    desk = desk_on((100.0, 100.5, 97.0, 99.0, 12_000.0)).open()
    parent = desk.place("BUY", 100, "MKT", transmit=False)
    desk.place("SELL", 100, "STP", aux_price=98.0, parent_id=parent)
    desk.step(BAR)
    assert fills(desk) == [("BOT", 100, Decimal(100)), ("SLD", 100, Decimal(98))]


def test_what_is_left_of_a_stop_goes_first_at_the_next_open() -> None:
    desk = desk_on(CALM, (100.0, 100.5, 97.0, 99.0, 12_000.0), CALM, participation=0.01).open()
    parent = desk.place("BUY", 120, "MKT", transmit=False)
    desk.place("SELL", 120, "STP", aux_price=98.0, parent_id=parent)
    desk.step(BAR)
    desk.place("SELL", 50, "MKT")
    desk.step(BAR)
    # At the open the order that was there, then the stop for what the bar still allows.
    assert fills(desk)[1:] == [("SLD", 50, Decimal(100)), ("SLD", 70, Decimal(98))]
    desk.step(1)
    assert fills(desk)[3:] == [("SLD", 50, Decimal(100))]


def test_a_triggered_stop_ends_what_is_left_of_its_parent() -> None:
    desk = desk_on((100.0, 100.5, 97.0, 99.0, 12_000.0), CALM, participation=0.01).open()
    parent = desk.place("BUY", 300, "MKT", transmit=False)
    desk.place("SELL", 300, "STP", aux_price=98.0, parent_id=parent)
    desk.step(BAR)
    assert fills(desk) == [("BOT", 120, Decimal(100))], "the entry has used up what the bar allows"
    desk.step(1)
    assert fills(desk)[1:] == [("SLD", 120, Decimal(100))]


def test_only_market_orders_and_stops_are_taken() -> None:
    desk = desk_on(CALM).open()
    desk.place("BUY", 100, "LMT", limit_price=99.0)
    assert any(isinstance(one, RequestFailed) and "bar" in one.message for one in desk.events)


def test_a_day_order_ends_with_the_session() -> None:
    desk = desk_on(CALM, participation=0.001).open()
    desk.place("BUY", 100, "MKT")
    desk.close()
    changes = [one.order for one in desk.events if isinstance(one, OrderChanged)]
    assert (changes[-1].state, changes[-1].filled) == (OrderState.CANCELLED, Decimal(12))


@pytest.mark.parametrize("wrong", [{"size_s": 7}, {"slippage_bps": -1.0}, {"participation": 0.0}])
def test_numbers_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong)).replace("size_s", "bar")):
        BarModel(**wrong)  # type: ignore[arg-type]


# --- stops that trail: the rules of `backtester.trailing`, on the same bars as tests/backtester/test_trailing_bars.py ---


def trailed(*candles: Candle, side: str = "BUY", **model: float) -> list[tuple[str, int, Decimal]]:
    """Fills of a position that begins at the first candle's open, behind a stop 4 away that trails by 4."""
    desk = desk_on(*candles, **model).open()
    exit_side, stop = ("SELL", 96.0) if side == "BUY" else ("BUY", 104.0)
    parent = desk.place(side, 100, "MKT", transmit=False)
    desk.place(exit_side, 100, "TRAIL", aux_price=4.0, trail_stop_price=stop, parent_id=parent)
    desk.step(BAR * len(candles))
    return fills(desk)[1:]


@pytest.mark.parametrize(
    ("candles", "price"),
    [
        pytest.param([(102, 106, 101.5, 105), (105, 105.5, 101, 103)], 102, id="follows the high"),
        pytest.param([(102, 106, 101.5, 105), (98, 99, 97, 98)], 98, id="gap"),
        pytest.param([(103, 103.5, 98, 101)], 99, id="the open moves it first"),
        pytest.param([(101, 104, 99.5, 103)], None, id="the high does not"),
        pytest.param([(101, 105, 99.5, 100.5)], 99.5, id="turned: the bar's worst price"),
        pytest.param([(101, 105, 99.5, 101)], 99.5, id="just turned"),
        pytest.param([(101, 105, 99.5, 101.01)], None, id="just not turned"),
        pytest.param(
            [(102, 106, 101.5, 105), (103, 103.5, 102.5, 103), (103, 103, 102, 102.5)], 102, id="never back"
        ),
    ],
)
def test_a_stop_trails_from_bar_to_bar(
    candles: list[tuple[float, float, float, float]], price: float | None
) -> None:
    bars = [CALM, *((*prices, 12_000.0) for prices in candles)]
    expected = [] if price is None else [("SLD", 100, Decimal(str(price)))]
    assert trailed(*bars) == expected


def test_a_trailing_stop_of_a_short_is_the_mirror_image() -> None:
    down = (98.0, 98.5, 94.0, 95.0, 12_000.0)
    assert trailed(CALM, down, (95.0, 99.0, 94.5, 97.0, 12_000.0), side="SELL") == [("BOT", 100, Decimal(98))]
    assert trailed(CALM, (99.0, 100.5, 95.0, 99.5, 12_000.0), side="SELL") == [("BOT", 100, Decimal("100.5"))]


def test_the_trailing_stop_of_an_entry_works_in_the_bar_of_its_fill() -> None:
    assert trailed((102.0, 103.0, 97.5, 101.0, 12_000.0)) == [("SLD", 100, Decimal(98))]
    assert trailed((100.0, 103.0, 99.0, 102.0, 12_000.0), (102.0, 102.5, 99.0, 100.0, 12_000.0)) == [
        ("SLD", 100, Decimal(99))
    ]


def test_a_trailing_stop_that_comes_inside_a_bar_knows_of_its_close_only() -> None:
    desk = desk_on((100.0, 106.0, 99.0, 102.0, 12_000.0), (102.0, 102.0, 98.0, 99.0, 12_000.0)).open()
    desk.place("BUY", 100, "MKT")
    desk.step(BAR - 1)
    desk.place("SELL", 100, "TRAIL", aux_price=4.0, trail_stop_price=96.0)
    desk.step(1)
    (order,) = desk.brokerage.open_orders()
    assert order.ticket.trail_stop_price == Decimal(98)
    desk.step(BAR)
    assert fills(desk)[1:] == [("SLD", 100, Decimal(98))]


def test_what_is_left_of_a_trailing_stop_goes_first_at_the_next_open() -> None:
    turned, after = (101.0, 105.0, 99.5, 100.5, 6_000.0), (103.0, 104.0, 102.0, 103.0, 12_000.0)
    assert trailed((100.0, 101.0, 99.0, 100.0, 12_000.0), turned, after, participation=0.01) == [
        ("SLD", 60, Decimal("99.5")),
        ("SLD", 40, Decimal(103)),
    ]
