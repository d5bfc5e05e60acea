"""All guards over one study: the cheap ones after every run, the experiments when they are asked for."""

from __future__ import annotations

from functools import partial

from backtester.guards.data_bias import data_holes, survivorship
from backtester.guards.look_ahead import CUTS, look_ahead_in_decisions, look_ahead_in_signals
from backtester.guards.recursion import STRETCHES, recursion_warnings, warmup_need
from backtester.guards.too_good import too_good
from backtester.guards.warnings import BiasWarning, Guard, GuardReport
from backtester.market import Market
from backtester.result import BacktestResult
from backtester.run import run_backtest
from backtester.scan import scan_signals
from backtester.study import Study


def cheap_warnings(study: Study, result: BacktestResult) -> list[BiasWarning]:
    """Survivorship, holes and figures that are too good: what costs no second run."""
    return [
        *survivorship(study.market, study.source.chosen_later),
        *data_holes(study.market),
        *too_good(result, study.market),
    ]


def run_guards(study: Study, result: BacktestResult) -> GuardReport:
    """Run every guard; the experiments scan the strategies some dozens of times and trade a few times."""
    settings, market = study.loaded.settings, study.market
    bars = market.signal_bars()
    names = tuple(one.name for one in study.strategies)

    def trade(some: Market) -> BacktestResult:
        return run_backtest(settings, some, study.strategies, study.weights, first_bar=study.first_bar)

    needs = [
        need
        for one in study.strategies
        if (
            need := warmup_need(
                partial(scan_signals, [one]),
                bars,
                one.name,
                declared=one.warmup_bars,
                given=settings.bars.warmup_bars,
            )
        )
        is not None
    ]
    needed = ", ".join(f"{one.strategy} {one.needed or f'more than {one.longest}'}" for one in needs)
    return GuardReport(
        warnings=(
            *look_ahead_in_signals(partial(scan_signals, study.strategies), bars, names, market.symbols),
            *look_ahead_in_decisions(trade, market, first_bar=study.first_bar),
            *recursion_warnings(needs),
            *cheap_warnings(study, result),
        ),
        ran=(
            (
                Guard.LOOK_AHEAD,
                f"signals and decisions with the bars cut at {CUTS} places, and twice on made-up ones",
            ),
            (
                Guard.RECURSION,
                f"bars of warm-up needed in {STRETCHES} stretches: {needed or 'too few bars to say'}",
            ),
            (Guard.SURVIVORSHIP, f"{len(market.symbols)} symbols from {study.source.name}"),
            (Guard.HOLES, f"{len(market.end_ns):,} bar ends"),
            (Guard.TOO_GOOD, f"{len(result.fill_table):,} fills"),
        ),
    )
