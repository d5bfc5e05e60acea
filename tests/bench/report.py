"""The table of a benchmark run, and its JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from core.atomic_file import write_atomic


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure.

    Attributes
    ----------
    work, case
        What was measured, and under which circumstances.
    n, p50, p99, max
        Number of samples and their nearest-rank percentiles, in ``unit``.
    target
        Limit for p99 (or the only value); a floor when ``more_is_better``. None: none is set.
    reference, ratio
        The same work by something simpler in the same run, and our p50 over its.
    """

    work: str
    case: str
    unit: str
    n: int
    p50: float
    p99: float
    max: float
    target: float | None = None
    reference: float | None = None
    ratio: float | None = None
    more_is_better: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        """``met``, ``MISSED`` or empty without a target."""
        if self.target is None:
            return ""
        met = self.p50 >= self.target if self.more_is_better else self.p99 <= self.target
        return "met" if met else "MISSED"


def percentile(values: Sequence[float], percent: float) -> float:
    """Nearest rank: a value that was really measured. Of fewer than a hundred values p99 is the largest."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * percent / 100) - 1, 0)]


def row(
    work: str,
    case: str,
    unit: str,
    values: Sequence[float],
    *,
    target: float | None = None,
    reference: float | None = None,
    more_is_better: bool = False,
    note: str = "",
) -> Row:
    """Make a row of samples; there must be at least one."""
    middle = percentile(values, 50)
    return Row(
        work=work,
        case=case,
        unit=unit,
        n=len(values),
        p50=round(middle, 3),
        p99=round(percentile(values, 99), 3),
        max=round(max(values), 3),
        target=target,
        reference=None if reference is None else round(reference, 3),
        ratio=round(middle / reference, 3) if reference else None,
        more_is_better=more_is_better,
        note=note,
    )


_COLUMNS = ("case", "n", "p50", "p99", "max", "unit", "target", "", "reference", "ratio")


def table(rows: Iterable[Row]) -> str:
    """Rows as text, grouped by work, with the notes below each group."""
    groups: dict[str, list[Row]] = {}
    for one in rows:
        groups.setdefault(one.work, []).append(one)
    return "\n\n".join(_group(work, members) for work, members in groups.items())


def _group(work: str, rows: list[Row]) -> str:
    lines = [_COLUMNS, *(_cells(one) for one in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(_COLUMNS))]
    text = [work]
    for line in lines:
        cells = [
            cell.ljust(width) if place in {0, 5, 7} else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        text.append(("  " + "  ".join(cells)).rstrip())
    text += [f"  {note}" for note in dict.fromkeys(one.note for one in rows) if note]
    return "\n".join(text)


def _cells(one: Row) -> tuple[str, ...]:
    sign = "≥" if one.more_is_better else "≤"
    target = "" if one.target is None else f"{sign} {_number(one.target)}"
    reference = "" if one.reference is None else _number(one.reference)
    ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
    figures = (_number(one.p50), _number(one.p99), _number(one.max))
    return (one.case, str(one.n), *figures, one.unit, target, one.verdict, reference, ratio)


def _number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 or value == 0 else f"{value:.2f}"


class Judged(Protocol):
    """A row of any bench: a dataclass with a verdict."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def verdict(self) -> str:
        """``met``, ``MISSED`` or empty."""


def write_json(path: Path, run: dict[str, Any], rows: Iterable[Judged]) -> None:
    """Write ``{"run": …, "rows": […]}``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"run": run, "rows": [{**asdict(one), "verdict": one.verdict} for one in rows]}
    write_atomic(path, (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode(), mode=0o644)
