"""Veto models of two features and feature snapshots, for tests: what a model says is set by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from core.config_schema import Settings, SizingSettings
from features.snapshot import SNAPSHOT_NAME, FeatureSnapshot, SymbolRow, write_snapshot
from ml.registry.writer import add_version, model_bytes, promote, roll_back
from portfolio.veto.manifest import MODEL_FILE, FeatureUse, Manifest, Signals, Training
from portfolio.veto.model import VetoModel
from portfolio.veto.traded import signals_of
from strategy.registry import create

FEATURES = ("ret_5", "rsi_14")
HOURS_NS = 3600 * 1_000_000_000


def hand_model(*, threshold: float = 0.5) -> VetoModel:
    """Log odds are ret_5, so that 0 is even; rsi_14 counts for nothing."""
    return VetoModel(
        features=FEATURES,
        centre=np.zeros(2),
        spread=np.ones(2),
        weights=np.array([1.0, 0.0]),
        intercept=0.0,
        trees=None,
        slope=1.0,
        offset=0.0,
        threshold=threshold,
        usual=np.zeros(2),
    )


def signals(strategy: str, *, stop_atr_multiple: float = 2.0, bar_size_s: int = 300) -> Signals:
    """What a strategy with its own defaults trades."""
    settings = Settings(sizing=SizingSettings(stop_atr_multiple=stop_atr_multiple))
    return signals_of(create(strategy, {}), settings, bar_size_s)


def hand_manifest(traded: Signals, *, passed: bool = True) -> Manifest:
    """A manifest without files."""
    training = Training(
        source="test",
        symbols=["IBM"],
        first="2001-01-02",
        last="2012-01-03",
        entries=200,
        data_sha256="none",
        seed=1,
    )
    return Manifest(
        schema=1,
        kind="logistic",
        signals=traded,
        features=[FeatureUse(name=name, version=1) for name in FEATURES],
        training=training,
        metrics={"gain": 1.0},
        passed=passed,
        verdict="made by hand",
        made="2012-01-04T00:00:00+00:00",
        code_version="test",
        libraries={},
        files={},
    )


def register(folder: Path, traded: Signals, *, threshold: float = 0.5, use: bool = True) -> Path:
    """Register a model made by hand, and perhaps put it to use; returns its folder."""
    own = folder / traded.strategy
    version = add_version(
        own, hand_manifest(traded), {MODEL_FILE: model_bytes(hand_model(threshold=threshold))}
    )
    if use:
        promote(own, version)
    return own / version


def publish(
    control: Path, close_ns: int, log_odds: Mapping[str, float], *, versions: Mapping[str, int] | None = None
) -> Path:
    """Publish a snapshot of the session that closed then: the model's log odds of each symbol."""
    snapshot = FeatureSnapshot(
        published_ns=0,
        versions=dict(versions or dict.fromkeys(FEATURES, 1)),
        rows={
            symbol: SymbolRow(
                event_ns=close_ns,
                available_ns=close_ns + 4 * HOURS_NS,
                values={"ret_5": value, "rsi_14": 50.0},
            )
            for symbol, value in log_odds.items()
        },
    )
    path = control / SNAPSHOT_NAME
    write_snapshot(path, snapshot)
    return path


def keep_registering(folder: Path) -> None:
    """Register, promote and roll back until killed: the target of a process."""
    for number in range(10_000):
        register(folder, signals("momentum"), threshold=(number % 10) / 10)
        if number % 3 == 2:
            roll_back(folder / "momentum")
