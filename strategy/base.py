"""What a strategy is: bounded parameters, a state, and a step over one bar.

A strategy is written once. Live trading calls its step once per closed bar and symbol; research scans the same
step over history. The step sees the current bar and its own state and nothing else, so it can't look ahead.

    state, weight = step(parameters, state, bar)

``parameters``, ``state`` and ``bar`` are NamedTuples of scalars and arrays, so that the step can be a compiled
kernel (`core.kernel`) and be inlined into a compiled backtest; a plain Python function works as well and is only
slower. ``weight`` is the wanted exposure in [-1, 1], 0 for none, and NaN while the strategy warms up.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError

Number = int | float
FloatArray = npt.NDArray[np.float64]
Parameters: TypeAlias = Any
"""A NamedTuple of a strategy's own: its parameter values."""
State: TypeAlias = Any
"""A NamedTuple of a strategy's own: what it remembers of one symbol."""
Pairs: TypeAlias = tuple[tuple[str, str], ...]
"""Symbols that are traded against each other: first and second leg."""


class BarRow(NamedTuple):
    """One closed bar of one symbol, as a step sees it. All floats."""

    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSpec:
    """One parameter of a strategy: its bounds, its default and the values worth searching.

    An ``int`` default makes it a whole number.
    """

    name: str
    default: Number
    low: Number
    high: Number
    search: tuple[Number, ...]
    meaning: str

    def __post_init__(self) -> None:
        for value in (self.default, *self.search):
            if self.problem(value) is not None:
                raise ValueError(f"{self.name}: {value} is outside [{self.low}, {self.high}]")

    @property
    def is_integer(self) -> bool:
        """Whether the parameter is a whole number."""
        return isinstance(self.default, int)

    def problem(self, value: Number) -> str | None:
        """Why ``value`` can't be used, as the end of a sentence that names it; None if it can."""
        allowed = f"{self.low} to {self.high}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"must be a number, {allowed}"
        if self.is_integer and (not math.isfinite(value) or value != int(value)):
            return f"must be a whole number, {allowed}"
        if not self.low <= value <= self.high:  # also refuses NaN
            return f"is out of range: allowed {allowed}"
        return None

    def convert(self, value: Number) -> Number:
        """``value`` in the one type that kernels are compiled for."""
        return int(value) if self.is_integer else float(value)


class Indicator(StrEnum):
    """Indicators that research scans once for all candidates that use them."""

    SMA_OF_CLOSE = "sma_of_close"
    ATR = "atr"
    HIGHEST_HIGH = "highest_high"
    LOWEST_LOW = "lowest_low"


