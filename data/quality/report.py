"""What the checks found in all symbols, for a terminal, for a machine, and as notes of a backtest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from data.quality.findings import Check, Finding


@dataclass(frozen=True, slots=True)
class QualityReport:
    """Findings of one load, in the order of symbols and checks; ``bars`` is how many bars of each symbol are left."""

    bars: dict[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def counts(self) -> dict[Check, int]:
        """Count the findings of each check; those without any are left out."""
        return {
            check: number
            for check in Check
            if (number := sum(1 for one in self.findings if one.check is check))
        }

    def as_json(self) -> dict[str, object]:
        """Everything, for a machine."""
        return {
            "bars": self.bars,
            "counts": {check.value: number for check, number in self.counts().items()},
            "findings": [one.as_json() for one in self.findings],
        }

    def notes(self) -> tuple[str, ...]:
        """One sentence for each check and symbol, with the first finding spelled out."""
        groups: dict[tuple[str, Check], list[Finding]] = {}
        for one in self.findings:
            groups.setdefault((one.symbol, one.check), []).append(one)
        return tuple(_note(symbol, check, found) for (symbol, check), found in groups.items())


def _note(symbol: str, check: Check, found: list[Finding]) -> str:
    first = found[0]
    changed = f" ({first.done})" if first.done else ""
    label = check.value.replace("_", " ")
    more = "" if len(found) == 1 else f"{len(found)} findings, the first: "
    return f"{symbol}: {label}: {more}{first.when}: {first.text}{changed}"


def print_report(report: QualityReport, *, most: int = 200) -> None:
    """Print findings as a table, most important checks first, then the counts."""
    from rich.console import Console  # noqa: PLC0415 (only a terminal needs it)
    from rich.table import Table  # noqa: PLC0415

    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console = Console(width=160, markup=False, highlight=False)
    if report.findings:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("symbol", "when", "check", "policy", "what"):
            table.add_column(name, no_wrap=name != "what", overflow="fold")
        for one in report.findings[:most]:
            what = one.text + (f"; {one.done}" if one.done else "")
            table.add_row(one.symbol, one.when, one.check.value, one.policy.value, what)
        console.print(table)
        if len(report.findings) > most:
            console.print(f"... and {len(report.findings) - most} more (--json lists all)")
        console.print()
    bars = sum(report.bars.values())
    console.print(f"{len(report.bars)} symbols, {bars:,} bars: {_counts_text(report.counts().items())}")


def _counts_text(counts: Iterable[tuple[Check, int]]) -> str:
    return ", ".join(f"{check.value} {number:,}" for check, number in counts) or "nothing was found"
