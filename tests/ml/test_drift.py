"""Drift: measures by hand, steps with hysteresis, and a report that restricts and releases."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from backtester.market import Market, align
from core.clock import SystemClock
from core.config_schema import Settings
from core.errors import Rejected
from core.restrictions import RestrictionFolder
from data.sources import Source, open_source
from ml.drift import command
from ml.drift.measures import (
    bias_of_forecasts,
    kolmogorov_smirnov,
    population_stability,
    worse_brier,
    worse_returns,
)
from ml.drift.page import lines_of
from ml.drift.run import DriftFolders, NoModel, run_drift
from ml.drift.steps import DriftState, Evidence, Level, Limits, Thresholds, drift_report
from ml.entries import feature_table
from ml.reference import Reference
from ml.registry.writer import add_version, model_bytes, promote
from portfolio.veto.manifest import MODEL_FILE, REFERENCE_FILE
from tests.veto_models import FEATURES, hand_manifest, hand_model, signals

GRID = np.linspace(0.0, 1.0, 101)
FIRST = date(2003, 12, 1)


def reference(**changes: float) -> Reference:
    made = Reference(
        quantiles={"a": GRID, "b": GRID},
        brier=0.24,
        calibration_error=0.02,
        mean_return=0.01,
        deviation=0.05,
        entries=200,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def evidence(
    shift: float = 0.0,
    *,
    won: float = 0.5,
    returns: float = 0.01,
    rows: int = 1_000,
    session: date = FIRST,
) -> Evidence:
    values = np.random.default_rng(1).random(rows) + shift
    outcomes = (np.arange(100) < 100 * won).astype(np.int64)
    return Evidence(
        session=session,
        features={"a": values, "b": values},
        probabilities=np.full(100, 0.5),
        won=outcomes,
        returns=returns + np.random.default_rng(2).permutation(np.linspace(-0.05, 0.05, 100)),
    )


def test_measures_by_hand() -> None:
    assert population_stability(GRID, np.random.default_rng(1).random(100_000)) < 0.01
    # All values in the uppermost tenth: nine bins hold the least share, one holds all.
    beyond = population_stability(GRID, np.full(50, 2.0))
    low, tenth = 1e-4, 1 / 10.1
    assert beyond == pytest.approx(
        (1 - 0.11) * math.log(1 / 0.11) + 9 * (low - tenth) * math.log(low / tenth), rel=0.05
    )
    assert kolmogorov_smirnov(GRID, GRID) == 0.0
    assert kolmogorov_smirnov(GRID, GRID + 0.25) == pytest.approx(0.25, abs=0.01)
    assert kolmogorov_smirnov(GRID, np.full(5, 9.0)) == pytest.approx(1.0)
    half = np.full(100, 0.5)
    assert bias_of_forecasts(half, np.r_[np.ones(60), np.zeros(40)].astype(np.int64)) == pytest.approx(2.0)
    assert worse_returns(np.full(25, 0.0), 0.01, 0.05) == pytest.approx(1.0)
    assert worse_brier(
        np.r_[np.full(50, 0.9), np.full(50, 0.1)], np.zeros(100, dtype=np.int64), 0.41
    ) == pytest.approx(0.0)


@pytest.mark.parametrize("measure", [population_stability, kolmogorov_smirnov])
def test_without_values_nothing_is_known(measure: object) -> None:
    assert math.isnan(measure(GRID, np.array([math.nan])))  # type: ignore[operator]


def test_whole_numbers_with_equal_quantiles_are_measured_too() -> None:
    weekdays = np.quantile(np.tile(np.arange(5.0), 100), GRID, method="inverted_cdf")
    assert population_stability(weekdays, np.tile(np.arange(5.0), 50)) < 0.05
    assert population_stability(weekdays, np.full(250, 4.0)) > 1.0


@pytest.mark.parametrize(
    ("changed", "level"),
    [
        (evidence(), Level.CALM),
        (evidence(0.32), Level.WARN),
        (evidence(0.45), Level.HALVE),
        (evidence(2.0), Level.STOP),
        (evidence(2.0, rows=50), Level.CALM),  # too few to count
        (evidence(won=0.61), Level.WARN),
        (evidence(won=0.3), Level.STOP),
        (evidence(returns=-0.001), Level.WARN),
        (evidence(returns=-0.02), Level.STOP),
    ],
)
def test_each_measure_leads_to_its_level(changed: Evidence, level: Level) -> None:
    # The stability index would be in the way of the steps of the distance.
    thresholds = Thresholds(stability=Limits(warn=90, halve=90, stop=90))
    report = drift_report("momentum", "0001", reference(), changed, DriftState(), thresholds=thresholds)
    assert report.asked is level, report.checks


def test_a_step_up_counts_at_once_and_a_step_down_after_three_calm_reports() -> None:
    def after(state: DriftState, shift: float, days: int) -> DriftState:
        changed = evidence(shift, session=FIRST + timedelta(days=days))
        return drift_report("momentum", "0001", reference(), changed, state).state

    state = after(DriftState(), 2.0, 0)
    assert state == DriftState(level=Level.STOP, session=FIRST)
    course = []
    for days in range(1, 10):
        state = after(state, 0.0, days)
        course.append(state.level)
    assert course == [Level.STOP] * 2 + [Level.HALVE] * 3 + [Level.WARN] * 3 + [Level.CALM]
    assert after(DriftState(level=Level.HALVE, calm=2), 2.0, 10).level is Level.STOP


def test_bars_that_reach_no_further_count_no_calm_report_but_a_step_up() -> None:
    before = DriftState(level=Level.HALVE, calm=2, session=FIRST)
    for days in (0, -5):  # the same night again, and an earlier one after it
        again = evidence(session=FIRST + timedelta(days=days))
        found = drift_report("momentum", "0001", reference(), again, before)
        assert (found.is_news, found.state) == (False, before)
        assert any("no calm report is counted" in line for line in lines_of(found))
    worse = drift_report("momentum", "0001", reference(), evidence(returns=-0.02), before)
    assert worse.state == DriftState(level=Level.STOP, session=FIRST)
    newer = evidence(session=FIRST + timedelta(days=1))
    assert drift_report("momentum", "0001", reference(), newer, before).state.level is Level.WARN


def test_what_lingers_just_below_its_limit_is_no_calm() -> None:
    before = DriftState(level=Level.WARN, calm=2)
    found = drift_report("momentum", "0001", reference(), evidence(won=0.59), before)
    assert found.asked is Level.CALM
    assert found.state == DriftState(level=Level.WARN, calm=0, session=FIRST)


def test_no_evidence_is_no_calm() -> None:
    nothing = Evidence(
        session=FIRST,
        features={},
        probabilities=np.empty(0),
        won=np.empty(0, dtype=np.int64),
        returns=np.empty(0),
    )
    before = DriftState(level=Level.HALVE, calm=2)
    found = drift_report("momentum", "0001", reference(), nothing, before)
    assert found.state == DriftState(level=Level.HALVE, calm=0, session=FIRST)


# --- acting ---


@pytest.fixture(scope="module")
def source() -> Source:
    return open_source("packaged", ["IBM", "MSFT"])


def until(source: Source, last: date) -> Market:
    return align(source.tables, source.calendar, settlement_days=1, until=last)


@pytest.fixture(scope="module")
def market(source: Source) -> Market:
    return until(source, date(2003, 12, 31))


def folders_of(market: Market, path: Path, shift: float, strategy: str = "momentum") -> DriftFolders:
    """A registry whose model was trained on features that lay so far from those of the market's last 250 sessions."""
    own = path / "models" / strategy
    values = feature_table(market, FEATURES).values[-250:]
    quantiles = {
        name: np.nanquantile(values[:, :, place], GRID) + shift * np.nanstd(values[:, :, place])
        for place, name in enumerate(FEATURES)
    }
    known = replace(reference(), quantiles=quantiles)
    files = {MODEL_FILE: model_bytes(hand_model()), REFERENCE_FILE: known.to_json()}
    promote(own, add_version(own, hand_manifest(signals(strategy)), files))
    return DriftFolders(
        registry=path / "models",
        reports=path / "drift",
        restrictions=RestrictionFolder(path / "state", SystemClock()),
    )


