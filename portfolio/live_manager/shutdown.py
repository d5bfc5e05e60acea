"""The graceful end: working orders as configured, a last reconciliation, and a farewell that raises no alarm."""

from __future__ import annotations

import structlog

from core.exit_codes import ExitCode
from core.vocabulary import ConnectionState
from execution.order_state import OrderPhase
from execution.upkeep import ShutdownPolicy
from portfolio.live_manager.assembly import Assembly
from portfolio.live_manager.status import Phase

_CANCEL_PATIENCE_S = 5.0
_RECONCILE_PATIENCE_S = 5.0


def shut_down(assembly: Assembly, policy: ShutdownPolicy, code: ExitCode) -> ExitCode:
    """End main in order; returns the exit code: ``code``, or HALTED when the halt came only now.

    A halted process cancels nothing by itself: from then on the orders are the watchdog's.
    """
    log = structlog.get_logger(__name__)
    engine, status = assembly.engine, assembly.status
    halted = status.phase is Phase.HALTED
    connected = status.connection is ConnectionState.READY
    log.info("stopping", reason=engine.stop_asked, policy="none, halted" if halted else policy)
    status.enter(Phase.STOPPING)
    if connected and not halted:
        asked = assembly.upkeep.shut_down(policy)
        log.info("orders_at_shutdown", cancelled=len(asked), left=assembly.desk.working_orders - len(asked))
        if not engine.pump(lambda: not _cancelling(assembly), _CANCEL_PATIENCE_S, until_stop=False):
            log.warning("cancels_unconfirmed", orders=_cancelling(assembly))
    if connected:
        _last_reconciliation(assembly)
    assembly.commands.stop()
    assembly.session.stop()
    status.enter(Phase.STOPPED)
    if status.phase is Phase.HALTED and code is ExitCode.CLEAN:
        code = ExitCode.HALTED  # it came during the shutdown
    engine.farewell()
    assembly.publisher.close()
    assembly.watchdog.close()
    log.info("stopped", exit_code=int(code))
    return code


def _cancelling(assembly: Assembly) -> int:
    return sum(1 for s in assembly.desk.live_orders() if s.phase is OrderPhase.CANCELLING)


def _last_reconciliation(assembly: Assembly) -> None:
    asked = assembly.reconciler.answers
    assembly.reconciler.request("shutdown")
    done = assembly.engine.pump(
        lambda: assembly.reconciler.answers > asked and assembly.reconciler.is_settled,
        _RECONCILE_PATIENCE_S,
        until_stop=False,
    )
    if not done:
        structlog.get_logger(__name__).error("not_reconciled_at_shutdown", breaks=assembly.status.breaks)
