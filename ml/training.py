"""Trains a veto for one strategy and registers it, whether it passed or not; `train` is what the nightly flow calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path

from backtester.market import Market
from core.code_version import code_version
from core.config_schema import Settings
from core.errors import Rejected
from features.catalogue import FEATURES
from ml.entries import DEFAULT_FEATURES, Entries, feature_table, label_entries
from ml.evaluation import Figures, OutOfSample, figures_of, verdict_on, walk_forward
from ml.fitting import Fitted, best_of, fit_best
from ml.labels import Barriers
from ml.reference import reference_of
from ml.registry.card import card_bytes
from ml.registry.writer import add_version, model_bytes, promote
from portfolio.veto.manifest import (
    CARD_FILE,
    MODEL_FILE,
    REFERENCE_FILE,
    FeatureUse,
    Manifest,
    Training,
)
from portfolio.veto.traded import signals_of
from strategy.base import Strategy

_LIBRARIES = ("numpy", "scikit-learn", "skfolio")


class NothingToTrain(Rejected):
    """There are too few entries for any model."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained:
    """What a training found.

    Attributes
    ----------
    entries
        The training set.
    fitted
        The model, fitted to all of it.
    out_of_sample, figures
        By way of choosing: ``logistic``, ``boosting``, and ``best``, which decides.
    manifest
        As registered, but for the hashes of the files.
    version
        In the registry; None when it wasn't written there.
    promoted
        Whether it is in use now.
    """

    entries: Entries
    fitted: Fitted
    out_of_sample: dict[str, OutOfSample]
    figures: dict[str, Figures]
    manifest: Manifest
    version: str | None
    promoted: bool


def train(
    settings: Settings,
    market: Market,
    strategy: Strategy,
    *,
    source: str,
    registry: Path | None,
    weight: float = 1.0,
    features: Sequence[str] = DEFAULT_FEATURES,
    barriers: Barriers | None = None,
    seed: int = 1,
    use: bool = True,
    on_done: Callable[[int], None] = lambda _tests: None,
) -> Trained:
    """Label a strategy's entries, judge a veto out of sample, fit it to all of them and register it.

    Parameters
    ----------
    settings
        Sizes, stops and costs.
    market, source
        Bars of the size that is traded, and what they are, for the manifest.
    strategy, weight
        One that trades single symbols, and its share of the equity.
    registry
        Folder such as ``models/veto``; None to write nothing.
    features, barriers, seed
        See `ml.entries`; the same seed gives the same model, byte for byte.
    use
        Whether a model that passes is put to use at once.
    on_done
        Called with 1 after each test of the walk-forward, of which there are `ml.evaluation.TESTS`.

    Raises
    ------
    NothingToTrain
        With too few entries, or entries that all ended alike.
    """
    entries = label_entries(settings, market, strategy, weight=weight, features=features, barriers=barriers)
    fitted = fit_best(entries, seed=seed) if len(entries) else {}
    if not fitted:
        left = ", ".join(f"{count} left out because {why}" for why, count in entries.left_out.items())
        raise NothingToTrain(
            f"{strategy.name}: {len(entries)} entries are too few for a model"
            + (f" ({left})" if left else "")
        )
    best = best_of(fitted)
    found = walk_forward(entries, seed=seed, on_done=on_done)
    figures = {name: figures_of(one, seed=seed) for name, one in found.items()}
    passed, verdict = verdict_on(figures["best"])
    manifest = Manifest(
        schema=1,
        kind=best.kind.value,
        signals=signals_of(strategy, settings, market.size_s),
        features=[FeatureUse(name=name, version=FEATURES[name].version) for name in entries.names],
        training=_training_of(entries, market, source=source, seed=seed),
        metrics=figures["best"].as_metrics(),
        passed=passed,
        verdict=verdict,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        code_version=code_version(),
        libraries={name: installed(name) for name in _LIBRARIES},
        files={},
    )
    trained = Trained(
        entries=entries,
        fitted=best,
        out_of_sample=found,
        figures=figures,
        manifest=manifest,
        version=None,
        promoted=False,
    )
    return trained if registry is None else _registered(trained, market, registry / strategy.name, use=use)


def _training_of(entries: Entries, market: Market, *, source: str, seed: int) -> Training:
    return Training(
        source=source,
        symbols=list(market.symbols),
        first=_day(int(entries.decided_ns[0])),
        last=_day(int(entries.ended_ns.max())),
        entries=len(entries),
        data_sha256=market.sha256,
        seed=seed,
    )


def _registered(trained: Trained, market: Market, folder: Path, *, use: bool) -> Trained:
    """Write a model with its card and reference as the next version; put it to use if it has passed and ``use`` is set."""
    entries, found, best = trained.entries, trained.out_of_sample, trained.figures["best"]
    table = feature_table(market, entries.names).values
    reference = reference_of(
        entries.names,
        table.reshape(-1, len(entries.names)),
        found["best"],
        brier=best.brier,
        calibration_error=best.calibration_error,
    )
    model, manifest = trained.fitted.model, trained.manifest
    files = {
        MODEL_FILE: model_bytes(model),
        REFERENCE_FILE: reference.to_json(),
        CARD_FILE: card_bytes(manifest, model, entries, found, trained.figures),
    }
    version = add_version(folder, manifest, files)
    promoted = manifest.passed and use
    if promoted:
        promote(folder, version)
    return replace(trained, version=version, promoted=promoted)


def _day(moment_ns: int) -> str:
    return datetime.fromtimestamp(moment_ns // 1_000_000_000, UTC).date().isoformat()
