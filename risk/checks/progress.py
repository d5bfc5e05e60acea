"""Main's progress: a loop that beats but handles nothing while events wait is dead too."""

from __future__ import annotations

from core.config_schema import HeartbeatCheck
from core.vocabulary import HaltReason
from risk.checks.heartbeat import HeartbeatView
from risk.checks.verdict import CheckStatus, Verdict

_NAME = "progress"


def check_progress(view: HeartbeatView, settings: HeartbeatCheck) -> Verdict:
    """Breach when events have been waiting for ``progress_timeout_s`` and none was processed."""
    reason = HaltReason.PROGRESS
    if not settings.enabled:
        return Verdict(name=_NAME, status=CheckStatus.DISABLED, reason=reason)
    if not view.armed or view.stopped or view.starting:
        return Verdict(name=_NAME, status=CheckStatus.WAITING, reason=reason)
    figures = {"stalled_s": round(view.progress_age_s, 3), "queue_depth": view.queue_depth}
    if view.queue_depth > 0 and view.progress_age_s > settings.progress_timeout_s:
        detail = f"main has processed nothing for {view.progress_age_s:.2f} s, {view.queue_depth} events wait"
        return Verdict(name=_NAME, status=CheckStatus.BREACH, reason=reason, detail=detail, figures=figures)
    return Verdict(name=_NAME, status=CheckStatus.OK, reason=reason, figures=figures)
