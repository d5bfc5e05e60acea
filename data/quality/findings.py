"""What a check of bars can find, and what can be done about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from core.config_schema import QualitySettings
from data.bar_table import DAILY, NS_PER_S


class Check(StrEnum):
    """One kind of defect; the names are keys of ``data.quality`` in the configuration."""

    ORDER = "order"
    DUPLICATES = "duplicates"
    NON_POSITIVE = "non_positive"
    BAD_VOLUME = "bad_volume"
    CROSSED = "crossed"
    OUTSIDE_SESSIONS = "outside_sessions"
    HOLES = "holes"
    BAD_TICKS = "bad_ticks"
    UNADJUSTED_SPLITS = "unadjusted_splits"
    TICKER_REUSE = "ticker_reuse"
    ZERO_VOLUME = "zero_volume"
    STALE = "stale"


class Policy(StrEnum):
    """What is done about a finding. ``warn`` changes nothing; the others are told with every change they make."""

    FAIL = "fail"
    DROP = "drop"
    REPAIR = "repair"
    WARN = "warn"


Policies = Mapping[Check, Policy]


def policies_of(settings: QualitySettings) -> dict[Check, Policy]:
    """Policy of each check, from section ``data.quality`` of the configuration."""
    return {check: Policy(getattr(settings, check.value)) for check in Check}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One defect, or a run of the same one.

    Attributes
    ----------
    time_ns
        End of the (first) bar, nanoseconds UTC.
    text
        What is wrong, with the value.
    count
        Bars it covers.
    done
        What became of it, as the end of a sentence; empty when nothing was changed.
    place
        File and line, where there is one.
    """

    check: Check
    policy: Policy
    symbol: str
    time_ns: int
    is_daily: bool
    text: str
    count: int = 1
    done: str = ""
    place: str = ""

    @property
    def when(self) -> str:
        """Date, for intraday bars with the time in UTC."""
        return moment_text(self.time_ns, is_daily=self.is_daily)

    def sentence(self) -> str:
        """Place, value and what is wrong, for an error or a note."""
        where = self.place or f"{self.symbol}: {self.when}"
        return f"{where}: {self.text}" + (f"; {self.done}" if self.done else "")

    def as_json(self) -> dict[str, object]:
        """Fields of the finding for a machine."""
        return {
            "check": self.check.value,
            "policy": self.policy.value,
            "symbol": self.symbol,
            "time": datetime.fromtimestamp(self.time_ns // NS_PER_S, UTC).isoformat(),
            "text": self.text,
            "count": self.count,
            "done": self.done,
            "place": self.place,
        }


def moment_text(time_ns: int, *, is_daily: bool) -> str:
    """Time for a person: the date of a daily bar, else date and time in UTC."""
    moment = datetime.fromtimestamp(time_ns // NS_PER_S, UTC)
    return f"{moment:%Y-%m-%d}" if is_daily else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def is_daily_size(size_s: int) -> bool:
    """Whether bars of this size are one a session."""
    return size_s == DAILY
