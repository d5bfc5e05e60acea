"""Historical data requests: how often they may come, how their bars are written, and how the newest bar grows.

Sources: IB's "Historical Bar Data" and "Historical Data Limitations" pages. Those limits hold for bars of 30 seconds
or less; for longer ones IB lifted all but a brake on repeats.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from paper_gateway import times
from paper_gateway.codec import Field
from paper_gateway.history import DAY_S, MONTH_S, WEEK_S, HistoryRefused, parse_duration
from paper_gateway.requests import HistoricalDataRequest
from paper_gateway.types import BarView

_NS = 1_000_000_000
_SERVICE = "Historical Market Data Service error message:"

BAR_SIZES: dict[str, int] = {
    **{f"{n} secs": n for n in (5, 10, 15, 30)},
    "1 min": 60,
    **{f"{n} mins": 60 * n for n in (2, 3, 5, 10, 15, 20, 30)},
    "1 hour": 3600,
    **{f"{n} hours": 3600 * n for n in (2, 3, 4, 8)},
    **dict.fromkeys(("1 day", "1D"), DAY_S),
    **dict.fromkeys(("1 week", "1W"), WEEK_S),
    **dict.fromkeys(("1 month", "1M"), MONTH_S),
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused: IB's code and text."""

    code: int
    text: str


PACING_VIOLATION = Refusal(162, f"{_SERVICE}Historical data request pacing violation")
NO_DATA = Refusal(162, f"{_SERVICE}HMDS query returned no data")


def refused(problem: HistoryRefused) -> Refusal:
    """Error of a request that the market can't serve."""
    return Refusal(162, f"{_SERVICE}{problem}")


def check_request(request: HistoricalDataRequest) -> Refusal | None:
    """Return what is wrong with the form of a request, or None."""
    if request.bar_size not in BAR_SIZES:
        sizes = ", ".join(BAR_SIZES)
        text = "Historical data bar size setting is invalid. Legal ones are"
        return Refusal(321, f"Error validating request.-'bW' : cause - {text}: {sizes}")
    try:
        parse_duration(request.duration)
    except HistoryRefused as problem:
        return Refusal(321, f"Error validating request.-'bW' : cause - {problem}")
    if not request.end:
        return None
    if request.keep_up_to_date:
        return Refusal(
            321, "Error validating request.-'bW' : cause - End date not supported with keepUpToDate"
        )
    try:
        times.parse_end(request.end)
    except ValueError as problem:
        return Refusal(10314, f"End Date/Time: The date, time, or time-zone entered is invalid: {problem}")
    return None


def bar_row(bar: BarView, size_s: int, format_date: int) -> tuple[Field, ...]:
    """Fields of a bar as historicalData carries them; volume and count are whole for the official client."""
    if size_s >= DAY_S:
        stamp = times.date(bar.start_ns)
    elif format_date == 2:
        stamp = str(bar.start_ns // _NS)
    else:
        stamp = times.date_and_time(bar.start_ns)
    return (stamp, bar.open, bar.high, bar.low, bar.close, round(bar.volume), bar.wap, bar.count)


class GrowingBar:
    """The newest bar of a keepUpToDate request, grown by five-second bars.

    Parameters
    ----------
    bars
        The answer to the request; its last bar is the one that grows.
    size_s
        Size of the bars, seconds.
    """

    def __init__(self, bars: Sequence[BarView], size_s: int) -> None:
        self._size_s = size_s
        self._bar = bars[-1] if bars else None

    def add(self, bar: BarView) -> BarView:
        """Fold one five-second bar in; returns the grown bar, or the first state of the next one."""
        old = self._bar
        if old is None or self._period(bar.start_ns) != self._period(old.start_ns):
            self._bar = bar
            return bar
        volume = old.volume + bar.volume
        turnover = old.wap * old.volume + bar.wap * bar.volume
        self._bar = replace(
            old,
            high=max(old.high, bar.high),
            low=min(old.low, bar.low),
            close=bar.close,
            volume=volume,
            wap=round(turnover / volume, 6) if volume > 0 else bar.close,
            count=old.count + bar.count,
        )
        return self._bar

    def _period(self, start_ns: int) -> tuple[int, int]:
        """Name of the bar that a moment belongs to; intraday bars are aligned to local midnight."""
        local = times.local(start_ns)
        day = local.date()
        if self._size_s < DAY_S:
            second = local.hour * 3600 + local.minute * 60 + local.second
            return day.toordinal(), second // self._size_s
        if self._size_s == WEEK_S:
            return day.isocalendar()[:2]
        return (day.year, day.month) if self._size_s == MONTH_S else (day.toordinal(), 0)


class Pacing:
    """IB's pacing rules for one client; times are monotonic, in seconds.

    No identical request within 15 s, fewer than six for one contract and kind of data within 2 s, at most sixty
    within ten minutes: for bars of 30 s or less. An identical request for longer bars must wait a second.
    """

    WINDOW_S, LIMIT = 600.0, 60
    CONTRACT_WINDOW_S, CONTRACT_LIMIT = 2.0, 6
    IDENTICAL_SMALL_S, IDENTICAL_S = 15.0, 1.0
    SMALL_BAR_S = 30

    def __init__(self) -> None:
        self._recent: deque[tuple[float, object]] = deque()
        self._identical: dict[object, float] = {}

    def allows(self, request: HistoricalDataRequest, now_s: float) -> bool:
        """Whether a request of valid form may be served now; if so, it counts."""
        small = BAR_SIZES[request.bar_size] <= self.SMALL_BAR_S
        same = replace(request, request_id=0)
        last = self._identical.get(same)
        if last is not None and now_s - last < (self.IDENTICAL_SMALL_S if small else self.IDENTICAL_S):
            return False
        if small and not self._small_bars_allow(request, now_s):
            return False
        if len(self._identical) > 500:
            horizon = now_s - self.IDENTICAL_SMALL_S
            self._identical = {key: at for key, at in self._identical.items() if at > horizon}
        self._identical[same] = now_s
        return True

    def _small_bars_allow(self, request: HistoricalDataRequest, now_s: float) -> bool:
        while self._recent and now_s - self._recent[0][0] > self.WINDOW_S:
            self._recent.popleft()
        kind = (request.contract, request.what_to_show)
        close = sum(1 for at, one in self._recent if one == kind and now_s - at < self.CONTRACT_WINDOW_S)
        if len(self._recent) >= self.LIMIT or close >= self.CONTRACT_LIMIT - 1:
            return False
        self._recent.append((now_s, kind))
        return True
