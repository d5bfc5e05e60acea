"""What the veto says of one entry."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from core.reasons import Reason


class Outcome(StrEnum):
    """An entry is approved, vetoed, or nothing is known of it."""

    APPROVED = "approved"
    VETOED = "vetoed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """An outcome and what it rests on.

    Attributes
    ----------
    probability, threshold
        None when nothing is known.
    contributions
        Features that moved the log odds most, each with by how much.
    detail
        Why nothing is known; empty otherwise.
    model
        Version of the model; empty without one.
    features_ns
        Close of the session that the features are of; None without them.
    """

    outcome: Outcome
    probability: float | None = None
    threshold: float | None = None
    contributions: tuple[tuple[str, float], ...] = ()
    detail: str = ""
    model: str = ""
    features_ns: int | None = None

    @property
    def reason(self) -> Reason:
        """Reason of the denial; ``NONE`` for an approval."""
        if self.outcome is Outcome.APPROVED:
            return Reason.NONE
        return Reason.ML_VETO if self.outcome is Outcome.VETOED else Reason.VETO_UNKNOWN


def unknown(detail: str) -> Verdict:
    """Say that nothing is known, and why."""
    return Verdict(outcome=Outcome.UNKNOWN, detail=detail)
