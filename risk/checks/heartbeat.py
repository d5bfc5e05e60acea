"""Main's sign of life, on the monotonic clock."""

from __future__ import annotations

from dataclasses import dataclass

from core.config_schema import HeartbeatCheck
from core.vocabulary import HaltReason
from risk.checks.verdict import CheckStatus, Verdict

_NAME = "heartbeat"
# The watchdog looks about every 0.06 s. Silence is a breach at the last look before the limit, not at the first one after
# it: the decision has to fall within the limit.
_LOOK_AHEAD_S = 0.07


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatView:
    """What is known of main.

    Parameters
    ----------
    armed
        A heartbeat of this run has been accepted.
    stopped
        Main's last heartbeat said that it ended as asked.
    starting
        Main is still starting or warming up: a long compilation is no death, as long as the process lives.
    process_lives
        Whether the process that sent it still exists; None when that can't be told.
    age_s, progress_age_s
        Since the newest heartbeat, and since its count of processed events last changed or its queue was empty.
    queue_depth
        Events waiting in main's queue.
    """

    armed: bool
    stopped: bool = False
    starting: bool = False
    process_lives: bool | None = None
    age_s: float = 0.0
    progress_age_s: float = 0.0
    queue_depth: int = 0


def check_heartbeat(view: HeartbeatView, settings: HeartbeatCheck) -> Verdict:
    """Breach, decided within ``timeout_s`` of the last heartbeat, when an armed main is silent for that long.

    While it starts up, ``startup_grace_s`` applies instead, unless its process is gone.
    """
    if not settings.enabled:
        return _verdict(CheckStatus.DISABLED, "")
    if not view.armed:
        return _verdict(CheckStatus.WAITING, "main has not been seen in this run")
    if view.stopped:
        return _verdict(CheckStatus.WAITING, "main has ended as asked")
    patient = view.starting and view.process_lives is not False
    limit_s = max(settings.startup_grace_s, settings.timeout_s) if patient else settings.timeout_s
    figures = {"age_s": round(view.age_s, 3), "limit_s": limit_s}
    if view.age_s < max(limit_s - _LOOK_AHEAD_S, limit_s / 2):
        return Verdict(name=_NAME, status=CheckStatus.OK, reason=HaltReason.HEARTBEAT, figures=figures)
    gone = " and its process is gone" if view.process_lives is False else ""
    detail = f"no heartbeat of main for {view.age_s:.2f} s{gone}"
    return Verdict(
        name=_NAME, status=CheckStatus.BREACH, reason=HaltReason.HEARTBEAT, detail=detail, figures=figures
    )


def _verdict(status: CheckStatus, detail: str) -> Verdict:
    return Verdict(name=_NAME, status=status, reason=HaltReason.HEARTBEAT, detail=detail)
