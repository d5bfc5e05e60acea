"""Kill flags, as the folder shows them."""

from __future__ import annotations

from core.flags import FlagKind, FlagState
from core.vocabulary import HaltReason
from risk.checks.verdict import CheckStatus, Verdict

_NAME = "flags"


def check_flags(state: FlagState) -> Verdict:
    """Breach when a kill flag stands; unknown when nobody can tell.

    An unreadable folder stops main (no lease, and main looks for itself) and is alerted, but a file system that
    hiccups does not sell the account.
    """
    match state.kind:
        case FlagKind.NONE:
            return Verdict(name=_NAME, status=CheckStatus.OK, reason=HaltReason.KILL_FLAG)
        case FlagKind.UNREADABLE:
            return Verdict(
                name=_NAME, status=CheckStatus.UNKNOWN, reason=HaltReason.FLAG_FOLDER, detail=state.detail
            )
        case FlagKind.KILL_NOW:
            reason = HaltReason.KILL_NOW_FLAG
        case FlagKind.KILL:
            reason = HaltReason.KILL_FLAG
    return Verdict(
        name=_NAME,
        status=CheckStatus.BREACH,
        reason=reason,
        detail=f"{state.kind.value} flag: {state.detail}",
        figures={"mtime_ns": state.mtime_ns},
    )
