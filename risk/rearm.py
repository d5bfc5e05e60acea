"""Re-arming: a human clears the kill, with a reason, in the journal. The only way back from a kill."""

from __future__ import annotations

import getpass
import secrets
from pathlib import Path

from core.clock import Clock
from core.errors import AlreadyRunning, JournalCorrupt, Rejected, StopTrading
from core.flags import FlagFolder, FlagKind
from core.identity import new_run_id
from core.journal import Journal, Record, read, set_aside
from core.locks import InstanceLock, is_locked
from core.records import RecordKind
from core.vocabulary import HaltReason
from risk.kill_history import KINDS, KillHistory

_BUSY_TIMEOUT_S = 0.02
"""A foreign program that keeps the journal locked must not hold up a kill at each of its records."""


class UnfinishedKill(Rejected):
    """A kill was begun and has not ended; to re-arm now would leave positions and orders as they happen to be."""


def rearm(
    reason: str,
    *,
    flags: FlagFolder,
    journal_path: Path,
    locks: tuple[Path, Path],
    clock: Clock,
    abandon_kill: bool = False,
) -> str:
    """Archive the kill flags and journal who cleared them and why.

    Parameters
    ----------
    reason
        Why it is safe to trade again; must not be blank.
    locks
        Lock files of the watchdog and of main.
    abandon_kill
        Whether to re-arm although a kill has not ended: nobody will take it up again.

    Returns
    -------
    str
        What was done, for the terminal.

    Raises
    ------
    AlreadyRunning
        While either process runs.
    UnfinishedKill
        When a kill has not ended, unless it is to be abandoned.
    ValueError
        When the reason is blank.
    OSError, StopTrading
        When the flags folder or the journal can't be read, a flag can't be moved, or the journal can't be written.
        The journal is written first: a re-arming that left no trace does not happen.
    """
    if not reason.strip():
        raise ValueError("a reason is needed")
    watchdog_lock, main_lock = locks
    if is_locked(main_lock):
        raise AlreadyRunning(f"main runs (it holds {main_lock}); stop the system before re-arming")
    with InstanceLock(watchdog_lock, run_id="rearm"):
        history = _history(journal_path)
        if history.is_unfinished and not abandon_kill:
            raise UnfinishedKill(
                f"kill {history.kill_id} has not ended, and re-arming would leave the account as it is. "
                "Start ./run_system.sh (or the watchdog) to have it completed, or, once you have flattened the account "
                "yourself, re-arm with --abandon-kill"
            )
        state = flags.present()
        if (
            state.kind is FlagKind.UNREADABLE
        ):  # before the journal holds a re-arming that could not be carried out
            raise StopTrading(f"the flags folder can't be read ({state.detail}). {state.remedy}")
        standing = flags.standing()
        peak_reset = history.reason is HaltReason.DRAWDOWN
        journal = Journal(
            journal_path, process="rearm", run_id=new_run_id(), boot_id=secrets.token_hex(8), clock=clock
        )
        try:
            journal.append(
                RecordKind.REARMED,
                {
                    "reason": reason,
                    "user": getpass.getuser(),
                    "cleared": list(standing),
                    "kill_id": history.kill_id,
                    "peak_reset": peak_reset,
                    "abandoned": history.is_unfinished,
                },
            )
        finally:
            journal.close()
        moved = flags.clear()
    done = [f"re-armed: {reason}"]
    done += [f"archived {path.name}" for path in moved] or ["no flag stood"]
    if history.is_unfinished:
        done.append(f"kill {history.kill_id} had not ended: look at the account before trading")
    if peak_reset:
        done.append("the drawdown is accepted: the peak is counted anew")
    return "\n".join(done)


def open_journal(
    path: Path, *, run_id: str, boot_id: str, clock: Clock
) -> tuple[Journal | None, tuple[Record, ...], str]:
    """Open the watchdog's journal; a damaged one is set aside and a new one begun, because the kill path must work.

    Returns
    -------
    tuple of Journal, records and str
        The journal (None when there can be none: then main gets no lease, but a kill is carried out), what it tells of
        kills and peaks, and what went wrong (empty when nothing did).
    """

    def opened() -> tuple[Journal, tuple[Record, ...]]:
        journal = Journal(
            path,
            process="risk_monitor",
            run_id=run_id,
            boot_id=boot_id,
            clock=clock,
            busy_timeout_s=_BUSY_TIMEOUT_S,
        )
        return journal, tuple(read(path, 0, KINDS))

    problem = ""
    try:
        return *opened(), problem
    except JournalCorrupt as error:
        problem = str(error)
    except StopTrading as error:
        return None, (), str(error)
    try:
        kept = set_aside(path, f"{clock.now_ns()}")
        return *opened(), f"{problem}; it was set aside as {kept.name}"
    except (StopTrading, OSError) as error:
        return None, (), f"{problem}; no new journal could be begun: {error}"


def _history(path: Path) -> KillHistory:
    try:
        return KillHistory.of(read(path, 0, KINDS))
    except FileNotFoundError:  # nothing else: in what can't be read there may be an unfinished kill
        return KillHistory()
