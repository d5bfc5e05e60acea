"""The catalogue of all measures, and all of them for one set of data at once.

A measure is a function in one of the families; its docstring holds its formula, its result (with its unit and what it is
when the data can't tell) and its source. What they all share stands in `performance.series`. ``python -m performance``
prints the catalogue.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from performance import activity, benchmark, drawdowns, overfitting, ratios, returns, risk, round_trips
from performance.drawdowns import max_drawdown
from performance.series import Dates, Series

__all__ = ["CATALOGUE", "Conventions", "Measure", "PerformanceData", "describe", "evaluate", "max_drawdown"]

FAMILIES = {
    "returns": returns,
    "drawdowns": drawdowns,
    "risk": risk,
    "ratios": ratios,
    "benchmark": benchmark,
    "round trips": round_trips,
    "activity": activity,
    "overfitting": overfitting,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One entry of the catalogue; its words come from the function's docstring.

    ``peers`` says which functions of empyrical and quantstats give the same figure, and why others don't; empty where
    they have none. ``data`` names the arrays it needs, ``settings`` the conventions and options it knows.
    """

    name: str
    family: str
    summary: str
    result: str
    formula: str
    source: str
    peers: str
    data: tuple[str, ...]
    settings: tuple[str, ...]
    function: Callable[..., float]


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceData:
    """The arrays that measures are taken of, as in `performance.series`; None for what there is not.

    ``equity`` goes with the drawdowns. ``exposure``, ``traded`` and ``costs`` are one value a period, as the equity of
    `performance.activity`, which is ``equity`` without its first value. ``trial_sharpes_annual`` are those of all
    parameters that were tried.
    """

    returns: Series
    equity: Series
    dates: Dates | None = None
    benchmark: Series | None = None
    profits: Series | None = None
    exposure: Series | None = None
    traded: Series | None = None
    costs: Series | None = None
    trial_sharpes_annual: Series | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conventions:
    """What a figure can't be read without."""

    periods_per_year: float = 252.0
    risk_free_annual: float = 0.0
    confidence: float = 0.95
    benchmark_sharpe_annual: float = 0.0


def _entry(family: str, function: Callable[..., float]) -> Measure:
    document = inspect.cleandoc(function.__doc__ or "")
    summary = document.partition("\n\n")[0].replace("\n", " ")
    result = _between(document, "Returns\n-------\nfloat\n", "\n\n")
    notes = document.partition("Notes\n-----\n")[2]
    arguments = inspect.signature(function).parameters.values()
    return Measure(
        name=function.__name__,
        family=family,
        summary=summary,
        result=result,
        formula=_between(notes, "Formula:", "Source:"),
        source=_between(notes, "Source:", "Peers:"),
        peers=_between(notes, "Peers:", "\n\n"),
        data=tuple(one.name for one in arguments if one.kind is not one.KEYWORD_ONLY),
        settings=tuple(one.name for one in arguments if one.kind is one.KEYWORD_ONLY),
        function=function,
    )


def _between(text: str, begin: str, end: str) -> str:
    return " ".join(text.partition(begin)[2].partition(end)[0].split())


CATALOGUE: Mapping[str, Measure] = {
    function.__name__: _entry(family, function)
    for family, module in FAMILIES.items()
    for function in module.MEASURES
}
"""Every measure by name, in the order of the families."""


def evaluate(data: PerformanceData, conventions: Conventions | None = None) -> dict[str, float]:
    """Take every measure that the data allows.

    Returns
    -------
    dict
        Values by name, in the order of the catalogue. Measures whose data is None are left out; those that the data
        can't tell are NaN.

    Raises
    ------
    ValueError
        When an array holds what no measure accepts.
    """
    known = {one.name: getattr(data, one.name) for one in fields(data)}
    chosen = conventions or Conventions()
    options = {one.name: getattr(chosen, one.name) for one in fields(chosen)}
    values = {}
    for name, measure in CATALOGUE.items():
        arrays = [known[argument] for argument in measure.data]
        if any(array is None for array in arrays):
            continue
        if measure.family == "activity" and "equity" in measure.data:
            arrays[measure.data.index("equity")] = list(data.equity)[1:]
        settings = {key: options[key] for key in measure.settings if key in options}
        values[name] = measure.function(*arrays, **settings)
    return values


def describe(names: Mapping[str, Measure] = CATALOGUE) -> str:
    """Write the catalogue as text: what each measure is, its formula, its result and its source."""
    lines = [f"{len(names)} measures. P is periods_per_year, f the risk-free return of one period.", ""]
    family = ""
    for name, one in names.items():
        if one.family != family:
            family = one.family
            lines += [family.upper(), ""]
        needs = ", ".join((*one.data, *(f"[{setting}]" for setting in one.settings)))
        lines.append(f"{name}({needs})")
        for text in (one.summary, one.formula, one.result, one.source, one.peers):
            lines += textwrap.wrap(text, 110, initial_indent="    ", subsequent_indent="      ")
        lines.append("")
    return "\n".join(lines)
