"""Measures the cost of each method against the order's size, in the gateway's own market.

Each run is one recorded day: a buy and a sell of the same size, at the same moment, by the same method. The mean of both sides'
cost against the arrival midpoint is free of the day's drift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import islice

from data.bar_table import NS_PER_S
from data.exchange_calendar import Session
from data.packaged import load_packaged, packaged_calendar
from paper_gateway import times
from paper_gateway.brokerage import Brokerage
from paper_gateway.impact import ImpactModel
from paper_gateway.market import Market
from paper_gateway.types import BrokerageEvent, Executed, ExecutionView, OrderTicket

_ARRIVAL = "10:00:00"
_SIDES = (("BUY", 1), ("SELL", -1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A method under its name in the table, as fields of an order."""

    name: str
    order_type: str = "MKT"
    strategy: str = ""
    params: tuple[tuple[str, str], ...] = ()


_UNTIL = ("endTime", "15:00:00")
WAYS = (
    Way(name="MKT"),
    Way(name="Adaptive Urgent", strategy="Adaptive", params=(("adaptivePriority", "Urgent"),)),
    Way(name="Adaptive Patient", strategy="Adaptive", params=(("adaptivePriority", "Patient"),)),
    Way(name="Twap to 15:00", strategy="Twap", params=(_UNTIL,)),
    Way(name="Vwap to 15:00", strategy="Vwap", params=(_UNTIL,)),
    Way(name="Midprice", order_type="MIDPRICE"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One method at one size.

    Attributes
    ----------
    share
        Size as a part of the day's volume.
    cost_bps
        Mean cost of what filled, against the arrival midpoint.
    filled
        Mean part that filled by the close.
    minutes
        Mean time from arrival to the last fill.
    """

    way: str
    share: float
    cost_bps: float
    filled: float
    minutes: float


class _Run:
    """One day, opened."""

    def __init__(self, market: Market, session: Session, impact: ImpactModel) -> None:
        self._market = market
        self._session = session
        self._brokerage = Brokerage(market, cash=Decimal(10**12), impact=impact)
        self._fills: list[ExecutionView] = []
        market.set_time(session.open_ns)
        market.open_session(session)
        self._take(self._brokerage.on_session_open())

    def measure(self, symbol: str, way: Way, share: float) -> tuple[float, float, float]:
        """Cost in bps, part filled, minutes: means of both sides."""
        market = self._market
        arrival_ns = times.parse_moment(_ARRIVAL, self._session.date)
        self._advance(arrival_ns)
        reader = market.reader(symbol)
        assert reader is not None, "the session was chosen for its prices"
        middle = market.listings[symbol].price(1) * sum(market.touch(symbol)) / 2
        quantity = max(round(share * reader.day_volume[-1] / 100), 1) * 100
        for number, (action, _) in enumerate(_SIDES, start=1):
            self._take(self._brokerage.place(_ticket(number, symbol, action, quantity, way)))
        self._advance(self._session.close_ns)
        market.close_session()
        self._take(self._brokerage.on_session_close())
        return _measure(self._fills, middle, quantity, arrival_ns)

    def _take(self, events: list[BrokerageEvent]) -> None:
        self._fills += [event.execution for event in events if isinstance(event, Executed)]

    def _advance(self, until_ns: int) -> None:
        while self._market.now_ns < until_ns:
            self._market.advance()
            self._take(self._brokerage.on_step())


def study(
    symbol: str, first: date, days: int, shares: Sequence[float], impact: ImpactModel, *, seed: int
) -> list[Cell]:
    """Measure every method at every size, on the sessions from ``first`` on.

    Raises
    ------
    DataError
        When the symbol isn't packaged.
    ValueError
        When there are not so many sessions with prices from ``first`` on.
    """
    market = Market(load_packaged([symbol]), packaged_calendar(), seed=seed)
    calendar = market.calendar
    found = (one for one in calendar.sessions(first, calendar.last_date) if market.trades_on(one))
    sessions = list(islice(found, days)) if days > 0 else []
    if not sessions or len(sessions) < days:
        raise ValueError(f"there are {len(sessions)} sessions of {symbol} from {first} on, not {days}")
    return [
        _mean(way, share, [_Run(market, one, impact).measure(symbol, way, share) for one in sessions])
        for way in WAYS
        for share in shares
    ]


def _ticket(number: int, symbol: str, action: str, quantity: int, way: Way) -> OrderTicket:
    return OrderTicket(
        client_id=1,
        order_id=number,
        symbol=symbol,
        action=action,
        quantity=Decimal(quantity),
        order_type=way.order_type,
        algo_strategy=way.strategy,
        algo_params=way.params,
    )


def _measure(
    fills: Sequence[ExecutionView], middle: Decimal, quantity: int, arrival_ns: int
) -> tuple[float, float, float]:
    cost = part = minutes = 0.0
    for number, (_, sign) in enumerate(_SIDES, start=1):
        own = [fill for fill in fills if fill.order_id == number]
        done = sum(int(fill.quantity) for fill in own)
        if done:
            paid = sum((fill.quantity * fill.price for fill in own), Decimal(0)) / done
            cost += sign * float(paid / middle - 1) * 1e4 / 2
            minutes += (own[-1].time_ns - arrival_ns) / NS_PER_S / 60 / 2
        part += done / quantity / 2
    return cost, part, minutes


def _mean(way: Way, share: float, days: Sequence[tuple[float, float, float]]) -> Cell:
    cost, part, minutes = (sum(column) / len(days) for column in zip(*days, strict=True))
    return Cell(way=way.name, share=share, cost_bps=cost, filled=part, minutes=minutes)
