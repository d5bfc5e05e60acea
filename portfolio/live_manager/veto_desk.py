"""The engine's side of the veto: rulings and models go to the journal, denials are counted, what is unknown is said once a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from core.config_loader import LoadedSettings
from core.journal import Journal
from core.records import RecordKind
from features.freshness import Freshness, Sessions
from features.snapshot import SNAPSHOT_NAME, SnapshotHolder
from portfolio.live_manager.decision_cycle import DecisionCycle
from portfolio.live_manager.entry_veto import EntryVeto, Ruling
from portfolio.live_manager.status import RunStatus
from portfolio.live_manager.veto_board import ModelState, VetoBoard
from portfolio.veto.traded import signals_of
from portfolio.veto.verdict import Outcome
from strategy.base import Strategy


@dataclass(slots=True)
class _Said:
    unknown: set[str]
    models: dict[str, ModelState]


class VetoDesk:
    """Owned by the engine thread.

    Parameters
    ----------
    board
        Knows what the models say.
    journal, status
        The engine's own.
    """

    def __init__(self, board: VetoBoard, journal: Journal, status: RunStatus) -> None:
        self._board = board
        self._journal = journal
        self._status = status
        self._said = _Said(unknown=set(), models={})
        self._log = structlog.get_logger(__name__)

    def begin_session(self) -> None:
        """From now on what is unknown is said again."""
        self._said.unknown.clear()

    def record(self, rulings: Sequence[Ruling], bar_end_ns: int) -> None:
        """Journal what is new; call it inside the bar's batch, before its EQUITY record."""
        self._record_models(self._board.models)
        for one in rulings:
            self._journal.append(RecordKind.VETO, ruling_payload(one, bar_end_ns))
            if one.denies:
                self._journal.append(RecordKind.DENIAL, _denial(one, bar_end_ns))

    def tell(self, rulings: Sequence[Ruling]) -> None:
        """Count and log what was recorded."""
        for one in rulings:
            verdict = one.verdict
            if one.denies:
                self._status.count_denial(verdict.reason)
            if verdict.outcome is Outcome.UNKNOWN:
                if one.strategy not in self._said.unknown:
                    self._said.unknown.add(one.strategy)
                    self._log.warning(
                        "veto_unknown",
                        strategy=one.strategy,
                        symbol=one.symbol,
                        detail=verdict.detail,
                        denied=one.denies,
                    )
                continue
            self._log.info(
                "veto",
                strategy=one.strategy,
                symbol=one.symbol,
                outcome=str(verdict.outcome),
                probability=verdict.probability,
                threshold=verdict.threshold,
                denied=one.denies,
            )

    def _record_models(self, models: Mapping[str, ModelState]) -> None:
        for strategy, state in models.items():
            if self._said.models.get(strategy) == state:
                continue
            self._said.models[strategy] = state
            self._journal.append(
                RecordKind.VETO_MODEL,
                {
                    "strategy": strategy,
                    "version": state.version,
                    "manifest_sha256": state.manifest_sha256,
                    "problem": state.problem,
                },
            )
            if state.problem:
                self._log.warning("veto_model", strategy=strategy, problem=state.problem)
            else:
                self._log.info("veto_model", strategy=strategy, version=state.version)


def ruling_payload(one: Ruling, bar_end_ns: int) -> dict[str, object]:
    """Make the payload of a VETO record."""
    verdict = one.verdict
    return {
        "bar_end_ns": bar_end_ns,
        "strategy": one.strategy,
        "symbol": one.symbol,
        "side": one.side,
        "outcome": str(verdict.outcome),
        "enforced": one.enforced,
        "probability": verdict.probability,
        "threshold": verdict.threshold,
        "contributions": [[name, move] for name, move in verdict.contributions],
        "detail": verdict.detail,
        "model": verdict.model,
        "features_ns": verdict.features_ns,
        "quantity": str(one.quantity),
        "price": one.price,
        "stop_distance": one.stop_distance,
    }


def _denial(one: Ruling, bar_end_ns: int) -> dict[str, object]:
    verdict = one.verdict
    detail = verdict.detail
    if verdict.outcome is Outcome.VETOED:
        reasons = ", ".join(f"{name} {move:+.2f}" for name, move in verdict.contributions)
        detail = f"probability {verdict.probability:.3f} < {verdict.threshold:.3f}: {reasons}"
    return {
        "bar_end_ns": bar_end_ns,
        "strategy": one.strategy,
        "symbol": one.symbol,
        "reason": verdict.reason.code,
        "quantity": str(abs(one.quantity)),
        "detail": detail,
    }


def open_veto(  # noqa: PLR0917 (parts of one process, each of its own type)
    loaded: LoadedSettings,
    strategies: Sequence[Strategy],
    cycle: DecisionCycle,
    sessions: Sessions,
    journal: Journal,
    status: RunStatus,
) -> VetoDesk | None:
    """Put the veto in front of the decision, as configured; None when it is off."""
    settings = loaded.settings
    if settings.veto.mode == "off":
        return None
    judged = settings.veto.strategies or tuple(one.name for one in strategies)
    snapshot = SnapshotHolder(loaded.folders.control / Path(SNAPSHOT_NAME))
    board = VetoBoard(
        folder=loaded.root / settings.veto.models,
        signals={
            one.name: signals_of(one, settings, settings.bars.size_s)
            for one in strategies
            if one.name in judged
        },
        symbols=settings.universe.symbols,
        snapshot=snapshot,
        freshness=Freshness(max_age_sessions=settings.features.max_age_sessions, sessions=sessions),
    )
    cycle.veto = EntryVeto(
        strategies=cycle.strategy_names,
        symbols=settings.universe.symbols,
        judged=judged,
        shorts=settings.sizing.allow_short and settings.caps.account_type != "cash",
        judge=board.lookup,
        enforces=settings.veto.mode == "enforce",
    )
    board.start(settings.features.refresh_s)
    return VetoDesk(board, journal, status)
