"""What a comparison found, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from backtester.parity.check import CheckResult, Fills, total
from backtester.parity.compare import Comparison, Dated, Difference, Kind
from backtester.parity.history import AccountDenial, AccountFill, AccountHistory, Balance, PlacedOrder
from backtester.parity.recorded import Recording
from backtester.parity.replay import Basis
from backtester.search.identity import code_sha256
from core.code_version import code_version

MOST_SHOWN = 20
_CONTEXT_BARS = 3
_WIDTH = 62
_ZONE = ZoneInfo("America/New_York")
_NS_PER_S = 1_000_000_000


def text_of(results: Sequence[CheckResult], recording: Recording, basis: Basis) -> str:
    """Report for people: counts of each check, and its first difference in context."""
    what = f"{len(recording.session_dates)} sessions, {len(recording.history.balances)} bars of {basis.market.size_s} s"
    lines = [f"Live parity: run {recording.run_id}, {what}, {', '.join(basis.market.symbols)}", ""]
    for one in results:
        lines += [*_counts(one), ""]
        if one.comparison.differences:
            lines += [*_context(one.comparison, basis), "", *_table(one.comparison), ""]
    if recording.incidents:
        lines += [f"  {len(recording.incidents)} things happened that no backtest has, the first:"]
        lines += [f"    {text}" for text in recording.incidents[:3]]
        lines.append("")
    found = total(results)
    lines.append("no difference" if not found else f"{found} differences")
    return "\n".join(lines)


def figures_of(results: Sequence[CheckResult], recording: Recording, basis: Basis) -> dict[str, object]:
    """Report for programs; ``results/parity.json``."""
    main = next((one for one in results if one.fills is Fills.MODEL), results[0])
    live, other = main.comparison.live, main.comparison.other
    closes = [str(live.balances[-1].nlv), str(other.balances[-1].nlv if other.balances else None)]
    return {
        "orders_live": len(live.orders),
        "orders_backtest": len(other.orders),
        "fills_live": len(live.fills),
        "fills_backtest": len(other.fills) if main.fills is Fills.MODEL else None,
        "differences": total(results),
        "sessions": len(recording.session_dates),
        "symbols": list(basis.market.symbols),
        "strategies": [one.name for one in basis.strategies],
        "bars": len(live.balances),
        "bar_size_s": basis.market.size_s,
        "denials_live": len(live.denials),
        "denials_backtest": len(other.denials),
        "denials_live_only": main.comparison.live_only_denials,
        "final_nlv_live": closes[0],
        "final_nlv_backtest": closes[1],
        "checks": {
            str(one.fills): {
                "differences": _by_kind(one.comparison.differences),
                "seconds": round(one.seconds, 3),
            }
            for one in results
        },
        "incidents": list(recording.incidents),
        "run_id": recording.run_id,
        "first_bar": _moment(recording.first_bar_ns),
        "last_bar": _moment(recording.last_bar_ns),
        "config_sha256": recording.config_sha256,
        "data_sha256": basis.market.sha256,
        "code_version": code_version(),
        "code_sha256": code_sha256(),
        "written": datetime.now(UTC).isoformat(),
        "code_version_live": recording.code_version,
    }


def _counts(result: CheckResult) -> list[str]:
    live, other = result.comparison.live, result.comparison.other
    against = "a backtest of its own" if result.fills is Fills.MODEL else "decisions over the recorded fills"
    found = _by_kind(result.comparison.differences)
    rows: list[tuple[str, int, int | None, int]] = [
        ("orders", len(live.orders), len(other.orders), found[Kind.ORDER]),
        ("fills", len(live.fills), len(other.fills), found[Kind.FILL]),
        ("denials", len(live.denials) - result.comparison.live_only_denials, None, found[Kind.DENIAL]),
        ("balances", len(live.balances), len(other.balances), found[Kind.EQUITY]),
    ]
    lines = [f"--fills {result.fills}: live against {against} ({result.seconds:.1f} s)"]
    lines.append(f"  {'':10} {'live':>9} {'backtest':>9} {'differences':>12}")
    for name, ours, theirs, count in rows:
        if name == "fills" and result.fills is Fills.RECORDED:
            lines.append(f"  {name:10} {ours:>9,} {'(given)':>9} {'':>12}")
        else:
            shown = f"{len(other.denials):,}" if theirs is None else f"{theirs:,}"
            lines.append(f"  {name:10} {ours:>9,} {shown:>9} {count:>12,}")
    if live.balances and other.balances:
        lines.append(f"  equity at the end: {live.balances[-1].nlv:,.6f} and {other.balances[-1].nlv:,.6f}")
    if result.comparison.live_only_denials:
        lines.append(
            f"  {result.comparison.live_only_denials} denials of live hang on the wall clock, on other processes or on the veto; no backtest has them"
        )
    return lines


def _by_kind(differences: Iterable[Difference]) -> dict[str, int]:
    counts = Counter(one.kind for one in differences)
    return {kind.value: counts[kind] for kind in Kind}


# --- the first difference -------------------------------------------------------------------------------


def _context(comparison: Comparison, basis: Basis) -> list[str]:
    """Both accounts side by side around the first difference, in its symbol."""
    first = comparison.differences[0]
    span_ns = _CONTEXT_BARS * basis.market.size_s * _NS_PER_S
    low, high = first.bar_end_ns - span_ns, first.bar_end_ns + span_ns
    symbol = getattr(first.live or first.other, "symbol", None)
    ours, theirs = (_around(one, low, high, symbol) for one in (comparison.live, comparison.other))
    where = f", {symbol}" if symbol else ""
    lines = [f"  first difference: {_describe(first)}"]
    lines.append(f"  around it{where}:   {'live':<{_WIDTH}} backtest")
    for end_ns in sorted(ours.keys() | theirs.keys()):
        left, right = ours.get(end_ns, []), theirs.get(end_ns, [])
        for place in range(max(len(left), len(right))):
            a = left[place] if place < len(left) else ""
            b = right[place] if place < len(right) else ""
            mark = " " if a == b else "!"
            lines.append(f"  {mark} {_moment(end_ns)}  {a:<{_WIDTH}} {b}")
    return lines


def _around(history: AccountHistory, low: int, high: int, symbol: str | None) -> dict[int, list[str]]:
    """Lines of what happened by bar: fills first, then the account, then what was decided."""
    groups: tuple[Sequence[Dated], ...] = (history.fills, history.balances, history.denials, history.orders)
    lines: dict[int, list[str]] = {}
    for group in groups:
        chosen = [
            one
            for one in group
            if low <= one.bar_end_ns <= high and symbol in {None, getattr(one, "symbol", symbol)}
        ]
        for one in sorted(chosen, key=_line):
            lines.setdefault(one.bar_end_ns, []).append(_line(one))
    return lines


def _table(comparison: Comparison) -> list[str]:
    found = comparison.differences
    lines = [f"  {len(found)} differences{f', the first {MOST_SHOWN}' if len(found) > MOST_SHOWN else ''}:"]
    return lines + [f"    {_describe(one)}" for one in found[:MOST_SHOWN]]


def _describe(one: Difference) -> str:
    head = f"{_moment(one.bar_end_ns)} {one.kind}"
    if one.live is None or one.other is None:
        there = one.live or one.other
        side = "live" if one.other is None else "backtest"
        return f"{head} only {side}: {_line(there) if there else ''}"
    changes = "; ".join(
        f"{name} {getattr(one.live, name)} (live) and {getattr(one.other, name)}" for name in one.columns
    )
    return f"{head} {_name(one.live)}: {changes}"


def _name(one: Dated) -> str:
    words = [getattr(one, name, "") for name in ("strategy", "symbol", "purpose")]
    return " ".join(str(word) for word in words if word)


def _line(one: Dated) -> str:
    match one:
        case PlacedOrder():
            stop = f" at {one.stop_price:.2f}" if one.stop_price is not None else ""
            if one.trailing_amount is not None:
                stop += f", trailing by {one.trailing_amount:.2f}"
            return f"order {one.strategy} {one.symbol} {one.purpose}: {one.side} {one.quantity} {one.order_type}{stop} ({one.reason})"
        case AccountFill():
            return f"fill {one.strategy} {one.symbol} {one.purpose}: {one.side} {one.quantity} at {one.price} fee {one.commission}"
        case AccountDenial():
            return f"denied {one.strategy} {one.symbol}: {one.reason} {one.quantity or ''}".rstrip()
        case Balance():
            return f"NLV {one.nlv:.2f} cash {one.cash:.2f}"
        case _:
            return str(one)


def _moment(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // _NS_PER_S, UTC).astimezone(_ZONE):%Y-%m-%d %H:%M}"
