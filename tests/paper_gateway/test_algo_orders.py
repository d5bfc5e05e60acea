"""What is accepted as an algorithm, and the codes with which the rest is refused."""

from datetime import date

import pytest

from core.vocabulary import OrderType, TimeInForce
from paper_gateway.algo_orders import read_algo
from paper_gateway.methods import Adaptive, Priority, Sliced, SliceStyle
from paper_gateway.types import OrderState, RequestFailed
from tests.paper_gateway.trading_day import algo, at, day_desk, pass_until


@pytest.mark.parametrize(
    ("strategy", "params", "code", "text"),
    [
        ("Sniper", {}, 439, "Algorithm definition not found"),
        ("twap", {}, 439, "Algorithm definition not found"),
        ("Twap", {"bogus": 1}, 443, "Unknown algo attribute:bogus"),
        ("Adaptive", {"maxPctVol": 0.1}, 443, "Unknown algo attribute:maxPctVol"),
        ("Adaptive", {"adaptivePriority": "Lazy"}, 145, "-Lazy"),
        ("Twap", {"strategyType": "marketable"}, 145, "-marketable"),
        ("Vwap", {"noTakeLiq": "yes"}, 145, "-yes"),
        ("Vwap", {"maxPctVol": "a tenth"}, 441, "maxPctVol=a tenth"),
        ("Vwap", {"maxPctVol": 0.51}, 441, "greater than maximum value 0.5"),
        ("Vwap", {"maxPctVol": "nan"}, 441, "greater than maximum value 0.5"),
        ("Vwap", {"maxPctVol": 0}, 441, "less than minimum value 0.01"),
        ("Twap", {"startTime": "noon"}, 10314, "startTime"),
        ("Twap", {"endTime": "11:00:00 Nowhere/City"}, 10314, "endTime"),
        ("Twap", {"endTime": "09:59:00"}, 441, "past"),
        ("Twap", {"endTime": "09:59:00", "allowPastEndTime": 1}, 441, "past"),
        ("Twap", {"startTime": "12:00:00", "endTime": "11:00:00"}, 441, "not after the start"),
        ("Twap", {"endTime": "20121109 15:00:00"}, 441, "past"),
    ],
)
def test_an_algorithm_that_ib_would_not_take_is_refused_with_its_code(strategy, params, code, text):
    desk = day_desk()
    pass_until(desk, "10:00:00")
    order = desk.place("BUY", 1000, "MKT", **algo(strategy, **params))
    (failure,) = [event for event in desk.events if isinstance(event, RequestFailed)]
    assert failure.code == code
    assert text in failure.message
    assert desk.codes(order) == [code]
    assert not desk.brokerage.open_orders()


@pytest.mark.parametrize(
    ("kind", "quantity", "fields", "code"),
    [
        ("MOC", 1000, {}, 442),
        ("STP", 1000, {"aux_price": 110}, 442),
        ("MKT", 1000, {"time_in_force": "GTC"}, 111),
        ("MKT", 99, {}, 441),
    ],
)
def test_an_order_that_the_algorithm_does_not_work_is_refused(kind, quantity, fields, code):
    desk = day_desk()
    assert desk.codes(desk.place("BUY", quantity, kind, **fields, **algo("Twap"))) == [code]


def test_adaptive_takes_any_size():
    desk = day_desk()
    order = desk.place("BUY", 1, "MKT", **algo("Adaptive"))
    assert desk.state(order) is OrderState.SUBMITTED


def test_parameters_are_read_in_every_way_that_the_api_documents():
    desk = day_desk()

    def read(**ticket):
        desk.place("BUY", 1000, "MKT", **ticket)
        order = desk.brokerage.open_orders()[-1].ticket
        return read_algo(order, OrderType.MARKET, TimeInForce.DAY, desk.session, desk.market.now_ns)

    assert read(**algo("Adaptive")) == Adaptive(priority=Priority.NORMAL)
    assert read(**algo("Adaptive", adaptivePriority="Patient")) == Adaptive(priority=Priority.PATIENT)
    noon, three = at(desk, "12:00:00"), at(desk, "15:00:00")
    wanted = Sliced(
        start_ns=noon,
        end_ns=three,
        by_volume=False,
        style=SliceStyle.MARKETABLE,
        crosses=False,
        past_end=True,
    )
    for start, end in (
        ("12:00:00", "15:00:00"),
        ("12:00:00 US/Eastern", "15:00"),
        ("11:00:00 America/Chicago", "14:00:00 America/Chicago"),
        ("20121112 12:00:00 EST", "20121112-20:00:00"),
    ):
        params = {"strategyType": "Marketable", "startTime": start, "endTime": end, "allowPastEndTime": 1}
        assert read(**algo("Twap", **params)) == wanted
    whole_day = read(**algo("Vwap", maxPctVol=0.2, noTakeLiq=1))
    assert isinstance(whole_day, Sliced)
    assert (whole_day.start_ns, whole_day.end_ns) == (desk.session.open_ns, desk.session.close_ns)
    assert (whole_day.most, whole_day.crosses, whole_day.past_end) == (0.2, False, False)


def test_an_order_placed_at_night_means_the_coming_day():
    desk = day_desk(day=date(2012, 11, 12))
    desk.close()
    order = desk.place("BUY", 1000, "MKT", **algo("Twap", startTime="10:00:00", endTime="11:00:00"))
    assert desk.codes(order) == [399]
    assert desk.state(order) is OrderState.PRE_SUBMITTED


def test_an_algorithm_can_not_be_changed_but_its_order_can():
    desk = day_desk()
    terms = algo("Twap", endTime="12:00:00")
    order = desk.place("BUY", 1000, "LMT", limit_price=90, **terms)
    desk.place("BUY", 1000, "LMT", order_id=order, limit_price=90, **algo("Twap", endTime="13:00:00"))
    desk.place("BUY", 1000, "LMT", order_id=order, limit_price=90)
    assert desk.codes(order) == [440, 440]
    desk.place("BUY", 1500, "LMT", order_id=order, limit_price=91, **terms)
    assert desk.codes(order) == [440, 440]
    assert desk.view(order).ticket.quantity == 1500


def test_the_bar_model_refuses_what_bars_can_not_fill():
    from paper_gateway.bar_fills import BarModel

    desk = day_desk(bar_model=BarModel())
    for kind, fields in (("MKT", algo("Adaptive")), ("MKT", algo("Twap")), ("MIDPRICE", {}), ("REL", {})):
        assert desk.codes(desk.place("BUY", 1000, kind, **fields)) == [387]
