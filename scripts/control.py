"""Questions about a running or stopped system: ``--status``, ``--stop``, ``--rearm``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from core.config_loader import LoadedSettings
from core.errors import JournalCorrupt
from core.exit_codes import ExitCode
from core.flags import HOW_TO_REARM, FlagFolder, FlagKind
from core.journal import read
from core.locks import LockOwner, read_owner
from core.records import RecordKind
from dashboard.sources import MainView, WatchdogView, read_main, read_watchdog
from risk.kill_history import KINDS, KillHistory
from risk.kill_login import OTHER_LOGIN, KillLogin
from scripts.launch import Run, paper_state
from scripts.options import Options

_STOP_S = 240.0  # a kill in progress is waited for


def latest_run_file(loaded: LoadedSettings) -> Path:
    """File that names the run started last."""
    return loaded.folders.control / "latest_run.json"


def describe_run(run: Run, strategies: list[str]) -> dict[str, str | int | bool | list[str]]:
    """Say what ``scripts.summary`` needs: where the journals of a run are, and its enabled strategies."""
    return {
        "run_id": run.run_id,
        "is_paper": run.is_paper,
        "strategies": strategies,
        "started_ns": run.started_ns,
        "state": str(run.state),
        "control": str(run.control),
        "logs": str(run.logs),
        "results": str(run.results),
    }


def describe_standing_flag(flags: FlagFolder) -> str | None:
    """One sentence about the flag that forbids trading, or None when there is none."""
    state = flags.present()
    match state.kind:
        case FlagKind.NONE:
            return None
        case FlagKind.UNREADABLE:
            return f"the flags folder {flags.path} can't be read ({state.detail})"
        case _:
            names = " and ".join(flags.standing())
            return f"{names} in {flags.path} ({state.detail})"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedKill:
    """A kill that was cut short, by a power cut for instance; ``is_paper`` when its account went with its gateway."""

    kill_id: str
    reason: str
    run_id: str
    is_paper: bool
    login: KillLogin


def unfinished_kill(loaded: LoadedSettings) -> UnfinishedKill | None:
    """Read from the watchdog's journal whether a kill waits to be completed; None when it can't be read, too."""
    try:
        records = list(read(loaded.folders.control / "watchdog.db", 0, KINDS))
        history = KillHistory.of(records)
    except (OSError, JournalCorrupt, KeyError, ValueError):
        return None
    if not history.is_unfinished:
        return None
    run_id = next(record.run_id for record in reversed(records) if record.kind == RecordKind.KILL_STARTED)
    return UnfinishedKill(
        kill_id=history.kill_id,
        reason=str(history.reason),
        run_id=run_id,
        is_paper=_was_paper(loaded, run_id),
        login=history.login,
    )


def _was_paper(loaded: LoadedSettings, run_id: str) -> bool:
    if paper_state(loaded.root, run_id).is_dir():
        return True
    try:  # somebody may have deleted the folder of the paper run
        latest = json.loads(latest_run_file(loaded).read_bytes())
        return latest["run_id"] == run_id and latest["is_paper"] is True
    except (OSError, ValueError, KeyError, TypeError):
        return False


def describe_unfinished(kill: UnfinishedKill) -> str:
    """Say why such a kill forbids the start that was asked for, and what to do."""
    if kill.is_paper:
        what = f"kill {kill.kill_id} ({kill.reason}) of paper run {kill.run_id} has not ended, and its account is gone"
        return f"{what}.\n{HOW_TO_REARM}"
    what = f"kill {kill.kill_id} ({kill.reason}) of the broker's account has not ended"
    return f"{what}.\nStart ./run_system.sh without --paper: the watchdog completes it"


def describe_other_login(loaded: LoadedSettings, kill: UnfinishedKill) -> str | None:
    """Say that the kill is of another login than the configured one, and what to do; None when it is of that one."""
    configured = KillLogin.configured(loaded.settings)
    if not kill.login.differs_from(configured):
        return None
    return (
        f"kill {kill.kill_id} ({kill.reason}) of {kill.login.describe()} has not ended, and the configuration now says "
        f"{configured.describe()}.\nMake mode, broker and account_id what they were, to have it completed there. Once you "
        'have flattened that account yourself: ./run_system.sh --rearm "closed in TWS, because ..." --abandon-kill'
    )


def describe_completion(loaded: LoadedSettings, kill: UnfinishedKill) -> str:
    """Say in which login the kill will be completed."""
    login = KillLogin.configured(loaded.settings).at(kill.login.account or None)
    unrecorded = "" if kill.login.address else " (its record names none)"
    return f"the watchdog completes it in {login.describe()}{unrecorded}"


def describe_kill_end(loaded: LoadedSettings) -> str:
    """One sentence about the account after a kill, from the watchdog's journal: the newest counts, a sequel of it too."""
    try:
        kinds = {RecordKind.KILL_STARTED, RecordKind.KILL_STEP, RecordKind.KILL_ENDED}
        records = list(read(loaded.folders.control / "watchdog.db", 0, kinds))
    except (OSError, JournalCorrupt):
        records = []
    last = records[-1] if records else None
    if last is None or last.kind != RecordKind.KILL_ENDED:
        if last is not None and last.payload.get("step") == OTHER_LOGIN:
            return f"it was not completed: {last.payload['detail']}"
        return "its end isn't proved: look at the account at the broker, and start again to have it completed"
    ended = last.payload
    if ended["flat"]:
        return "the account is flat"
    residue = "; ".join(
        f"{item['symbol']} {item['quantity']} ({item['reason']})" for item in ended["residue"]
    )
    return f"the account is NOT flat: {residue}"


