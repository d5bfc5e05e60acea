"""What a backtest found: fills, denials, the equity curve, and figures of each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from backtester.book import DenialColumn, FillColumn, Kind
from backtester.carry import FlowColumn, FlowKind
from backtester.engine import Outcome
from backtester.market import Market
from backtester.money import MICRO
from core.events import Commission, Execution
from core.reasons import Reason
from core.vocabulary import Purpose, Side
from portfolio.ledger import Ledger

_PURPOSES = {Kind.ENTRY: Purpose.ENTRY, Kind.EXIT: Purpose.EXIT, Kind.STOP: Purpose.STOP}


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestFill:
    """One fill. ``bar_end_ns`` is the end of the bar in which it happened, ``decided_ns`` of the bar that led to it."""

    bar_end_ns: int
    decided_ns: int
    strategy: str
    symbol: str
    side: Side
    quantity: int
    price: Decimal
    commission: Decimal
    purpose: Purpose
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestDenial:
    """Something that was not ordered, or not filled. ``quantity`` is 0 where the decision had not sized it."""

    bar_end_ns: int
    strategy: str
    symbol: str
    reason: Reason
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestFlow:
    """Cash that no fill explains: interest, a borrow fee, a dividend, the rest of a share.

    ``amount`` is positive when it is received; strategy and symbol are empty for the account's own.
    """

    bar_end_ns: int
    strategy: str
    symbol: str
    kind: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BacktestResult:
    """The account's history from the first traded bar on.

    Attributes
    ----------
    strategies, symbols
        What was traded.
    size_s
        Seconds in a bar.
    data_sha256, notes
        Of the market (`backtester.market.Market`).
    opening_cash
        Dollars.
    sessions
        Dates of the sessions that were traded.
    session_of
        Shape (bars,): index into ``sessions``.
    end_ns, nlv_micros, cash_micros, gross_micros
        Shape (bars,): end of each bar, and the account at its close in whole micro-dollars.
    max_drawdown
        Largest fall from a peak (bar closes, opening cash included), as a positive fraction; 1 if nothing was left.
    fill_table, denial_table, flow_table
        Records as kernels wrote them; `fills`, `denials` and `flows` read them. Bars count from the market's first one.
    """

    strategies: tuple[str, ...]
    symbols: tuple[str, ...]
    size_s: int
    data_sha256: str
    notes: tuple[str, ...]
    opening_cash: Decimal
    sessions: tuple[date, ...]
    session_of: npt.NDArray[np.int64]
    end_ns: npt.NDArray[np.int64]
    nlv_micros: npt.NDArray[np.int64]
    cash_micros: npt.NDArray[np.int64]
    gross_micros: npt.NDArray[np.int64]
    market_end_ns: npt.NDArray[np.int64]
    max_drawdown: float
    fill_table: npt.NDArray[np.int64]
    denial_table: npt.NDArray[np.int64]
    flow_table: npt.NDArray[np.int64]

    @classmethod
    def of(
        cls,
        outcome: Outcome,
        *,
        market: Market,
        strategies: tuple[str, ...],
        first_bar: int,
        cash: Decimal,
    ) -> BacktestResult:
        """Cut the warm-up and unused rows off what the engine left."""
        fills, denials, flows, counts = outcome.records
        sessions = market.clock.session[first_bar:]
        begin = int(sessions[0])
        return cls(
            strategies=strategies,
            symbols=market.symbols,
            size_s=market.size_s,
            data_sha256=market.sha256,
            notes=market.notes,
            opening_cash=cash,
            sessions=tuple(session.date for session in market.sessions[begin:]),
            session_of=sessions - begin,
            end_ns=market.end_ns[first_bar:],
            nlv_micros=outcome.curve.nlv[first_bar:],
            cash_micros=outcome.curve.cash[first_bar:],
            gross_micros=outcome.curve.gross[first_bar:],
            market_end_ns=market.end_ns,
            max_drawdown=outcome.drawdown,
            fill_table=fills[: counts[0]].copy(),
            denial_table=denials[: counts[1]].copy(),
            flow_table=flows[: counts[2]].copy(),
        )

    def fills(self) -> list[BacktestFill]:
        """Every fill, in the order in which they happened."""
        return [
            BacktestFill(
                bar_end_ns=int(self.market_end_ns[row[FillColumn.BAR]]),
                decided_ns=int(self.market_end_ns[row[FillColumn.DECIDED]]),
                strategy=self.strategies[row[FillColumn.STRATEGY]],
                symbol=self.symbols[row[FillColumn.SYMBOL]],
                side=Side.BUY if row[FillColumn.QUANTITY] > 0 else Side.SELL,
                quantity=abs(row[FillColumn.QUANTITY]),
                price=_dollars(row[FillColumn.PRICE]),
                commission=_dollars(row[FillColumn.COMMISSION]),
                purpose=_PURPOSES[Kind(row[FillColumn.KIND])],
                reason=Reason(row[FillColumn.REASON]).code,
            )
            for row in self.fill_table.tolist()
        ]

    def denials(self) -> list[BacktestDenial]:
        """Every denial, in order; one that repeats bar after bar stands where it began."""
        return [
            BacktestDenial(
                bar_end_ns=int(self.market_end_ns[row[DenialColumn.BAR]]),
                strategy=self.strategies[row[DenialColumn.STRATEGY]],
                symbol=self.symbols[row[DenialColumn.SYMBOL]],
                reason=Reason(row[DenialColumn.REASON]),
                quantity=row[DenialColumn.QUANTITY],
            )
            for row in self.denial_table.tolist()
        ]

    def flows(self) -> list[BacktestFlow]:
        """Cash that no fill explains, in order."""
        return [
            BacktestFlow(
                bar_end_ns=int(self.market_end_ns[row[FlowColumn.BAR]]),
                strategy=self.strategies[row[FlowColumn.STRATEGY]] if row[FlowColumn.STRATEGY] >= 0 else "",
                symbol=self.symbols[row[FlowColumn.SYMBOL]] if row[FlowColumn.SYMBOL] >= 0 else "",
                kind=FlowKind(row[FlowColumn.KIND]).name.lower(),
                amount=_dollars(row[FlowColumn.AMOUNT]),
            )
            for row in self.flow_table.tolist()
        ]

    def flows_by_kind(self) -> dict[str, Decimal]:
        """Sum of the flows of each kind."""
        sums: dict[str, Decimal] = {}
        for flow in self.flows():
            sums[flow.kind] = sums.get(flow.kind, Decimal(0)) + flow.amount
        return sums

    def ledger(self) -> Ledger:
        """Book fills and flows by the live ledger: holdings, average cost, realised profit of each strategy.

        It knows no splits: after one, only its cash is right.
        """
        ledger = Ledger()
        ledger.adjust_cash(self.opening_cash + sum((flow.amount for flow in self.flows()), Decimal(0)))
        for number, fill in enumerate(self.fills()):
            execution = Execution(
                exec_id=f"bt.{number:08d}.01",
                order_ref="",
                order_id=0,
                perm_id=0,
                client_id=0,
                account="",
                symbol=fill.symbol,
                side=fill.side,
                quantity=Decimal(fill.quantity),
                price=fill.price,
                time_ns=fill.bar_end_ns,
            )
            ledger.apply(execution, fill.strategy)
            ledger.apply_commission(
                Commission(exec_id=execution.exec_id, amount=fill.commission, currency="USD")
            )
        return ledger

    @property
    def nlv(self) -> npt.NDArray[np.float64]:
        """Net liquidation value after each bar, dollars."""
        return np.asarray(self.nlv_micros / MICRO, dtype=np.float64)

    @property
    def final_nlv(self) -> Decimal:
        """Net liquidation value at the end."""
        return _dollars(int(self.nlv_micros[-1]))

    @property
    def commission(self) -> Decimal:
        """Commissions and fees of all fills."""
        return _dollars(int(self.fill_table[:, FillColumn.COMMISSION].sum()))

    @property
    def total_return(self) -> float:
        """Profit as a fraction of the opening cash."""
        return float(self.final_nlv / self.opening_cash - 1)

    def session_closes(self) -> npt.NDArray[np.float64]:
        """Net liquidation value at the end of each session that has bars, dollars."""
        last = np.append(
            np.flatnonzero(self.session_of[1:] != self.session_of[:-1]), len(self.session_of) - 1
        )
        return np.asarray(self.nlv_micros[last] / MICRO, dtype=np.float64)

    def denials_by_reason(self) -> dict[str, int]:
        """How many denials there were of each reason, most frequent first."""
        counts = Counter(Reason(code).code for code in self.denial_table[:, DenialColumn.REASON].tolist())
        return dict(counts.most_common())


def _dollars(amount: int) -> Decimal:
    return Decimal(amount) / MICRO


def iso(time_ns: int) -> str:
    """Time as ISO text in UTC, to the second."""
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).isoformat().replace("+00:00", "Z")
