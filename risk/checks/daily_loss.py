"""Loss since the previous close, by the broker's own daily profit and loss."""

from __future__ import annotations

from core.config_schema import DailyLossCheck
from core.vocabulary import HaltReason
from risk.checks.drawdown import EquityView
from risk.checks.verdict import CheckStatus, Verdict

_NAME = "daily_loss"


def check_daily_loss(view: EquityView, settings: DailyLossCheck) -> Verdict:
    """Breach at a loss of ``max_daily_loss`` or more of the value with which the day began.

    That value is today's less today's profit and loss, so it needs no memory and survives restarts.
    """
    reason = HaltReason.DAILY_LOSS
    if not settings.enabled:
        return Verdict(name=_NAME, status=CheckStatus.DISABLED, reason=reason)
    if view.nlv is None or view.daily_pnl is None:
        return Verdict(name=_NAME, status=CheckStatus.WAITING, reason=reason, detail="no daily result yet")
    opening = view.nlv - view.daily_pnl
    loss = max(0.0, -view.daily_pnl) / opening if opening > 0 else 0.0
    figures = {"loss": round(loss, 6), "daily_pnl": view.daily_pnl, "limit": settings.max_daily_loss}
    if loss < settings.max_daily_loss:
        return Verdict(name=_NAME, status=CheckStatus.OK, reason=reason, figures=figures, sample=view.sample)
    detail = f"daily loss {loss:.2%}, limit {settings.max_daily_loss:.2%}"
    return Verdict(
        name=_NAME,
        status=CheckStatus.BREACH,
        reason=reason,
        detail=detail,
        figures=figures,
        sample=view.sample,
    )
