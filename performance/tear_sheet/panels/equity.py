"""Equity over time: beside a benchmark, several curves together, and the fan of simulated paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from performance.series import Dates, FloatArray
from performance.tear_sheet.colours import SERIES
from performance.tear_sheet.figure import Figure, Switch, dollar_axis, line, span_shapes
from performance.tear_sheet.report_data import Benchmark, Curve, Fan
from performance.tear_sheet.thinning import thin

_LOG_FROM = 4.0


def log_switch(*curves: FloatArray) -> Switch | None:
    """Box for a logarithmic scale, ticked where values differ by more than a factor of four; None if they can't have one."""
    low = min(float(np.nanmin(one)) for one in curves)
    high = max(float(np.nanmax(one)) for one in curves)
    if not low > 0.0:
        return None
    return Switch(
        label="log scale",
        on={"yaxis": {"type": "log"}},
        off={"yaxis": {"type": "linear"}},
        ticked=high > _LOG_FROM * low,
    )


def _switches(*curves: FloatArray) -> list[Switch]:
    switch = log_switch(*curves)
    return [] if switch is None else [switch]


def equity_figure(
    dates: Dates,
    nlv: FloatArray,
    *,
    benchmark: Benchmark | None = None,
    curve: Curve | None = None,
    out_of_sample: Sequence[tuple[np.datetime64, np.datetime64]] = (),
    note: str = "",
) -> Figure:
    """Equity and benchmark at the end of each session; ``curve`` is shown instead of the session values if given."""
    times, values = (dates, nlv) if curve is None else (curve.times, curve.nlv)
    kept = thin(values)
    traces = [line(times[kept], values[kept], "strategy", "@equity", width=1.8, hover="$,.0f")]
    notes = [note]
    if benchmark is not None:
        when, theirs = dates, benchmark.values
        if curve is not None and curve.benchmark is not None:
            when, theirs = curve.times, curve.benchmark
        chosen = thin(theirs)
        traces.insert(0, line(when[chosen], theirs[chosen], benchmark.name, "@benchmark", hover="$,.0f"))
        notes.append(f"Benchmark: {benchmark.note}")
    if out_of_sample:
        notes.append("Shaded: out of sample, traded with parameters that were chosen on earlier data only.")
    if len(kept) < len(values):
        notes.append(
            f"{len(values):,} values, of which the extremes of {len(kept) // 2:,} stretches are drawn."
        )
    return Figure(
        title="Equity",
        traces=traces,
        layout={"yaxis": dollar_axis(values), "shapes": span_shapes(out_of_sample)},
        note=" ".join(one for one in notes if one),
        height=400,
        switches=_switches(values, *([] if benchmark is None else [benchmark.values])),
    )


def curves_figure(
    dates: Dates,
    curves: Mapping[str, FloatArray],
    *,
    title: str = "Equity",
    note: str = "",
    out_of_sample: Sequence[tuple[np.datetime64, np.datetime64]] = (),
) -> Figure:
    """Several equity curves over the same dates, by name: for comparisons."""
    traces = []
    for number, (name, values) in enumerate(curves.items()):
        kept = thin(values, 1_500)
        colour = SERIES[number % len(SERIES)]
        dash = ("solid", "dash", "dot", "dashdot")[number // len(SERIES) % 4]
        one = line(dates[kept], values[kept], name, colour, hover="$,.0f")
        traces.append({**one, "line": {"color": colour, "width": 1.5, "dash": dash}})
    return Figure(
        title=title,
        traces=traces,
        layout={"yaxis": {"tickformat": "$,.3~s"}, "shapes": span_shapes(out_of_sample)},
        note=note,
        height=420,
        switches=_switches(*curves.values()),
    )


def fan_figure(fan: Fan, *, dates: Dates | None = None, nlv: FloatArray | None = None) -> Figure:
    """Percentiles of simulated equity as nested bands, the middle one as a line; the run itself over them if given."""
    kept = thin(fan.curves[len(fan.percentiles) // 2], 600)
    times = fan.times[kept]
    order = np.argsort(fan.percentiles)
    traces: list[dict[str, object]] = []
    for low, high in zip(order[: len(order) // 2], order[::-1], strict=False):
        name = f"{fan.percentiles[low]:g} to {fan.percentiles[high]:g}%"
        edge = {"width": 0.6, "color": "@equity/0.4"}
        below = line(times, fan.curves[low][kept], f"{fan.percentiles[low]:g}%", "@equity", hover="$,.0f")
        above = line(times, fan.curves[high][kept], f"{fan.percentiles[high]:g}%", "@equity", hover="$,.0f")
        traces.append({**below, "line": edge, "showlegend": False})
        traces.append({**above, "line": edge, "fill": "tonexty", "fillcolor": "@equity/0.13", "name": name})
    if len(order) % 2:
        middle = order[len(order) // 2]
        name = f"{fan.percentiles[middle]:g}%"
        traces.append(line(times, fan.curves[middle][kept], name, "@equity", width=1.8, hover="$,.0f"))
    if dates is not None and nlv is not None:
        chosen = thin(nlv)
        traces.append(line(dates[chosen], nlv[chosen], "this run", "@loss", hover="$,.0f"))
    return Figure(
        title="Simulated paths",
        traces=traces,
        layout={"yaxis": {"tickformat": "$,.3~s"}},
        note=fan.note,
        height=400,
        switches=_switches(fan.curves),
    )
