"""What a guard says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Guard(StrEnum):
    """Every guard, in the order in which they are told of."""

    LOOK_AHEAD = "look-ahead"
    RECURSION = "recursion"
    SURVIVORSHIP = "survivorship"
    HOLES = "holes"
    TOO_GOOD = "too good"


class Severity(StrEnum):
    """How much a warning weighs."""

    BIAS = "bias"
    """The figures can't be believed."""
    CAUTION = "caution"
    """The figures may flatter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BiasWarning:
    """One thing that a guard found, about one strategy, symbol or figure (``subject``)."""

    guard: Guard
    severity: Severity
    subject: str
    text: str

    def sentence(self) -> str:
        """One line for the notes of a run."""
        return f"{self.guard.value}: {self.subject}: {self.text}"

    def as_json(self) -> dict[str, str]:
        """Fields for a machine."""
        return {
            "guard": self.guard.value,
            "severity": self.severity.value,
            "subject": self.subject,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class GuardReport:
    """What the guards found, and which of them ran (with what they looked at)."""

    warnings: tuple[BiasWarning, ...]
    ran: tuple[tuple[Guard, str], ...]

    def as_json(self) -> dict[str, object]:
        """Everything, for a machine."""
        return {
            "ran": {guard.value: what for guard, what in self.ran},
            "warnings": [one.as_json() for one in self.warnings],
        }


def table_of(report: GuardReport) -> str:
    """Table of the guards for a terminal: each with what it looked at, and its warnings below it."""
    lines = []
    for guard, what in report.ran:
        found = [one for one in report.warnings if one.guard is guard]
        verdict = "nothing found" if not found else f"{len(found)} found"
        lines.append(f"{guard.value:<14}{verdict:<15}{what}")
        lines += [f"  {one.severity.value:<9} {one.subject}: {one.text}" for one in found]
    return "\n".join(lines)


def notes_of(warnings: Iterable[BiasWarning]) -> tuple[str, ...]:
    """Sentences for the notes of a run."""
    return tuple(one.sentence() for one in warnings)
