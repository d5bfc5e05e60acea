"""Run a Monte Carlo for the command line: folder, page with its fan, picture, text."""

from __future__ import annotations

import math
from argparse import Namespace
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from backtester.batch import Window
from backtester.progress import progress
from backtester.result import BacktestResult
from backtester.run import run_backtest
from backtester.study import Study
from backtester.validation import monte_carlo as mc
from backtester.validation.block_length import optimal_block_length
from backtester.validation.bootstrap import CIRCULAR, SHUFFLE, STATIONARY, Draw, simulate_paths
from backtester.validation.command import check_counts
from backtester.validation.figures import figures_of, returns_of
from backtester.validation.monte_carlo_page import monte_carlo_page, verdict
from backtester.validation.pages import write_pages
from backtester.validation.resampling import Resampler, last_closes
from backtester.validation.study_folder import Frame, Record, plain, write_study
from core.errors import ConfigError
from performance.tear_sheet.report_data import Fan
from portfolio.risk_manager import SESSIONS_PER_YEAR

FloatArray = npt.NDArray[np.float64]
FAN_PERCENTILES = (5.0, 25.0, 50.0, 75.0, 95.0)
FAN_POINTS = 120
MANY_PATHS, FEW_PATHS = 10_000, 200
_FEWEST_RETURNS = 20
_AGAIN = ("parameters", "costs", "prices")
"""Methods that run the strategy again on every path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What a method found.

    ``levels`` are equity (from 1) of shape (paths, places) after ``places`` sessions (or round trips); ``details`` say how it was
    drawn, ``columns`` what was drawn for each path.
    """

    outcomes: mc.Outcomes
    levels: FloatArray
    places: npt.NDArray[np.int64]
    details: dict[str, object]
    columns: dict[str, list[object]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def run_monte_carlo(options: Namespace, study: Study) -> tuple[str, dict[str, object]]:
    """Run it and write its folder; return the text for a terminal and the figures for JSON.

    Raises
    ------
    ConfigError
        For options that can't be, and runs that leave nothing to draw from.
    """
    _check(options)
    settings, market = study.loaded.settings, study.market
    base = run_backtest(settings, market, study.strategies, study.weights, first_bar=study.first_bar)
    simulation = _simulate(options, study, base)
    own = figures_of(_session_returns(base))
    summary = mc.summarise_outcomes(simulation.outcomes, options.ruin)
    said = verdict(options.method, summary, own.max_drawdown)
    notes = [*dict.fromkeys(market.notes), *simulation.notes]
    figures: dict[str, object] = {
        "mode": "monte_carlo",
        "method": options.method,
        "strategies": {one.name: weight for one, weight in zip(study.strategies, study.weights, strict=True)},
        "symbols": list(market.symbols),
        "seed": options.seed,
        **simulation.details,
        **summary,
        "run": own.as_dict(),
        "verdict": said,
        "data_sha256": market.sha256,
    }
    used = {
        name: getattr(options, name)
        for name in ("method", "paths", "horizon", "block", "ruin", "jitter", "seed")
    }
    record = Record(
        mode="monte_carlo", options={**used, **simulation.details}, seed=options.seed, figures=figures,
        data_sha256=market.sha256, notes=notes,
    )  # fmt: skip
    fan = _fan(options, simulation, base)
    folder = write_study(study.loaded, record, [_path_frame(simulation), _fan_frame(fan, simulation)])
    page = monte_carlo_page(options.method, figures, simulation.outcomes, fan, base, notes)
    lines = write_pages(options, folder, page, lambda path: _picture(page.title, fan, simulation, path))
    body = plain({**figures, "folder": str(folder)})
    assert isinstance(body, dict)
    return "\n".join([_text(options, study, figures, notes), f"results: {folder}", *lines]), body


def _check(options: Namespace) -> None:
    check_counts(options, {"paths": 1, "horizon": 1})
    problems = []
    if not 0.0 < options.ruin <= 1.0:
        problems.append(f"--ruin {options.ruin:g}: must be above 0, at most 1")
    if not 0.0 < options.jitter < 1.0:
        problems.append(f"--jitter {options.jitter:g}: must be above 0, below 1")
    if options.horizon is not None and options.method not in {STATIONARY, CIRCULAR}:
        problems.append(f"--horizon: --method {options.method} has as many sessions as the run")
    if options.block is not None and options.method not in {STATIONARY, CIRCULAR, "prices"}:
        problems.append(f"--block: --method {options.method} draws no blocks")
    if problems:
        raise ConfigError(problems)


def _session_returns(result: BacktestResult) -> FloatArray:
    return returns_of(np.concatenate([[float(result.opening_cash)], result.session_closes()]))


def _block(options: Namespace, returns: FloatArray, kind: str, sessions: int) -> tuple[float, str]:
    """Mean block length in sessions, and where it comes from: ``returns`` are those of sessions, of which so many are drawn."""
    if options.block in {None, "auto"}:
        stationary, circular = optimal_block_length(returns)
        found = round(circular) if kind == CIRCULAR else stationary
        return max(float(found), 1.0), "automatic"
    try:
        length = float(options.block)
    except ValueError:
        length = math.nan
    if not 1.0 <= length <= sessions:
        raise ConfigError([f"--block {options.block}: must be auto or 1 to {sessions} sessions"])
    return length, "given"


def _simulate(options: Namespace, study: Study, base: BacktestResult) -> Simulation:
    paths = options.paths or (FEW_PATHS if options.method in _AGAIN else MANY_PATHS)
    if not len(base.fill_table):
        raise ConfigError(
            ["the run traded nothing: there is nothing to draw from (--mode single lists the denials)"]
        )
    if options.method in _AGAIN:
        return _again(options, study, paths)
    if options.method == "trades":
        return _shuffled(options, study, base, paths)
    returns = _session_returns(base)
    if len(returns) < _FEWEST_RETURNS:
        raise ConfigError(
            [f"the run has {len(returns)} sessions; a bootstrap needs at least {_FEWEST_RETURNS}"]
        )
    block, origin = _block(options, returns, options.method, len(returns))
    horizon = options.horizon or len(returns)
    draw = Draw(kind=options.method, block=block, horizon=horizon, paths=paths, seed=options.seed)
    with progress("paths", paths) as on_done:
        drawn = simulate_paths(returns, draw, checkpoints=FAN_POINTS, on_done=on_done)
    return Simulation(
        outcomes=mc.Outcomes.of_paths(drawn, horizon),
        levels=drawn.levels,
        places=drawn.checkpoints,
        details={"horizon_sessions": horizon, "block_sessions": draw.block, "block": origin},
    )


def _shuffled(options: Namespace, study: Study, base: BacktestResult, paths: int) -> Simulation:
    trips = mc.round_trip_returns(base, study.market)
    if len(trips) < 2:
        raise ConfigError([f"--method trades: the run has {len(trips)} closed round trips; two are needed"])
    draw = Draw(kind=SHUFFLE, paths=paths, seed=options.seed)
    with progress("paths", paths) as on_done:
        drawn = simulate_paths(
            np.maximum(trips, -1.0), draw, checkpoints=min(FAN_POINTS, len(trips)), on_done=on_done
        )
    return Simulation(
        outcomes=mc.Outcomes.of_paths(drawn, len(_session_returns(base))),
        levels=drawn.levels,
        places=drawn.checkpoints,
        details={"round_trips": len(trips)},
        notes=(
            (
                "round trips are taken one after the other: their sum stays, drawdowns are of closed round trips, and "
                "under water counts round trips"
            ),
        ),
    )


def _again(options: Namespace, study: Study, paths: int) -> Simulation:
    settings, market = study.loaded.settings, study.market
    details: dict[str, object] = {}
    columns: dict[str, list[object]] = {}
    first = study.first_bar
    with progress(f"runs with other {options.method}", paths) as on_done:
        if options.method == "parameters":
            if len(study.strategies) != 1:
                raise ConfigError(["--method parameters: takes one strategy: choose one by --strategy"])
            try:
                drawn = mc.jittered_parameters(study.strategies[0], paths, options.jitter, options.seed)
            except ValueError as error:
                raise ConfigError([f"--jitter {options.jitter:g}: {error}"]) from None
            columns = {
                spec.name: [getattr(one.parameters, spec.name) for one in drawn]
                for spec in study.strategies[0].kind.specs
            }
            details = {"jitter": options.jitter}
            window = Window(first=first, end=len(market.end_ns))
            outcomes, returns = mc.run_parameters(settings, market, drawn, study.weights[0], window, on_done)
        elif options.method == "costs":
            costs = mc.jittered_costs(settings, paths, options.jitter, options.seed)
            columns = {name: [getattr(one.backtest, name) for one in costs] for name in mc.COSTS}
            details = {"jitter": options.jitter}
            window = Window(first=first, end=len(market.end_ns))
            outcomes, returns = mc.run_costs(costs, market, study.strategies, study.weights, window, on_done)
        else:
            # The warm-up stays as it was, so that every path begins where the market did.
            warm = max(first, int(np.searchsorted(market.clock.session, market.clock.session[0] + 1)))
            closes = last_closes(market, warm)
            changes = np.diff(np.log(closes), axis=0)
            known = np.nanmean(changes[~np.isnan(changes).all(axis=1)], axis=1)
            block, origin = _block(options, known**2, STATIONARY, len(closes))
            draw = Draw(kind=STATIONARY, block=block, paths=paths, seed=options.seed)
            details = {"block_sessions": block, "block": origin, "first_resampled_bar": warm}
            window = Window(first=warm, end=len(market.end_ns))
            resampler = Resampler(market, warm, draw)
            outcomes, returns = mc.run_prices(
                settings, resampler, paths, study.strategies, study.weights, window, on_done
            )
    sessions = returns.shape[1]
    places = np.unique(np.linspace(0, sessions, FAN_POINTS + 1).round().astype(np.int64)[1:])
    levels: FloatArray = np.asarray(np.cumprod(1.0 + returns, axis=1)[:, places - 1], dtype=np.float64)
    return Simulation(
        outcomes=outcomes, levels=levels, places=places, details={**details, "horizon_sessions": sessions}, columns=columns
    )  # fmt: skip


def _fan(options: Namespace, simulation: Simulation, base: BacktestResult) -> Fan:
    """Percentiles of equity at places; by date where the paths stand for the run's own sessions, else from its end on."""
    cash = float(base.opening_cash)
    curves = np.percentile(simulation.levels, FAN_PERCENTILES, axis=0) * cash
    last = np.unique(base.session_of)
    days = np.array([base.sessions[number] for number in last.tolist()], dtype="datetime64[D]")
    if options.method == "trades":
        # Round trips have no dates of their own; they are spread over the run.
        trips = int(simulation.places[-1])
        places = np.maximum((simulation.places * len(days)) // trips, 1)
    else:
        places = simulation.places
    if int(places[-1]) > len(days):
        steps = np.round(places * 365.25 / SESSIONS_PER_YEAR).astype(np.int64).tolist()
        times = days[-1] + np.array(steps, dtype="timedelta64[D]")
    else:
        times = days[places - 1]
    return Fan(
        times=times,
        percentiles=FAN_PERCENTILES,
        curves=curves,
        note=f"Equity of {simulation.levels.shape[0]:,} paths, method {options.method}, seed {options.seed}: each band is a share of the paths at its time.",
    )


def _path_frame(simulation: Simulation) -> Frame:
    outcomes = simulation.outcomes
    names = ("total_return", "cagr", "max_drawdown", "under_water", "lowest", "sharpe", "fills")
    found = {name: getattr(outcomes, name) for name in names}
    columns: dict[str, list[object]] = {
        "path": list(range(1, len(outcomes.total_return) + 1)),
        **simulation.columns,
    }
    columns |= {name: values.tolist() for name, values in found.items() if values is not None}
    return Frame(name="paths", columns=columns)


def _fan_frame(fan: Fan, simulation: Simulation) -> Frame:
    return Frame(
        name="fan",
        columns={
            "after": simulation.places.tolist(),
            "date": [str(day) for day in fan.times],
            **{
                f"p{share:g}": curve.tolist()
                for share, curve in zip(fan.percentiles, fan.curves, strict=True)
            },
        },
    )


def _picture(title: str, fan: Fan, simulation: Simulation, path: Path) -> Path:
    from backtester.validation.pictures import write_fan_picture  # noqa: PLC0415 (matplotlib is slow to load)

    outcomes = simulation.outcomes
    return write_fan_picture(title, fan, outcomes.max_drawdown, outcomes.total_return, path)


def _text(options: Namespace, study: Study, figures: dict[str, object], notes: list[str]) -> str:
    names = ", ".join(one.name for one in study.strategies)
    details = ", ".join(
        f"{name.replace('_', ' ')} {_short(figures[name])}"
        for name in ("block_sessions", "horizon_sessions", "round_trips", "jitter")
        if name in figures
    )
    run = figures["run"]
    assert isinstance(run, dict)
    rows = [
        ("monte carlo", f"{names}, method {options.method}, {figures['paths']:,} paths, seed {options.seed}"),
        ("", details),
        ("the run", f"{run['total_return']:.1%} in all, {run['cagr']:.1%} a year, drawdown {run['max_drawdown']:.1%}, {run['longest_under_water']:.0f} sessions under water"),
        ("percentiles", "".join(f"{f'{share}%':>9}" for share in mc.SHARES)),
    ]  # fmt: skip
    units = "round trips" if options.method == "trades" else "sessions"
    for name, title, form in (
        ("total_return", "total return", "{:>9.1%}"),
        ("cagr", "a year", "{:>9.1%}"),
        ("max_drawdown", "max drawdown", "{:>9.1%}"),
        ("under_water", "under water", "{:>9.0f}"),
        ("sharpe", "Sharpe ratio", "{:>9.2f}"),
        ("fills", "fills", "{:>9.0f}"),
    ):
        values = figures.get(name)
        if isinstance(values, dict) and values:
            unit = f"  {units}" if name == "under_water" else ""
            rows.append((title, "".join(form.format(values[f"p{share}"]) for share in mc.SHARES) + unit))
    if options.method == "trades":
        # The order of round trips changes neither what they earn together nor its risk at the end.
        rows = [row for row in rows if row[0] not in {"total return", "a year"}]
    else:
        rows += _risk_rows(options, figures)
    rows.append(("verdict", str(figures["verdict"])))
    return "\n".join(
        [*(f"{name:<14} {value}" for name, value in rows), *(f"{'note':<14} {one}" for one in notes)]
    )


def _risk_rows(options: Namespace, figures: dict[str, object]) -> list[tuple[str, str]]:
    return [
        ("value at risk", f"95%: {figures['value_at_risk_95']:.1%}, 99%: {figures['value_at_risk_99']:.1%} of the opening equity over the horizon (negative: a gain)"),
        ("beyond it", f"mean loss 95%: {figures['conditional_value_at_risk_95']:.1%}, 99%: {figures['conditional_value_at_risk_99']:.1%}"),
        ("probability", f"of a loss {figures['probability_of_loss']:.1%}, of ever losing {options.ruin:.0%} {figures['probability_of_ruin']:.2%}"),
    ]  # fmt: skip


def _short(value: object) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"
