"""The second half of the decision: wishes are cut down to what the limits allow (rules 2, 5 and 6 of `decision`)."""

from __future__ import annotations

import math
from typing import NamedTuple

from core.kernel import inlined_kernel
from core.reasons import Reason
from portfolio.decision_types import (
    AccountRow,
    DecisionParameters,
    FloatMatrix,
    FloatVector,
    IntMatrix,
)
from portfolio.market_rows import MarketRows
from portfolio.shared_sizing_logic import share_of, whole_shares

CUT_TO = 0.95
"""Entries fill a cap only up to this fraction of it, and a position above a cap is cut to it: the next tick cuts nothing."""

CASH_KEPT = 0.01
"""Fraction of settled cash that entries leave untouched, for a worse fill than the close and for commission."""


class _Totals(NamedTuple):
    """Values by absolute size, of a symbol or of the book: held, to be held on, and wanted as entries."""

    held: float
    kept: float
    wanted: float


class Limits(NamedTuple):
    """Limits in money (before the throttle; NaN when they can't be known), and places that may still be taken."""

    symbol: float
    gross: float
    cash: float
    throttle: float
    participation: float
    positions: int
    fills: int


@inlined_kernel
def limits_of(parameters: DecisionParameters, account: AccountRow, throttle: float) -> Limits:
    """Limits of an account."""
    nlv = account.nlv if 0.0 < account.nlv < math.inf else math.nan
    cash = math.inf
    if parameters.cash_account:
        cash = account.settled_cash * (1.0 - CASH_KEPT)
    return Limits(
        symbol=parameters.max_symbol_exposure * nlv,
        gross=parameters.max_gross_exposure * nlv,
        cash=cash,
        throttle=throttle,
        participation=parameters.max_participation,
        positions=parameters.max_positions,
        fills=parameters.monthly_fill_budget - account.fills_this_month,
    )


@inlined_kernel
def apply_limits(  # noqa: PLR0917 (a kernel)
    limits: Limits,
    permitted: FloatVector,
    rows: MarketRows,
    positions: FloatMatrix,
    targets: FloatMatrix,
    reasons: IntMatrix,
) -> None:
    """Cut the wishes in ``targets`` down to the limits, symbol by symbol; ``permitted`` is a factor by strategy on top."""
    close, average_volume = rows.close, rows.average_volume
    book = _sum_book(close, positions, targets)
    places = limits.positions - _symbols_held(positions)
    budget = limits.fills
    for symbol in range(positions.shape[1]):
        own = _sum_symbol(close[symbol], positions, targets, symbol)
        share, cap = 1.0, Reason.NONE
        if own.wanted > 0.0:
            tradable = limits.participation * average_volume[symbol] * close[symbol]
            share, cap = _entry_share(limits, book, own, tradable)
            places -= 1 if own.held == 0.0 else 0
            if places < 0 and own.held == 0.0:
                share, cap = 0.0, Reason.POSITIONS_CAP
        for strategy in range(positions.shape[0]):
            cell = (strategy, symbol)
            target = targets[cell]
            if target == 0.0:
                targets[cell] = 0.0  # never -0.0
            elif positions[cell] != 0.0:
                targets[cell], reasons[cell] = _keep(limits, book, own, target)
            else:
                budget -= 1
                granted = share if budget >= 0 else 0.0
                factor = permitted[strategy]
                targets[cell] = _signed(whole_shares(abs(target) * granted * factor), target)
                if factor < granted:
                    reasons[cell] = Reason.RESTRICTED
                elif granted < 1.0:
                    reasons[cell] = cap if budget >= 0 else Reason.FILL_BUDGET


@inlined_kernel
def _signed(quantity: float, like: float) -> float:
    """Quantity with the sign of ``like``; 0 stays without one."""
    return math.copysign(quantity, like) if quantity > 0.0 else 0.0


@inlined_kernel
def _sum_book(close: FloatVector, positions: FloatMatrix, targets: FloatMatrix) -> _Totals:
    """Add up `_sum_symbol` over all symbols."""
    held = kept = wanted = 0.0
    for symbol in range(positions.shape[1]):
        own = _sum_symbol(close[symbol], positions, targets, symbol)
        held += own.held
        kept += own.kept
        wanted += own.wanted
    return _Totals(held, kept, wanted)


@inlined_kernel
def _sum_symbol(close: float, positions: FloatMatrix, targets: FloatMatrix, symbol: int) -> _Totals:
    """Add up one symbol over all strategies, each by its absolute size."""
    held = kept = wanted = 0.0
    for strategy in range(positions.shape[0]):
        position, target = abs(positions[strategy, symbol]), abs(targets[strategy, symbol])
        if position > 0.0:
            # What can't be valued can't be shown to be within a cap: it leaves no room for entries.
            value = position * close if close > 0.0 else math.inf
            held += value
            if target > 0.0 and value < math.inf:
                kept += value
        elif target > 0.0:
            wanted += target * close
    return _Totals(held, kept, wanted)


@inlined_kernel
def _symbols_held(positions: FloatMatrix) -> int:
    """Count the symbols in which any strategy has a position."""
    count = 0
    for symbol in range(positions.shape[1]):
        for strategy in range(positions.shape[0]):
            if positions[strategy, symbol] != 0.0:
                count += 1
                break
    return count


@inlined_kernel
def _keep(limits: Limits, book: _Totals, own: _Totals, position: float) -> tuple[float, Reason]:
    """Position to hold on: as it is, or cut when its symbol or the book stands above a cap."""
    if limits.throttle == 0.0:
        return 0.0, Reason.DRAWDOWN_THROTTLE
    if math.isnan(limits.throttle) or math.isnan(limits.symbol) or own.kept == 0.0:
        return position, Reason.NONE  # nothing to measure it by; entries are refused elsewhere
    symbol_share = share_of(limits.symbol * limits.throttle, own.kept)
    gross_share = share_of(limits.gross * limits.throttle, book.kept)
    if symbol_share == 1.0 and gross_share == 1.0:
        return position, Reason.NONE
    reason = Reason.SYMBOL_CAP if symbol_share <= gross_share else Reason.GROSS_CAP
    if own.kept <= limits.symbol and book.kept <= limits.gross:
        reason = Reason.DRAWDOWN_THROTTLE
    return _signed(whole_shares(abs(position) * min(symbol_share, gross_share) * CUT_TO), position), reason


@inlined_kernel
def _entry_share(limits: Limits, book: _Totals, own: _Totals, tradable: float) -> tuple[float, Reason]:
    """Fraction of a symbol's wanted entries that every cap allows, and the cap that allows least."""
    share, reason = (
        share_of(limits.symbol * limits.throttle * CUT_TO - own.held, own.wanted),
        Reason.SYMBOL_CAP,
    )
    gross = share_of(limits.gross * limits.throttle * CUT_TO - book.held, book.wanted)
    if gross < share:
        share, reason = gross, Reason.GROSS_CAP
    # An unknown volume is no liquidity, unknown cash is no cash.
    liquidity = share_of(tradable, own.wanted) if tradable > 0.0 else 0.0
    if liquidity < share:
        share, reason = liquidity, Reason.PARTICIPATION_CAP
    cash = share_of(limits.cash, book.wanted) if limits.cash > 0.0 else 0.0
    if cash < share:
        share, reason = cash, Reason.SETTLED_CASH
    return share, reason
