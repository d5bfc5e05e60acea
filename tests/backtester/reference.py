"""A slow account in plain Python and ``Decimal``: what the compiled engine must agree with to the cent.

It shares no code with ``backtester``. Signals and decisions come from the live engine's own `DecisionCycle`, money from
the live `Ledger`, `SettledCash` and `MonthlyCounter`, commissions from the `Decimal` schedules, stop prices from
`PriceGrid`. What remains, the market's answer to orders, is written out here a second time, as objects instead of arrays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

import numpy as np

from core.commissions import SCHEDULES, Trade
from core.config_schema import Settings
from core.events import Bar, Commission, Execution
from core.reasons import Reason
from core.vocabulary import Side
from data.bar_assembler import MarketRow
from data.exchange_calendar import ExchangeCalendar, Session
from execution.ticks import PriceGrid
from portfolio.decision_types import AccountRow
from portfolio.ledger import Ledger
from portfolio.live_manager.decision_cycle import Decision, DecisionCycle
from portfolio.monthly_counter import MonthlyCounter, month_of
from portfolio.settlement import SettledCash
from strategy.base import Strategy

MICRO = Decimal("0.000001")
Key = tuple[str, str]


def to_micro(value: Decimal) -> Decimal:
    return value.quantize(MICRO, ROUND_HALF_UP)


def exact(price: float) -> Decimal:
    return to_micro(Decimal(repr(price)))


@dataclass
class WorkingOrder:
    kind: str
    left: int
    decided: int
    reason: Reason = Reason.NONE
    next_stop: Decimal | None = None
    limit: Decimal | None = None
    trail: Decimal | None = None
    filled: int = 0
    turnover: Decimal = Decimal(0)
    charged: Decimal = Decimal(0)
    month_shares: int = 0


@dataclass
class Reference:
    """An account over rows of bars; ``run`` leaves ``fills``, ``denials`` and the curves."""

    settings: Settings
    strategies: tuple[Strategy, ...]
    weights: tuple[float, ...]
    symbols: tuple[str, ...]
    end_ns: np.ndarray
    bars: np.ndarray
    calendar: ExchangeCalendar
    daily: bool
    first: int = 0
    fills: list[tuple[object, ...]] = field(default_factory=list)
    denials: list[tuple[object, ...]] = field(default_factory=list)
    nlv: list[Decimal] = field(default_factory=list)
    cash: list[Decimal] = field(default_factory=list)

    def __post_init__(self) -> None:
        assumed = self.settings.backtest
        self.cycle = DecisionCycle(
            strategies=self.strategies,
            weights=self.weights,
            symbols=self.symbols,
            sizing=self.settings.sizing,
            caps=self.settings.caps,
        )
        self.names = [strategy.name for strategy in self.strategies]
        self.ledger = Ledger()
        self.ledger.adjust_cash(assumed.cash)
        self.settled = SettledCash(settled=assumed.cash)
        self.month = MonthlyCounter()
        self.shares_month, self.month_shares = (0, 0), 0
        self.schedule = SCHEDULES.get(assumed.commission)
        self.grid = PriceGrid({})
        self.orders: dict[Key, WorkingOrder] = {}
        self.ending: dict[Key, WorkingOrder] = {}
        self.stops: dict[Key, Decimal] = {}
        self.trails: dict[Key, Decimal] = {}
        self.entered_inside: set[Key] = set()
        self.told: dict[Key, Reason] = {}
        self.peak = assumed.cash
        self.session_date: date | None = None
        self.last_nlv: Decimal | None = None
        self.executions = 0
        self.flows = Decimal(0)

    # --- the loop ---

    def run(self) -> Reference:
        for bar in range(len(self.end_ns)):
            rows = self._rows(bar)
            if bar < self.first:
                self.cycle.warm(MarketRow(end_ns=int(self.end_ns[bar]), bars=rows, missing=()))
            else:
                self._bar(bar, rows)
        return self

    def _rows(self, bar: int) -> dict[str, Bar]:
        return {
            symbol: Bar(
                symbol=symbol,
                end_ns=int(self.end_ns[bar]),
                open=float(row[0]),
                high=float(row[1]),
                low=float(row[2]),
                close=float(row[3]),
                volume=float(row[4]),
            )
            for symbol, row in zip(self.symbols, self.bars[bar], strict=True)
            if not math.isnan(row[3])
        }

    def _session(self, end_ns: int) -> Session:
        session = self.calendar.session_at(end_ns - 1)
        assert session is not None
        return session

    def _bar(self, bar: int, rows: dict[str, Bar]) -> None:
        now = int(self.end_ns[bar])
        session = self._session(now)
        if self.session_date is not None and session.date != self.session_date:
            self._carry((session.date - self.session_date).days)
        is_last = bar + 1 == len(self.end_ns) and now == session.close_ns
        if bar + 1 < len(self.end_ns):
            is_last = self._session(int(self.end_ns[bar + 1])).date != session.date
        for symbol in self.symbols:
            if symbol in rows:
                self._trade(bar, rows[symbol], session, is_last)
        if is_last and self.settings.backtest.time_in_force == "DAY":
            self._expire(bar)
        if session.date != self.session_date:
            if self.last_nlv is not None:
                self.cycle.close_session(float(self.last_nlv))
            self.session_date = session.date
            self.settled = self.settled.on(session.date)
        nlv = self.ledger.net_liquidation(
            {symbol: exact(self.close_of(symbol, rows)) for symbol in self.ledger.net_positions()}
        )
        self.peak = max(self.peak, nlv)
        result = self.cycle.decide(
            end_ns=now,
            bars=rows,
            positions=self.ledger.position,
            account=AccountRow(
                nlv=float(nlv),
                peak_nlv=float(self.peak),
                settled_cash=float(self.settled.settled),
                fills_this_month=self.month.count_at(now),
            ),
        )
        self.last_nlv = nlv
        self.nlv.append(nlv)
        self.cash.append(self.ledger.cash)
        self._order(bar, result.decisions, rows, market_open=self.daily or not is_last)

    def close_of(self, symbol: str, rows: dict[str, Bar]) -> float:
        return rows[symbol].close if symbol in rows else self.cycle.close_of(symbol)

    def _carry(self, days: int) -> None:
        """Interest and borrow fees from one session to the next, on the last closes."""
        assumed = self.settings.backtest
        short = sum(
            (-quantity * exact(self.cycle.close_of(symbol)))
            for symbol, quantity in self.ledger.net_positions().items()
            if quantity < 0
        )
        total = Decimal(0)
        for balance, rate, sign in (
            (max(self.ledger.cash, Decimal(0)), assumed.cash_interest_annual, 1),
            (max(-self.ledger.cash, Decimal(0)), assumed.margin_interest_annual, -1),
            (Decimal(short), assumed.borrow_fee_annual, -1),
        ):
            cents = balance.quantize(Decimal("0.01"), ROUND_HALF_EVEN)
            a_day = (cents * Decimal(repr(rate)) / 360).quantize(MICRO, ROUND_HALF_EVEN)
            total += sign * days * a_day
        self.flows += total
        self.ledger.adjust_cash(total)
        self.settled = self.settled.after_payment(total)

    # --- orders ---

    def deny(self, bar: int, key: Key, reason: Reason, quantity: int) -> None:
        if self.told.get(key, Reason.NONE) is not reason:
            self.told[key] = reason
            self.denials.append((bar, *key, reason, quantity))

    def _expire(self, bar: int) -> None:
        for strategy in self.names:
            for symbol in self.symbols:
                order = self.orders.get((strategy, symbol))
                if order is not None and order.kind != "STOP":
                    self.deny(bar, (strategy, symbol), Reason.ORDER_EXPIRED, abs(order.left))
                    del self.orders[strategy, symbol]

    def _order(
        self, bar: int, decisions: tuple[Decision, ...], rows: dict[str, Bar], market_open: bool
    ) -> None:
        self.ending.clear()
        for one in decisions:
            if one.target == one.position and one.reason:
                self.deny(bar, (one.strategy, one.symbol), one.reason, 0)
        for one in decisions:
            if one.target != one.position and one.position:
                self._exit(bar, one)
        for one in decisions:
            if (
                one.target != one.position
                and not one.position
                and (one.strategy, one.symbol) not in self.orders
            ):
                self._enter(bar, one, rows, market_open)

    def _exit(self, bar: int, one: Decision) -> None:
        key = (one.strategy, one.symbol)
        change = int(one.target - one.position)
        order = self.orders.get(key)
        if order is None:
            self.orders[key] = WorkingOrder("EXIT", change, bar, one.reason)
            self.told.pop(key, None)
            return
        if order.kind == "ENTRY":
            self.ending[key] = self.orders.pop(key)
        self.deny(bar, key, Reason.EXIT_PENDING, abs(change))

    def _enter(self, bar: int, one: Decision, rows: dict[str, Bar], market_open: bool) -> None:
        key, quantity = (one.strategy, one.symbol), int(one.target)
        side = Side.BUY if quantity > 0 else Side.SELL
        close = self.close_of(one.symbol, rows)
        stop = self.grid.stop(one.symbol, side.opposite, close - side.sign * one.stop_distance)
        reason = self._objection(key, quantity, close, stop, rows, market_open)
        if reason:
            self.deny(bar, key, reason, abs(quantity))
        else:
            limit = None
            if self.settings.execution.method == "LMT":
                offset = side.sign * self.settings.execution.limit_offset_bps / 1e4
                limit = self.grid.limit(one.symbol, side, close * (1.0 + offset))
            trail = self.grid.distance(one.symbol, close, one.stop_distance)
            self.orders[key] = WorkingOrder(
                "ENTRY",
                quantity,
                bar,
                one.reason,
                next_stop=stop,
                limit=limit,
                trail=trail if self.settings.trails(one.strategy) else None,
            )
            self.told.pop(key, None)

    def _objection(  # noqa: PLR0911 (one check a line)
        self, key: Key, quantity: int, close: float, stop: Decimal, rows: dict[str, Bar], market_open: bool
    ) -> Reason:
        limits = self.settings.execution.pretrade
        if not market_open:
            return Reason.MARKET_CLOSED
        if key[1] not in rows:
            return Reason.FEED_STALE
        if abs(quantity) > limits.max_order_quantity:
            return Reason.MAX_QUANTITY
        if stop <= 0 or (float(stop) >= close if quantity > 0 else float(stop) <= close):
            return Reason.PRICE_COLLAR
        if abs(quantity) * close > limits.max_order_notional:
            return Reason.MAX_NOTIONAL
        for (_other, symbol), order in (self.orders | self.ending).items():
            if symbol == key[1] and order.left * quantity < 0:
                return Reason.SELF_CROSS
        return Reason.NONE

    # --- fills ---

    def _trade(self, bar: int, row: Bar, session, is_last: bool) -> None:
        assumed = self.settings.backtest
        at_close = assumed.fill_at == "close"
        room = int(int(row.volume) * Decimal(repr(assumed.fill_participation)))
        keys = [(strategy, row.symbol) for strategy in self.names]

        def fill(key: Key, base: Decimal, auction: bool = False) -> None:
            nonlocal room
            room -= self._fill(bar, key, base, room, row, session, auction)

        def working(kind: str) -> list[Key]:
            return [key for key in keys if key in self.orders and self.orders[key].kind == kind]

        def allowed(key: Key, price: Decimal) -> bool:
            order = self.orders[key]
            return order.limit is None or (price <= order.limit if order.left > 0 else price >= order.limit)

        for kind in ("STOP",) if at_close else ("STOP", "EXIT", "ENTRY"):
            for key in working(kind):
                if allowed(key, exact(row.open)):
                    fill(key, exact(row.open))
        self._follow(keys, exact(row.open), exact(row.open))
        for key in [] if at_close else working("ENTRY"):
            order = self.orders[key]
            if order.limit is not None and (
                exact(row.low) < order.limit if order.left > 0 else exact(row.high) > order.limit
            ):
                was_flat = key not in self.stops
                fill(key, order.limit)
                if was_flat and key in self.stops:
                    self._follow([key], order.limit, order.limit)
                    self.entered_inside.add(key)
        for key in keys:
            position, stop = int(self.ledger.position(*key)), self.stops.get(key)
            if not position or stop is None or key in working("STOP"):
                continue
            if position > 0 and exact(row.low) <= stop:
                base = min(exact(row.open), stop)
            elif position < 0 and exact(row.high) >= stop:
                base = max(exact(row.open), stop)
            else:
                continue
            self.orders[key] = WorkingOrder("STOP", -position, bar)
            fill(key, base)
        for key in self._turned(keys, row):
            position = int(self.ledger.position(*key))
            self.orders[key] = WorkingOrder("STOP", -position, bar)
            fill(key, exact(row.low) if position > 0 else exact(row.high))
        for key in keys:
            inside = key in self.entered_inside
            self._follow(
                [key], exact(row.close if inside else row.high), exact(row.close if inside else row.low)
            )
        self.entered_inside -= set(keys)
        if at_close and is_last:
            for kind in ("EXIT", "ENTRY"):
                for key in working(kind):
                    if allowed(key, exact(row.close)):
                        was_flat = key not in self.stops
                        fill(key, exact(row.close), auction=True)
                        if was_flat and key in self.stops:
                            self._follow([key], exact(row.close), exact(row.close))

    # --- trailing stops ---

    def _trailing(self, keys: list[Key]) -> list[Key]:
        """Of these, the positions whose stop trails and has not been hit."""
        return [
            key
            for key in keys
            if key in self.trails and not (key in self.orders and self.orders[key].kind == "STOP")
        ]

    def _follow(self, keys: list[Key], high: Decimal, low: Decimal) -> None:
        for key in self._trailing(keys):
            if self.ledger.position(*key) > 0:
                self.stops[key] = max(self.stops[key], high - self.trails[key])
            else:
                self.stops[key] = min(self.stops[key], low + self.trails[key])

    def _turned(self, keys: list[Key], row: Bar) -> list[Key]:
        """Positions whose stop this bar must have hit on the way from its best price to its close."""
        found = []
        for key in self._trailing(keys):
            fall = exact(row.high) - exact(row.close)
            if self.ledger.position(*key) < 0:
                fall = exact(row.close) - exact(row.low)
            if key not in self.entered_inside and fall >= self.trails[key]:
                found.append(key)
        return found

    def _price(self, base: Decimal, buys: bool, quantity: int, volume: float, auction: bool) -> Decimal:
        assumed = self.settings.backtest
        bps = Decimal(repr(assumed.slippage_bps))
        if not auction:
            bps += Decimal(repr(assumed.half_spread_bps))
        share = Decimal(quantity) / Decimal(repr(volume))
        impact = Decimal(repr(assumed.impact_bps)) * share.sqrt()
        rate = bps + impact.quantize(Decimal("0.01"), ROUND_HALF_UP)
        move = to_micro(base * rate / 10_000)
        return base + move if buys else max(base - move, MICRO)

    def _fill(self, bar: int, key: Key, base: Decimal, room: int, row: Bar, session, auction: bool) -> int:
        order = self.orders[key]
        quantity = min(abs(order.left), room)
        if not quantity:
            return 0
        buys = order.left > 0
        price = self._price(base, buys, quantity, row.volume, auction)
        if order.limit is not None:
            price = min(price, order.limit) if buys else max(price, order.limit)
        cost = self._cost(order, quantity, price, not buys, int(self.end_ns[bar]))
        self.executions += 1
        execution = Execution(
            exec_id=f"{self.executions:08x}.01",
            order_ref="",
            order_id=0,
            perm_id=0,
            client_id=1,
            account="",
            symbol=key[1],
            side=Side.BUY if buys else Side.SELL,
            quantity=Decimal(quantity),
            price=price,
            time_ns=int(self.end_ns[bar]),
        )
        self.ledger.apply(execution, key[0])
        self.ledger.apply_commission(Commission(exec_id=execution.exec_id, amount=cost, currency="USD"))
        days = self.settings.caps.settlement_days
        self.settled = self.settled.after_fill(
            execution, session.date, lambda day: self.calendar.settlement_date(day, days)
        ).after_payment(-cost)
        self.month = self.month.after_fill(execution.time_ns)
        signed = quantity if buys else -quantity
        self.fills.append((bar, *key, signed, price, cost, order.kind, order.reason, order.decided))
        if order.kind == "ENTRY":
            assert order.next_stop is not None
            if key not in self.stops:
                self.stops[key] = order.next_stop
                if order.trail is not None:
                    self.trails[key] = order.trail
            self.cycle.note_entry(*key, execution.side)
        if not self.ledger.position(*key):
            self.stops.pop(key, None)
            self.trails.pop(key, None)
        order.left -= signed
        if not order.left:
            del self.orders[key]
        return quantity

    def _cost(self, order: WorkingOrder, quantity: int, price: Decimal, is_sale: bool, now: int) -> Decimal:
        if month_of(now) != self.shares_month:
            self.shares_month, self.month_shares = month_of(now), 0
        if not order.filled:
            order.month_shares = self.month_shares
        self.month_shares += quantity
        order.filled += quantity
        order.turnover += quantity * price
        if self.schedule is None:
            return Decimal(0)
        total = self.schedule.commission(order.filled, order.turnover, order.month_shares)
        added, order.charged = total - order.charged, total
        trade = Trade(quantity=quantity, price=price, is_sale=is_sale, adds_liquidity=False)
        return added + self.schedule.fees(trade, added)
