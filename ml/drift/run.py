"""Gathers the evidence, measures, acts and records: what the nightly flow and ``python -m ml.drift`` call."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from backtester.market import Market
from core.atomic_file import write_atomic
from core.canonical import dump
from core.config_schema import Settings
from core.errors import Rejected
from core.journal import read
from core.records import RecordKind
from core.restrictions import RestrictionFolder
from ml.drift.live_results import KINDS, live_returns
from ml.drift.page import page_of
from ml.drift.steps import (
    DEFAULT_THRESHOLDS,
    DriftReport,
    DriftState,
    Evidence,
    Level,
    Thresholds,
    drift_report,
)
from ml.entries import feature_table
from ml.reference import Reference
from ml.shadow import follow
from performance.tear_sheet.page import write_page
from portfolio.veto.manifest import REFERENCE_FILE
from portfolio.veto.store import LoadedModel, read_current, read_file, read_version
from strategy.registry import create_enabled

WINDOW_SESSIONS = 250
"""Sessions whose features are compared with the training's."""


class NoModel(Rejected):
    """No model of the strategy is in use, so nothing can drift."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftFolders:
    """Where drift reads and writes: the registry of models, reports, and the folder of restrictions."""

    registry: Path
    reports: Path
    restrictions: RestrictionFolder


def run_drift(
    strategy: str,
    settings: Settings,
    market: Market,
    journal: Path | None,
    folders: DriftFolders,
    *,
    window_sessions: int = WINDOW_SESSIONS,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
    act: bool = True,
) -> DriftReport:
    """Measure the drift of the model in use, restrict what has to be restricted, and write the report.

    Parameters
    ----------
    strategy
        Whose model.
    settings
        Strategies and costs.
    market
        Bars of the traded size up to now, with as much before as the features need.
    journal
        Main's; None (or one that isn't there) when nothing was traded yet.
    folders
        Where things are.
    window_sessions, thresholds
        See `ml.drift.steps`.
    act
        False writes no restriction and no state, and only measures.

    The level and the session that it was found on are written in one, after the restriction: killed in between, the next
    run finds the old state and comes to the same.

    Raises
    ------
    NoModel
        When no model is in use.
    Rejected
        When the model or the remembered state is damaged; what is restricted stays restricted.
    """
    loaded = _model_in_use(folders.registry, strategy)
    reference = _reference_of(folders.registry / strategy, loaded)
    evidence = gather(loaded, settings, market, journal, window_sessions)
    state_file = folders.reports / f"{strategy}.json"
    report = drift_report(
        strategy,
        loaded.version,
        reference,
        evidence,
        _state_of(state_file),
        thresholds=thresholds,
    )
    folders.reports.mkdir(parents=True, exist_ok=True)
    if act:
        restrict(report, folders.restrictions)
        write_atomic(state_file, _content(report), mode=0o644)
    write_page(page_of(report, reference, evidence), folders.reports / f"{strategy}.html")
    return report


def gather(
    loaded: LoadedModel,
    settings: Settings,
    market: Market,
    journal: Path | None,
    window_sessions: int,
) -> Evidence:
    """Collect recent features, forecasts that have ended, and live round trips.

    Forecasts are this version's, in whatever mode the veto was. Round trips are all that the journal holds.
    """
    strategy = loaded.manifest.signals.strategy
    names = tuple(loaded.model.features)
    recent = feature_table(market, names).values[-window_sessions:].reshape(-1, len(names))
    if journal is None or not journal.exists():
        nothing = np.empty(0)
        likely, won, returns = nothing, nothing.astype(np.int64), nothing
    else:
        records = [
            one
            for one in read(journal, kinds=[RecordKind.VETO])
            if one.payload["strategy"] == strategy and one.payload["model"] == loaded.version
        ]
        ended = [
            one
            for one in follow(records, market, settings, create_enabled(settings.strategies))
            if one.earned is not None
        ]
        likely = np.array([one.probability for one in ended], dtype=np.float64)
        won = np.array([(one.earned or 0.0) > 0 for one in ended], dtype=np.int64)
        returns = live_returns(read(journal, kinds=KINDS), strategy)
    return Evidence(
        session=market.sessions[-1].date,
        features={name: recent[:, place] for place, name in enumerate(names)},
        probabilities=likely,
        won=won,
        returns=returns,
    )


def restrict(report: DriftReport, folder: RestrictionFolder) -> None:
    """Write, change or clear the restriction of a strategy's drift; main goes by it from its next session on."""
    source = f"drift.{report.strategy}"
    scale = report.state.level.scale
    if scale is not None:
        folder.put(source, strategy=report.strategy, scale=scale, reason=report.reason)
    elif any(one.source == source for one in folder.standing().restrictions):
        folder.clear(source, user="drift report", reason=report.reason)


def _model_in_use(registry: Path, strategy: str) -> LoadedModel:
    current = read_current(registry / strategy)
    if current is None:
        raise NoModel(f"{registry / strategy}: no model is in use, so nothing can drift")
    use = current.uses[-1]
    return read_version(registry / strategy, use.version, use.manifest_sha256)


def _reference_of(own: Path, loaded: LoadedModel) -> Reference:
    data = read_file(own, loaded.version, loaded.manifest, REFERENCE_FILE)
    try:
        return Reference.from_json(data)
    except (ValueError, KeyError, TypeError) as error:
        raise Rejected(f"{own / loaded.version / REFERENCE_FILE}: {type(error).__name__}: {error}") from error


def _state_of(path: Path) -> DriftState:
    try:
        content = json.loads(path.read_bytes())
        session = content.get("session")  # files of earlier versions have none
        return DriftState(
            level=Level(content["level"]),
            calm=int(content["calm"]),
            session=None if session is None else date.fromisoformat(session),
        )
    except FileNotFoundError:
        return DriftState()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Rejected(
            f"{path}: what the last report found can't be read ({error}); the restriction stands. Delete the file to begin anew"
        ) from error


def _content(report: DriftReport) -> bytes:
    content = {
        "strategy": report.strategy,
        "version": report.version,
        "level": int(report.state.level),
        "calm": report.state.calm,
        "session": None if report.state.session is None else report.state.session.isoformat(),
        "asked": int(report.asked),
        "reason": report.reason,
        "checks": [
            {"name": one.name, "value": one.value, "counts": one.counts, "detail": one.detail}
            for one in report.checks
        ],
    }
    return dump(content).encode() + b"\n"
