"""Loss from the persisted peak of net liquidation value."""

from __future__ import annotations

from dataclasses import dataclass

from core.config_schema import DrawdownCheck
from core.vocabulary import HaltReason
from risk.checks.verdict import CheckStatus, Verdict

_NAME = "drawdown"


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityView:
    """The account's value by the watchdog's own marks; None where nothing usable is known.

    Money in the account's currency; ``daily_pnl`` is the broker's, since the previous close; ``sample`` numbers the
    marks.
    """

    nlv: float | None
    peak: float | None = None
    daily_pnl: float | None = None
    gross: float | None = None
    age_s: float = 0.0
    sample: int = 0

    @property
    def drawdown(self) -> float:
        """Positive fraction of the peak; 0 when nothing is known."""
        if self.nlv is None or self.peak is None or self.peak <= 0:
            return 0.0
        return max(0.0, 1.0 - self.nlv / self.peak)


def check_drawdown(view: EquityView, settings: DrawdownCheck) -> Verdict:
    """Breach at a loss of ``max_drawdown`` or more from the peak; unknown when the mark is too old."""
    reason = HaltReason.DRAWDOWN
    if not settings.enabled:
        return Verdict(name=_NAME, status=CheckStatus.DISABLED, reason=reason)
    if view.nlv is None or view.peak is None:
        return Verdict(name=_NAME, status=CheckStatus.WAITING, reason=reason, detail="no account value yet")
    figures = {
        "drawdown": round(view.drawdown, 6),
        "nlv": view.nlv,
        "peak": view.peak,
        "age_s": round(view.age_s, 3),
        "limit": settings.max_drawdown,
    }
    if view.age_s > settings.max_age_s:
        detail = f"the account's value is {view.age_s:.1f} s old"
        status = CheckStatus.UNKNOWN
    elif view.drawdown >= settings.max_drawdown:
        detail = (
            f"drawdown {view.drawdown:.2%} of the peak {view.peak:.2f}, limit {settings.max_drawdown:.2%}"
        )
        status = CheckStatus.BREACH
    else:
        detail, status = "", CheckStatus.OK
    return Verdict(
        name=_NAME, status=status, reason=reason, detail=detail, figures=figures, sample=view.sample
    )
