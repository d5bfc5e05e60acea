"""The account's value by the watchdog's own marks, and its peak.

Account values come late (every three minutes when nothing changes), ``reqPnL`` comes at once. Between two account
values the value is moved by what realised and unrealised profit and loss have moved since. Asked in between, the broker
repeats its old figure: only another figure is news, else each question would put the mark back to where it was.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from core.events import AccountValue, ProfitAndLoss
from risk.checks.drawdown import EquityView

# Brokers send "unset" as the largest double; nothing above this is money.
_ABSURD = 1e15


@dataclass(frozen=True, slots=True)
class _Result:
    unrealized: float
    realized: float
    daily: float


class EquityTracker:
    """Folds account values and profit and loss into one mark.

    Parameters
    ----------
    peak_samples
        The peak rises only to what this many marks in a row have reached, so that one wild price can't raise it and
        turn the return to normal into a drawdown.
    """

    def __init__(self, peak: float | None = None, peak_samples: int = 3) -> None:
        self.peak = peak
        self._nlv: float | None = None
        self._told: float | None = None
        self._gross: float | None = None
        self._base: _Result | None = None
        self._result: _Result | None = None
        self._marked_ns = 0
        self._sample = 0
        self._recent: deque[float] = deque(maxlen=peak_samples)

    def on_account_value(self, value: AccountValue) -> None:
        """Take ``NetLiquidation`` and ``GrossPositionValue``; the rest is ignored."""
        if value.key not in {"NetLiquidation", "GrossPositionValue"}:
            return
        number = _number(value.value)
        if number is None:
            return
        if value.key == "GrossPositionValue":
            self._gross = abs(number)
            return
        if number != self._told:
            self._told = self._nlv = number
            self._base = self._result
        self._mark(value.received_monotonic_ns)

    def on_profit_and_loss(self, report: ProfitAndLoss) -> None:
        """Take the broker's running result."""
        numbers = (report.unrealized, report.realized, report.daily)
        if not all(math.isfinite(number) and abs(number) < _ABSURD for number in numbers):
            return
        new = _Result(*numbers)
        if self._base is None:
            self._base = new
        elif self._result is not None and new.realized == 0.0 != self._result.realized:
            # A new day: the broker begins to count the realised result anew, the account has lost nothing.
            self._base = _Result(
                self._base.unrealized, self._base.realized - self._result.realized, self._base.daily
            )
        self._result = new
        if self._nlv is not None:
            self._mark(report.received_monotonic_ns)

    @property
    def nlv(self) -> float | None:
        """Net liquidation value by the newest mark."""
        if self._nlv is None or self._base is None or self._result is None:
            return self._nlv
        moved = self._result.unrealized - self._base.unrealized + self._result.realized - self._base.realized
        return self._nlv + moved

    def view(self, now_ns: int) -> EquityView:
        """Return what the checks see."""
        return EquityView(
            nlv=self.nlv,
            peak=self.peak,
            daily_pnl=self._result.daily if self._result else None,
            gross=self._gross,
            age_s=(now_ns - self._marked_ns) / 1e9,
            sample=self._sample,
        )

    def _mark(self, at_ns: int) -> None:
        value = self.nlv
        if value is None:
            return
        self._marked_ns = max(self._marked_ns, at_ns)
        self._sample += 1
        self._recent.append(value)
        if self.peak is None:
            if value > 0:
                self.peak = value
        elif len(self._recent) == self._recent.maxlen:
            self.peak = max(self.peak, min(self._recent))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and abs(number) < _ABSURD else None
