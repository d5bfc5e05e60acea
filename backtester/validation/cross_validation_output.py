"""Run a combinatorial purged cross-validation for the command line: folder, page, picture, text."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from backtester.batch import Window
from backtester.market import Market
from backtester.progress import progress
from backtester.study import Study
from backtester.validation.combinatorial import CPCV_METRICS, Combinations, CrossValidation, cross_validate
from backtester.validation.command import assess_trials, check_counts, metric_of
from backtester.validation.figures import curve_of
from backtester.validation.overfitting import Overfitting
from backtester.validation.pages import overfitting_rows, overfitting_table, write_pages
from backtester.validation.selection import NO_CHOICE, Grid
from backtester.validation.study_folder import Frame, Record, plain, write_study
from backtester.validation.walk_forward_report import day_span, parameters_text
from backtester.validation.windows import first_bar_after_warm_up
from core.errors import ConfigError
from performance.tear_sheet.page import Page, Section, Table, Text, Tile, Tiles
from performance.tear_sheet.panels.equity import curves_figure
from performance.tear_sheet.words import number, percent

_MOST_CURVES = 24
_TITLES = {"sharpe": "Sharpe ratio", "cagr": "a year", "max_drawdown": "max drawdown"}


def combinations_of(options: Namespace) -> Combinations:
    """Read ``--cpcv GROUPS:TEST``.

    Raises
    ------
    ConfigError
        When it isn't that, or is given with options that only a walk-forward has.
    """
    groups, colon, tests = options.cpcv.partition(":")
    if not (colon and groups.isdigit() and tests.isdigit()):
        raise ConfigError([f"--cpcv {options.cpcv}: write GROUPS:TEST, such as 8:2"])
    others = {"--per-symbol": options.per_symbol, "--nested": options.nested, "--anchored": options.anchored}
    problems = [
        f"{name}: not with --cpcv, whose windows are its groups" for name, given in others.items() if given
    ]
    cut = Combinations(
        groups=int(groups), test_groups=int(tests), purge=options.purge, embargo=options.embargo
    )
    problems += cut.problems()
    if problems:
        raise ConfigError(problems)
    return cut


def run_cross_validation(
    options: Namespace, study: Study, grid: Grid, weight: float
) -> tuple[str, dict[str, object]]:
    """Run it and write its folder; return the text for a terminal and the figures for JSON.

    Raises
    ------
    ConfigError
        For groups that don't fit, or options that can't be.
    """
    check_counts(options, {"earlier_trials": 0})
    cut = combinations_of(options)
    metric = metric_of(options, CPCV_METRICS)
    market, settings = study.market, study.loaded.settings
    first = first_bar_after_warm_up(market, study.first_bar, grid.warmup_bars)
    with progress("candidates in all groups", len(grid)) as on_done:
        done = cross_validate(
            settings, market, grid, cut,
            metric=metric, plateau=options.choose == "plateau", weight=weight, first_bar=first, on_done=on_done,
        )  # fmt: skip
    whole = Window(first=first, end=len(market.end_ns))
    found, why_not = assess_trials(settings, study, grid, whole, weight, options.earlier_trials)
    sharpes = np.array([one.sharpe for one in done.figures])
    said = _verdict(done, sharpes, found)
    notes = [*dict.fromkeys(market.notes), *([why_not] if why_not else []), *_empty(done)]
    figures = _figures(study, grid, cut, done, found, said)
    used = {
        "cpcv": options.cpcv,
        "purge": cut.purge,
        "embargo": cut.embargo,
        "metric": metric,
        "choose": options.choose,
    }
    record = Record(
        mode="walk_forward", options=used, seed=None, figures=figures, data_sha256=market.sha256, notes=notes
    )
    folder = write_study(
        study.loaded, record, [_split_frame(done, grid), _path_frame(done), _curve_frame(done, market)]
    )
    cash = float(settings.backtest.cash)
    page = _page(done, market, grid, found, said, notes, cash)
    lines = write_pages(options, folder, page, lambda path: _picture(done, market, cash, page.title, path))
    text = _text(grid, done, market, found, said, notes)
    body = plain({**figures, "folder": str(folder)})
    assert isinstance(body, dict)
    return "\n".join([text, f"results: {folder}", *lines]), body


def _figures(
    study: Study, grid: Grid, cut: Combinations, done: CrossValidation, found: Overfitting | None, said: str
) -> dict[str, object]:
    first, last = _span(done, study.market)
    return {
        "mode": "walk_forward",
        "method": "cpcv",
        "strategy": grid.kind.name,
        "symbols": list(study.market.symbols),
        "candidates": len(grid),
        "groups": cut.groups,
        "test_groups": cut.test_groups,
        "splits": len(done.splits),
        "paths": len(done.returns),
        "first": first,
        "last": last,
        "percentiles": _percentiles(done),
        "share_of_losing_paths": float(np.mean([one.total_return <= 0 for one in done.figures])),
        "overfitting": None if found is None else found.as_dict(),
        "verdict": said,
        "data_sha256": study.market.sha256,
    }


def _text(
    grid: Grid,
    done: CrossValidation,
    market: Market,
    found: Overfitting | None,
    said: str,
    notes: list[str],
) -> str:
    first, last = _span(done, market)
    rows = [
        ("CPCV", f"{grid.kind.name}, {len(grid)} candidates, {len(done.splits)} splits of {len(done.spans)} groups, {len(done.returns)} paths"),
        ("span", f"{first} to {last}, {done.returns.shape[1]:,} sessions"),
        *((_TITLES[name], _spread_text(name, values)) for name, values in _percentiles(done).items()),
        *overfitting_rows(found),
        ("verdict", said),
    ]  # fmt: skip
    return "\n".join(
        [*(f"{name:<14} {value}" for name, value in rows), *(f"{'note':<14} {one}" for one in notes)]
    )


def _span(done: CrossValidation, market: Market) -> tuple[str, str]:
    """First and last day of all groups."""
    return day_span(market, done.spans[0])[0], day_span(market, done.spans[-1])[1]


def _percentiles(done: CrossValidation) -> dict[str, dict[str, float]]:
    found = {}
    for name in ("sharpe", "cagr", "max_drawdown"):
        values = np.array([getattr(one, name) for one in done.figures])
        known = values[np.isfinite(values)]
        if len(known):
            found[name] = {
                text: float(np.percentile(known, share)) for text, share in (("min", 0), ("p25", 25), ("median", 50), ("p75", 75), ("max", 100))
            }  # fmt: skip
    return found


def _spread_text(name: str, values: dict[str, float]) -> str:
    form = "{:.2f}" if name == "sharpe" else "{:.1%}"
    return ", ".join(f"{share} {form.format(value)}" for share, value in values.items())


def _verdict(done: CrossValidation, sharpes: np.ndarray, found: Overfitting | None) -> str:
    if (done.chosen == NO_CHOICE).all():
        return "no candidate traded in any training: there is nothing to judge"
    reasons = []
    losing = float(np.mean([one.total_return <= 0 for one in done.figures]))
    if losing > 0.1:
        reasons.append(f"{losing:.0%} of the paths lost money")
    median = float(np.nanmedian(sharpes)) if not np.isnan(sharpes).all() else math.nan
    if median < 0.3:
        reasons.append(f"the median path has a Sharpe ratio of {median:.2f}")
    if found is not None and found.overfitting_probability >= 0.5:
        reasons.append(f"the probability of overfitting is {found.overfitting_probability:.0%}")
    return (
        "doubtful: " + "; ".join(reasons)
        if reasons
        else "nothing here speaks against the choice of parameters; that is no promise"
    )


def _empty(done: CrossValidation) -> list[str]:
    count = int((done.chosen == NO_CHOICE).sum())
    if not count:
        return []
    return [
        f"in {count} of {len(done.splits)} splits no candidate traded in training; their test groups were not traded"
    ]


def _split_frame(done: CrossValidation, grid: Grid) -> Frame:
    chosen = done.chosen.tolist()
    columns: dict[str, Sequence[object]] = {
        "split": list(range(1, len(done.splits) + 1)),
        "test_groups": [" ".join(str(group + 1) for group in split.tests) for split in done.splits],
        **{
            name: [float(grid.values[one][name]) if one != NO_CHOICE else math.nan for one in chosen]
            for name in grid.names
        },
        "in_sample": done.in_sample.tolist(),
    }
    return Frame(name="splits", columns=columns)


def _path_frame(done: CrossValidation) -> Frame:
    rows = [one.as_dict() for one in done.figures]
    return Frame(
        name="paths",
        columns={
            "path": list(range(1, len(rows) + 1)),
            **{name: [row[name] for row in rows] for name in rows[0]},
        },
    )


def _dates(done: CrossValidation, market: Market) -> list[str]:
    return [str(one.date) for one in market.sessions[done.spans[0][0] : done.spans[-1][1]]]


def _curve_frame(done: CrossValidation, market: Market) -> Frame:
    names = [f"path_{number + 1}" for number in range(len(done.returns))]
    return Frame(
        name="returns",
        columns={"session": _dates(done, market), **dict(zip(names, done.returns.tolist(), strict=True))},
    )


def _curves(done: CrossValidation, cash: float) -> dict[str, np.ndarray]:
    kept = np.argsort([one.total_return for one in done.figures])
    if len(kept) > _MOST_CURVES:
        kept = kept[np.linspace(0, len(kept) - 1, _MOST_CURVES).round().astype(np.int64)]
    return {
        f"path {number + 1}": cash * curve_of(done.returns[number])[1:] for number in sorted(kept.tolist())
    }


def _tiles(done: CrossValidation) -> Tiles:
    sharpes = [one.sharpe for one in done.figures]
    return Tiles(
        tiles=[
            Tile(
                name="Median Sharpe ratio",
                value=number(float(np.median(sharpes))),
                hint=f"{len(sharpes)} paths",
            ),
            Tile(name="Worst, best", value=f"{number(min(sharpes))}, {number(max(sharpes))}"),
            Tile(
                name="Losing paths",
                value=percent(float(np.mean([one.total_return <= 0 for one in done.figures])), 0),
            ),
        ]
    )


def _path_table(done: CrossValidation) -> Table:
    return Table(
        title="Paths",
        columns=["path", "Sharpe", "a year", "total return", "drawdown", "longest under water"],
        rows=[
            [str(place + 1), number(one.sharpe), percent(one.cagr), percent(one.total_return), percent(one.max_drawdown), f"{one.longest_under_water:.0f}"]
            for place, one in enumerate(done.figures[:200])
        ],
    )  # fmt: skip


def _split_table(done: CrossValidation, grid: Grid) -> Table:
    return Table(
        title="Splits",
        columns=["split", "tested groups", "chosen", "in sample"],
        rows=[
            [
                str(place + 1),
                " ".join(str(group + 1) for group in split.tests),
                parameters_text(grid.values[chosen]) if chosen != NO_CHOICE else "none traded",
                number(merit),
            ]
            for place, (split, chosen, merit) in enumerate(
                zip(done.splits[:200], done.chosen.tolist()[:200], done.in_sample.tolist()[:200], strict=True)
            )
        ],
        note="All of them are in splits.csv.",
    )


def _page(
    done: CrossValidation,
    market: Market,
    grid: Grid,
    found: Overfitting | None,
    said: str,
    notes: list[str],
    cash: float,
) -> Page:
    cut = done.combinations
    dates = np.array(_dates(done, market), dtype="datetime64[D]")
    shown = _curves(done, cash)
    curves = curves_figure(
        dates, shown, title="Out-of-sample paths",
        note="Each group of a path is traded in an account of its own that begins with the opening cash; the curve compounds their returns."
        + (f" {len(shown)} of {len(done.returns)} paths are drawn, evenly by return." if len(shown) < len(done.returns) else ""),
    )  # fmt: skip
    said_block = Text(title="Verdict", paragraphs=[said[0].upper() + said[1:] + ".", *notes])
    sections = [
        Section(
            title="Paths",
            blocks=[_tiles(done), said_block, curves, _path_table(done), _split_table(done, grid)],
        )
    ]
    if found is not None:
        sections.append(Section(title="Overfitting", blocks=[overfitting_table(found)]))
    return Page(
        title=f"Combinatorial cross-validation of {grid.kind.name}",
        subtitle=f"{cut.groups} groups, {cut.test_groups} tested at a time, purge {cut.purge}, embargo {cut.embargo}, {len(grid)} candidates",
        sections=sections,
    )


def _picture(done: CrossValidation, market: Market, cash: float, title: str, path: Path) -> Path:
    from backtester.validation.pictures import write_curves_picture  # noqa: PLC0415 (matplotlib is slow to load)

    dates = np.array(_dates(done, market), dtype="datetime64[D]")
    return write_curves_picture(title, dates, _curves(done, cash), [one.sharpe for one in done.figures], path)
