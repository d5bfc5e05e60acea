"""What a check says, and how a breach is confirmed before it has consequences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from core.vocabulary import HaltReason

Figures = Mapping[str, str | int | float]


class CheckStatus(StrEnum):
    """Outcome of one check."""

    OK = "ok"
    DISABLED = "disabled"
    WAITING = "waiting"
    """Not armed yet: what it watches has not begun in this run."""
    UNKNOWN = "unknown"
    """No fresh answer. Never a breach, never "all is well": the operator is told."""
    BREACH = "breach"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One check's outcome.

    ``sample`` names the measurement it rests on; a confirmation counts only different samples.
    """

    name: str
    status: CheckStatus
    reason: HaltReason
    detail: str = ""
    figures: Figures = field(default_factory=dict)
    sample: int = 0

    @property
    def is_breach(self) -> bool:
        """Whether the limit is broken."""
        return self.status is CheckStatus.BREACH


class Confirmation:
    """Counts breaches in a row on different samples; one good sample starts the count again.

    An ``UNKNOWN`` neither counts nor forgives.
    """

    def __init__(self, needed: int) -> None:
        self._needed = needed
        self._count = 0
        self._sample: int | None = None

    @property
    def state(self) -> tuple[int, int | None]:
        """Breaches counted so far, and the sample of the last one."""
        return self._count, self._sample

    def restore(self, count: int, sample: int | None) -> None:
        """Go on from an earlier ``state``."""
        self._count, self._sample = count, sample

    def take(self, verdict: Verdict) -> bool:
        """Whether ``verdict`` completes the confirmation."""
        if verdict.is_breach:
            if verdict.sample != self._sample:
                self._count += 1
                self._sample = verdict.sample
        elif verdict.status is not CheckStatus.UNKNOWN:
            self._count, self._sample = 0, None
        return self._count >= self._needed
