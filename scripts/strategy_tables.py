"""Write the parameter tables of ``docs/strategies.md`` from the strategies' own specifications.

``python -m scripts.strategy_tables``; the tests compare the page with the code.
"""

from __future__ import annotations

from pathlib import Path

from strategy.base import Number, StrategyKind
from strategy.registry import STRATEGIES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "strategies.md"


def parameter_table(kind: StrategyKind) -> str:
    """Summary, parameters and warm-up of one strategy, as Markdown."""
    lines = [
        f"{kind.summary}. Warm-up at the defaults: {kind.warmup_bars(kind.default_parameters())} bars.",
        "",
        "| parameter | default | allowed | searched | meaning |",
        "|---|---|---|---|---|",
    ]
    for spec in kind.specs:
        searched = ", ".join(_number(value) for value in spec.search)
        allowed = f"{_number(spec.low)} to {_number(spec.high)}"
        lines.append(f"| `{spec.name}` | {_number(spec.default)} | {allowed} | {searched} | {spec.meaning} |")
    return "\n".join(lines)


def with_tables(page: str) -> str:
    """Text of the page with the table under each strategy's marker written anew."""
    for name, kind in STRATEGIES.items():
        begin, end = f"<!-- {name}: written by scripts/strategy_tables.py -->", "<!-- end -->"
        before, found, rest = page.partition(begin)
        if not found:
            raise ValueError(f"{PAGE.name} has no marker {begin}")
        page = f"{before}{begin}\n{parameter_table(kind)}\n{end}{rest.partition(end)[2]}"
    return page


def _number(value: Number) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,g}"


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
