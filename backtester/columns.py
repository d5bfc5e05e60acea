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

from backtester.whole_columns import averages_into, can_be_summed, extremes_into, running_sums
from core.indicators import (
    FIXED_POINT,
    INTEGER_SCALE,
    atr_column,
    bar_is_whole,
    channel_column,
    sma_column,
)
from core.kernel import borrowing_kernel, inlined_kernel
from strategy.base import BarRow, Column, Indicator, Parameters, Strategy

FloatArray = npt.NDArray[np.float64]
IntVector = npt.NDArray[np.int64]
Flags = npt.NDArray[np.uint8]

LARGEST_CACHE = 256 * 2**20
"""Bytes of columns that are kept."""

_HIGH, _LOW, _CLOSE, _VOLUME = (BarRow._fields.index(name) for name in ("high", "low", "close", "volume"))


class Columns:
    """Bars of a market laid out for scanning, and the indicators that were scanned last. Threads may share it."""

    def __init__(self, bars: FloatArray) -> None:
        shape = (bars.shape[1], bars.shape[0])
        self.fields = np.empty((shape[0], len(BarRow._fields), shape[1]))
        """Shape (symbols, 5, bars)."""
        self.has_close, self._whole = np.empty(shape, dtype=np.uint8), np.empty(shape, dtype=np.uint8)
        """Shape (symbols, bars): whether there is a bar."""
        _lay_out(bars, self.fields, self.has_close, self._whole)
        self.is_whole = bool(self._whole.all())
        """Whether no bar is missing and each is whole (`core.indicators.bar_is_whole`)."""
        self._sums: dict[int, IntVector] = {}
        self._kept: OrderedDict[tuple[Column, bool], FloatArray] = OrderedDict()
        self._lock = threading.Lock()

    def scan_rule(self, strategy: Strategy, signals: FloatArray, place: int) -> None:
        """Write the weights of ``strategy`` to ``signals[:, place]``, of shape (symbols, strategies, bars)."""
        kind = strategy.kind
        assert kind.columns is not None
        assert kind.rule is not None
        columns = tuple(self.column(one, kind.whole_bars) for one in kind.columns(strategy.parameters))
        if self.is_whole:
            scan = _scan_of(kind.rule, len(columns), _scan_whole)
            scan(strategy.parameters, kind.new_memory(), self.fields, columns, signals, place)
        else:
            use = self._whole if kind.whole_bars else self.has_close
            scan = _scan_of(kind.rule, len(columns), _scan_rule)
            scan(strategy.parameters, kind.new_memory(), self.fields, use, columns, signals, place)

    def column(self, column: Column, whole_bars: bool) -> FloatArray:
        """Value of an indicator after each bar, shape (symbols, bars); it must not be written.

        ``whole_bars``: whether it takes whole bars only, or all that have a close.
        """
        key = (column, whole_bars or self.is_whole)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        values = self._scan(column, self._whole if whole_bars else self.has_close)
        with self._lock:
            self._kept[key] = values
            while len(self._kept) > 1 and values.nbytes * len(self._kept) > LARGEST_CACHE:
                self._kept.popitem(last=False)
        return values

    def average_volume(self, window: int) -> FloatArray:
        """Average the volumes of the last bars after each bar, shape (symbols, bars)."""
        out = np.empty(self.has_close.shape)
        ring = np.zeros(window, dtype=np.int64)
        for fields, used, values in zip(self.fields, self.has_close, out, strict=True):
            if self.is_whole and can_be_summed(fields[_VOLUME]):
                averages_into(running_sums(fields[_VOLUME], INTEGER_SCALE), window, INTEGER_SCALE, values)
            else:
                sma_column(fields[_VOLUME], used, ring, INTEGER_SCALE, values)
        return out

    def _scan(self, column: Column, use: Flags) -> FloatArray:
        out = np.empty(use.shape)
        ring = np.zeros(column.window, dtype=np.int64)
        for symbol, (fields, used, values) in enumerate(zip(self.fields, use, out, strict=True)):
            upper = column.indicator is Indicator.HIGHEST_HIGH
            match column.indicator, self.is_whole:
                case Indicator.ATR, _:
                    atr_column(fields, used, column.window, values)
                case Indicator.SMA_OF_CLOSE, True:
                    averages_into(self._sums_of_closes(symbol), column.window, FIXED_POINT, values)
                case Indicator.SMA_OF_CLOSE, False:
                    sma_column(fields[_CLOSE], used, ring, FIXED_POINT, values)
                case _, True:
                    extremes_into(fields[_HIGH if upper else _LOW], column.window, upper, values)
                case _, False:
                    channel_column(fields, used, upper, np.zeros(column.window), ring, values)
        return out

    def _sums_of_closes(self, symbol: int) -> IntVector:
        """Add up a symbol's closes for all of its averages. Two threads may do it at once; both get the same."""
        if symbol not in self._sums:
            self._sums[symbol] = running_sums(self.fields[symbol, _CLOSE], FIXED_POINT)
        return self._sums[symbol]


@borrowing_kernel
def _lay_out(bars: FloatArray, fields: FloatArray, has_close: Flags, whole: Flags) -> None:
    """Put each field's values side by side, and mark the bars that have a close and those that are whole."""
    for symbol in range(fields.shape[0]):
        for bar in range(fields.shape[2]):
            for field in range(5):
                fields[symbol, field, bar] = bars[bar, symbol, field]
            close = bars[bar, symbol, 3]
            has_close[symbol, bar] = not math.isnan(close)
            whole[symbol, bar] = bar_is_whole(
                bars[bar, symbol, 0], bars[bar, symbol, 1], bars[bar, symbol, 2], close
            )


@lru_cache(maxsize=256)
def _scan_of(rule: Callable[..., Any], arity: int, template: Callable[..., None]) -> Callable[..., None]:
    """Scan with ``rule`` compiled into it; see `backtester.scan.scan_of` for the template's copy."""
    plain = getattr(rule, "py_func", None)
    name = f"{template.__name__}_{rule.__module__}_{rule.__qualname__}".replace(".", "_")
    bound = FunctionType(template.__code__, {**globals(), "rule": rule, "values_at": _VALUES_AT[arity]}, name)
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


def _scan_whole(
    parameters: Parameters,
    fresh: Any,  # noqa: ANN401 (a NamedTuple of the strategy's own)
    fields: FloatArray,
    columns: tuple[FloatArray, ...],
    signals: FloatArray,
    place: int,
) -> None:
    # No branch: of a rule that remembers nothing, the processor takes several bars at once.
    for symbol in range(fields.shape[0]):
        memory = fresh
        for bar in range(fields.shape[2]):
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
