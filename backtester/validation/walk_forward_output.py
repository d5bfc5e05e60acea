"""Run a walk-forward for the command line: folder, page, picture, text."""

from __future__ import annotations

import math
from argparse import Namespace
from dataclasses import replace

import numpy as np

from backtester.batch import Window
from backtester.progress import progress
from backtester.result import BacktestResult
from backtester.study import Study
from backtester.tear_sheet_input import report_data, run_facts, this_command
from backtester.validation.command import assess_trials, check_counts, metric_of
from backtester.validation.figures import Figures, figures_of, returns_of
from backtester.validation.nested import Rule
from backtester.validation.overfitting import Overfitting
from backtester.validation.pages import overfitting_rows, table_lines, write_reports
from backtester.validation.selection import Grid
from backtester.validation.study_folder import Record, plain, write_study
from backtester.validation.walk_forward import Method, WalkForward, walk_forward
from backtester.validation.walk_forward_page import fold_table, walk_forward_sections
from backtester.validation.walk_forward_report import (
    Summary,
    day_span,
    equity_frame,
    fold_frame,
    summarise,
    verdict,
    warnings_of,
)
from backtester.validation.windows import Plan, first_bar_after_warm_up
from core.errors import ConfigError
from performance.tear_sheet.report_data import Overfitting as OverfittingData
from performance.tear_sheet.report_data import ReportData
from performance.tear_sheet.words import count, number, percent


def run_walk_forward(
    options: Namespace, study: Study, grid: Grid, weight: float
) -> tuple[str, dict[str, object]]:
    """Run it and write its folder; return the text for a terminal and the figures for JSON.

    Raises
    ------
    ConfigError
        For windows that don't fit, or options that can't be.
    """
    plan, method = _asked(options, grid)
    settings = study.loaded.settings
    first = first_bar_after_warm_up(study.market, study.first_bar, grid.warmup_bars)
    with progress("candidates in all windows", len(grid)) as on_done:
        done = walk_forward(
            settings, study.market, grid, plan, method, weight=weight, first_bar=first, on_done=on_done
        )
    whole = Window(first=done.folds[0].train.first, end=done.folds[-1].test.end)
    found, why_not = assess_trials(settings, study, grid, whole, weight, options.earlier_trials)
    summary = summarise(done)
    data = _report_data(study, done, grid, found)
    held = None if data.benchmark is None else figures_of(returns_of(data.benchmark.with_opening))
    said = verdict(done, summary, found, held)
    notes = [*warnings_of(done, summary, study.market), *([why_not] if why_not else [])]
    figures = _figures(study, grid, done, summary, found, held, said)
    record = _record(options, plan, method, grid, figures, notes)
    folder = write_study(study.loaded, record, [fold_frame(done, study.market, grid), equity_frame(done)])
    data = replace(data, run=run_facts(folder), command=this_command())
    sections = walk_forward_sections(done, study.market, summary, found, said, notes)
    lines = write_reports(options, folder, data, sections, fold_table(done, study.market))
    text = _text(study, grid, done, summary, found, held, said, notes)
    body = plain({**figures, "folder": str(folder)})
    assert isinstance(body, dict)
    return "\n".join([text, f"results: {folder}", *lines]), body


def _asked(options: Namespace, grid: Grid) -> tuple[Plan, Method]:
    """Windows and method of the command line."""
    check_counts(options, {"nested": 0, "earlier_trials": 0})
    plan = Plan(
        train=options.train,
        test=options.test,
        step=options.step,
        anchored=options.anchored,
        purge=options.purge,
        embargo=options.embargo,
    )
    method = Method(
        rule=Rule(metric_of(options), options.choose == "plateau"),
        per_symbol=options.per_symbol,
        fold_end=options.fold_end,
        inner_folds=options.nested,
    )
    if method.per_symbol and grid.kind.trades_pairs:
        raise ConfigError([f"--per-symbol: {grid.kind.name} trades pairs, which need an account together"])
    return plan, method


def _figures(
    study: Study,
    grid: Grid,
    done: WalkForward,
    summary: Summary,
    found: Overfitting | None,
    held: Figures | None,
    said: str,
) -> dict[str, object]:
    return {
        "mode": "walk_forward",
        "strategy": grid.kind.name,
        "symbols": list(study.market.symbols),
        "candidates": len(grid),
        "folds": len(done.folds),
        "out_of_sample_first": str(done.dates[0]),
        "out_of_sample_last": str(done.dates[-1]),
        "opening_cash": done.opening,
        "final_nlv": float(done.equity[-1]),
        **done.figures.as_dict(),
        "fills": sum(one.fills for one in done.choices),
        **summary.as_dict(),
        "overfitting": None if found is None else found.as_dict(),
        "buy_and_hold": None if held is None else held.as_dict(),
        "verdict": said,
        "data_sha256": study.market.sha256,
    }