class Column(NamedTuple):
    """An indicator over so many bars."""

    indicator: Indicator
    window: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyKind:
    """A strategy without values for its parameters.

    Parameters
    ----------
    name
        As written in ``config.yaml``.
    summary
        One sentence for lists.
    specs
        The parameters, in the order of ``parameters_type``.
    parameters_type
        NamedTuple class of the parameter values.
    new_state
        Empty state for given parameter values; one state a symbol.
    step
        ``(parameters, state, bar) -> (state, weight)``; of a strategy that trades pairs
        ``(parameters, state, bar, bar of the other leg, is the first leg) -> (state, weight)``.
    warmup_bars
        Bars until the weight is no longer NaN.
    trades_pairs
        Whether it trades pairs of symbols, which it has to be given.
    pairs
        The pairs to trade where `create` isn't told any.
    columns, rule
        Given when the step is nothing but indicators and a rule: the indicators (one to four) for given parameter values,
        and the kernel ``(parameters, memory, bar, values of the indicators) -> (memory, weight)`` that the step calls.
        Research then scans each distinct indicator once. The memory holds scalars only.
    new_memory
        The rule's empty memory.
    whole_bars
        Whether the step passes over a bar that isn't whole (`core.indicators.bar_is_whole`).
    conflict
        A sentence when values that are allowed one by one don't fit together, else None.
    """

    name: str
    summary: str
    specs: tuple[ParameterSpec, ...]
    parameters_type: Callable[..., Parameters]
    new_state: Callable[[Parameters], State]
    step: Callable[..., tuple[State, float]]
    warmup_bars: Callable[[Parameters], int]
    conflict: Callable[[Parameters], str | None] = lambda _parameters: None
    trades_pairs: bool = False
    pairs: Pairs = ()
    columns: Callable[[Parameters], tuple[Column, ...]] | None = None
    rule: Callable[..., tuple[Any, float]] | None = None
    new_memory: Callable[[], Any] = float
    whole_bars: bool = False

    def search_space(self) -> dict[str, tuple[Number, ...]]:
        """Values worth trying, by parameter."""
        return {spec.name: spec.search for spec in self.specs}

    def validate(self, values: Mapping[str, Number]) -> list[str]:
        """Every problem with ``values``, one sentence each: key, value, allowed range, nearest spelling."""
        known = {spec.name: spec for spec in self.specs}
        problems = []
        for key, value in values.items():
            if key not in known:
                problems.append(f"{key}: unknown parameter of {self.name}{nearest(key, known)}")
            elif (problem := known[key].problem(value)) is not None:
                problems.append(f"{key}: {value!r} {problem}")
        if not problems and (clash := self.conflict(self._fill(values))) is not None:
            problems.append(clash)
        return problems

    def pair_problems(self, pairs: Pairs) -> list[str]:
        """Every problem with the pairs to trade, one sentence each."""
        if not self.trades_pairs:
            return [f"{self.name} trades single symbols, not pairs"] if pairs else []
        if not pairs:
            return [f"{self.name} needs pairs of symbols, such as [[KO, PEP]]"]
        legs = [symbol for pair in pairs for symbol in pair]
        twice = sorted({symbol for symbol in legs if legs.count(symbol) > 1})
        return [f"{symbol} stands in more than one leg: a symbol belongs to one pair" for symbol in twice]

    def create(self, values: Mapping[str, Number], pairs: Pairs | None = None) -> Strategy:
        """Strategy with ``values``; parameters not named keep their defaults.

        Raises
        ------
        ConfigError
            With every problem of `validate` and `pair_problems`.
        """
        pairs = self.pairs if pairs is None else pairs
        problems = [*self.validate(values), *(f"pairs: {one}" for one in self.pair_problems(pairs))]
        if problems:
            raise ConfigError(problems)
        return Strategy(kind=self, parameters=self._fill(values), pairs=pairs)

    def default_parameters(self) -> Parameters:
        """Values of all parameters when none is given."""
        return self._fill({})

    def _fill(self, values: Mapping[str, Number]) -> Parameters:
        return self.parameters_type(
            *(spec.convert(values.get(spec.name, spec.default)) for spec in self.specs)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """A strategy with its parameters. It has no state of its own: the caller keeps one a symbol."""

    kind: StrategyKind
    parameters: Parameters
    pairs: Pairs = ()

    @property
    def name(self) -> str:
        """Name of the kind."""
        return self.kind.name

    @property
    def warmup_bars(self) -> int:
        """Bars until the weight is no longer NaN."""
        return self.kind.warmup_bars(self.parameters)

    def new_state(self) -> State:
        """Empty state for one symbol."""
        return self.kind.new_state(self.parameters)

    def step(self, state: State, bar: BarRow) -> tuple[State, float]:
        """Take one closed bar; return the new state and the weight.

        Arrays inside ``state`` are written in place: go on with the state that is returned.
        """
        new_state, weight = self.kind.step(self.parameters, state, bar)
        return new_state, float(weight)

    def step_leg(self, state: State, bar: BarRow, other: BarRow, leads: bool) -> tuple[State, float]:
        """`step` of one leg of a pair: its bar, the other leg's, and whether it is the first."""
        new_state, weight = self.kind.step(self.parameters, state, bar, other, leads)
        return new_state, float(weight)


def scan(strategy: Strategy, bars: FloatArray) -> FloatArray:
    """Weights of ``strategy`` over a history of one symbol: its step, bar by bar.

    Parameters
    ----------
    strategy
        The strategy; the scan begins with an empty state.
    bars
        Shape (bars, 5): open, high, low, close, volume, oldest first.

    Returns
    -------
    ndarray
        Shape (bars,): the weight after each bar, NaN while warming up.
    """
    if bars.ndim != 2 or bars.shape[1] != len(BarRow._fields):
        raise ValueError(f"bars must be of shape (n, {len(BarRow._fields)}), not {bars.shape}")
    weights = np.empty(len(bars), dtype=np.float64)
    state = strategy.new_state()
    for index, row in enumerate(bars.tolist()):
        state, weights[index] = strategy.step(state, BarRow(*row))
    return weights


def nearest(word: str, known: Iterable[str]) -> str:
    """``; did you mean X?`` or, without a near one, the list of what is known."""
    options = sorted(known)
    found = difflib.get_close_matches(word, options, n=1)
    return f"; did you mean {found[0]}?" if found else f"; known: {', '.join(options)}"
