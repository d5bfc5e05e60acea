"""The feed as the engine sees it: rows, staleness, reconnects; and what is loaded before it starts."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from datetime import date
from decimal import Decimal

from core.clock import ManualClock
from core.config_schema import BarSettings
from core.errors import NotConnected
from core.events import Bar, FeedChanged, Quote
from core.ib_wrapper.types import ContractInfo
from core.vocabulary import FeedStatus, Unknown
from data.bar_grid import FEED_STEP_NS, NS_PER_S
from data.exchange_calendar import exchange_calendar
from data.ib_feed import IBFeed
from data.warmup import duration_for, load_contracts, load_history
from tests.data.test_bars import DAY, SIZE_NS, ends_of, feed_bar

CALENDAR = exchange_calendar("XNYS", date(2012, 11, 1), date(2013, 1, 31))
SYMBOLS = ("IBM", "MSFT")


class Subscriptions:
    def __init__(self) -> None:
        self.bars: list[str] = []
        self.quotes: list[str] = []

    def subscribe_realtime_bars(self, symbols: Iterable[str]) -> None:
        self.bars += symbols

    def subscribe_quotes(self, symbols: Iterable[str]) -> None:
        self.quotes += symbols


def make_feed() -> tuple[IBFeed, ManualClock, Subscriptions]:
    clock, subscriptions = ManualClock(monotonic_ns=10**12), Subscriptions()
    feed = IBFeed(subscriptions, symbols=SYMBOLS, settings=BarSettings(), hours=CALENDAR, clock=clock)
    feed.start()
    return feed, clock, subscriptions


def play(feed: IBFeed, ends: Iterable[int], symbols: Iterable[str] = SYMBOLS) -> list[int]:
    rows = [row for end in ends for s in symbols for row in feed.on_realtime_bar(feed_bar(end, symbol=s))]
    return [row.end_ns for row in rows]


def test_everything_is_subscribed_once() -> None:
    _, _, subscriptions = make_feed()
    assert subscriptions.bars == subscriptions.quotes == list(SYMBOLS)


def test_a_session_gives_a_row_a_bar_end() -> None:
    feed, _, _ = make_feed()
    ends = play(feed, ends_of(DAY))
    assert ends == [DAY.open_ns + SIZE_NS * i for i in range(1, 79)]
    assert feed.market_ns == DAY.close_ns
    assert not feed.market_is_open()


def test_rows_known_from_history_do_not_come_again() -> None:
    feed, _, _ = make_feed()
    feed.start(DAY.open_ns + SIZE_NS)
    assert play(feed, ends_of(DAY)[:120]) == [DAY.open_ns + 2 * SIZE_NS]


def test_a_symbol_that_stops_is_left_out_after_the_grace_and_goes_stale() -> None:
    feed, clock, _ = make_feed()
    play(feed, ends_of(DAY)[:60])
    assert feed.stale_symbols() == frozenset()
    assert play(feed, ends_of(DAY)[60:120], ("IBM",)) == []
    clock.advance(1)
    (row,) = feed.poll()
    assert row.missing == ("MSFT",)
    clock.advance(30)
    feed.on_realtime_bar(feed_bar(ends_of(DAY)[120]))
    feed.poll()
    assert feed.stale_symbols() == {"MSFT"}
    changes = [(c.symbol, c.status) for c in feed.take_changes()]
    assert changes[-1] == ("MSFT", FeedStatus.STALE)
    assert feed.take_changes() == ()


def test_a_half_built_bar_joins_its_row_marked_incomplete() -> None:
    feed, clock, _ = make_feed()
    play(feed, ends_of(DAY)[:50])
    play(feed, ends_of(DAY)[50:60], ("IBM",))
    clock.advance(1)
    (row,) = feed.poll()
    assert row.missing == ()
    assert not row.bars["MSFT"].complete
    assert not row.is_complete


def test_silence_after_the_close_is_not_staleness() -> None:
    feed, clock, _ = make_feed()
    play(feed, ends_of(DAY))
    feed.take_changes()
    clock.advance(3600)
    feed.poll()
    assert feed.take_changes() == ()


def test_only_data_make_a_symbol_live_again() -> None:
    feed, _, _ = make_feed()
    assert feed.stale_symbols() == set(SYMBOLS)
    play(feed, ends_of(DAY)[:1])
    feed.on_feed_changed(FeedChanged(symbol=None, status=FeedStatus.STALE, detail="10197"))
    assert feed.stale_symbols() == set(SYMBOLS)
    feed.on_feed_changed(FeedChanged(symbol=None, status=FeedStatus.LIVE, detail="2104"))
    assert feed.stale_symbols() == set(SYMBOLS)
    play(feed, ends_of(DAY)[1:2], ("IBM",))
    assert feed.stale_symbols() == {"MSFT"}


def test_after_a_reconnect_that_lost_data_everything_is_stale_until_it_speaks() -> None:
    feed, _, _ = make_feed()
    play(feed, ends_of(DAY)[:1])
    feed.on_reconnected(data_lost=False)
    assert feed.stale_symbols() == frozenset()
    feed.on_reconnected(data_lost=True)
    assert feed.stale_symbols() == set(SYMBOLS)


def test_rows_that_nobody_had_are_counted_on_the_next_one() -> None:
    feed, _, _ = make_feed()
    play(feed, ends_of(DAY)[:60])
    rows = [
        row
        for end in ends_of(DAY)[180:240]
        for s in SYMBOLS
        for row in feed.on_realtime_bar(feed_bar(end, symbol=s))
    ]
    assert [row.rows_missed for row in rows] == [2]


def test_symbols_outside_the_universe_are_ignored() -> None:
    feed, _, _ = make_feed()
    assert feed.on_realtime_bar(feed_bar(ends_of(DAY)[0], symbol="TSLA")) == ()
    feed.on_quote(Quote(symbol="TSLA", bid=1, ask=1, last=1, bid_size=1, ask_size=1, received_monotonic_ns=0))
    assert feed.quote("TSLA") is None
    assert feed.market_ns == 0


# --- before the start ------------------------------------------------------------------------------------


def done(value: object) -> Future[object]:
    future: Future[object] = Future()
    future.set_result(value)
    return future


class Broker:
    """Answers at once; what is not in ``bars`` has no answer or can't be asked."""

    def __init__(self, now_s: int, bars: dict[str, list[Bar]]) -> None:
        self.now_s, self.bars = now_s, bars
        self.asked: list[tuple[str, str]] = []

    def historical_bars(
        self, symbol: str, *, bar_size_s: int, duration: str, end_ns: int | None
    ) -> Future[object]:
        self.asked.append((symbol, duration))
        if symbol == "DOWN":
            raise NotConnected("the broker connection is lost")
        if symbol == "SLOW":
            return Future()
        return done(tuple(self.bars[symbol]) if symbol in self.bars else Unknown.REFUSED)

    def contract_details(self, symbol: str) -> Future[object]:
        if symbol not in self.bars:
            return done(Unknown.REFUSED)
        info = ContractInfo(
            symbol=symbol,
            con_id=1,
            min_tick=Decimal("0.05"),
            long_name="",
            primary_exchange="",
            currency="USD",
            time_zone="",
            trading_hours="",
            liquid_hours="",
        )
        return done(info)

    def current_time(self) -> Future[object]:
        return done(self.now_s)


