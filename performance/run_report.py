"""The summary of a run in words and in JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from performance.run_summary import KillSummary, RunSummary, StrategySummary, explain_no_orders


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalCheck:
    """Result of verifying one journal's hash chain; ``problem`` is None when it holds."""

    name: str
    path: str
    records: int
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What the report says beyond the counted figures."""

    run_id: str
    title: str
    journals: Sequence[JournalCheck]
    files: Mapping[str, str]
    replay: Mapping[str, Any] | None = None
    enabled: Sequence[str] | None = None
    """Names of the enabled strategies; None when that isn't known any more."""
    caveat: str | None = None
    """One sentence about how far the figures may be believed."""

    @property
    def is_verified(self) -> bool:
        """Whether every journal's hash chain holds."""
        return all(check.problem is None for check in self.journals)


def to_json(summary: RunSummary, facts: RunFacts) -> dict[str, Any]:
    """Plain JSON values; money and fractions as numbers, NaN never."""
    kill = summary.kill
    return {
        "run_id": facts.run_id,
        "sessions": summary.sessions,
        "first_session": summary.first_session,
        "last_session": summary.last_session,
        "bars": summary.bars_decided,
        "signals": summary.signals,
        "orders": summary.orders,
        "orders_by_purpose": dict(summary.orders_by_purpose),
        "fills": summary.fills,
        "commission": float(summary.commission),
        "opening_nlv": summary.opening_nlv,
        "final_nlv": summary.final_nlv,
        "pnl": summary.pnl,
        "caveat": facts.caveat,
        "max_drawdown": summary.max_drawdown,
        "denials": dict(summary.denials),
        "decision_reasons": dict(summary.decision_reasons),
        "breaks": summary.breaks,
        "break_details": list(summary.break_details),
        "reconciliations": summary.reconciliations,
        "halts": list(summary.halts),
        "journal_verified": facts.is_verified,
        "journals": [
            {"name": check.name, "path": check.path, "records": check.records, "problem": check.problem}
            for check in facts.journals
        ],
        "kill": None if kill is None else _kill_json(kill),
        "strategies": [_strategy_json(strategy) for strategy in summary.strategies],
        "no_orders_because": explain_no_orders(summary, facts.enabled),
        "replay": None if facts.replay is None else dict(facts.replay),
        "files": dict(facts.files),
    }