def test_a_report_restricts_and_releases_in_steps_and_keeps_a_record(
    source: Source, market: Market, tmp_path: Path
) -> None:
    far, near = folders_of(market, tmp_path, 5.0), None
    report = run_drift("momentum", Settings(), market, None, far)
    assert report.state.level is Level.STOP
    (stands,) = far.restrictions.standing().restrictions
    assert (stands.source, stands.strategy, stands.scale) == ("drift.momentum", "momentum", 0.0)
    assert "stability index" in stands.reason
    page = (tmp_path / "drift" / "momentum.html").read_text()
    assert "nothing is opened any more" in page
    kept = json.loads((tmp_path / "drift" / "momentum.json").read_text())
    assert (kept["level"], kept["session"]) == (3, "2003-12-31")

    near = folders_of(market, tmp_path, 0.0)  # a model of these features is promoted
    for _ in range(9):  # by nights whose bars nobody has updated
        run_drift("momentum", Settings(), market, None, near)
    assert near.restrictions.standing().scale_of("momentum") == 0.0
    assert "no calm report is counted" in (tmp_path / "drift" / "momentum.html").read_text()
    scales = []
    for day in (2, 5, 6, 7, 8, 9, 12, 13, 14):
        newer = until(source, date(2004, 1, day))
        run_drift("momentum", Settings(), newer, None, near)
        run_drift("momentum", Settings(), newer, None, near)  # once more
        scales.append(near.restrictions.standing().scale_of("momentum"))
    assert scales == [0.0] * 2 + [0.5] * 3 + [1.0] * 4
    assert near.restrictions.standing().restrictions == ()
    assert len(list((tmp_path / "state" / "restrictions" / "archive").glob("drift.momentum*.cleared"))) == 1
    run_drift("momentum", Settings(), market, None, near)  # an earlier night again
    assert json.loads((tmp_path / "drift" / "momentum.json").read_text())["session"] == "2004-01-14"


