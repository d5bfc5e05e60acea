"""What the veto's models say of every strategy and symbol, worked out beside the engine's loop, which only looks it up.

A thread of its own reads the models and the feature snapshot when they change, works out all probabilities and puts the
whole table in place of the old one. A look-up takes no lock, reads no file and computes no model. Whatever is wrong, the answer is
UNKNOWN with the reason: no model, one byte changed, other features, old features, a thread that has failed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import structlog

from features.freshness import Freshness
from features.snapshot import FeatureSnapshot, SnapshotHolder, SymbolRow
from portfolio.veto.manifest import MODEL_FILE, Signals
from portfolio.veto.store import CURRENT_FILE, MANIFEST_FILE, LoadedModel, UnusableModel, read_model
from portfolio.veto.verdict import Outcome, Verdict, unknown

_TOLD_CONTRIBUTIONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """What is known of a strategy's model; ``problem`` is empty when it can be used."""

    version: str = ""
    manifest_sha256: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    verdict: Verdict
    event_ns: int
    available_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """Replaced as a whole: a look-up sees the old one or the new one."""

    models: Mapping[str, ModelState] = field(default_factory=dict)
    scores: Mapping[tuple[str, str], _Scored | str] = field(default_factory=dict)


class VetoBoard:
    """Verdicts by strategy and symbol.

    Parameters
    ----------
    folder
        The registry of models.
    signals
        What is traded, by strategy: those that are judged.
    symbols
        The universe.
    snapshot
        The published features; this board refreshes it.
    freshness
        How old they may be.
    """

    def __init__(
        self,
        *,
        folder: Path,
        signals: Mapping[str, Signals],
        symbols: Sequence[str],
        snapshot: SnapshotHolder,
        freshness: Freshness,
    ) -> None:
        self._folder = folder
        self._signals = dict(signals)
        self._symbols = tuple(symbols)
        self._snapshot = snapshot
        self._freshness = freshness
        self._loaded: dict[str, tuple[object, LoadedModel | str]] = {}
        self._table = _Table()
        self._log = structlog.get_logger(__name__)

    # --- any thread ---

    @property
    def models(self) -> Mapping[str, ModelState]:
        """What is known of each strategy's model."""
        return self._table.models

    def lookup(self, strategy: str, symbol: str, at_ns: int) -> Verdict:
        """Verdict on an entry at market time ``at_ns``. Never raises and never waits."""
        found = self._table.scores.get((strategy, symbol))
        if found is None:
            return unknown(f"nothing was worked out for {strategy} in {symbol}")
        if isinstance(found, str):
            return unknown(found)
        why = self._freshness.problem(event_ns=found.event_ns, available_ns=found.available_ns, at_ns=at_ns)
        if why is not None:
            return unknown(f"features of {symbol}: {why}")
        return found.verdict

    # --- the board's thread ---

    def start(self, interval_s: float) -> None:
        """Look at the files now, and every so many seconds in a thread of its own."""
        self.refresh()
        # It holds nothing that must be closed, so it may end with the process.
        threading.Thread(target=self._run, args=(interval_s,), name="veto", daemon=True).start()

    def _run(self, interval_s: float) -> None:
        while True:
            time.sleep(interval_s)
            try:
                self.refresh()
            except Exception:  # noqa: BLE001 (this thread's outermost supervisor)
                # What it no longer keeps up with counts as unknown.
                self._log.critical("veto_board_failed", exc_info=True)
                self._fail("the thread that works out verdicts has failed")

    def refresh(self) -> None:
        """Read what has changed and work everything out again. Blocks on the disk."""
        changed = self._snapshot.refresh()
        for strategy, signals in self._signals.items():
            signature = _signature(self._folder / strategy)
            if strategy not in self._loaded or signature != self._loaded[strategy][0]:
                self._loaded[strategy] = (signature, self._load(signals))
                changed = True
        if changed or not self._table.models:
            self._table = self._work_out()

    def _load(self, signals: Signals) -> LoadedModel | str:
        try:
            return read_model(self._folder, signals)
        except UnusableModel as error:
            return str(error)

    def _fail(self, problem: str) -> None:
        self._table = _Table(models={name: ModelState(problem=problem) for name in self._signals})
        self._loaded.clear()

    def _work_out(self) -> _Table:
        snapshot, problem = self._snapshot.snapshot, self._snapshot.problem
        models: dict[str, ModelState] = {}
        scores: dict[tuple[str, str], _Scored | str] = {}
        for strategy, (_signature, loaded) in self._loaded.items():
            if isinstance(loaded, str):
                models[strategy] = ModelState(problem=loaded)
            else:
                models[strategy] = ModelState(version=loaded.version, manifest_sha256=loaded.manifest_sha256)
            for symbol in self._symbols:
                if isinstance(loaded, str):
                    scores[strategy, symbol] = loaded
                elif snapshot is None:
                    scores[strategy, symbol] = problem
                else:
                    scores[strategy, symbol] = _score(loaded, snapshot, symbol)
        return _Table(models=models, scores=scores)


def _score(loaded: LoadedModel, snapshot: FeatureSnapshot, symbol: str) -> _Scored | str:
    """Work out one verdict, or say why nothing is known."""
    row = snapshot.rows.get(symbol)
    if row is None:
        return f"{symbol} isn't in the snapshot"
    for name, version in loaded.manifest.versions.items():
        known = snapshot.versions.get(name)
        if known != version:
            which = "isn't in the snapshot" if known is None else f"is of version {known} there"
            return f"the model was trained on version {version} of {name}, which {which}"
        if row.values.get(name) is None:
            return f"{symbol} has no value of {name} at its last close"
    return _Scored(verdict=_verdict(loaded, row), event_ns=row.event_ns, available_ns=row.available_ns)


def _verdict(loaded: LoadedModel, row: SymbolRow) -> Verdict:
    model = loaded.model
    values = np.array([row.values[name] for name in model.features], dtype=np.float64)
    probability = float(model.probabilities(values[None, :])[0])
    if not np.isfinite(probability):
        return unknown(f"version {loaded.version} gives no probability for these features")
    return Verdict(
        outcome=Outcome.APPROVED if probability >= model.threshold else Outcome.VETOED,
        probability=probability,
        threshold=model.threshold,
        contributions=model.contributions(values)[:_TOLD_CONTRIBUTIONS],
        model=loaded.version,
        features_ns=row.event_ns,
    )


def _signature(own: Path) -> object:
    """Inode, time and size of everything that a model in use consists of: they change when it does."""
    current = _stat_of(own / CURRENT_FILE)
    newest = [
        (path.name, _stat_of(path / MANIFEST_FILE), _stat_of(path / MODEL_FILE))
        for path in sorted(own.glob("[0-9]*"))
    ]
    return current, newest


def _stat_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
