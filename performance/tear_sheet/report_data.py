"""What a tear sheet is made of: plain arrays, so that this package needs to know no engine.

`backtester.tear_sheet_input` makes them of a `BacktestResult`; a live run's journal or a table of returns would do as
well. Only `dates`, `opening` and `nlv` are needed: a panel whose data isn't given is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from performance.measures import Conventions
from performance.series import Dates, FloatArray

TextArray = npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bars:
    """Prices of one symbol, shape (bars,) each; ``times`` are the bars' ends (UTC). No value is NaN."""

    times: Dates
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fills:
    """Every fill, oldest first, shape (fills,) each.

    ``sessions`` are places in the run's dates. ``quantities`` are signed: above 0 for a buy. ``purposes`` are ``entry``, ``exit``, ``stop`` and so on. ``references`` are the
    prices without spread, slippage and impact; NaN where that isn't known.
    """

    times: Dates
    sessions: npt.NDArray[np.int64]
    symbols: TextArray
    strategies: TextArray
    quantities: FloatArray
    prices: FloatArray
    commissions: FloatArray
    purposes: TextArray
    references: FloatArray

    def of(self, chosen: npt.NDArray[np.bool_]) -> Fills:
        """Return those that are marked."""
        return Fills(
            times=self.times[chosen],
            sessions=self.sessions[chosen],
            symbols=self.symbols[chosen],
            strategies=self.strategies[chosen],
            quantities=self.quantities[chosen],
            prices=self.prices[chosen],
            commissions=self.commissions[chosen],
            purposes=self.purposes[chosen],
            references=self.references[chosen],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Benchmark:
    """Values of a benchmark at the same sessions, shape (sessions,); ``opening`` from before the first one.

    ``note`` says what it is and what it leaves out.
    """

    name: str
    opening: float
    values: FloatArray
    note: str

    @property
    def with_opening(self) -> FloatArray:
        """Values with the opening one before them, shape (sessions + 1,)."""
        return np.concatenate([[self.opening], self.values])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """Equity finer than sessions, shape (n,) each; shown instead of the session values when the run is short."""

    times: Dates
    nlv: FloatArray
    benchmark: FloatArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fan:
    """Percentile curves of simulated paths.

    ``times`` has shape (n,), ``percentiles`` (k,) between 0 and 100, ``curves`` (k, n) in account currency.
    """

    times: Dates
    percentiles: Sequence[float]
    curves: FloatArray
    note: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ParameterMap:
    """A figure over two parameters.

    ``values`` has shape (len(y), len(x)), NaN where nothing was tried. ``chosen`` is (x, y) of the parameters that were
    taken; ``plateau`` marks the cells around which the figure hardly changes, of the shape of ``values``.
    """

    title: str
    figure: str
    x_name: str
    x: Sequence[float]
    y_name: str
    y: Sequence[float]
    values: FloatArray
    chosen: tuple[float, float] | None = None
    plateau: npt.NDArray[np.bool_] | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overfitting:
    """What is known of the search behind a run; None for what isn't (`performance.overfitting`)."""

    trials: int
    deflated_sharpe: float | None = None
    probability_of_overfitting: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReportData:
    """A run.

    Attributes
    ----------
    title, subtitle
        Plain text.
    dates, nlv
        Shape (sessions,): date of each session and net liquidation value at its end.
    opening
        Net liquidation value before the first session.
    gross
        Shape (sessions,): absolute value of all positions at the end of each session.
    benchmark, curve, fills, fan, overfitting
        As their classes.
    flows
        Cash that no fill explains (interest, borrow fees, dividends), summed by kind; positive when received.
    bars
        By symbol. Every symbol that has bars can be looked at with its fills.
    denials
        How many there were of each reason.
    out_of_sample
        First and last session of each span whose parameters were chosen on earlier data.
    parameter_maps
        Any number.
    run
        Name and value of all that says what ran: hashes, versions, seed.
    command
        Repeats the run.
    notes
        For the reader, as the run printed them.
    conventions
        Periods of a year, risk-free rate, confidence.
    max_drawdown
        Largest drawdown on a finer grid than sessions, when the run knows it.
    """

    title: str
    subtitle: str = ""
    dates: Dates
    opening: float
    nlv: FloatArray
    gross: FloatArray | None = None
    benchmark: Benchmark | None = None
    curve: Curve | None = None
    fills: Fills | None = None
    flows: Mapping[str, float] = field(default_factory=dict)
    bars: Mapping[str, Bars] = field(default_factory=dict)
    denials: Mapping[str, int] | None = None
    out_of_sample: Sequence[tuple[np.datetime64, np.datetime64]] = ()
    fan: Fan | None = None
    parameter_maps: Sequence[ParameterMap] = ()
    overfitting: Overfitting | None = None
    run: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    notes: Sequence[str] = ()
    conventions: Conventions = field(default_factory=Conventions)
    max_drawdown: float | None = None

    @property
    def equity(self) -> FloatArray:
        """Net liquidation values with the opening one before them, shape (sessions + 1,)."""
        return np.concatenate([[self.opening], self.nlv])

    @property
    def returns(self) -> FloatArray:
        """Return of each session, shape (sessions,)."""
        equity = self.equity
        return equity[1:] / equity[:-1] - 1.0

    @property
    def benchmark_returns(self) -> FloatArray | None:
        """Returns of the benchmark, shape (sessions,)."""
        if self.benchmark is None:
            return None
        values = self.benchmark.with_opening
        return values[1:] / values[:-1] - 1.0

    @property
    def is_solvent(self) -> bool:
        """Whether the account was never lost: without that, no return and no ratio is defined."""
        return bool((self.equity > 0.0).all())
