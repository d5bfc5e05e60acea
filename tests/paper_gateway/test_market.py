from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from data.bar_table import DataError
from data.packaged import load_packaged, packaged_calendar
from paper_gateway.history import DAY_S, MONTH_S, WEEK_S, HistoryRefused
from paper_gateway.market import Market
from tests.paper_gateway.desk import session_of


@pytest.fixture
def market():
    market = Market(load_packaged(), packaged_calendar(), seed=1)
    market.set_time(session_of(date(2012, 11, 12)).open_ns)
    return market


def run(market: Market, steps: int, day: date = date(2012, 11, 12)) -> None:
    market.open_session(session_of(day))
    for _ in range(steps):
        market.advance()


def starts(bars):
    return [f"{datetime.fromtimestamp(bar.start_ns / 1e9, UTC):%m-%d %H:%M}" for bar in bars]


def figures(bar):
    return (bar.open, bar.high, bar.low, bar.close, bar.volume)


def test_instruments_are_found_by_symbol_and_by_contract_id(market):
    apple = market.instrument("AAPL")
    assert apple.con_id == 265598
    assert market.instrument_of(265598) is apple
    assert market.instrument("ZZZ") is None
    assert market.instrument_of(1) is None
    assert len({each.con_id for each in market.instruments()}) == 5


def test_a_session_replays_the_days_real_prices(market):
    run(market, 4680)
    quote = market.quote("IBM")
    row = load_packaged(["IBM"])["IBM"].rows_between(market.session.open_ns, market.session.close_ns).start
    real = load_packaged(["IBM"])["IBM"]
    expected = [Decimal(f"{column[row]:.2f}") for column in (real.open, real.high, real.low, real.close)]
    assert [quote.day_open, quote.day_high, quote.day_low, quote.last] == expected
    assert quote.day_volume == real.volume[row]


def test_time_moves_by_steps_of_five_seconds(market):
    run(market, 0)
    opened = market.now_ns
    step = market.advance()
    assert market.now_ns == opened + 5_000_000_000 == step.end_ns
    assert step.index == 0
    assert not step.is_last
    bar = market.step_bar("AAPL")
    assert bar.start_ns == opened
    assert bar.low <= bar.open <= bar.high


def test_the_clock_can_not_be_misused(market):
    with pytest.raises(ValueError, match="no step left"):
        market.advance()
    run(market, 4680)
    with pytest.raises(ValueError, match="no step left"):
        market.advance()
    with pytest.raises(ValueError, match="open already"):
        market.open_session(session_of(date(2012, 11, 13)))
    with pytest.raises(ValueError, match="only by steps"):
        market.set_time(0)


def test_a_market_needs_symbols():
    with pytest.raises(DataError, match="no symbols"):
        Market({}, packaged_calendar())


def test_quotes_before_the_opening_show_the_last_close_and_no_sizes(market):
    quote = market.quote("AAPL")
    assert quote.last == quote.previous_close == Decimal("547.06")
    assert quote.bid_size == quote.ask_size == 0
    assert quote.bid < quote.last < quote.ask


def test_a_symbol_before_its_first_trade_has_no_price(market):
    market.set_time(session_of(date(2012, 5, 17)).open_ns)
    assert market.quote("FB").last == 0
    run(market, 10, date(2012, 5, 17))
    assert market.quote("FB").bid_size == 0
    assert market.step_bar("FB") is None
    assert market.step_bar("IBM") is not None


def test_history_ends_now_and_its_newest_bar_may_be_unfinished(market):
    run(market, 90)  # seven and a half minutes
    bars = market.history("AAPL", duration="1 D", bar_size_s=300)
    assert starts(bars) == ["11-12 14:30", "11-12 14:35"]
    minutes = market.history("AAPL", duration="1 D", bar_size_s=60)
    assert len(minutes) == 8
    assert bars[0].high == max(bar.high for bar in minutes[:5])
    assert bars[0].volume == sum(bar.volume for bar in minutes[:5])
    later = market.history("AAPL", duration="1 D", bar_size_s=300, end_ns=market.session.close_ns)
    assert later == bars


