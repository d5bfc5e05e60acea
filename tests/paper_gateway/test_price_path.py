from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.exchange_calendar import Session
from data.packaged import load_packaged, packaged_calendar
from paper_gateway import price_path
from paper_gateway.listing import make_listings
from paper_gateway.price_path import SourceBar, generator, simulate, u_shape
from paper_gateway.tape import TapeStore
from tests.paper_gateway.desk import session_of


@st.composite
def bars(draw: st.DrawFn) -> SourceBar:
    low = draw(st.integers(1, 100_000))
    high = low + draw(st.integers(0, 5_000))
    inside = st.integers(low, high)
    return SourceBar(
        open=draw(inside), high=high, low=low, close=draw(inside), volume=draw(st.integers(0, 10**9))
    )


@settings(max_examples=300, deadline=None)
@given(bar=bars(), steps=st.integers(1, 300), seed=st.integers(0, 2**32), whole=st.booleans())
def test_a_path_goes_exactly_through_its_bar(bar, steps, seed, whole):
    path = simulate(generator(seed, "AAA", 10**18), bar, u_shape(steps), whole_session=whole)
    assert len(path) == steps
    assert path.open[0] == bar.open
    assert path.close[-1] == bar.close
    assert path.high.max() == bar.high
    assert path.low.min() == bar.low
    assert path.volume.sum() == bar.volume
    assert (path.volume >= 0).all()


@settings(max_examples=200, deadline=None)
@given(bar=bars(), steps=st.integers(1, 300), seed=st.integers(0, 2**32))
def test_each_step_is_a_proper_bar_that_begins_where_the_last_one_ended(bar, steps, seed):
    path = simulate(generator(seed, "AAA", 10**18), bar, u_shape(steps))
    assert (path.open[1:] == path.close[:-1]).all()
    assert (path.low <= np.minimum(path.open, path.close)).all()
    assert (path.high >= np.maximum(path.open, path.close)).all()
    assert (path.bid < path.ask).all()
    assert (path.bid >= 1).all()
    assert (path.bid <= path.close).all()
    assert (path.ask >= path.close).all()


def path_of(store: TapeStore, session: Session) -> price_path.Path:
    tape = store.tape("IBM", session)
    assert tape is not None
    return tape.path


def test_the_path_of_a_day_depends_on_seed_symbol_and_day_alone():
    session = session_of(date(2012, 11, 14))
    tapes = []
    for symbols, warm_up in ((["AAPL", "IBM"], True), (["IBM"], False)):
        store = TapeStore(make_listings(load_packaged(symbols)), seed=7)
        if warm_up:
            for earlier in packaged_calendar().sessions(date(2012, 11, 1), date(2012, 11, 13)):
                store.tape("IBM", earlier)
        tapes.append(path_of(store, session))
    for name in ("open", "high", "low", "close", "volume", "bid", "ask", "bid_size", "ask_size"):
        assert (getattr(tapes[0], name) == getattr(tapes[1], name)).all()
    other = path_of(TapeStore(make_listings(load_packaged(["IBM"])), seed=8), session)
    assert (other.close != tapes[0].close).any()


def test_trading_is_busier_at_the_ends_of_the_day_than_at_noon():
    bar = SourceBar(open=5000, high=5100, low=4950, close=5050, volume=5_000_000)
    volume = simulate(generator(1, "AAA", 10**18), bar, u_shape(4680), whole_session=True).volume
    hour = 720
    noon = volume[2340 - hour // 2 : 2340 + hour // 2].sum()
    assert volume[:hour].sum() > 1.3 * noon
    assert volume[-hour:].sum() > 1.3 * noon


def test_a_time_without_trades_stands_still_and_offers_nothing():
    path = price_path.flat(1000, 10)
    assert set(path.close.tolist()) == {1000}
    assert path.volume.sum() == path.bid_size.sum() == path.ask_size.sum() == 0


@pytest.mark.parametrize("steps", [2520, 4680])
def test_the_high_and_the_low_are_not_always_reached_in_the_same_order(steps):
    bar = SourceBar(open=5000, high=5100, low=4900, close=5000, volume=10_000)
    first = set()
    for day in range(20):
        path = simulate(generator(1, "AAA", day * 86_400 * 10**9), bar, u_shape(steps))
        first.add(bool(path.high.argmax() < path.low.argmin()))
    assert first == {True, False}
