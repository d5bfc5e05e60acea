"""The campaign's results: one line a row, ``chaos.json``, ``chaos.html``, and the table of ``docs/reliability.md``."""

from __future__ import annotations

import html
import json
import math
from pathlib import Path
from typing import Any

from tests.chaos.outcome import Outcome
from tests.chaos.plan import CAMPAIGNS, INVARIANTS, TITLES
from tests.chaos.store import Store

SUITE = "tests of "
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3em .6em;border-bottom:1px solid #ddd}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}tr.bad td{background:#fdecea}tr.none td{color:#999}"
    "pre{background:#f6f6f6;padding:1em;overflow:auto;font-size:12px}"
)


def collect(store: Store) -> list[dict[str, Any]]:
    """Rows of the report, in the catalogue's order; G1-G6 are counted over all units."""
    total = Outcome()
    for outcome in store.done.values():
        total.add(outcome)
    rows = []
    for row, title in TITLES.items():
        outcome = store.of(row)
        outcome.add(store.of(SUITE + row))
        if row in INVARIANTS:
            looked, violated = total.checks.get(row, (0, 0))
            outcome.runs, outcome.failures = outcome.runs + looked, outcome.failures + violated
            if row == "G6":
                outcome.figures |= {"alert_s": total.figures.get("alert_s", [])}
        rows.append(
            {
                "id": row,
                "title": title,
                "runs": outcome.runs,
                "failures": outcome.failures,
                "figures": {name: summary(values) for name, values in outcome.figures.items() if values},
                "note": CAMPAIGNS[row].note if row in CAMPAIGNS and store.of(row).runs else "",
                "errors": outcome.errors,
            }
        )
    return rows


def summary(values: list[float]) -> dict[str, float]:
    """Count, median, 99th percentile (the largest of fewer than a hundred) and maximum."""
    ordered = sorted(values)

    def quantile(part: float) -> float:
        return ordered[min(len(ordered) - 1, math.ceil(part * len(ordered)) - 1)]

    return {"n": len(ordered), "median": quantile(0.5), "p99": quantile(0.99), "max": ordered[-1]}


def line(row: dict[str, Any]) -> str:
    """One row for the terminal."""
    if not row["runs"]:
        return f"{row['id']:<4} {row['title']:<48} no run"
    return f"{row['id']:<4} {row['title']:<48} {row['runs']:>8,} runs {row['failures']:>4} failed  {figures(row)}"


def figures(row: dict[str, Any]) -> str:
    """Return a row's figures in words."""
    parts = [
        f"{name.rpartition('_')[0] or name} {_number(one['median'])} median, {_number(one['p99'])} p99"
        f" {name.rpartition('_')[2]}"
        for name, one in row["figures"].items()
    ]
    return "; ".join(parts)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def write(folder: Path, run: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Write ``chaos.json`` and ``chaos.html``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "chaos.json").write_text(json.dumps({"run": run, "rows": rows}, indent=1) + "\n")
    (folder / "chaos.html").write_text(page(run, rows))


def page(run: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """Return the page for people."""
    failed = [row for row in rows if row["failures"]]
    facts = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>"
        for name, value in run.items()
    )
    body = "".join(_row(row) for row in rows)
    errors = "".join(
        f"<h3>{row['id']}</h3><pre>{html.escape(text)}</pre>" for row in failed for text in row["errors"][:5]
    )
    verdict = f"{len(failed)} rows with failures" if failed else "no failure"
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Fault campaign</title><style>{_STYLE}</style>"
        f"<h1>Fault campaign: {verdict}</h1><table>{facts}</table><h2>Rows</h2><table><tr><th>id<th>what<th>runs<th>failures"
        f"<th>figures</tr>{body}</table>{'<h2>Failures</h2>' + errors if errors else ''}</html>\n"
    )


def _row(row: dict[str, Any]) -> str:
    kind = "bad" if row["failures"] else "" if row["runs"] else "none"
    counted = (
        f"<td class=n>{row['runs']:,}<td class=n>{row['failures']}" if row["runs"] else "<td colspan=2>no run"
    )
    return f"<tr class='{kind}'><td>{row['id']}<td>{html.escape(row['title'])}{counted}<td>{html.escape(figures(row))}</tr>"


def markdown(document: dict[str, Any]) -> str:
    """Return the table of ``docs/reliability.md``."""
    run = document["run"]
    head = (
        f"Scale **{run['scale']}**, version `{run['version']}`, {run['when']}, {run['machine']}; "
        f"{run['units']} of {run['units_planned']} units done; load of the machine {run['load']}.\n\n"
        "| id | fault | runs | failures | figures |\n|---|---|---:|---:|---|\n"
    )
    return head + "".join(
        f"| {row['id']} | {row['title']} | {row['runs'] or '–'} | {row['failures'] if row['runs'] else '–'} | {figures(row)} |\n"
        for row in document["rows"]
    )