def test_history_does_not_depend_on_when_it_is_asked_for(market):
    run(market, 1000)
    early = market.history("MSFT", duration="3 D", bar_size_s=300)
    for _ in range(1000):
        market.advance()
    late = market.history("MSFT", duration="3 D", bar_size_s=300, end_ns=early[-1].start_ns)
    assert early[: len(late)] == late
    assert len(late) == len(early) - 1


def test_days_are_counted_in_sessions_over_an_early_close_and_a_holiday(market):
    market.set_time(session_of(date(2012, 11, 26)).open_ns)
    bars = market.history("IBM", duration="2 D", bar_size_s=300)
    assert len(bars) == 78 + 42
    assert starts(bars)[0] == "11-21 14:30"
    assert starts(bars)[-1] == "11-23 17:55"


def test_seconds_are_counted_over_regular_hours(market):
    bars = market.history(
        "IBM", duration="25200 S", bar_size_s=600
    )  # seven hours: a session and half an hour
    assert len(bars) == 42
    assert starts(bars)[0] == "11-08 20:30"


def test_hourly_bars_end_on_the_hour(market):
    bars = market.history("IBM", duration="1 D", bar_size_s=3600)
    assert starts(bars) == [
        f"11-09 {clock}" for clock in ("14:30", "15:00", "16:00", "17:00", "18:00", "19:00", "20:00")
    ]


def test_daily_bars_are_the_recorded_ones_and_today_is_as_far_as_it_has_come(market):
    run(market, 100)
    bars = market.history("AAPL", duration="2 D", bar_size_s=DAY_S)
    assert figures(bars[0]) == (540.42, 554.88, 533.72, 547.06, 33_211_200)
    quote = market.quote("AAPL")
    assert bars[1].close == float(quote.last)
    assert bars[1].volume == quote.day_volume


def test_weeks_and_months_are_made_of_days(market):
    days = market.history("AAPL", duration="1 Y", bar_size_s=DAY_S)
    weeks = market.history("AAPL", duration="1 Y", bar_size_s=WEEK_S)
    months = market.history("AAPL", duration="1 Y", bar_size_s=MONTH_S)
    assert 245 <= len(days) <= 253
    assert len(weeks) in {52, 53}
    assert len(months) == 13
    for bars in (weeks, months):
        assert sum(bar.volume for bar in bars) == sum(bar.volume for bar in days)
        assert (bars[0].open, bars[-1].close) == (days[0].open, days[-1].close)
        assert max(bar.high for bar in bars) == max(bar.high for bar in days)


def test_history_begins_with_the_data(market):
    bars = market.history("FB", duration="5 Y", bar_size_s=DAY_S)
    assert starts(bars)[0] == "05-18 13:30"
    assert market.head_ns("FB") == bars[0].start_ns


def test_quotes_in_history_have_no_volume(market):
    (bar,) = market.history("FB", duration="1 D", bar_size_s=DAY_S, what_to_show="midpoint")
    assert (bar.volume, bar.count) == (-1, -1)


@pytest.mark.parametrize(
    ("request_fields", "text"),
    [
        ({"duration": "D 1"}, "Invalid duration"),
        ({"duration": "0 D"}, "Invalid duration"),
        ({"duration": "9999 Y", "bar_size_s": DAY_S}, "too far"),
        ({"bar_size_s": 7}, "aren't available"),
        ({"what_to_show": "FEE_RATE"}, "FEE_RATE isn't available"),
        ({"symbol": "ZZZ"}, "No historical market data for ZZZ"),
        ({"duration": "10 Y"}, "exceeds maximum"),
    ],
)
def test_history_that_can_not_be_served_says_why(market, request_fields, text):
    fields = {"symbol": "AAPL", "duration": "1 D", "bar_size_s": 300} | request_fields
    with pytest.raises(HistoryRefused, match=text):
        market.history(fields.pop("symbol"), **fields)


def test_trading_hours_show_closed_days_and_early_closes(market):
    market.set_time(session_of(date(2012, 11, 21)).open_ns)
    hours = market.trading_hours().split(";")
    assert hours[:4] == [
        "20121121:0930-20121121:1600",
        "20121122:CLOSED",
        "20121123:0930-20121123:1300",
        "20121124:CLOSED",
    ]
