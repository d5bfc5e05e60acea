"""What one unit of the campaign has found, and the sum over many."""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.risk.stage import Stage

_ERROR_LENGTH = 3000


@dataclass(slots=True)
class Outcome:
    """Counts and measured figures; a figure is a list of values, one a run."""

    runs: int = 0
    failures: int = 0
    figures: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    checks: dict[str, list[int]] = field(default_factory=dict)
    """Invariant: how often it was looked at, how often it was violated."""

    def measure(self, name: str, value: float | None) -> None:
        """Add a value to a figure; None: there is none."""
        if value is not None:
            self.figures.setdefault(name, []).append(round(value, 4))

    def add(self, other: Outcome) -> None:
        """Add another outcome's counts and figures to these."""
        self.runs += other.runs
        self.failures += other.failures
        self.errors += other.errors
        for name, values in other.figures.items():
            self.figures.setdefault(name, []).extend(values)
        for name, (looked, violated) in other.checks.items():
            before = self.checks.setdefault(name, [0, 0])
            before[0] += looked
            before[1] += violated

    def look(self, stage: Stage) -> None:
        """Run every invariant's checker on a stage; a violation is a failure of this unit."""
        from tests.faults import invariants  # it loads half of the project: only where a unit is played

        evidence = invariants.Evidence.of(stage)
        for _, delay_s in invariants.alert_delays(evidence):
            if delay_s < float("inf"):
                self.measure("alert_s", delay_s)
        problems = []
        for name, checker in invariants.CHECKS.items():
            if name in stage.excused:
                continue
            found = checker(evidence)
            count = self.checks.setdefault(name, [0, 0])
            count[0] += 1
            count[1] += bool(found)
            problems += [f"{name}: {one}" for one in found]
        if problems:
            raise AssertionError("\n".join(problems))

    def kill_times(self, stage: Stage) -> None:
        """Take the times of a stage's last kill from the watchdog's journal."""
        payload = stage.records("kill_ended")[-1].payload
        for name in ("cancel_sent", "cancel_ack", "flat"):
            value = payload[f"flag_to_{name}_ms"]
            self.measure(f"{name}_ms", value if isinstance(value, int | float) else None)


@contextmanager
def attempt(outcome: Outcome, what: str, folder: Path, keep: Path, *, runs: int = 1) -> Iterator[None]:
    """Count one attempt; when it fails its error is noted and its folder kept."""
    outcome.runs += runs
    try:
        yield
    except Exception as error:  # noqa: BLE001 (whatever it is, it is this run's result)
        outcome.failures += 1
        text = "".join(traceback.format_exception(error))
        outcome.errors.append(f"{what}: {text[-_ERROR_LENGTH:]}")
        if folder.exists():
            keep.mkdir(parents=True, exist_ok=True)
            shutil.copytree(folder, keep / what.replace(" ", "-"), dirs_exist_ok=True, ignore=_no_sockets)
            for beside in folder.parent.glob(f"{folder.name}-*"):
                if beside.is_file():
                    shutil.copy(beside, keep / what.replace(" ", "-"))


def _no_sockets(folder: str, names: list[str]) -> list[str]:
    return [
        name for name in names if not (Path(folder) / name).is_file() and not (Path(folder) / name).is_dir()
    ]


Unit = Callable[[int, Path, Path], Outcome]
"""Seed, scratch folder, folder for what failed."""


def as_document(outcome: Outcome) -> dict[str, Any]:
    """Outcome as it is stored."""
    return {name: getattr(outcome, name) for name in Outcome.__slots__}


def from_document(document: dict[str, Any]) -> Outcome:
    """Outcome from what was stored."""
    return Outcome(**{name: document[name] for name in Outcome.__slots__})
