"""Write the table of ``docs/recovery.md`` from the cases (``python -m scripts.recovery_page``); the tests compare both."""

from __future__ import annotations

from pathlib import Path

from portfolio.recovery_cases import CASES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "recovery.md"
BEGIN, END = "<!-- cases: written by scripts/recovery_page.py -->", "<!-- end -->"


def table() -> str:
    """Cases as a Markdown table."""
    lines = [
        "| case | our book | the broker | rule | what is done | journaled as |",
        "|---|---|---|---|---|---|",
    ]
    for case in CASES:
        done = case.outcome.value + (f": {case.why}" if case.why else "")
        kind = f"`{case.kind}`" if case.kind else ""
        lines.append(f"| `{case.name}` | {case.ours} | {case.broker} | {case.rule} | {done} | {kind} |")
    return "\n".join(lines)


def with_table(page: str) -> str:
    """Text of the page with the table between its marks written anew."""
    before, found, rest = page.partition(BEGIN)
    if not found:
        raise ValueError(f"{PAGE.name} has no mark {BEGIN}")
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
