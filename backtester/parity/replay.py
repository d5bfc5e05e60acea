"""Decides on every bar again, over fills that are given: the decision path of an account, without any fill model.

The fills come from a live journal, or from a backtest. What comes out are the orders and denials that these fills and
bars lead to, by the same strategies, decision and ledger as live. Over a live journal this proves the decisions, however
the broker filled; over a backtest it names the orders behind the fills.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backtester.market import Market
from backtester.parity.book import ParityBook
from backtester.parity.history import AccountHistory, Balance
from backtester.parity.recorded import Booked, Decided, Ended, Event, Judged, Restricted
from backtester.parity.rules import OrderRules, Wish
from core.config_schema import Settings
from core.events import Order
from core.reasons import Reason
from core.vocabulary import OrderType, Purpose
from data.exchange_calendar import ExchangeCalendar
from portfolio.decision import decide_into, observe_signals
from portfolio.decision_setup import decision_parameters, last_fills, observe_warmup_bar, restricted
from portfolio.decision_types import DecisionInputs, FloatMatrix, new_decision_state
from portfolio.market_rows import market_step, new_market_rows, new_market_state
from portfolio.pairing import partner_columns
from portfolio.risk_manager import close_session
from portfolio.veto.standing import Standing, candidates
from strategy.base import BarRow, Strategy


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Basis:
    """What an account traded, and by which rules; ``first_bar`` is the first that it decided on."""

    settings: Settings
    market: Market
    calendar: ExchangeCalendar
    strategies: Sequence[Strategy]
    weights: Sequence[float]
    first_bar: int


class Replay:
    """One pass over the bars.

    Parameters
    ----------
    basis
        The account's rules and bars.
    expires
        Whether DAY orders end by rule at a session's last bar; otherwise `Ended` events tell.
    progress
        Called after each bar that was decided on.
    """

    def __init__(self, basis: Basis, *, expires: bool, progress: Callable[[], None] = lambda: None) -> None:
        settings, market = basis.settings, basis.market
        self._basis = basis
        self._expires = expires
        self._progress = progress
        self._names = [strategy.name for strategy in basis.strategies]
        self._keys = [(name, symbol) for name in self._names for symbol in market.symbols]
        self._book = ParityBook(basis.calendar, settings.caps.settlement_days)
        self._rules = OrderRules(
            settings.execution.pretrade,
            overnight=market.is_daily,
            entry_type=OrderType.LIMIT if settings.execution.method == "LMT" else OrderType.MARKET,
            trailing=frozenset(name for name in self._names if settings.trails(name)),
        )
        partners = partner_columns(tuple(basis.strategies), market.symbols)
        self._parameters = decision_parameters(settings.sizing, settings.caps, basis.weights, partners)
        shape = (len(self._names), len(market.symbols))
        self._states = [[one.new_state() for _ in market.symbols] for one in basis.strategies]
        self._markets = [new_market_state() for _ in market.symbols]
        self._rows = new_market_rows(len(market.symbols))
        self._signals = np.full(shape, np.nan)
        self._positions = np.zeros(shape)
        self._targets = np.zeros(shape)
        self._reasons = np.zeros(shape, dtype=np.int64)
        self._said = np.zeros(shape, dtype=np.int64)
        self._fill_times = np.zeros(shape, dtype=np.int64)
        self._state = new_decision_state(*shape, settings.sizing.volatility_window_sessions)
        self._balances: list[Balance] = []
        self._vetoes = Standing(shape)

    def run(self, events: Iterable[Event], before: Iterable[Event] = ()) -> AccountHistory:
        """Go through the bars; decide at each that has a `Decided` event.

        Parameters
        ----------
        events
            What happened, in order. Those before a `Decided` were known to that decision.
        before
            What led to the state at the beginning.

        Returns
        -------
        AccountHistory
            Without fills: those were given.
        """
        self._restore(before)
        market, done = self._basis.market, 0
        for bar in range(self._basis.first_bar):
            self._warm(bar)
        done = self._basis.first_bar
        for known, decided in _by_decision(events):
            for event in known:
                self._take(event)
            if decided is None:
                break
            bar = int(np.searchsorted(market.end_ns, decided.balance.bar_end_ns))
            if bar >= len(market.end_ns) or int(market.end_ns[bar]) != decided.balance.bar_end_ns:
                raise ValueError(f"there is no bar that ends at {decided.balance.bar_end_ns}")
            for missed in range(done, bar):
                self._warm(missed)
            self._decide(bar)
            done = bar + 1
            self._progress()
        return AccountHistory(
            orders=tuple(self._rules.orders),
            fills=(),
            denials=tuple(self._rules.denials),
            balances=tuple(self._balances),
        )

    # --- what happened ---

    def _restore(self, before: Iterable[Event]) -> None:
        self._book.take_all(before)
        for nlv in self._book.session_closes:
            self._close_session(nlv)
        directions, times = last_fills(self._book.ledger, self._names, self._basis.market.symbols)
        self._state.directions[:], self._fill_times[:] = directions, times
        self._read_positions()

    def _take(self, event: Event) -> None:
        close = self._book.take(event)
        if close is not None:
            self._close_session(close)
        match event:
            case Booked(order=Order() as order, execution=execution) if order.strategy in self._names:
                key = (order.strategy, order.symbol)
                signed = execution.side.sign * int(execution.quantity)
                self._rules.filled(key, order.purpose, signed, int(self._book.ledger.position(*key)))
                if order.purpose is Purpose.ENTRY and order.symbol in self._basis.market.symbols:
                    row, column = self._names.index(key[0]), self._basis.market.symbols.index(key[1])
                    self._state.directions[row, column] = execution.side.sign
            case Ended(order=order):
                self._rules.ended((order.strategy, order.symbol), order.purpose)
            case Restricted(scales=scales):
                self._parameters = restricted(self._parameters, self._names, scales)
            case Judged(strategy=strategy, symbol=symbol) if strategy in self._names:
                cell = (self._names.index(strategy), self._basis.market.symbols.index(symbol))
                self._vetoes.put(cell, event.side if event.denied else 0)
            case _:
                pass

    def _close_session(self, nlv: float) -> None:
        volatility = close_session(
            self._state.volatility,
            nlv,
            self._parameters.target_volatility_annual,
            self._parameters.max_leverage,
        )
        self._state = self._state._replace(volatility=volatility)

    # --- bars ---

    def _warm(self, bar: int) -> None:
        self._step(bar)
        observe_warmup_bar(
            self._state.directions,
            self._fill_times,
            self._signals,
            self._positions,
            int(self._basis.market.end_ns[bar]),
        )

    def _decide(self, bar: int) -> None:
        market = self._basis.market
        end_ns, is_last = int(market.end_ns[bar]), bool(market.clock.is_last[bar])
        if self._expires and is_last:
            self._rules.expire(end_ns, self._keys)
        self._step(bar)
        self._read_positions()
        nlv = self._book.value(dict(zip(market.symbols, self._rows.close.tolist(), strict=True)))
        if nlv is not None:
            self._book.mark(nlv)
            self._balances.append(Balance(bar_end_ns=end_ns, nlv=nlv, cash=self._book.ledger.cash))
        row = self._book.row(nlv, end_ns)
        inputs = DecisionInputs(self._permitted(), self._positions, self._rows, row)
        decide_into(self._parameters, self._state, inputs, self._targets, self._reasons)
        self._rules.place(end_ns, self._wishes(bar), session_goes_on=not is_last)

    def _permitted(self) -> FloatMatrix:
        """Signals without the entries that the veto denied."""
        observe_signals(self._state.directions, self._signals, self._positions)
        self._vetoes.settle(self._signals)
        shorts = self._parameters.allow_short and not self._parameters.cash_account
        wanted = candidates(self._signals, self._positions, self._state.directions, shorts=shorts)
        return self._vetoes.masked(self._signals, wanted)

    def _step(self, bar: int) -> None:
        market = self._basis.market
        rows = {
            symbol: BarRow(*values)
            for symbol, values in zip(market.symbols, market.bars[bar].tolist(), strict=True)
            if not math.isnan(values[3])
        }
        for symbol, row in rows.items():
            column = market.symbols.index(symbol)
            self._markets[column] = market_step(
                self._markets[column], self._rows, column, row, self._basis.settings.sizing.atr_window
            )
            for index, strategy in enumerate(self._basis.strategies):
                states = self._states[index]
                if not strategy.kind.trades_pairs:
                    states[column], self._signals[index, column] = strategy.step(states[column], row)
        for index, strategy in enumerate(self._basis.strategies):
            for pair in strategy.pairs:
                if all(symbol in rows for symbol in pair):
                    self._step_pair(index, strategy, pair, rows)

    def _step_pair(
        self, index: int, strategy: Strategy, pair: tuple[str, str], rows: Mapping[str, BarRow]
    ) -> None:
        states = self._states[index]
        for symbol, other, leads in ((pair[0], pair[1], True), (pair[1], pair[0], False)):
            column = self._basis.market.symbols.index(symbol)
            states[column], self._signals[index, column] = strategy.step_leg(
                states[column], rows[symbol], rows[other], leads
            )

    def _read_positions(self) -> None:
        for index, strategy in enumerate(self._names):
            for column, symbol in enumerate(self._basis.market.symbols):
                self._positions[index, column] = float(self._book.ledger.position(strategy, symbol))

    def _wishes(self, bar: int) -> list[Wish]:
        refused = (self._reasons != Reason.NONE) & (self._reasons != self._said)
        self._said[:] = self._reasons
        market, distance = self._basis.market, self._basis.settings.sizing.stop_atr_multiple
        return [
            Wish(
                strategy=self._names[row],
                symbol=market.symbols[column],
                position=int(self._positions[row, column]),
                target=int(self._targets[row, column]),
                reason=Reason(int(self._reasons[row, column])),
                close=float(self._rows.close[column]),
                stop_distance=distance * float(self._rows.atr[column]),
                is_priced=not math.isnan(market.bars[bar, column, 3]),
            )
            for row, column in np.argwhere((self._targets != self._positions) | refused).tolist()
        ]


def _by_decision(events: Iterable[Event]) -> Iterable[tuple[list[Event], Decided | None]]:
    """Events up to each decision, and the decision; None for what came after the last."""
    known: list[Event] = []
    for event in events:
        if isinstance(event, Decided):
            yield known, event
            known = []
        else:
            known.append(event)
    yield known, None
