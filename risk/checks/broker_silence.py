"""The watchdog's own broker session. Without it nothing can be proved, so no risk may be opened."""

from __future__ import annotations

from core.config_schema import BrokerSilenceCheck
from core.vocabulary import HaltReason
from risk.checks.verdict import CheckStatus, Verdict

_NAME = "broker_silence"


def check_broker_silence(silent_s: float | None, settings: BrokerSilenceCheck) -> Verdict:
    """Breach when the session has not been ready for ``timeout_s`` (``silent_s`` None: it is ready).

    The consequence is the loss of main's lease and an alert, not a liquidation: the broker's nightly reset must not
    sell the account, and without a session nothing could be sold.
    """
    reason = HaltReason.BROKER_SILENCE
    if not settings.enabled:
        return Verdict(name=_NAME, status=CheckStatus.DISABLED, reason=reason)
    if silent_s is None:
        return Verdict(name=_NAME, status=CheckStatus.OK, reason=reason)
    figures = {"silent_s": round(silent_s, 3), "limit_s": settings.timeout_s}
    if silent_s <= settings.timeout_s:
        return Verdict(name=_NAME, status=CheckStatus.UNKNOWN, reason=reason, figures=figures)
    detail = f"no broker session for {silent_s:.1f} s"
    return Verdict(name=_NAME, status=CheckStatus.BREACH, reason=reason, detail=detail, figures=figures)