def history(symbol: str, count: int) -> list[Bar]:
    return [
        Bar(symbol=symbol, end_ns=DAY.open_ns + SIZE_NS * i, open=1, high=1, low=1, close=1, volume=1)
        for i in range(1, count + 1)
    ]


def test_history_becomes_rows_without_the_bar_that_is_still_forming() -> None:
    now_s = (DAY.open_ns + 10 * SIZE_NS) // NS_PER_S + 100
    broker = Broker(now_s, {"IBM": history("IBM", 11), "MSFT": history("MSFT", 11)})
    warmup = load_history(broker, SYMBOLS, BarSettings(warmup_bars=5), timeout_s=1)  # type: ignore[arg-type]
    assert [row.end_ns for row in warmup.rows] == [DAY.open_ns + SIZE_NS * i for i in range(6, 11)]
    assert warmup.last_end_ns == DAY.open_ns + 10 * SIZE_NS
    assert warmup.problems == ()


def test_a_symbol_without_history_is_named_and_the_others_go_on() -> None:
    broker = Broker(2_000_000_000, {"IBM": history("IBM", 3)})
    symbols = ("IBM", "DOWN", "SLOW", "NONE")
    warmup = load_history(broker, symbols, BarSettings(warmup_bars=5), timeout_s=0.01)  # type: ignore[arg-type]
    assert len(warmup.rows) == 3
    text = "\n".join(warmup.problems)
    for symbol in symbols:
        assert symbol in text
    assert len(warmup.problems) == 4


def test_no_warm_up_asks_nothing() -> None:
    broker = Broker(0, {})
    assert load_history(broker, SYMBOLS, BarSettings(warmup_bars=0), timeout_s=1).rows == ()  # type: ignore[arg-type]
    assert broker.asked == []


def test_contracts_give_tick_sizes_and_name_the_unknown() -> None:
    contracts = load_contracts(Broker(0, {"IBM": []}), ("IBM", "NONE"), timeout_s=1)  # type: ignore[arg-type]
    assert contracts.min_ticks == {"IBM": Decimal("0.05")}
    assert contracts.problems == ("contract details of NONE: refused",)


def test_the_duration_holds_the_bars_that_are_asked_for() -> None:
    assert duration_for(400, 300) == "7 D"
    assert duration_for(1, 3600) == "2 D"
    assert duration_for(20_000, 3600) == "14 Y"
    assert FEED_STEP_NS == 5 * NS_PER_S
