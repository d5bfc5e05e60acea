"""Gross position value against net liquidation value."""

from __future__ import annotations

from core.config_schema import GrossExposureCheck
from core.vocabulary import HaltReason
from risk.checks.drawdown import EquityView
from risk.checks.verdict import CheckStatus, Verdict

_NAME = "gross_exposure"


def check_gross_exposure(view: EquityView, settings: GrossExposureCheck) -> Verdict:
    """Breach above ``max_gross_exposure`` times net liquidation value, or with positions and no value left."""
    reason = HaltReason.GROSS_EXPOSURE
    if not settings.enabled:
        return Verdict(name=_NAME, status=CheckStatus.DISABLED, reason=reason)
    if view.nlv is None or view.gross is None:
        return Verdict(name=_NAME, status=CheckStatus.WAITING, reason=reason, detail="no exposure known yet")
    allowed = settings.max_gross_exposure * max(view.nlv, 0.0)
    figures = {"gross": view.gross, "nlv": view.nlv, "limit": settings.max_gross_exposure}
    if view.gross <= allowed:
        return Verdict(name=_NAME, status=CheckStatus.OK, reason=reason, figures=figures, sample=view.sample)
    detail = f"gross exposure {view.gross:.2f} above {allowed:.2f} ({settings.max_gross_exposure} x NLV)"
    return Verdict(
        name=_NAME,
        status=CheckStatus.BREACH,
        reason=reason,
        detail=detail,
        figures=figures,
        sample=view.sample,
    )