def to_text(summary: RunSummary, facts: RunFacts) -> str:
    """Several lines for a terminal of any kind, without colours."""
    blocks = [
        _headline(summary, facts),
        _money(summary, facts),
        _activity(summary, facts),
        _strategies(summary.strategies, facts.enabled or ()),
        _denials(summary),
        _safety(summary, facts),
        _files(facts),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _headline(summary: RunSummary, facts: RunFacts) -> list[str]:
    span = ""
    if summary.first_session is not None:
        span = f": {_count(summary.sessions, 'session')}, {summary.first_session} to {summary.last_session}"
    line = f"{facts.title} {facts.run_id}{span}"
    return [line, "─" * len(line)]


def _money(summary: RunSummary, facts: RunFacts) -> list[str]:
    if summary.opening_nlv is None or summary.final_nlv is None or summary.pnl is None:
        return _pairs([("NLV", "not known: no bar was closed")])
    fraction = summary.pnl / summary.opening_nlv
    lines = [
        ("NLV", f"{summary.opening_nlv:,.2f} → {summary.final_nlv:,.2f}"),
        ("P&L", f"{summary.pnl:+,.2f} ({fraction:+.2%})"),
        ("max drawdown", f"{summary.max_drawdown or 0.0:.2%}"),
        ("commission", f"{summary.commission:,.2f}"),
    ]
    return _pairs(lines) + [f"  {line}" for line in textwrap.wrap(facts.caveat or "", 76)]


def _activity(summary: RunSummary, facts: RunFacts) -> list[str]:
    purposes = ", ".join(f"{name} {count}" for name, count in summary.orders_by_purpose.items())
    lines = [
        ("bars decided on", f"{summary.bars_decided:,}"),
        ("signals", f"{summary.signals:,}"),
        ("orders", f"{summary.orders:,}" + (f" ({purposes})" if purposes else "")),
        ("fills", f"{summary.fills:,}"),
    ]
    why = explain_no_orders(summary, facts.enabled)
    if why is not None:
        lines.append(("no orders", why))
    if facts.replay is not None:
        lines += [("replay" if index == 0 else "", text) for index, text in enumerate(_replay(facts.replay))]
    return _pairs(lines)


def _strategies(strategies: Sequence[StrategySummary], enabled: Sequence[str]) -> list[str]:
    idle = [name for name in enabled if name not in {strategy.name for strategy in strategies}]
    header = ["strategy", "signals", "orders", "fills", "denials", "turnover", "commission"]
    if not strategies:
        return []
    with_ledger = any(strategy.realized_pnl is not None for strategy in strategies)
    if with_ledger:
        header += ["realised P&L", "open"]
    rows = []
    for strategy in strategies:
        row = [
            strategy.name,
            f"{strategy.signals:,}",
            f"{strategy.orders:,}",
            f"{strategy.fills:,}",
            f"{strategy.denials:,}",
            f"{strategy.turnover:,.0f}",
            f"{strategy.commission:,.2f}",
        ]
        if with_ledger:
            row += [f"{strategy.realized_pnl or 0:+,.2f}", f"{strategy.open_positions or 0}"]
        rows.append(row)
    rows += [[name, *("0" for _ in header[1:])] for name in idle]
    return _table(header, rows)


def _denials(summary: RunSummary) -> list[str]:
    reasons = list(dict.fromkeys([*summary.denials, *summary.decision_reasons]))
    if not reasons:
        return _pairs([("denials", "none")])
    rows = [
        [reason, f"{summary.denials.get(reason, 0):,}", f"{summary.decision_reasons.get(reason, 0):,}"]
        for reason in reasons
    ]
    return _table(["denied or reduced by", "orders denied", "targets cut"], rows)


def _safety(summary: RunSummary, facts: RunFacts) -> list[str]:
    lines = [("breaks", f"{summary.breaks} in {_count(summary.reconciliations, 'reconciliation')}")]
    lines += [("", detail) for detail in summary.break_details[:10]]
    for check in facts.journals:
        verdict = "hash chain verified" if check.problem is None else f"NOT VERIFIED: {check.problem}"
        lines.append((f"journal {check.name}", f"{_count(check.records, 'record')}, {verdict}"))
    lines += [("halt", halt) for halt in summary.halts[:10]]
    lines += _kill_lines(summary.kill)
    return _pairs(lines)


def _kill_lines(kill: KillSummary | None) -> list[tuple[str, str]]:
    if kill is None:
        return [("kill", "none")]
    figures = (
        ("cancel sent", kill.flag_to_cancel_sent_ms),
        ("cancel acknowledged", kill.flag_to_cancel_ack_ms),
        ("flat", kill.flag_to_flat_ms),
    )
    lines = [("kill", kill.reason)]
    lines += [("", f"{name:<20}{_milliseconds(value):>12} after the breach") for name, value in figures]
    lines.append(("", "every position is flat" if kill.flat else f"NOT FLAT, residue: {kill.residue}"))
    return lines


def _files(facts: RunFacts) -> list[str]:
    return _pairs(list(facts.files.items()))


def _replay(replay: Mapping[str, Any]) -> list[str]:
    """Pace and losses, from the gateway's status file."""
    if not replay.get("steps"):
        return ["not begun"]
    speed, late = replay.get("speed"), replay.get("late")
    pace = f"{speed:,.0f} times real time" if isinstance(speed, int | float) else "pace not known"
    waited = (
        f"{_count(late, 'bar')} closed without waiting any longer" if late else "every bar was waited for"
    )
    lines = [f"{pace}, {waited}"]
    done, asked = replay.get("sessions_done"), replay.get("sessions")
    if (
        replay.get("state") == "finished"
        and isinstance(done, int)
        and isinstance(asked, int)
        and done < asked
    ):
        lines.append(f"the prices ended after {done} of the {_count(asked, 'session')} asked for")
    return lines


def _kill_json(kill: KillSummary) -> dict[str, Any]:
    return {
        "reason": kill.reason,
        "flag_to_cancel_sent_ms": kill.flag_to_cancel_sent_ms,
        "flag_to_cancel_ack_ms": kill.flag_to_cancel_ack_ms,
        "flag_to_flat_ms": kill.flag_to_flat_ms,
        "flat": kill.flat,
        "residue": kill.residue,
    }


def _strategy_json(strategy: StrategySummary) -> dict[str, Any]:
    return {
        "name": strategy.name,
        "signals": strategy.signals,
        "orders": strategy.orders,
        "fills": strategy.fills,
        "denials": strategy.denials,
        "turnover": float(strategy.turnover),
        "commission": float(strategy.commission),
        "realized_pnl": None if strategy.realized_pnl is None else float(strategy.realized_pnl),
        "open_positions": strategy.open_positions,
    }


def _pairs(lines: Sequence[tuple[str, str]]) -> list[str]:
    return [f"  {name:<20}{value}" for name, value in lines]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """First column to the left, the others to the right, as wide as their widest cell."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = []
    for row in [header, *rows]:
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
        ]
        lines.append("  " + "  ".join(cells).rstrip())
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _milliseconds(value: float | None) -> str:
    return "never" if value is None else f"{value:,.1f} ms"