def running_owner(path: Path) -> LockOwner | None:
    """Owner of a lock file if that very process still lives (a reused process id does not count)."""
    owner = read_owner(path)
    return owner if owner is not None and owner.is_running() else None


def show_status(loaded: LoadedSettings) -> int:
    """Print what runs and which flags stand. Exit code 0: trading is possible or under way; 3: a flag stands."""
    logs = loaded.folders.logs
    owner = running_owner(loaded.folders.control / "system.lock")
    print(f"system     {f'running, run {owner.run_id}, pid {owner.pid}' if owner else 'not running'}")
    now_ns = time.monotonic_ns()
    main, watchdog = read_main(logs), read_watchdog(logs)
    if owner is not None:
        print(f"main       {_describe_main(main, owner.run_id, now_ns)}")
        print(f"watchdog   {_describe_watchdog(watchdog, owner.run_id, now_ns)}")
    flags = FlagFolder(loaded.folders.flags)
    flag = describe_standing_flag(flags)
    print(f"flags      {flag or 'none'}")
    if flag is not None:
        print(flags.present().remedy)
        return ExitCode.HALTED
    return ExitCode.CLEAN


_NO_HEARTBEAT = "no heartbeat in this run yet"


def _describe_main(view: MainView | None, run_id: str, now_ns: int) -> str:
    if view is None or view.run_id != run_id:
        return _NO_HEARTBEAT
    return f"{view.phase}, heartbeat {view.age_s(now_ns):.1f} s old, broker {view.connection}"


def _describe_watchdog(view: WatchdogView | None, run_id: str, now_ns: int) -> str:
    if view is None or view.run_id != run_id:
        return _NO_HEARTBEAT
    lease = "grants the lease" if view.lease else "no lease"
    return f"{view.state}, heartbeat {view.age_s(now_ns):.1f} s old, broker {view.connection}, {lease}"


def stop_running(loaded: LoadedSettings) -> int:
    """Ask the running supervisor to stop gracefully and wait until it has."""
    lock = loaded.folders.control / "system.lock"
    owner = running_owner(lock)
    if owner is None:
        print("Backstop does not run here.")
        return ExitCode.CLEAN
    descriptor = os.pidfd_open(owner.pid)
    try:
        if running_owner(lock) != owner:  # it ended while the descriptor was being opened
            print("Backstop has just stopped.")
            return ExitCode.CLEAN
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
    finally:
        os.close(descriptor)
    print(f"asked pid {owner.pid} to stop; waiting ...", flush=True)
    end = time.monotonic() + _STOP_S
    while running_owner(lock) == owner:
        if time.monotonic() > end:
            print(
                f"it still runs after {_STOP_S:.0f} s; see --status and logs/system.console.log",
                file=sys.stderr,
            )
            return ExitCode.INTERNAL_ERROR
        time.sleep(0.1)
    print("stopped")
    return ExitCode.CLEAN


def _nothing_to_rearm(loaded: LoadedSettings) -> bool:
    """Whether for certain no flag stands and no kill waits for a human; in doubt the watchdog's command looks itself."""
    if FlagFolder(loaded.folders.flags).present().kind is not FlagKind.NONE:
        return False
    try:
        return KillHistory.of(read(loaded.folders.control / "watchdog.db", 0, KINDS)).reason is None
    except FileNotFoundError:
        return True
    except (OSError, JournalCorrupt, KeyError, ValueError):
        return False


def rearm(loaded: LoadedSettings, options: Options, code_folder: Path) -> int:
    """Let the watchdog's own command re-arm: it writes the journal record and archives the flags."""
    owner = running_owner(loaded.folders.control / "system.lock")
    if owner is not None:
        print(
            f"Refused: Backstop runs (pid {owner.pid}). Stop it first: ./run_system.sh --stop",
            file=sys.stderr,
        )
        return ExitCode.ALREADY_RUNNING
    if _nothing_to_rearm(loaded):
        print(
            "Nothing to re-arm: no kill flag stands, and no kill in the watchdog's journal waits for a human."
        )
        return ExitCode.CLEAN
    command = [
        sys.executable,
        "risk_monitor.py",
        "--config",
        str(options.config),
        "--rearm",
        options.rearm_reason,
    ]
    kill = unfinished_kill(loaded)
    # The account of a paper run has ended with its gateway: nothing is left that a kill could flatten.
    if options.abandon_kill or (kill is not None and kill.is_paper):
        command.append("--abandon-kill")
    # The words come from our own parser and reach no shell.
    return subprocess.run(  # noqa: S603
        command, cwd=code_folder, stdin=subprocess.DEVNULL, check=False
    ).returncode
