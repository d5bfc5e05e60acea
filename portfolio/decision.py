"""The decision: signals in, whole-share targets and reasons out. One implementation for live and backtest.

`decide_into` is called once per closed bar with everything it may know. In one pass it says what each strategy wants
of each symbol (hold, exit, enter and how much), in a second it cuts that down to what the limits allow.

The rules
---------
1. A position is sized once, at entry: ``NLV * strategy weight * risk_per_trade / (stop_atr_multiple * ATR)``, at
   most the strategy's own capital, times the drawdown throttle and the volatility scale.
2. While the signal keeps its direction the position is held as it is; it only ever shrinks, when it stands above
   a cap. Entries fill an exposure cap only up to `exposure_limits.CUT_TO`, and a position above it is cut to that, so
   that the next tick doesn't cut (again).
3. A signal of 0 or of the other direction closes the position. An exit needs no price, no ATR, no budget and no
   equity: it is always allowed. The other side is entered on a later bar, when the position is flat.
4. A position that vanished while its signal stood (its stop was hit, a limit closed it) is not entered again before
   the signal has changed.
5. The throttle scales new risk and the exposure caps alike, so a throttle of 0 closes everything.
6. Every limit is applied to what was *wanted*, not to what another limit has left over, and claimants of one
   limit are cut by the same fraction. So the most restrictive limit wins, the order of the symbols doesn't
   matter, and a tighter limit never makes any position larger. Places (number of positions, fill budget)
   go in the order of the symbols. Room that an exit of the same bar will free is not given away before it is free.
7. A restriction (`core.restrictions`) takes its part of an entry after all limits, so half is half of what would have been
   entered; at 0 nothing is. What is held stays held, and exits go on.
8. Last, the legs of a pair are brought into line (`portfolio.pairing`): both or neither, and cut by the same fraction.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from core.kernel import inlined_kernel, kernel
from core.reasons import Reason
from portfolio.decision_types import (
    AccountRow,
    DecisionInputs,
    DecisionParameters,
    DecisionResult,
    DecisionState,
    FloatMatrix,
    IntMatrix,
    Scales,
)
from portfolio.exposure_limits import Limits, apply_limits, limits_of
from portfolio.market_rows import MarketRows
from portfolio.pairing import pair_up
from portfolio.risk_manager import drawdown_of, throttle_scale
from portfolio.shared_sizing_logic import risk_quantity, sign


class _Rules(NamedTuple):
    """What `_wish` needs of the parameters. No array, so that passing it costs no reference counting."""

    risk_per_trade: float
    stop_atr_multiple: float
    shorts: bool


class _Cell(NamedTuple):
    """What is known of one strategy in one symbol."""

    position: float
    signal: float
    direction: int
    close: float
    atr: float
    weight: float
    permitted: float


def decide(parameters: DecisionParameters, state: DecisionState, inputs: DecisionInputs) -> DecisionResult:
    """`decide_into` with fresh arrays: the state that was passed in stays as it was."""
    fresh = DecisionState(directions=state.directions.copy(), volatility=state.volatility)
    targets = np.zeros(inputs.positions.shape, dtype=np.float64)
    reasons = np.zeros(inputs.positions.shape, dtype=np.int64)
    scales = decide_into(parameters, fresh, inputs, targets, reasons)
    return DecisionResult(targets=targets, reasons=reasons, scales=scales, state=fresh)


@inlined_kernel
def decide_into(
    parameters: DecisionParameters,
    state: DecisionState,
    inputs: DecisionInputs,
    targets: FloatMatrix,
    reasons: IntMatrix,
) -> Scales:
    """Decide on one bar by the rules of this module, without allocating.

    Parameters
    ----------
    parameters, state, inputs
        See their classes; ``state.directions`` is written.
    targets, reasons
        Written: wanted position and `core.reasons.Reason` of every strategy and symbol.

    Returns
    -------
    Scales
        NaN for a throttle that can't be known; no entry is made then.
    """
    account, positions, signals = inputs.account, inputs.positions, inputs.signals
    close, atr = inputs.rows.close, inputs.rows.atr
    directions, weights = state.directions, parameters.strategy_weights
    permitted = parameters.permitted_risk
    drawdown = drawdown_of(account.nlv, account.peak_nlv)
    throttle = throttle_scale(parameters.drawdown_levels, parameters.drawdown_scales, drawdown)
    scales = Scales(drawdown, throttle, min(state.volatility.last_scale, parameters.max_leverage))
    observe_signals(directions, signals, positions)
    shorts = parameters.allow_short and not parameters.cash_account
    rules = _Rules(parameters.risk_per_trade, parameters.stop_atr_multiple, shorts)
    for strategy in range(targets.shape[0]):
        for symbol in range(targets.shape[1]):
            at = (strategy, symbol)
            cell = _Cell(
                positions[at],
                signals[at],
                directions[at],
                close[symbol],
                atr[symbol],
                weights[strategy],
                permitted[strategy],
            )
            targets[at], reasons[at] = _wish(rules, account, scales, cell)
    limits = limits_of(parameters, account, throttle)
    if parameters.partners.size == 0:
        apply_limits(limits, permitted, inputs.rows, positions, targets, reasons)
    else:
        _limit_pairs(parameters, limits, inputs.rows, positions, (targets, reasons))
    return scales


@kernel
def _limit_pairs(
    parameters: DecisionParameters,
    limits: Limits,
    rows: MarketRows,
    positions: FloatMatrix,
    answer: tuple[FloatMatrix, IntMatrix],
) -> None:
    """Apply the limits where pairs are traded. It stands alone because it needs a copy, for which `decide_into` has no room."""
    targets, reasons = answer
    wishes = targets.copy()
    apply_limits(limits, parameters.permitted_risk, rows, positions, targets, reasons)
    pair_up(parameters.partners, positions, wishes, targets, reasons)


@inlined_kernel
def observe_signals(directions: IntMatrix, signals: FloatMatrix, positions: FloatMatrix) -> None:
    """Bring ``directions`` up to date: a position sets its own while its signal stands, a changed signal clears it.

    After a restart, set ``directions`` from the last fills and call this for each warm-up bar since then.
    """
    for strategy in range(positions.shape[0]):
        for symbol in range(positions.shape[1]):
            cell = (strategy, symbol)
            held, signal = sign(positions[cell]), signals[cell]
            if held != 0 and (math.isnan(signal) or sign(signal) == held):
                directions[cell] = held
            elif not math.isnan(signal) and sign(signal) != directions[cell]:
                directions[cell] = 0


@inlined_kernel
def _wish(rules: _Rules, account: AccountRow, scales: Scales, cell: _Cell) -> tuple[float, Reason]:
    """Say what one strategy wants of one symbol before any cap: the position, 0, or an entry (not rounded)."""
    position, signal = cell.position, cell.signal
    if math.isnan(signal):
        return position, Reason.NONE
    if position != 0.0 and sign(signal) == sign(position):
        return position, Reason.NONE
    if position != 0.0:
        flips = signal > 0.0 or (signal < 0.0 and rules.shorts)
        return 0.0, Reason.FLIP_VIA_FLAT if flips else Reason.NONE
    if signal == 0.0:
        return 0.0, Reason.NONE
    refusal = _refusal(rules, account, scales, cell)
    if refusal != Reason.NONE:
        return 0.0, refusal
    return _entry(rules, account.nlv, scales, cell)


@inlined_kernel
def _refusal(  # noqa: PLR0911 (one a reason)
    rules: _Rules, account: AccountRow, scales: Scales, cell: _Cell
) -> Reason:
    """Why an entry can't be considered at all; NONE if it can."""
    if cell.permitted == 0.0:
        return Reason.RESTRICTED
    if cell.signal < 0.0 and not rules.shorts:
        return Reason.SHORT_NOT_ALLOWED
    if sign(cell.signal) == cell.direction:
        return Reason.STOPPED_OUT
    if not 0.0 < cell.close < math.inf:  # also True for NaN
        return Reason.NO_PRICE
    if not 0.0 < cell.atr < math.inf:
        return Reason.NO_ATR
    if not 0.0 < account.nlv < math.inf or math.isnan(scales.throttle):
        return Reason.NO_NLV
    return Reason.NONE


@inlined_kernel
def _entry(rules: _Rules, nlv: float, scales: Scales, cell: _Cell) -> tuple[float, Reason]:
    """Signed quantity of an entry before any cap (not rounded), and what has reduced it most."""
    capital = nlv * cell.weight
    quantity = risk_quantity(capital, rules.risk_per_trade, rules.stop_atr_multiple * cell.atr)
    reason = Reason.NONE
    if quantity * cell.close > capital:
        quantity = capital / cell.close
        reason = Reason.STRATEGY_CAPITAL
    if scales.volatility < 1.0:
        reason = Reason.VOLATILITY_TARGET
    if scales.throttle < min(scales.volatility, 1.0):
        reason = Reason.DRAWDOWN_THROTTLE
    quantity *= scales.throttle * scales.volatility * min(max(cell.signal, -1.0), 1.0)
    if abs(quantity) < 1.0 and reason == Reason.NONE:
        reason = Reason.ZERO_QUANTITY
    return quantity, reason
