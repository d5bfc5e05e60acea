"""The replay on a real event loop."""

import asyncio
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from data.packaged import load_packaged, packaged_calendar
from paper_gateway.brokerage import Brokerage
from paper_gateway.market import Market
from paper_gateway.replay import Replay, ReplaySettings, ReplayState
from paper_gateway.types import Executed, OrderTicket


class Listener:
    """Remembers what it was told; its barriers are as late as it is told to be."""

    def __init__(self, *, late: bool = False) -> None:
        self.told: list[str] = []
        self.steps = 0
        self.events: list[object] = []
        self.boundaries: list[int] = []
        self.late = late

    def on_session_open(self, session, events):
        self.told.append(f"open {session.date}")
        self.events += events

    def on_step(self, step, events):
        self.steps += 1
        self.events += events

    def on_session_close(self, session, events):
        self.told.append(f"close {session.date}")
        self.events += events

    async def barrier(self, market_ns):
        self.boundaries.append(market_ns)
        await asyncio.sleep(0)
        return not self.late


def replay(listener, symbols=("IBM", "FB"), **settings):
    market = Market(load_packaged(symbols), packaged_calendar(), seed=1)
    brokerage = Brokerage(market)
    terms: dict[str, Any] = {"start": date(2012, 11, 21), "speed": float("inf")} | settings
    return market, brokerage, Replay(market, brokerage, ReplaySettings(**terms), listener)


def test_sessions_follow_each_other_without_nights_and_then_the_market_freezes():
    listener = Listener()

    async def scenario():
        market, _, run = replay(listener, sessions=2)
        await run.run()
        await run.wait_finished()
        return market, run.status()

    market, status = asyncio.run(scenario())
    assert listener.told == [
        "open 2012-11-21",
        "close 2012-11-21",
        "open 2012-11-23",
        "close 2012-11-23",
    ]
    assert listener.steps == status.steps == 4680 + 2520
    assert status.state is ReplayState.FINISHED
    assert status.sessions_done == 2
    assert not market.is_open
    assert status.market_ns == market.session.close_ns
    assert status.effective_speed > 1000


def test_barriers_stand_at_each_boundary_and_late_ones_are_counted():
    listener = Listener(late=True)

    async def scenario():
        _, _, run = replay(listener, sessions=1, barrier_s=1800, start=date(2012, 11, 23))
        await run.run()
        return run.status()

    status = asyncio.run(scenario())
    assert status.barriers == status.late_barriers == len(listener.boundaries) == 7
    distances = {later - earlier for earlier, later in pairwise(listener.boundaries)}
    assert distances == {1_800_000_000_000}


def test_the_clock_waits_for_a_client_and_orders_wait_with_it():
    listener = Listener()

    async def scenario():
        _, brokerage, run = replay(listener, sessions=1, wait_for_client=True)
        task = asyncio.create_task(run.run())
        for _ in range(5):
            await asyncio.sleep(0)
        assert run.status().state is ReplayState.WAITING
        assert listener.steps == 0
        brokerage.place(
            OrderTicket(
                client_id=1, order_id=1, symbol="IBM", action="BUY", quantity=Decimal(10), order_type="MKT"
            )
        )
        run.release()
        await task
        return brokerage

    brokerage = asyncio.run(scenario())
    assert any(isinstance(event, Executed) for event in listener.events)
    assert brokerage.positions()[0].quantity == 10


def test_the_pace_is_held_against_the_wall_clock():
    listener = Listener()

    async def scenario():
        _, _, run = replay(listener, sessions=1, speed=23_400.0, start=date(2012, 11, 23))
        await run.run()
        return run.status()

    # Half a session of 3.5 hours at 23,400 times real time takes about half a second; only that it waited is certain.
    assert asyncio.run(scenario()).effective_speed <= 24_000


def test_a_replay_ends_with_its_prices():
    listener = Listener()

    async def scenario():
        _, _, run = replay(listener, start=date(2013, 3, 1))
        await run.run()
        return run.status()

    assert asyncio.run(scenario()).sessions_done == 1


def test_without_a_start_it_begins_when_every_symbol_has_a_quarter_of_history():
    async def scenario():
        market, _, _ = replay(Listener(), start=None)
        return market.now_ns

    began = asyncio.run(scenario())
    sessions = packaged_calendar().sessions(date(2012, 5, 18), date(2013, 3, 1))  # FB's first day
    assert began == sessions[63].open_ns


def test_a_start_after_the_last_price_is_an_error():
    async def scenario():
        with pytest.raises(ValueError, match="no prices on or after 2013-03-02"):
            replay(Listener(), start=date(2013, 3, 2))

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "settings", [{"speed": 0}, {"sessions": 0}, {"barrier_s": 7}, {"speed": float("nan")}]
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match="must be"):
        ReplaySettings(**settings)


def test_the_same_seed_replays_the_same_fills():
    def fills():
        listener = Listener()

        async def scenario():
            _, brokerage, run = replay(listener, sessions=1)
            for number, (action, kind, price) in enumerate(
                [("BUY", "MKT", None), ("SELL", "LMT", Decimal("190.5")), ("BUY", "STP", Decimal("190.4"))],
                start=1,
            ):
                brokerage.place(
                    OrderTicket(
                        client_id=1,
                        order_id=number,
                        symbol="IBM",
                        action=action,
                        quantity=Decimal(5000),
                        order_type=kind,
                        limit_price=price,
                        aux_price=price,
                    )
                )
            await run.run()

        asyncio.run(scenario())
        return [event for event in listener.events if isinstance(event, Executed)]

    first = fills()
    assert len(first) > 2
    assert first == fills()


def test_the_clock_starts_when_the_last_of_several_subscriptions_is_there():
    listener = Listener()

    async def scenario():
        _, _, run = replay(listener, sessions=1, wait_for_client=True, start=date(2012, 11, 23))
        task = asyncio.create_task(run.run())
        for _ in range(20):
            run.release()
            await asyncio.sleep(0)
            assert listener.steps == 0
        await task

    asyncio.run(scenario())
    assert listener.steps == 2520


def test_short_prices_are_replayed_in_full_rather_than_kept_as_history():
    async def scenario(sessions):
        _, _, run = replay(Listener(), symbols=("FB",), start=None, sessions=sessions)
        return run._first.date

    with_history = asyncio.run(scenario(5))
    nearly_all = asyncio.run(scenario(200))
    assert nearly_all < with_history


def test_a_start_after_the_last_price_is_refused_with_the_dates_that_there_are():
    with pytest.raises(
        ValueError, match=r"no prices on or after 2030-01-01: they go from 2000-03-01 to 2013-03-01"
    ):
        replay(Listener(), start=date(2030, 1, 1))
