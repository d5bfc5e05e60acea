"""Puts the parts together that make, send and look after orders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from core.clock import Clock
from core.config_execution_methods import WHEEL
from core.config_schema import ExecutionSettings, Settings
from core.csv_log import OrderSubmissionLog
from core.journal import Journal
from core.records import RecordKind
from execution.broker_port import BrokerPort
from execution.ib_executor import IBExecutor, QuoteSource
from execution.methods.selection import MethodSelector
from execution.methods.situation import SessionTimes
from execution.order_factory import OrderFactory
from execution.order_lane import OrderLane
from execution.order_manager import OrderManager
from execution.order_ref import OrderRefSequence, short_run
from execution.parent_work import ParentWork
from execution.ticks import PriceGrid
from execution.upkeep import OrderUpkeep
from portfolio.algo_wheel import MethodPolicy
from portfolio.algo_wheel.model_file import UnusableModel, read_model_and_hash
from portfolio.live_manager.submission_file import SubmissionFile


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionParts:
    """Executor and what runs beside it."""

    executor: IBExecutor
    upkeep: OrderUpkeep
    work: ParentWork


def make_execution(
    *,
    settings: Settings,
    run_id: str,
    root: Path,
    logs: Path,
    manager: OrderManager,
    session: BrokerPort,
    journal: Journal,
    lane: OrderLane,
    grid: PriceGrid,
    exchanges: Mapping[str, str],
    quotes: QuoteSource,
    session_at: Callable[[int], SessionTimes | None],
    clock: Clock,
) -> ExecutionParts:
    """Make them.

    Parameters
    ----------
    settings, run_id, manager, session, journal, lane, grid, quotes, clock
        The engine's own.
    root
        Folder of the configuration file, below which the wheel's model lies.
    logs
        Folder of the submission file.
    exchanges
        Primary exchanges, filled once the contracts are known.
    session_at
        Session that is on at a market time.
    """
    execution, last = settings.execution, manager.book.last_sequence(short_run(run_id))
    policy, problem = load_wheel(execution, root, journal)
    factory = OrderFactory(OrderRefSequence(run_id, last), grid)
    executor = IBExecutor(
        session=session,
        manager=manager,
        journal=journal,
        lane=lane,
        submissions=SubmissionFile(OrderSubmissionLog(logs / "order_submissions.csv", run_id=run_id), clock),
        factory=factory,
        selector=MethodSelector(execution, grid, policy=policy, problem=problem),
        exchange_of=lambda symbol: exchanges.get(symbol, ""),
        settings=execution,
        symbols=settings.universe.symbols,
        quotes=quotes,
        clock=clock,
    )
    upkeep = OrderUpkeep(
        executor=executor,
        session=session,
        journal=journal,
        factory=factory,
        clock=clock,
        query_after_s=execution.pending_submit_query_s,
    )
    work = ParentWork(executor=executor, settings=execution.methods, session_at=session_at, clock=clock)
    return ExecutionParts(executor=executor, upkeep=upkeep, work=work)


def load_wheel(settings: ExecutionSettings, root: Path, journal: Journal) -> tuple[MethodPolicy | None, str]:
    """Load the wheel's model once, before the first order, and journal which one it is.

    Without a usable model the wheel chooses its safe default for every order; that is said here, once.

    Returns
    -------
    MethodPolicy or None
        The wheel; None when none is configured or its model can't be used.
    str
        Why it can't; empty otherwise.
    """
    if WHEEL not in {settings.method, settings.exit_method}:
        return None, ""
    path, log = root / settings.wheel.model, structlog.get_logger(__name__)
    try:
        model, digest = read_model_and_hash(path)
    except (OSError, UnusableModel) as error:
        problem = "there is no model" if isinstance(error, FileNotFoundError) else "the model can't be used"
        log.warning("algo_wheel_without_model", path=str(path), error=str(error), instead="its safe default")
        journal.append(
            RecordKind.MODEL, {"name": "algo_wheel", "path": str(path), "sha256": None, "problem": str(error)}
        )
        return None, problem
    log.info("algo_wheel_model", path=str(path), sha256=digest, origin=dict(model.origin))
    journal.append(
        RecordKind.MODEL, {"name": "algo_wheel", "path": str(path), "sha256": digest, "problem": None}
    )
    return model.as_policy(), ""
