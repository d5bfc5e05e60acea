"""The page of a walk-forward: verdict, fold table, what was promised and what came, the parameters' way."""

from __future__ import annotations

import math
from collections.abc import Sequence

from backtester.market import Market
from backtester.validation.overfitting import Overfitting
from backtester.validation.pages import overfitting_table
from backtester.validation.selection import NO_CHOICE
from backtester.validation.walk_forward import Choice, WalkForward
from backtester.validation.walk_forward_report import Summary, day_span, parameters_text
from performance.tear_sheet.colours import SERIES
from performance.tear_sheet.figure import Figure, columns, label, line
from performance.tear_sheet.page import Block, Section, Table, Text, Tile, Tiles
from performance.tear_sheet.words import DASH, number, percent


def walk_forward_sections(
    done: WalkForward,
    market: Market,
    summary: Summary,
    found: Overfitting | None,
    said: str,
    notes: Sequence[str],
) -> list[Section]:
    """Sections that stand before the tear sheet of the stitched account."""
    figures = done.figures
    blocks: list[Block] = [
        Tiles(
            tiles=[
                Tile(name="Sharpe out of sample", value=number(figures.sharpe), hint=f"in sample {number(summary.in_sample_sharpe)}"),
                Tile(name="Growth a year", value=percent(figures.cagr), hint=f"in sample {percent(summary.in_sample_cagr)}"),
                Tile(name="Efficiency", value=percent(summary.sharpe_efficiency, 0), hint="Sharpe ratio out of sample over in sample"),
                Tile(name="Largest drawdown", value=percent(figures.max_drawdown), hint="at session ends"),
                Tile(name="Folds with a gain", value=percent(summary.positive_folds, 0), hint=f"of {len(done.folds)}"),
                Tile(name="Median rank", value=percent(summary.median_rank, 0), hint="of the choice out of sample; blind: 50%"),
            ]
        ),
        Text(title="Verdict", paragraphs=[said[0].upper() + said[1:] + "."]),
    ]  # fmt: skip
    if notes:
        blocks.append(Text(title="Notes", paragraphs=list(notes)))
    blocks += [_bars(done, market), fold_table(done, market)]
    if len(done.results) == 1:
        blocks.append(_way(done, market))
    sections = [Section(title="Walk-forward", blocks=blocks)]
    if found is not None:
        sections.append(Section(title="Overfitting", blocks=[overfitting_table(found)]))
    return sections


def fold_table(done: WalkForward, market: Market, *, most: int = 400) -> Table:
    """Rows of folds (and accounts) as text."""
    several = len(done.results) > 1
    nested = len({one.rule for one in done.choices}) > 1
    rows = []
    for one in done.choices[:most]:
        train = day_span(market, done.folds[one.fold].train_sessions)
        test = day_span(market, done.folds[one.fold].test_sessions)
        out = one.out_of_sample
        rows.append(
            [
                str(one.fold + 1),
                *([done.results[one.account].symbols[0]] if several else []),
                f"{train[0]} to {train[1]}",
                f"{test[0]} to {test[1]}",
                *([str(one.rule)] if nested else []),
                parameters_text(one.values) if one.candidate != NO_CHOICE else "none traded",
                number(one.in_sample["sharpe"]),
                number(out.sharpe),
                percent(one.in_sample["total_return"]),
                percent(out.total_return),
                percent(out.max_drawdown),
                str(one.fills),
                DASH if math.isnan(one.rank) else percent(one.rank, 0),
            ]
        )
    names = [
        "fold", *(["symbol"] if several else []), "training", "test", *(["rule"] if nested else []), "chosen",
        "Sharpe in", "Sharpe out", "return in", "return out", "drawdown", "fills", "rank",
    ]  # fmt: skip
    left_out = len(done.choices) - len(rows)
    note = f"{left_out} more rows are in folds.csv." if left_out else ""
    return Table(title="Folds", columns=names, rows=rows, note=note)


def _bars(done: WalkForward, market: Market) -> Figure:
    """Sharpe ratios in and out of sample, by fold; the mean over the accounts."""
    names, inside, outside = [], [], []
    for number_, fold in enumerate(done.folds):
        of_fold = [one for one in done.choices if one.fold == number_]
        names.append(day_span(market, fold.test_sessions)[0])
        inside.append(_mean([one.in_sample["sharpe"] for one in of_fold]))
        outside.append(_mean([one.out_of_sample.sharpe for one in of_fold]))
    return Figure(
        title="Sharpe ratio, promised and delivered",
        traces=[
            columns(names, inside, "in sample", "@benchmark", hover=".2f"),
            columns(names, outside, "out of sample", "@equity", hover=".2f"),
        ],
        layout={"barmode": "group", "xaxis": {"type": "category"}},
        note="By the first session of each test window. In sample: the chosen candidate's own account over its training window.",
    )


def _way(done: WalkForward, market: Market) -> Figure:
    """Chosen values of each parameter, as a share of the way from its smallest to its largest searched value."""
    chosen: list[Choice] = list(done.choices)
    names = [day_span(market, done.folds[one.fold].test_sessions)[0] for one in chosen]
    traces = []
    keys = next((list(one.values) for one in chosen if one.values), [])
    for place, key in enumerate(keys):
        values = [float(one.values[key]) if one.values else math.nan for one in chosen]
        trace = line(names, values, key, SERIES[place % len(SERIES)], hover="~g")
        traces.append(
            {
                **trace,
                "mode": "lines+markers",
                "line": {**_shape(trace), "shape": "hv"},
                "yaxis": "y" if place == 0 else f"y{place + 1}",
            }
        )
    layout: dict[str, object] = {"xaxis": {"type": "category"}}
    for place, key in enumerate(keys):
        height = 1.0 / len(keys)
        domain = [1.0 - (place + 1) * height + 0.03, 1.0 - place * height - 0.03]
        layout["yaxis" if place == 0 else f"yaxis{place + 1}"] = {
            "domain": domain,
            "title": {"text": label(key)},
            "rangemode": "normal",
        }
    return Figure(
        title="Chosen parameters",
        traces=traces,
        layout={**layout, "showlegend": False},
        note="A choice that jumps from fold to fold follows noise rather than the market.",
        height=max(220, 130 * len(keys)),
    )


def _shape(trace: dict[str, object]) -> dict[str, object]:
    found = trace["line"]
    assert isinstance(found, dict)
    return found


def _mean(values: Sequence[float]) -> float:
    known = [one for one in values if not math.isnan(one)]
    return sum(known) / len(known) if known else math.nan
