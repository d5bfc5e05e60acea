"""The peak of net liquidation value of each account, kept in the watchdog's journal over all runs."""

from __future__ import annotations

from collections.abc import Iterable

from core.clock import Clock
from core.journal import Record
from core.records import RecordKind
from risk.recorder import Recorder

_STEP = 0.001
_INTERVAL_NS = 60_000_000_000


def peaks_of(records: Iterable[Record]) -> dict[str, float]:
    """Fold journal records into the newest peak of each account.

    Re-arming after a drawdown kill accepts the loss: counting starts anew (``peak_reset`` of the record), else the
    next start would find the same drawdown and kill again.
    """
    peaks: dict[str, float] = {}
    for record in records:
        if record.kind == RecordKind.PEAK:
            peaks[str(record.payload["account"])] = float(record.payload["nlv"])
        elif record.kind == RecordKind.REARMED and record.payload.get("peak_reset"):
            peaks.clear()
    return peaks


class PeakStore:
    """Writes a risen peak: at each tenth of a percent, at the latest after a minute."""

    def __init__(self, recorder: Recorder, clock: Clock, stored: float | None) -> None:
        self._recorder = recorder
        self._clock = clock
        self._stored = stored
        self._stored_at = clock.monotonic_ns()

    def keep(self, account: str, peak: float | None, *, now: bool = False) -> None:
        """Store ``peak`` if it has risen enough (``now``: if it has risen at all)."""
        if peak is None or (self._stored is not None and peak <= self._stored):
            return
        moment = self._clock.monotonic_ns()
        is_due = (
            self._stored is None
            or peak >= self._stored * (1 + _STEP)
            or moment - self._stored_at > _INTERVAL_NS
        )
        if (is_due or now) and self._recorder.write(
            RecordKind.PEAK, {"account": account, "nlv": str(peak), "wall_ns": self._clock.now_ns()}
        ):
            self._stored, self._stored_at = peak, moment