def _record(
    options: Namespace,
    plan: Plan,
    method: Method,
    grid: Grid,
    figures: dict[str, object],
    notes: list[str],
) -> Record:
    return Record(
        mode="walk_forward",
        options={
            "plan": {
                name: getattr(plan, name)
                for name in ("train", "test", "stride", "anchored", "purge", "embargo")
            },
            "metric": method.rule.metric,
            "choose": options.choose,
            "per_symbol": method.per_symbol,
            "fold_end": method.fold_end,
            "nested": method.inner_folds,
            "earlier_trials": options.earlier_trials,
            "space": {name: list(values) for name, values in _space(grid).items()},
        },
        seed=None,
        figures=figures,
        data_sha256=str(figures["data_sha256"]),
        notes=notes,
    )


def _space(grid: Grid) -> dict[str, list[float]]:
    return {name: sorted({values[name] for values in grid.values}) for name in grid.names}


def _report_data(study: Study, done: WalkForward, grid: Grid, found: Overfitting | None) -> ReportData:
    """Tear sheet of the stitched account; with several accounts, of their sum."""
    first = done.results[0]
    data = report_data(
        first, study.market if len(done.results) == 1 else study.market.only(0), study.loaded.settings,
    )  # fmt: skip
    dates = np.array([str(day) for day in done.dates], dtype="datetime64[D]")
    spans = []
    for fold in done.folds:
        begin, end = day_span(study.market, fold.test_sessions)
        spans.append((np.datetime64(begin), np.datetime64(end)))
    data = replace(
        data,
        title=f"Walk-forward of {grid.kind.name}",
        subtitle=f"{len(done.folds)} folds, {len(grid)} candidates, out of sample {done.dates[0]} to {done.dates[-1]}",
        out_of_sample=spans[1::2],
        overfitting=None
        if found is None
        else OverfittingData(
            trials=found.trials + found.earlier_trials,
            deflated_sharpe=found.deflated_sharpe,
            probability_of_overfitting=found.overfitting_probability,
            note="candidates of this study" + (" and earlier ones" if found.earlier_trials else ""),
        ),
    )
    if len(done.results) > 1:
        gross = np.sum([_session_gross(result) for result in done.results], axis=0)
        data = replace(
            data, dates=dates, opening=done.opening, nlv=done.equity, gross=gross, benchmark=None, curve=None,
            fills=None, bars={}, denials=None, max_drawdown=None,
        )  # fmt: skip
    return data


def _session_gross(result: BacktestResult) -> np.ndarray:
    last = np.flatnonzero(np.diff(result.session_of, append=-1))
    return np.asarray(result.gross_micros[last] / 1e6)


def _text(
    study: Study,
    grid: Grid,
    done: WalkForward,
    summary: Summary,
    found: Overfitting | None,
    held: Figures | None,
    said: str,
    notes: list[str],
) -> str:
    figures = done.figures
    accounts = f", {len(done.results)} accounts" if len(done.results) > 1 else ""
    rows = [
        ("walk-forward", f"{grid.kind.name}, {len(grid)} candidates, {len(done.folds)} folds{accounts}"),
        ("out of sample", f"{done.dates[0]} to {done.dates[-1]}, {len(done.dates):,} sessions"),
        ("equity", f"${done.opening:,.2f} to ${float(done.equity[-1]):,.2f}"),
        ("a year", f"{percent(figures.cagr, 2)}, volatility {percent(figures.volatility_annual, 2)}; in sample {percent(summary.in_sample_cagr, 2)}"),
        ("Sharpe ratio", f"{number(figures.sharpe)}; in sample {number(summary.in_sample_sharpe)} (mean of the chosen)"),
        ("efficiency", f"{_share(summary.efficiency)} of the growth, {_share(summary.sharpe_efficiency)} of the Sharpe ratio"),
        ("max drawdown", f"{percent(figures.max_drawdown, 2)} at session ends, {count(figures.longest_under_water)} sessions under water at most"),
        ("folds", f"{_share(summary.positive_folds)} with a gain; choice kept from fold to fold: {_share(summary.kept_parameters)}"),
        ("rank", f"{_share(summary.median_rank)} of the candidates did worse out of sample (median; a blind choice: 50%)"),
        *([] if held is None else [("buy and hold", f"{percent(held.cagr, 2)} a year, Sharpe ratio {number(held.sharpe)}, drawdown {percent(held.max_drawdown)} (the same symbols in equal parts, no costs)")]),
        *overfitting_rows(found),
        ("verdict", said),
    ]  # fmt: skip
    table = fold_table(done, study.market, most=24)
    lines = [f"{name:<14} {value}" for name, value in rows]
    return "\n".join(
        [
            *table_lines(table),
            *([table.note] if table.note else []),
            "",
            *lines,
            *(f"{'note':<14} {note}" for note in notes),
        ]
    )


def _share(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.0%}"