def test_a_report_that_was_cut_off_before_its_state_is_made_again_and_counts_once(
    source: Source, market: Market, tmp_path: Path
) -> None:
    folders = folders_of(market, tmp_path, 5.0)
    run_drift("momentum", Settings(), market, None, folders)
    state_file = tmp_path / "drift" / "momentum.json"
    state_file.write_bytes(
        state_file.read_bytes().replace(b'"calm":0', b'"calm":2')  # the next calm report is the third
    )
    assert b'"calm":2' in state_file.read_bytes()
    folders_of(market, tmp_path, 0.0)
    before, newer = state_file.read_bytes(), until(source, date(2004, 1, 2))
    run_drift("momentum", Settings(), newer, None, folders)
    after = state_file.read_bytes()
    state_file.write_bytes(before)  # killed when the restriction was written and the state wasn't
    run_drift("momentum", Settings(), newer, None, folders)
    assert state_file.read_bytes() == after
    assert folders.restrictions.standing().scale_of("momentum") == 0.5


def test_a_state_of_an_earlier_version_counts(market: Market, tmp_path: Path) -> None:
    folders = folders_of(market, tmp_path, 0.0)
    (tmp_path / "drift").mkdir()
    (tmp_path / "drift" / "momentum.json").write_text('{"level": 2, "calm": 1}')
    report = run_drift("momentum", Settings(), market, None, folders)
    assert report.state == DriftState(level=Level.HALVE, calm=2, session=date(2003, 12, 31))


def test_measuring_alone_changes_nothing(market: Market, tmp_path: Path) -> None:
    folders = folders_of(market, tmp_path, 5.0)
    assert run_drift("momentum", Settings(), market, None, folders, act=False).state.level is Level.STOP
    assert folders.restrictions.standing().restrictions == ()
    assert not (tmp_path / "drift" / "momentum.json").exists()


def test_without_a_model_or_with_a_damaged_memory_it_is_said_and_nothing_is_released(
    market: Market, tmp_path: Path
) -> None:
    folders = folders_of(market, tmp_path, 5.0)
    with pytest.raises(NoModel, match="no model is in use"):
        run_drift("mean_reversion", Settings(), market, None, folders)
    run_drift("momentum", Settings(), market, None, folders)
    (tmp_path / "drift" / "momentum.json").write_text("{")
    with pytest.raises(Rejected, match="the restriction stands"):
        run_drift("momentum", Settings(), market, None, folders)
    assert folders.restrictions.standing().scale_of("momentum") == 0.0


def test_the_command_tells_levels_and_how_features_move_in_ordinary_times(
    market: Market, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders_of(market, tmp_path, 5.0)
    (tmp_path / "config.yaml").write_text("universe: {symbols: [IBM]}\nstrategies: [{name: momentum}]\n")
    words = [
        "--data",
        "packaged",
        "--config",
        str(tmp_path / "config.yaml"),
        "--registry",
        str(tmp_path / "models"),
    ]
    assert command.main([*words, "--dry-run"]) == 0
    assert "level " in capsys.readouterr().out
    assert command.main([*words, "--history"]) == 0
    assert "windows of 250 sessions, 5 symbols" in capsys.readouterr().out


def test_one_damaged_model_keeps_no_other_strategy_from_being_measured(
    market: Market, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for strategy in ("momentum", "mean_reversion"):
        folders_of(market, tmp_path, 5.0, strategy)
    damaged = tmp_path / "models" / "momentum" / "0001" / MODEL_FILE
    damaged.chmod(0o644)
    damaged.write_bytes(damaged.read_bytes() + b" ")
    traded = ", ".join(
        f"{{name: {name}, weight: 0.3}}" for name in ("momentum", "donchian", "mean_reversion")
    )
    (tmp_path / "config.yaml").write_text(f"universe: {{symbols: [IBM]}}\nstrategies: [{traded}]\n")
    words = ["--data", "packaged", "--config", str(tmp_path / "config.yaml")]
    assert command.main([*words, "--registry", str(tmp_path / "models")]) == 1
    told = capsys.readouterr()
    assert "momentum: not measured: " in told.err
    assert "SHA-256" in told.err
    assert "no model is in use" in told.out
    assert "mean_reversion 0001: level " in told.out
    assert (tmp_path / "results" / "drift" / "mean_reversion.json").exists()
    assert not (tmp_path / "results" / "drift" / "momentum.json").exists()
