"""The two checks of a recorded account, and everything that they need made from a configuration and bars."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum

import numpy as np

from backtester.market import Market, align
from backtester.parity.backtest import balances_of, denials_of, events_of, fills_of, unnamed_orders
from backtester.parity.compare import Comparison, compare
from backtester.parity.history import AccountHistory
from backtester.parity.recorded import Recording, Restricted
from backtester.parity.replay import Basis, Replay
from backtester.parity.vetoes import masked_signals, with_judgements
from backtester.run import trade_signals
from backtester.scan import scan_signals
from core.config_schema import Settings
from core.errors import BackstopError
from data.bar_table import BarTable, DataError
from data.csv_bars import PriceFolder
from portfolio.pairing import partner_columns
from strategy.registry import create_enabled

_NS_PER_S = 1_000_000_000


class Fills(StrEnum):
    """Where the fills of the check come from."""

    MODEL = "model"
    """The backtest's own: it runs by itself over the bars, and must end up with the same account."""
    RECORDED = "recorded"
    """The journal's: only decisions, orders and money are held against what live did."""


class NotComparable(BackstopError):
    """The account and a backtest of this configuration can't be held against each other; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What a check found, and in how many seconds."""

    fills: Fills
    comparison: Comparison
    seconds: float


def make_basis(recording: Recording, settings: Settings, folder: PriceFolder) -> Basis:
    """Cut the bars to what the account saw: its warm-up, and its bars up to the last that it decided on.

    Raises
    ------
    NotComparable
        When bars of the journal are missing from the folder.
    DataError
        When the bars differ in size.
    """
    symbols = settings.universe.symbols
    missing = [symbol for symbol in symbols if symbol not in folder.tables]
    if missing:
        raise DataError([f"there are no bars of {symbol}" for symbol in missing])
    tables = {symbol: _until(folder.tables[symbol], recording.last_bar_ns) for symbol in symbols}
    days = settings.caps.settlement_days
    market = align(tables, folder.calendar, settlement_days=days)
    if market.size_s != settings.bars.size_s:
        raise NotComparable(f"the bars are of {market.size_s} s, but bars.size_s is {settings.bars.size_s}")
    first = _row(market, recording.first_bar_ns)
    spare = max(first - settings.bars.warmup_bars, 0)
    if spare:
        market = align(tables, folder.calendar, settlement_days=days, first=spare)
    for balance in recording.history.balances:
        _row(market, balance.bar_end_ns)
    enabled = [one for one in settings.strategies if one.enabled]
    return Basis(
        settings=settings,
        market=market,
        calendar=folder.calendar,
        strategies=create_enabled(settings.strategies),
        weights=[one.weight for one in enabled],
        first_bar=first - spare,
    )


def check(
    fills: Fills, recording: Recording, basis: Basis, progress: Callable[[], None] = lambda: None
) -> CheckResult:
    """Hold an account against what the same configuration does over the same bars.

    Raises
    ------
    NotComparable
        When orders were worked by methods that a backtest doesn't have, or when its own fills are asked for and the
        account has a past or was not filled by that model.
    """
    execution = basis.settings.execution
    if execution.method not in {"MKT", "LMT"} or execution.exit_method != "MKT":
        raise NotComparable(
            f"execution.method {execution.method}, execution.exit_method {execution.exit_method}: a replay knows "
            "orders that are sent at once, MKT or LMT to enter and MKT to leave"
        )
    began = time.perf_counter()

    def session_of(end_ns: int) -> date:
        session = basis.calendar.session_at(end_ns - 1)
        return (
            session.date if session is not None else datetime.fromtimestamp(end_ns // _NS_PER_S, UTC).date()
        )

    if fills is Fills.RECORDED:
        other = Replay(basis, expires=False, progress=progress).run(recording.events, recording.before)
        comparison = compare(recording.history, other, session_of=session_of, with_fills=False)
    else:
        other = _backtest(recording, basis, progress)
        comparison = compare(recording.history, other, session_of=session_of)
    return CheckResult(fills=fills, comparison=comparison, seconds=time.perf_counter() - began)


def _backtest(recording: Recording, basis: Basis, progress: Callable[[], None]) -> AccountHistory:
    _check_comparable(recording, basis)
    # A broker books interest and borrow fees as cash that no fill explains; the gateway books none.
    assumed = basis.settings.backtest.model_copy(
        update={
            "cash": recording.opening_cash,
            "cash_interest_annual": 0.0,
            "margin_interest_annual": 0.0,
            "borrow_fee_annual": 0.0,
        }
    )
    settings = basis.settings.model_copy(update={"backtest": assumed})
    names = [strategy.name for strategy in basis.strategies]
    signals = scan_signals(basis.strategies, basis.market.signal_bars(), basis.market.symbols)
    result = trade_signals(
        settings,
        basis.market,
        names,
        masked_signals(signals, names, basis.market, recording.events),
        basis.weights,
        first_bar=basis.first_bar,
        partners=partner_columns(basis.strategies, basis.market.symbols),
    )
    events = with_judgements(events_of(result), recording.events)
    orders = Replay(basis, expires=True, progress=progress).run(events).orders
    orders += unnamed_orders(result, orders)
    return AccountHistory(
        orders=orders, fills=fills_of(result), denials=denials_of(result), balances=balances_of(result)
    )


def _check_comparable(recording: Recording, basis: Basis) -> None:
    assumed = basis.settings.backtest
    problems = []
    if any(recording.before):
        problems.append("the account has a past in this journal; a backtest begins with cash alone")
    if assumed.fill_at != "open" or assumed.time_in_force != "DAY":
        problems.append(
            "live orders fill at once and are DAY orders: set backtest.fill_at open, time_in_force DAY"
        )
    execution = basis.settings.execution
    if (execution.method, execution.exit_method) != ("MKT", "MKT"):
        problems.append("orders must be market orders: set execution.method and execution.exit_method MKT")
    if any(
        scale != 1 for one in recording.events if isinstance(one, Restricted) for scale in one.scales.values()
    ):
        problems.append("restrictions stood in this run, which a backtest knows nothing of")
    if problems:
        raise NotComparable("; ".join(problems) + " (--fills recorded compares the decisions alone)")


def _until(table: BarTable, end_ns: int) -> BarTable:
    rows = table.rows_between(0, end_ns)
    columns = {
        name: getattr(table, name)[rows] for name in ("end_ns", "open", "high", "low", "close", "volume")
    }
    return replace(table, **columns)


def _row(market: Market, end_ns: int) -> int:
    row = int(np.searchsorted(market.end_ns, end_ns))
    if row == len(market.end_ns) or int(market.end_ns[row]) != end_ns:
        moment = datetime.fromtimestamp(end_ns // _NS_PER_S, UTC)
        raise NotComparable(
            f"the account decided on a bar that ended at {moment:%Y-%m-%d %H:%M} UTC; there is none"
        )
    return row


def total(results: Sequence[CheckResult]) -> int:
    """Differences of all checks together."""
    return sum(len(one.comparison.differences) for one in results)
