"""One row of closed bars in, what to do about it out: the live caller of the one decision path.

Holds what the kernels remember (strategy states, market rows, decision state) and nothing of the broker: positions
and the account come in with each call, so a backtest over the same rows and fills decides the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from core.config_schema import CapSettings, SizingSettings
from core.events import Bar, Signal
from core.reasons import Reason
from core.vocabulary import Side
from data.bar_assembler import MarketRow
from portfolio.decision import observe_signals
from portfolio.decision_setup import decision_parameters, last_fills, observe_warmup_bar, restricted
from portfolio.decision_types import AccountRow
from portfolio.kernel_side import KernelSide
from portfolio.ledger import Ledger
from portfolio.live_manager.entry_veto import EntryVeto, Ruling
from portfolio.pairing import NO_PARTNER, partner_columns
from portfolio.veto.standing import Cell
from strategy.base import BarRow, State, Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one strategy should do with one symbol: move from ``position`` to ``target`` (whole shares, signed)."""

    strategy: str
    symbol: str
    position: Decimal
    target: Decimal
    reason: Reason
    stop_distance: float
    """``stop_atr_multiple * ATR``, the distance of an entry's protective stop; NaN when the ATR isn't known."""
    atr: float = math.nan
    """Average true range of a bar; NaN while it isn't known."""
    average_volume: float = math.nan
    """Average volume of a bar; NaN while it isn't known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleResult:
    """Signals that changed with this row, and decisions in which something is wanted or refused."""

    signals: tuple[Signal, ...]
    decisions: tuple[Decision, ...]
    rulings: tuple[Ruling, ...] = ()
    """What the veto newly says of wanted entries."""


class DecisionCycle:
    """Steps every strategy over a row of bars and decides.

    Parameters
    ----------
    strategies
        Enabled strategies, in the order of the configuration.
    weights
        Share of the equity of each.
    symbols
        The universe, in the order of the matrices' columns.
    sizing, caps
        Their sections of the configuration.
    """

    def __init__(
        self,
        *,
        strategies: Sequence[Strategy],
        weights: Sequence[float],
        symbols: Sequence[str],
        sizing: SizingSettings,
        caps: CapSettings,
    ) -> None:
        self._strategies = tuple(strategies)
        self._symbols = tuple(symbols)
        self._sizing = sizing
        self._partners = partner_columns(self._strategies, self._symbols)
        self._column = {symbol: index for index, symbol in enumerate(self._symbols)}
        self._names = {strategy.name: index for index, strategy in enumerate(self._strategies)}
        self._side = KernelSide(
            self._strategies,
            len(self._symbols),
            decision_parameters(sizing, caps, weights, self._partners),
            atr_window=sizing.atr_window,
            volatility_window_sessions=sizing.volatility_window_sessions,
        )
        row = self._side.row
        self._bars, self._present, self._rows = row.bars, row.present, row.rows
        self._signals, self._positions = row.signals, row.positions
        self._targets, self._reasons = row.targets, row.reasons
        self._legs: dict[tuple[int, str], State] = {}
        for index, strategy in enumerate(self._strategies):
            if strategy.kind.trades_pairs:  # it wants nothing of what is in none of its pairs
                self._signals[index, self._partners[index] == NO_PARTNER] = 0.0
                legs = (symbol for pair in strategy.pairs for symbol in pair)
                self._legs |= {(index, symbol): strategy.new_state() for symbol in legs}
        self._told = np.full(self._signals.shape, np.nan)
        self._said = np.zeros(self._signals.shape, dtype=np.int64)
        self._fill_times = np.zeros(self._signals.shape, dtype=np.int64)
        self.veto: EntryVeto | None = None
        """Judges wanted entries; None when all are welcome."""

    @property
    def warmup_bars(self) -> int:
        """Bars that every symbol needs before all strategies have a signal."""
        return max((strategy.warmup_bars for strategy in self._strategies), default=0)

    @property
    def strategy_names(self) -> tuple[str, ...]:
        """Names of the strategies, in the order of the configuration."""
        return tuple(self._names)

    def close_of(self, symbol: str) -> float:
        """Last close of ``symbol``; NaN before its first bar."""
        return float(self._rows.close[self._column[symbol]])

    def target_of(self, strategy: str, symbol: str) -> float:
        """Signed position that the last decision wanted; 0 for a strategy that isn't enabled any more."""
        row, column = self._names.get(strategy), self._column.get(symbol)
        return 0.0 if row is None or column is None else float(self._targets[row, column])

    def restore(self, ledger: Ledger, session_closes: Sequence[float]) -> None:
        """Take up after a restart: what was last filled, and the NLV at each past session's close.

        Call it before `warm`, which brings the restored directions up to date with the signals since those fills.
        """
        names = [strategy.name for strategy in self._strategies]
        self._side.state.directions[:], self._fill_times[:] = last_fills(ledger, names, self._symbols)
        self._read_positions(ledger.position)
        for nlv in session_closes:
            self.close_session(nlv)

    def warm(self, row: MarketRow) -> None:
        """Take a row of past bars: indicators and signals move on, nothing is decided."""
        self._step(row.bars)
        observe_warmup_bar(
            self._side.state.directions, self._fill_times, self._signals, self._positions, row.end_ns
        )

    def restrict(self, scales: Mapping[str, float]) -> None:
        """Scale the strategies' new risk from the next decision on; see `core.restrictions`."""
        self._side.go_by(restricted(self._side.parameters, self.strategy_names, scales))

    def note_entry(self, strategy: str, symbol: str, side: Side) -> None:
        """Remember a fill that opened a position: its stop may be hit before the next decision sees it."""
        row = self._names.get(strategy)
        if row is not None and symbol in self._column:
            self._side.state.directions[row, self._column[symbol]] = side.sign

    def close_session(self, nlv: float) -> None:
        """Book the session that has ended, for the volatility target."""
        self._side.close_session(nlv)

    def decide(
        self,
        *,
        end_ns: int,
        bars: Mapping[str, Bar],
        positions: Callable[[str, str], Decimal],
        account: AccountRow,
    ) -> CycleResult:
        """Take the row that closed at ``end_ns`` and decide on all symbols at once.

        A symbol without a bar in this row keeps its last signal and close; whether it may be traded on is for the
        caller's pre-trade checks.
        """
        self._step(bars)
        self._read_positions(positions)
        signals, rulings = self._judge(end_ns, account)
        self._side.decide(signals, account)
        return CycleResult(
            signals=self._changed_signals(end_ns), decisions=self._decisions(), rulings=rulings
        )

    def _judge(self, end_ns: int, account: AccountRow) -> tuple[npt.NDArray[np.float64], tuple[Ruling, ...]]:
        """Ask the veto; return the signals that may be decided on, and what is new."""
        if self.veto is None:
            return self._signals, ()
        directions = self._side.state.directions
        observe_signals(directions, self._signals, self._positions)
        signals, found = self.veto.rule(self._signals, self._positions, directions, end_ns)
        if found:  # what would be entered without any veto; deciding twice on one bar changes nothing
            self._side.decide(self._signals, account)
        return signals, tuple(self._with_figures(cell, ruling) for cell, ruling in found)

    def _with_figures(self, cell: Cell, ruling: Ruling) -> Ruling:
        column = cell[1]
        return replace(
            ruling,
            quantity=Decimal(int(self._targets[cell])),
            price=float(self._rows.close[column]),
            stop_distance=self._sizing.stop_atr_multiple * float(self._rows.atr[column]),
        )

    def _step(self, bars: Mapping[str, Bar]) -> None:
        self._present.fill(False)
        for symbol, bar in bars.items():
            column = self._column[symbol]
            self._bars[column] = _row(bar)
            self._present[column] = True
        self._side.step()
        for index, strategy in enumerate(self._strategies):
            for pair in strategy.pairs:
                self._step_pair(index, strategy, pair, bars)

    def _step_pair(
        self, index: int, strategy: Strategy, pair: tuple[str, str], bars: Mapping[str, Bar]
    ) -> None:
        """Step both legs; a row that lacks the bar of one changes nothing."""
        if any(symbol not in bars for symbol in pair):
            return
        first, second = (_row(bars[symbol]) for symbol in pair)
        for symbol, own, other, leads in ((pair[0], first, second, True), (pair[1], second, first, False)):
            key, column = (index, symbol), self._column[symbol]
            self._legs[key], self._signals[index, column] = strategy.step_leg(
                self._legs[key], own, other, leads
            )

    def _read_positions(self, positions: Callable[[str, str], Decimal]) -> None:
        for index, strategy in enumerate(self._strategies):
            for column, symbol in enumerate(self._symbols):
                self._positions[index, column] = float(positions(strategy.name, symbol))

    def _changed_signals(self, end_ns: int) -> tuple[Signal, ...]:
        if (
            self._signals.tobytes() == self._told.tobytes()
        ):  # on most bars; cheaper than any comparison of arrays
            return ()
        changed = (self._signals != self._told) & ~np.isnan(self._signals)
        # A weight that stood when trading began is acted on, so it is news, but only when it asks for something.
        changed &= ~(np.isnan(self._told) & (self._signals == 0))
        self._told[:] = self._signals
        return tuple(
            Signal(
                strategy=self._strategies[row].name,
                symbol=self._symbols[column],
                weight=float(self._signals[row, column]),
                bar_end_ns=end_ns,
            )
            for row, column in np.argwhere(changed).tolist()
        )

    def _decisions(self) -> tuple[Decision, ...]:
        wants_nothing = self._targets.tobytes() == self._positions.tobytes()
        if wants_nothing and self._reasons.tobytes() == self._said.tobytes():
            return ()
        wanted = self._targets != self._positions
        # A refusal is told when it begins, not again on each bar while it stands.
        refused = (self._reasons != Reason.NONE) & (self._reasons != self._said)
        self._said[:] = self._reasons
        return tuple(
            Decision(
                strategy=self._strategies[row].name,
                symbol=self._symbols[column],
                position=Decimal(int(self._positions[row, column])),
                target=Decimal(int(self._targets[row, column])),
                reason=Reason(int(self._reasons[row, column])),
                stop_distance=self._sizing.stop_atr_multiple * float(self._rows.atr[column]),
                atr=float(self._rows.atr[column]),
                average_volume=float(self._rows.average_volume[column]),
            )
            for row, column in np.argwhere(wanted | refused).tolist()
        )


def _row(bar: Bar) -> BarRow:
    return BarRow(bar.open, bar.high, bar.low, bar.close, bar.volume)
