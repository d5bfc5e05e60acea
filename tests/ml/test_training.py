"""From bars to a verdict: training sets that can't see the future, an edge that is found, and noise that is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from backtester.market import Market, align
from core.config_schema import Settings
from data.sources import open_source
from features.catalogue import compute
from features.panel import panel_of
from ml import ml_model_trainer
from ml.daily import daily_tables
from ml.entries import Entries, label_entries
from ml.evaluation import calibration_error, figures_of, gain_of, verdict_on, walk_forward
from ml.fitting import (
    EMBARGO_DAYS,
    NS_PER_DAY,
    Kind,
    best_of,
    best_threshold,
    fit_best,
    fit_kind,
    purged_splits,
)
from ml.registry.writer import listed, model_bytes
from ml.training import NothingToTrain, train
from portfolio.veto.manifest import CARD_FILE, MODEL_FILE
from strategy.registry import create

SETTINGS = Settings()


@pytest.fixture(scope="module")
def market() -> Market:
    source = open_source("packaged", ["AAPL", "IBM", "MSFT"])
    return align(source.tables, source.calendar, settlement_days=1, until=date(2006, 12, 29))


def made(count: int = 300, *, edge: float = 0.0, seed: int = 1) -> Entries:
    """Entries of which the first feature tells something: with ``edge``, whether they win."""
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(count, 3))
    chance = 1 / (1 + np.exp(-edge * rows[:, 0]))
    won = generator.random(count) < chance
    days = np.sort(generator.integers(0, 3650, count))
    decided = days * NS_PER_DAY
    return Entries(
        names=("a", "b", "c"),
        rows=rows,
        symbols=("IBM",) * count,
        sides=np.ones(count, dtype=np.int64),
        decided_ns=decided,
        ended_ns=decided + generator.integers(1, 15, count) * NS_PER_DAY,
        earned=np.where(won, 1.0, -1.0) * generator.uniform(50, 150, count),
        staked=np.full(count, 10_000.0),
        left_out={},
    )


# --- the training set ---


def test_features_are_of_the_session_before_the_entry(market: Market) -> None:
    entries = label_entries(
        SETTINGS, market, create("donchian", {}), weight=0.5, features=("ret_1", "rsi_14")
    )
    assert len(entries) > 30
    tables = daily_tables(market)
    panel = panel_of(tables)
    values = compute(panel, ("ret_1", "rsi_14"))
    for place in range(0, len(entries), 5):
        symbol = entries.symbols[place]
        closes = tables[symbol].end_ns
        before = int(np.searchsorted(closes, entries.decided_ns[place], side="left")) - 1
        day, column = before, panel.symbols.index(symbol)
        assert closes[before] < entries.decided_ns[place]
        assert entries.rows[place].tolist() == [values["ret_1"][day, column], values["rsi_14"][day, column]]


def test_the_future_changes_neither_features_nor_labels_of_what_has_ended(market: Market) -> None:
    strategy, cut = create("donchian", {}), len(market.end_ns) * 2 // 3
    whole = label_entries(SETTINGS, market, strategy, weight=0.5)
    bars = market.bars.copy()
    bars[cut:, :, :4] *= np.linspace(1.5, 3.0, len(bars) - cut)[:, None, None]
    other = label_entries(SETTINGS, replace(market, bars=bars), strategy, weight=0.5)
    known = whole.ended_ns < market.end_ns[cut]
    before, after = whole.part(known), other.part(other.ended_ns < market.end_ns[cut])
    assert len(before) > 20
    for name in ("rows", "decided_ns", "ended_ns", "earned", "staked"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))


def test_daily_bars_are_put_together_from_those_of_a_session(market: Market) -> None:
    tables = daily_tables(market)
    known = ~np.isnan(market.bars[:, 1, 3])
    np.testing.assert_array_equal(tables["IBM"].close, market.bars[known, 1, 3])
    np.testing.assert_array_equal(tables["IBM"].end_ns, market.end_ns[known])


def test_pairs_are_refused(market: Market) -> None:
    pairs = create("pairs", {}, (("AAPL", "IBM"),))
    with pytest.raises(ValueError, match="trades pairs"):
        label_entries(SETTINGS, market, pairs, weight=0.5)


# --- splits, thresholds, figures ---


def test_no_training_entry_touches_the_life_of_a_tested_one_and_what_follows_is_embargoed() -> None:
    entries = made(300)
    splits = list(purged_splits(entries))
    assert len(splits) == 10
    tested = np.zeros(len(entries))
    for train_mask, test in splits:
        tested += test
        for place in np.flatnonzero(test):
            first, last = entries.decided_ns[place], entries.ended_ns[place]
            touches = (entries.decided_ns <= last) & (entries.ended_ns >= first)
            assert not (touches & train_mask).any()
            soon = (entries.decided_ns > first) & (entries.decided_ns <= first + EMBARGO_DAYS * NS_PER_DAY)
            assert not (soon & train_mask).any()
    assert set(tested) == {4.0}


def test_the_threshold_is_the_one_that_earned_most_and_none_when_all_earned() -> None:
    likely = np.linspace(0.0, 1.0, 101)
    earned = np.where(likely < 0.3, -1.0, 1.0)
    assert best_threshold(likely, earned) == pytest.approx(0.3)
    assert best_threshold(likely, np.ones(101)) == 0.0


def test_the_gain_is_counted_by_months_and_its_interval_holds_it() -> None:
    months = np.array([f"20{year:02d}-{month:02d}-15" for year in range(1, 9) for month in range(1, 13)])
    decided = months.astype("datetime64[ns]").astype(np.int64)
    saved = np.random.default_rng(1).normal(5.0, 10.0, len(months))
    gain = gain_of(decided, saved, seed=1)
    assert gain.value == pytest.approx(saved.sum())
    assert gain.low < gain.value < gain.high
    assert gain == gain_of(decided, saved, seed=1)
    assert gain.high - gain.low == pytest.approx(2 * 1.96 * 10.0 * np.sqrt(len(months)), rel=0.4)


def test_calibration_error_by_hand() -> None:
    assert calibration_error(np.array([0.25, 0.25, 0.75, 0.75]), np.array([0, 0, 1, 1])) == pytest.approx(
        0.25
    )
    assert calibration_error(np.array([0.2, 0.2, 0.2, 0.2, 0.2]), np.array([1, 0, 0, 0, 0])) == pytest.approx(
        0
    )


def test_a_planted_edge_passes() -> None:
    figures = figures_of(walk_forward(made(edge=2.0), seed=1)["best"], seed=1)
    passed, verdict = verdict_on(figures)
    assert passed, verdict
    assert figures.auc is not None
    assert figures.auc > 0.7
    assert figures.brier < figures.brier_of_base


def test_noise_is_refused() -> None:
    figures = figures_of(walk_forward(made(), seed=1)["best"], seed=1)
    assert not verdict_on(figures)[0]


def test_an_edge_of_the_past_alone_is_refused() -> None:
    entries = made(edge=2.0)
    turned = np.arange(len(entries)) > len(entries) * 0.4
    gone = replace(
        entries, earned=np.where(turned, np.random.default_rng(2).permutation(entries.earned), entries.earned)
    )
    figures = figures_of(walk_forward(gone, seed=1)["best"], seed=1)
    assert not verdict_on(figures)[0]


def test_calibrated_forecasts_come_true_as_often_as_they_say() -> None:
    entries = made(2_000, edge=2.0)
    fitted = fit_kind(Kind.LOGISTIC, entries, seed=1)
    assert fitted is not None
    fresh = made(2_000, edge=2.0, seed=9)
    assert calibration_error(fitted.model.probabilities(fresh.rows), fresh.won) < 0.05


# --- the whole ---


def test_a_training_is_registered_with_its_card_and_is_the_same_again(market: Market, tmp_path: Path) -> None:
    def run(folder: Path, features: Sequence[str] = ("ret_5", "rsi_14", "vol_20")):
        strategy = create("donchian", {})
        return train(SETTINGS, market, strategy, source="packaged", registry=folder, features=features)

    first = run(tmp_path / "a")
    assert first.version == "0001"
    assert not first.manifest.passed
    assert not first.promoted
    again = best_of(fit_best(first.entries, seed=1))
    written = (tmp_path / "a" / "donchian" / "0001" / MODEL_FILE).read_bytes()
    assert written == model_bytes(again.model)
    card = (tmp_path / "a" / "donchian" / "0001" / CARD_FILE).read_text()
    assert "Refused" in card
    assert "ret_5" in card
    manifest = listed(tmp_path / "a" / "donchian")[0].manifest
    assert manifest is not None
    assert manifest.training.data_sha256 == market.sha256
    assert manifest.signals.bar_size_s == 86_400
    assert manifest.versions == {"ret_5": 1, "rsi_14": 1, "vol_20": 1}


def test_too_little_to_train_on_is_said(market: Market) -> None:
    with pytest.raises(NothingToTrain, match=r"buy_and_hold: \d+ entries are too few"):
        train(SETTINGS, market, create("buy_and_hold", {}), source="packaged", registry=None)


def test_the_command_refuses_with_the_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--strategy", "momentum", "--symbols", "IBM,MSFT", "--registry", str(tmp_path)]
    assert ml_model_trainer.main(words) == 1
    told = capsys.readouterr().out
    assert "REFUSED: only" in told
    assert "registered as momentum 0001, not in use" in told
    assert ml_model_trainer.main([*words, "--features", "ret_5,nothing"]) == 2
    assert "nothing is none of" in capsys.readouterr().err
    assert ml_model_trainer.main(["--strategy", "momentun"]) == 2
    assert "did you mean momentum" in capsys.readouterr().err
