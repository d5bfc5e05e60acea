"""Indicators over history, each scanned once for all candidates that use it, and the rules that read them.

A strategy whose step is an indicator stage and a rule says so (`strategy.base.StrategyKind.columns`). Live steps both bar by
bar. Research scans each distinct indicator once a symbol, by the arithmetic of its step, and the rule over the columns; a
test holds that this gives, bit for bit, what stepping gives.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from types import FunctionType
from typing import Any

import numpy as np
import numpy.typing as npt

from core.indicators import FIXED_POINT, atr_column, bar_is_whole, channel_column, sma_column
from core.kernel import borrowing_kernel, inlined_kernel
from strategy.base import BarRow, Column, Indicator, Parameters, Strategy

FloatArray = npt.NDArray[np.float64]
Flags = npt.NDArray[np.uint8]

LARGEST_CACHE = 256 * 2**20
"""Bytes of columns that are kept."""

_CLOSE = BarRow._fields.index("close")


class Columns:
    """Bars of a market laid out for scanning, and the indicators that were scanned last. Threads may share it."""

    def __init__(self, bars: FloatArray) -> None:
        self.fields = np.ascontiguousarray(bars.transpose(1, 2, 0))
        """Shape (symbols, 5, bars)."""
        shape = (bars.shape[1], bars.shape[0])
        self._use = {whole: np.empty(shape, dtype=np.uint8) for whole in (False, True)}
        for whole, use in self._use.items():
            _mark_use(self.fields, whole, use)
        self._kept: OrderedDict[tuple[Column, bool], FloatArray] = OrderedDict()
        self._lock = threading.Lock()

    def scan_rule(self, strategy: Strategy, signals: FloatArray, place: int) -> None:
        """Write the weights of ``strategy`` to ``signals[:, place]``, of shape (symbols, strategies, bars)."""
        kind = strategy.kind
        assert kind.columns is not None
        assert kind.rule is not None
        columns = tuple(self.column(one, kind.whole_bars) for one in kind.columns(strategy.parameters))
        use = self._use[kind.whole_bars]
        scan = _scan_of(kind.rule, len(columns))
        scan(strategy.parameters, kind.new_memory(), self.fields, use, columns, signals, place)

    def column(self, column: Column, whole_bars: bool) -> FloatArray:
        """Value of an indicator after each bar, shape (symbols, bars); it must not be written."""
        key = (column, whole_bars)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        values = self._scan(column, self._use[whole_bars])
        with self._lock:
            self._kept[key] = values
            while len(self._kept) > 1 and values.nbytes * len(self._kept) > LARGEST_CACHE:
                self._kept.popitem(last=False)
        return values

    def _scan(self, column: Column, use: Flags) -> FloatArray:
        out = np.empty(use.shape)
        ring = np.zeros(column.window, dtype=np.int64)
        for fields, used, values in zip(self.fields, use, out, strict=True):
            match column.indicator:
                case Indicator.SMA_OF_CLOSE:
                    sma_column(fields[_CLOSE], used, ring, FIXED_POINT, values)
                case Indicator.ATR:
                    atr_column(fields, used, column.window, values)
                case Indicator.HIGHEST_HIGH | Indicator.LOWEST_LOW:
                    upper = column.indicator is Indicator.HIGHEST_HIGH
                    channel_column(fields, used, upper, np.zeros(column.window), ring, values)
        return out


@borrowing_kernel
def _mark_use(fields: FloatArray, whole: bool, use: Flags) -> None:
    """Mark the bars that a step would take: those with a close, or only those that are whole."""
    for symbol in range(use.shape[0]):
        for bar in range(use.shape[1]):
            close = fields[symbol, 3, bar]
            taken = not math.isnan(close)
            if whole:
                taken = taken and bar_is_whole(
                    fields[symbol, 0, bar], fields[symbol, 1, bar], fields[symbol, 2, bar], close
                )
            use[symbol, bar] = taken


@lru_cache(maxsize=256)
def _scan_of(rule: Callable[..., Any], arity: int) -> Callable[..., None]:
    """Scan with ``rule`` compiled into it; see `backtester.scan.scan_of` for the template's copy."""
    plain = getattr(rule, "py_func", None)
    name = f"scan_{rule.__module__}_{rule.__qualname__}".replace(".", "_")
    bound = FunctionType(
        _scan_rule.__code__, {**globals(), "rule": rule, "values_at": _VALUES_AT[arity]}, name
    )
    bound.__qualname__ = name
    return bound if plain is None else borrowing_kernel(bound)


def _scan_rule(
    parameters: Parameters,
    fresh: Any,  # noqa: ANN401 (a NamedTuple of the strategy's own)
    fields: FloatArray,
    use: Flags,
    columns: tuple[FloatArray, ...],
    signals: FloatArray,
    place: int,
) -> None:
    for symbol in range(use.shape[0]):
        memory, weight = fresh, math.nan
        for bar in range(use.shape[1]):
            if use[symbol, bar] != 0:
                row = BarRow(
                    fields[symbol, 0, bar],
                    fields[symbol, 1, bar],
                    fields[symbol, 2, bar],
                    fields[symbol, 3, bar],
                    fields[symbol, 4, bar],
                )
                values = values_at(columns, symbol, bar)  # type: ignore[name-defined]  # noqa: F821 (see _scan_of)
                memory, weight = rule(parameters, memory, row, values)  # type: ignore[name-defined]  # noqa: F821
            signals[symbol, place, bar] = weight


@inlined_kernel
def _one(columns: tuple[FloatArray], symbol: int, bar: int) -> tuple[float]:
    return (columns[0][symbol, bar],)


@inlined_kernel
def _two(columns: tuple[FloatArray, FloatArray], symbol: int, bar: int) -> tuple[float, float]:
    return columns[0][symbol, bar], columns[1][symbol, bar]


@inlined_kernel
def _three(columns: tuple[FloatArray, ...], symbol: int, bar: int) -> tuple[float, float, float]:
    return columns[0][symbol, bar], columns[1][symbol, bar], columns[2][symbol, bar]


@inlined_kernel
def _four(columns: tuple[FloatArray, ...], symbol: int, bar: int) -> tuple[float, float, float, float]:
    return columns[0][symbol, bar], columns[1][symbol, bar], columns[2][symbol, bar], columns[3][symbol, bar]


_VALUES_AT: dict[int, Callable[..., tuple[float, ...]]] = {1: _one, 2: _two, 3: _three, 4: _four}
