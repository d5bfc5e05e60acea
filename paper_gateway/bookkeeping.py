"""What becomes of a fill: its execution report, its cost, its effect on the account."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from data.bar_table import NS_PER_S
from data.exchange_calendar import Session
from paper_gateway.account import ZERO, Account, Balances, Holding, account_values
from paper_gateway.commissions import CommissionSchedule, Trade
from paper_gateway.margin import marks
from paper_gateway.market import Market
from paper_gateway.matching import Fill
from paper_gateway.types import CommissionView, ExecutionView, PositionView
from paper_gateway.working_order import WorkingOrder

_AVERAGE = Decimal("0.00000001")
_EXECUTIONS_KEPT_NS = 7 * 86_400 * NS_PER_S  # as a TWS whose trade log shows seven days


@dataclass(frozen=True, slots=True)
class Booked:
    """Reports of one booked fill."""

    execution: ExecutionView
    commission: CommissionView
    position: PositionView


class Bookkeeper:
    """Executions, commissions and the account.

    Parameters
    ----------
    market
        Gives the time and the marks.
    account
        Where fills are booked.
    schedule
        What they cost.
    seed
        Makes the execution ids of different runs differ.
    settlement_days
        N of T+N.
    """

    def __init__(
        self,
        market: Market,
        account: Account,
        schedule: CommissionSchedule,
        *,
        seed: int,
        settlement_days: int,
    ) -> None:
        self.account = account
        self._market = market
        self._mark = marks(market)
        self._schedule = schedule
        self._settlement_days = settlement_days
        self._run_code = zlib.crc32(f"{account.account_id}/{seed}".encode())
        self._executions: deque[ExecutionView] = deque()
        self._commissions: dict[str, CommissionView] = {}
        self._count = 0
        self._month = (0, 0)
        self._month_shares = 0

    # --- booking ---

    def book(self, order: WorkingOrder, fill: Fill) -> Booked:
        """Book a fill that ``order`` already counts."""
        execution = self._execution(order, fill)
        self._executions.append(execution)
        commission = self._charge(order, fill, execution)
        self._commissions[execution.exec_id] = commission
        return Booked(
            execution, commission, self._position(order.symbol, self.account.holdings[order.symbol])
        )

    def correct(self, execution: ExecutionView, price: Decimal) -> ExecutionView:
        """Correct an execution's price, as IB does: the same id with a higher last part."""
        base, _, number = execution.exec_id.rpartition(".")
        corrected = replace(execution, exec_id=f"{base}.{int(number) + 1:02d}", price=price)
        sign = 1 if execution.side == "BOT" else -1
        self.account.correct_price(execution.symbol, sign * int(execution.quantity), price - execution.price)
        self._executions.append(corrected)
        return corrected

    def position(self, symbol: str) -> PositionView:
        """Return the position in one symbol, also a flat one."""
        return self._position(symbol, self.account.holdings.get(symbol, Holding()))

    def cost(self, order: WorkingOrder) -> Decimal:
        """Cost of an order if all of it filled at the last price."""
        price = self._mark(order.symbol)
        commission = self._schedule.commission(order.original, price * order.original, self._month_shares)
        trade = Trade(quantity=order.original, price=price, is_sale=not order.is_buy, adds_liquidity=False)
        return commission + self._schedule.fees(trade, commission)

    def start_day(self, session: Session) -> None:
        """Begin a session: settle, and forget what is older than a week."""
        self.account.start_day(session.date)
        oldest_ns = session.open_ns - _EXECUTIONS_KEPT_NS
        while self._executions and self._executions[0].time_ns < oldest_ns:
            self._commissions.pop(self._executions.popleft().exec_id, None)

    def end_day(self) -> None:
        """End a session: daily profit counts from its close."""
        self.account.end_day(self.balances().net_liquidation)

    # --- asking ---

    def executions(self) -> list[ExecutionView]:
        """Return the executions of the last seven days, oldest first."""
        return list(self._executions)

    def commissions(self) -> Mapping[str, CommissionView]:
        """Return the commission of each of these executions, by execution id."""
        return self._commissions

    def positions(self) -> list[PositionView]:
        """Return the positions that aren't flat."""
        holdings = self.account.holdings.items()
        return [self._position(symbol, holding) for symbol, holding in holdings if holding.quantity]

    def balances(self) -> Balances:
        """Return the account's figures at market."""
        return self.account.balances(self._mark)

    def account_values(self) -> dict[str, str]:
        """Return the account's figures under IB's keys."""
        return account_values(self.account, self.balances())

    def pnl(self) -> tuple[Decimal, Decimal, Decimal]:
        """Return daily, unrealized and realized profit and loss."""
        balances = self.balances()
        daily = balances.net_liquidation - self.account.previous_net_liquidation
        return daily, balances.unrealized, balances.realized

    # --- parts ---

    def _execution(self, order: WorkingOrder, fill: Fill) -> ExecutionView:
        self._count += 1
        return ExecutionView(
            exec_id=f"{self._run_code:08x}.{self._count:08x}.01.01",
            client_id=order.ticket.client_id,
            order_id=order.ticket.order_id,
            perm_id=order.perm_id,
            order_ref=order.ticket.order_ref,
            account=self.account.account_id,
            symbol=order.symbol,
            side="BOT" if order.is_buy else "SLD",
            quantity=Decimal(fill.quantity),
            price=order.tick * fill.price,
            cumulative_quantity=Decimal(order.filled),
            average_price=order.average_price(),
            exchange=self._market.listings[order.symbol].instrument.primary_exchange,
            time_ns=self._market.now_ns,
            last_liquidity=1 if fill.adds_liquidity else 2,
        )

    def _charge(self, order: WorkingOrder, fill: Fill, execution: ExecutionView) -> CommissionView:
        """Charge what the order's commission has grown by, and this execution's fees."""
        day = self._today()
        if order.filled == fill.quantity:
            order.month_shares = self._month_shares
        self._month_shares += fill.quantity
        total = self._schedule.commission(order.filled, order.tick * order.turnover, order.month_shares)
        added, order.commission = total - order.commission, total
        trade = Trade(
            quantity=fill.quantity,
            price=execution.price,
            is_sale=not order.is_buy,
            adds_liquidity=fill.adds_liquidity,
        )
        amount = added + self._schedule.fees(trade, added)
        settles = self._market.calendar.settlement_date(day, self._settlement_days)
        signed = order.sign * fill.quantity
        realized = self.account.fill(order.symbol, signed, execution.price, amount, settles)
        return CommissionView(exec_id=execution.exec_id, amount=amount, currency="USD", realized_pnl=realized)

    def _today(self) -> date:
        zone = self._market.calendar.timezone
        day = datetime.fromtimestamp(self._market.now_ns // NS_PER_S, zone).date()
        if (day.year, day.month) != self._month:
            self._month, self._month_shares = (day.year, day.month), 0
        return day

    def _position(self, symbol: str, holding: Holding) -> PositionView:
        price = self._mark(symbol)
        value = price * holding.quantity
        return PositionView(
            symbol=symbol,
            quantity=Decimal(holding.quantity),
            average_cost=holding.average_cost.quantize(_AVERAGE),
            market_price=price,
            market_value=value,
            unrealized_pnl=value - holding.cost if holding.quantity else ZERO,
            realized_pnl=holding.realized,
        )
