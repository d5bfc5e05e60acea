#!/usr/bin/env python3
"""The risk watchdog: a process of its own that can stop main, cancel every order and flatten the account."""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import structlog

from core.clock import SystemClock
from core.config_loader import Folders, LoadedSettings, load_settings
from core.errors import AlreadyRunning, ConfigError, IncompatibleIbapi, StopTrading
from core.exit_codes import ExitCode
from core.flags import FlagFolder
from core.ib_wrapper.session import IBSession
from core.identity import Identity, read_ipc_key
from core.locks import InstanceLock, is_locked
from core.logging import log_uncaught_errors, setup
from core.private_files import keep_others_from_writing
from core.records import RecordKind
from core.wire_ring import WireRing
from risk.alerts import AlertHelper, Alerts, Severity
from risk.assembly import Assembler
from risk.rearm import UnfinishedKill, open_journal, rearm
from risk.recorder import Recorder
from risk.watchdog import REARM_HINT, Watchdog

CLOCK = SystemClock()


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    options = _parse(arguments)
    keep_others_from_writing()
    try:
        loaded = load_settings(options.config, os.environ, root=options.root)
        folders = loaded.folders
        folders.make()
        if options.status:
            return _show_status(folders)
        if options.rearm is not None:
            return _rearm(options.rearm, folders, abandon_kill=options.abandon_kill)
        return _watch(loaded, refuse_if_killed=options.refuse_if_killed)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return ExitCode.USAGE
    except AlreadyRunning as error:
        print(f"refused: {error}", file=sys.stderr)
        return ExitCode.ALREADY_RUNNING
    except (StopTrading, IncompatibleIbapi, OSError) as error:
        print(error, file=sys.stderr)
        return ExitCode.INTERNAL_ERROR


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="risk_monitor.py", description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("config.yaml"), metavar="FILE")
    parser.add_argument(
        "--root",
        type=Path,
        metavar="FOLDER",
        help="what the folders of the configuration are relative to (default: the folder of --config)",
    )
    parser.add_argument(
        "--refuse-if-killed",
        action="store_true",
        help="end with exit code 4 when a kill flag stands at the start",
    )
    parser.add_argument(
        "--abandon-kill",
        action="store_true",
        help="with --rearm: even if a kill has not ended, which then never will",
    )
    command = parser.add_mutually_exclusive_group()
    command.add_argument("--rearm", metavar="REASON", help="archive the kill flags; the system must not run")
    command.add_argument(
        "--status",
        action="store_true",
        help="show flags and heartbeat, then end (exit code 3 when a flag stands)",
    )
    return parser.parse_args(arguments)


def _show_status(folders: Folders) -> int:
    flag = FlagFolder(folders.flags).present()
    runs = is_locked(folders.control / "risk_monitor.lock")
    print(f"watchdog   {'runs' if runs else 'does not run'}")
    print(f"kill flag  {flag.kind.value}{': ' + flag.detail if flag.detail else ''}")
    try:
        body = json.loads((folders.logs / "risk_monitor_heartbeat.json").read_text())["body"]
    except (OSError, ValueError, KeyError, TypeError):
        body = {}
    for key in ("state", "lease", "connection", "account", "nlv", "drawdown", "checks", "halted", "kill"):
        if key in body:
            print(f"{key:<10} {json.dumps(body[key])}")
    return ExitCode.HALTED if flag.stands else ExitCode.CLEAN


def _rearm(reason: str, folders: Folders, *, abandon_kill: bool) -> int:
    locks = (folders.control / "risk_monitor.lock", folders.state / "main.lock")
    try:
        print(
            rearm(
                reason,
                flags=FlagFolder(folders.flags),
                journal_path=folders.control / "watchdog.db",
                locks=locks,
                clock=CLOCK,
                abandon_kill=abandon_kill,
            )
        )
    except UnfinishedKill as error:
        print(f"refused: {error}", file=sys.stderr)
        return ExitCode.REFUSED_KILL_FLAG
    except ValueError as error:
        raise ConfigError([f"--rearm: {error}"]) from error
    return ExitCode.CLEAN


def _watch(loaded: LoadedSettings, *, refuse_if_killed: bool) -> int:
    folders, flags = loaded.folders, FlagFolder(loaded.folders.flags)
    standing = flags.present()
    if refuse_if_killed and standing.stands:
        print(
            f"refused to start: {standing.kind.value} flag ({standing.detail}); {REARM_HINT}", file=sys.stderr
        )
        return ExitCode.REFUSED_KILL_FLAG
    key = read_ipc_key(os.environ)
    identity = Identity.from_environ("risk_monitor", os.environ)
    lock = InstanceLock(
        folders.control / "risk_monitor.lock", run_id=identity.run_id, boot_id=identity.boot_id
    )
    with lock:
        _set_up_logging(loaded, identity)
        path = folders.control / "watchdog.db"
        journal, records, problem = open_journal(
            path, run_id=identity.run_id, boot_id=identity.boot_id, clock=CLOCK
        )
        recorder = Recorder(journal)
        helper = AlertHelper.from_settings(loaded.settings.alerts, os.environ)
        alerts = Alerts(recorder, CLOCK, helper)
        if problem:
            alerts.tell(Severity.CRITICAL, problem)
        try:
            with ExitStack() as resources:
                watchdog, session = Assembler(
                    loaded=loaded,
                    identity=identity,
                    ipc_key=key,
                    recorder=recorder,
                    alerts=alerts,
                    flags=flags,
                    clock=CLOCK,
                    records=records,
                    resources=resources,
                    ring=WireRing.from_environ(os.environ, CLOCK.monotonic_ns),
                ).assemble()
                return _supervise(watchdog, session, recorder, identity, loaded)
        finally:
            alerts.close()
            recorder.close()


def _set_up_logging(loaded: LoadedSettings, identity: Identity) -> None:
    """Log to file and terminal; a file that can't be opened must not keep the watchdog from its work."""
    try:
        setup("risk_monitor", loaded.settings.logging, loaded.folders.logs, run_id=identity.run_id)
    except OSError as error:
        print(f"there is no log file, the terminal has to do: {error}", file=sys.stderr)
    log_uncaught_errors()


def _supervise(
    watchdog: Watchdog, session: IBSession, recorder: Recorder, identity: Identity, loaded: LoadedSettings
) -> int:
    """Run the loop between its first record and its last; whatever rises out of it ends the process."""
    log = structlog.get_logger("risk_monitor")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: watchdog.stop())
    recorder.write(
        RecordKind.RUN_STARTED,
        {
            "process": "risk_monitor",
            "pid": os.getpid(),
            "boot_id": identity.boot_id,
            "mode": loaded.settings.mode,
            "config_sha256": loaded.sha256,
        },
    )
    log.info("watching", run_id=identity.run_id, pid=os.getpid())
    code = ExitCode.INTERNAL_ERROR
    # What the start has made stays for good. A full pass of the garbage collector over it would hold every thread up for
    # some 30 ms, whenever it falls due.
    gc.collect()
    gc.freeze()
    try:
        code = watchdog.run()
    except Exception:
        # The supervisor starts a new watchdog, which takes up an unfinished kill; main meanwhile has no lease.
        log.exception("watchdog_failed")
    finally:
        recorder.write(RecordKind.RUN_ENDED, {"reason": code.name.lower(), "exit_code": int(code)})
        session.stop(timeout_s=2.0)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
