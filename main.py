"""Backstop's trading process. Started by run_system.sh, beside risk_monitor.py."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

import structlog

from core.clock import Clock, SystemClock
from core.code_version import code_version
from core.config_loader import LoadedSettings, load_settings
from core.errors import (
    AlreadyRunning,
    BackstopError,
    ConfigError,
    IncompatibleIbapi,
    JournalCorrupt,
    StopTrading,
)
from core.event_queue import EventQueue
from core.events import Halt, Shutdown
from core.exit_codes import ExitCode
from core.flags import FlagFolder
from core.identity import Identity, read_ipc_key
from core.journal import Journal
from core.locks import InstanceLock
from core.logging import log_uncaught_errors, setup
from core.private_files import keep_others_from_writing
from core.records import RecordKind
from core.vocabulary import HaltLevel, HaltReason
from core.wire_ring import WireRing
from portfolio.live_manager.assembly import Assembler, Assembly
from portfolio.live_manager.shutdown import shut_down
from portfolio.live_manager.startup import CannotStart
from portfolio.live_manager.status import Phase
from strategy.registry import validate

PROCESS = "main"
EPILOG = """examples:
  ./run_system.sh --paper                     both processes and the embedded paper gateway
  ./run_system.sh                             both, against the broker of config.yaml
  BACKSTOP_IPC_KEY=... python main.py         this process alone: without the watchdog's lease it opens no position
exit codes: 0 clean, 2 configuration, 3 halted, 4 a kill flag stands, 5 already running, 6 broker refused
"""


def parse(arguments: list[str]) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="main.py",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config", type=Path, default=Path(__file__).parent / "config.yaml", help="configuration file"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> ExitCode:
    """Run until stopped or halted; the exit code tells how it ended."""
    options = parse(arguments)
    keep_others_from_writing()
    clock = SystemClock()
    try:
        loaded = load_settings(options.config, os.environ)
        loaded.reject(validate(loaded.settings.strategies))
        identity, key = Identity.from_environ(PROCESS, os.environ), read_ipc_key(os.environ)
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return ExitCode.USAGE
    folders = loaded.folders
    folders.make()
    setup(PROCESS, loaded.settings.logging, folders.logs, run_id=identity.run_id)
    log_uncaught_errors()
    log = structlog.get_logger(PROCESS)
    flag = FlagFolder(folders.flags, clock).present()
    if flag.stands:
        log.critical(
            "refused_to_start",
            flag=str(flag.kind),
            detail=flag.detail,
            how=flag.remedy,
        )
        return ExitCode.REFUSED_KILL_FLAG
    try:
        lock = InstanceLock(folders.state / "main.lock", run_id=identity.run_id, boot_id=identity.boot_id)
        with lock:
            return run(loaded, identity, key, clock)
    except AlreadyRunning as error:
        log.critical("already_running", detail=str(error))
        return ExitCode.ALREADY_RUNNING
    except (IncompatibleIbapi, JournalCorrupt) as error:
        log.critical("cannot_start", detail=str(error))
        return ExitCode.INTERNAL_ERROR
    except Exception:
        # The outermost supervisor: whatever it was, this process trades no more, and the watchdog sees it end.
        log.critical("internal_error", exc_info=True)
        return ExitCode.INTERNAL_ERROR


def run(loaded: LoadedSettings, identity: Identity, key: bytes, clock: Clock) -> ExitCode:
    """Trade with the lock held."""
    queue = EventQueue()
    journal = Journal(
        loaded.folders.state / "main.db",
        process=PROCESS,
        run_id=identity.run_id,
        boot_id=identity.boot_id,
        clock=clock,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda got, _frame: queue.put(Shutdown(reason=signal.Signals(got).name)))
    assembly = Assembler(
        loaded=loaded,
        identity=identity,
        ipc_key=key,
        journal=journal,
        queue=queue,
        clock=clock,
        ring=WireRing.from_environ(os.environ, clock.monotonic_ns),
    ).assemble()
    journal.append(
        RecordKind.RUN_STARTED,
        {
            "process": PROCESS,
            "pid": os.getpid(),
            "boot_id": identity.boot_id,
            "mode": loaded.settings.mode,
            "code_version": code_version(loaded.root),
            "config_sha256": loaded.sha256,
        },
    )
    assembly.commands.start()
    code = trade(assembly)
    code = shut_down(assembly, loaded.settings.execution.on_shutdown, code)
    try:
        journal.append(
            RecordKind.RUN_ENDED, {"reason": assembly.engine.stop_asked or "halted", "exit_code": int(code)}
        )
    except StopTrading as error:  # a full disk may be why it ended; the exit code stands without it
        structlog.get_logger(PROCESS).critical("end_not_journaled", detail=str(error))
    journal.close()
    return code


def trade(assembly: Assembly) -> ExitCode:
    """Start up and trade until a stop is asked for. A failure halts: nothing is sent any more, and the loop goes on."""
    log = structlog.get_logger(PROCESS)
    engine = assembly.engine
    try:
        assembly.startup.run()
        engine.run()
    except CannotStart as error:
        log.critical("cannot_start", detail=str(error))
        return error.exit_code
    except BackstopError as error:
        log.critical("stopped_by", error=type(error).__name__, detail=str(error))
        engine.halt(
            Halt(level=HaltLevel.HALTED, reason=HaltReason.INTERNAL_ERROR, detail=str(error), source=PROCESS)
        )
        engine.run()
    return ExitCode.HALTED if assembly.status.phase is Phase.HALTED else ExitCode.CLEAN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
