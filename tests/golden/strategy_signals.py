"""What each strategy said about each packaged symbol's daily bars, 2000 to 2013, at its default parameters.

``python -m tests.golden.strategy_signals`` writes ``strategy_signals.json`` anew; look at the difference before
you commit it. A difference means that live trading would decide otherwise than it did.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from data.packaged import load_packaged
from strategy.base import BarRow, FloatArray, scan
from strategy.registry import create
from tests.strategy.quick import SINGLE

GOLDEN = Path(__file__).with_suffix(".json")
FIRST, SECOND = "IBM", "MSFT"


def real_bars() -> dict[str, FloatArray]:
    """Daily bars by symbol, shape (bars, 5)."""
    return {
        symbol: np.column_stack([table.open, table.high, table.low, table.close, table.volume])
        for symbol, table in load_packaged().items()
    }


def statistics() -> dict[str, dict[str, dict[str, float]]]:
    """By strategy and symbol: bars on each side, changes of mind, and the sum of weight times next log return."""
    bars = real_bars()
    return {
        name: {symbol: _one(scan(create(name, {}), rows), rows[:, 3]) for symbol, rows in bars.items()}
        for name in SINGLE
    } | {"pairs": _pair(bars)}


def _pair(bars: dict[str, FloatArray]) -> dict[str, dict[str, float]]:
    """Statistics of both legs of one pair."""
    strategy = create("pairs", {}, ((FIRST, SECOND),))
    states = [strategy.new_state(), strategy.new_state()]
    weights = []
    for own, other in zip(bars[FIRST].tolist(), bars[SECOND].tolist(), strict=True):
        rows = BarRow(*own), BarRow(*other)
        states[0], leading = strategy.step_leg(states[0], rows[0], rows[1], True)
        states[1], trailing = strategy.step_leg(states[1], rows[1], rows[0], False)
        weights.append((leading, trailing))
    legs = np.array(weights)
    return {symbol: _one(legs[:, leg], bars[symbol][:, 3]) for leg, symbol in enumerate((FIRST, SECOND))}


def _one(weights: FloatArray, closes: FloatArray) -> dict[str, float]:
    known = weights[~np.isnan(weights)]
    earned = np.nan_to_num(weights[:-1]) * np.diff(np.log(closes))
    return {
        "bars": len(weights),
        "warming_up": int(np.isnan(weights).sum()),
        "long": int((known > 0).sum()),
        "short": int((known < 0).sum()),
        "changes": int((np.diff(known) != 0).sum()),
        "log_return": round(float(earned.sum()), 9),
    }


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(statistics(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
