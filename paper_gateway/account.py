"""The account behind all clients: cash, positions at average cost, margin, settlement, profit and loss.

Conventions of IB that matter: the average cost of a position includes commissions; realised profit is net of
them; a short position's cost is negative. Dividends, interest and borrow fees are not simulated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum

ZERO = Decimal(0)
_CENTS = Decimal("0.01")

# Regulation T and FINRA 4210: of the market value of long and of short stock.
_INITIAL_LONG = _INITIAL_SHORT = Decimal("0.50")
_MAINTENANCE_LONG = Decimal("0.25")
_MAINTENANCE_SHORT = Decimal("0.30")


class AccountType(StrEnum):
    """Margin accounts may borrow and sell short; cash accounts spend settled cash only."""

    MARGIN = "margin"
    CASH = "cash"


@dataclass(slots=True)
class Holding:
    """One symbol: signed shares, their cost (commissions included), profit realised today."""

    quantity: int = 0
    cost: Decimal = ZERO
    realized: Decimal = ZERO

    @property
    def average_cost(self) -> Decimal:
        """Cost of a share; 0 when flat."""
        return self.cost / self.quantity if self.quantity else ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """Margin that positions require."""

    initial: Decimal
    maintenance: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Balances:
    """The account's figures at one moment."""

    net_liquidation: Decimal
    cash: Decimal
    settled_cash: Decimal
    long_value: Decimal
    short_value: Decimal  # not negative
    requirement: Requirement
    unrealized: Decimal
    realized: Decimal

    @property
    def gross_value(self) -> Decimal:
        """Long plus short market value."""
        return self.long_value + self.short_value

    @property
    def available_funds(self) -> Decimal:
        """Equity above the initial margin."""
        return self.net_liquidation - self.requirement.initial

    @property
    def excess_liquidity(self) -> Decimal:
        """Equity above the maintenance margin."""
        return self.net_liquidation - self.requirement.maintenance


@dataclass(slots=True)
class _Unsettled:
    settles: date
    amount: Decimal


@dataclass(slots=True)
class Account:
    """Cash and holdings.

    Parameters
    ----------
    account_id
        As clients see it, such as DU1234567.
    cash
        Deposited cash; it grows and falls with fills and commissions alone.
    account_type
        Margin or cash.
    """

    account_id: str
    cash: Decimal
    account_type: AccountType = AccountType.MARGIN
    holdings: dict[str, Holding] = field(default_factory=dict)
    previous_net_liquidation: Decimal = ZERO
    _unsettled: list[_Unsettled] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.previous_net_liquidation = self.cash

    def position(self, symbol: str) -> int:
        """Signed shares held."""
        holding = self.holdings.get(symbol)
        return holding.quantity if holding is not None else 0

    def fill(
        self, symbol: str, signed_quantity: int, price: Decimal, commission: Decimal, settles: date
    ) -> Decimal | None:
        """Book one execution.

        Returns
        -------
        Decimal or None
            Realised profit net of commission; None when the execution only opened or added.
        """
        holding = self.holdings.setdefault(symbol, Holding())
        amount = -signed_quantity * price - commission
        self.cash += amount
        self._unsettled.append(_Unsettled(settles, amount))
        before = holding.quantity
        holding.quantity += signed_quantity
        closing = 0
        if before * signed_quantity < 0:
            closing = max(-abs(before), -abs(signed_quantity)) * (1 if before > 0 else -1)
        opening = signed_quantity - closing
        opening_commission = commission * opening / signed_quantity
        realized = None
        if closing:
            released = holding.cost * -closing / before
            realized = -closing * price - released - (commission - opening_commission)
            holding.cost -= released
            holding.realized += realized
        holding.cost += opening * price + opening_commission
        if holding.quantity == 0:
            holding.cost = ZERO  # drops the last digit's rounding
        return realized

    def correct_price(self, symbol: str, signed_quantity: int, difference: Decimal) -> None:
        """Book that an execution's price was ``difference`` more than was booked."""
        amount = signed_quantity * difference
        holding = self.holdings.setdefault(symbol, Holding())
        self.cash -= amount
        if holding.quantity * signed_quantity > 0:
            holding.cost += amount
        else:
            holding.realized -= amount

    def split(self, symbol: str, ratio: int) -> None:
        """Multiply a holding's shares; its cost stays."""
        holding = self.holdings.get(symbol)
        if holding is not None:
            holding.quantity *= ratio

    def start_day(self, day: date) -> None:
        """Begin a session: settle what is due, forget the previous day's realised profit."""
        self._unsettled = [item for item in self._unsettled if item.settles > day]
        for symbol in [symbol for symbol, holding in self.holdings.items() if not holding.quantity]:
            del self.holdings[symbol]
        for holding in self.holdings.values():
            holding.realized = ZERO

    def end_day(self, net_liquidation: Decimal) -> None:
        """End a session; daily profit counts from here."""
        self.previous_net_liquidation = net_liquidation

    @property
    def settled_cash(self) -> Decimal:
        """Cash without the proceeds of sales that haven't settled; purchases count at once."""
        return self.cash - sum((max(item.amount, ZERO) for item in self._unsettled), ZERO)

    def balances(self, mark: Callable[[str], Decimal]) -> Balances:
        """Figures with every position marked at ``mark(symbol)``."""
        long_value = short_value = unrealized = realized = ZERO
        for symbol, holding in self.holdings.items():
            realized += holding.realized
            if not holding.quantity:
                continue
            value = mark(symbol) * holding.quantity
            unrealized += value - holding.cost
            if value > 0:
                long_value += value
            else:
                short_value -= value
        return Balances(
            net_liquidation=self.cash + long_value - short_value,
            cash=self.cash,
            settled_cash=self.settled_cash,
            long_value=long_value,
            short_value=short_value,
            requirement=requirement(long_value, short_value, self.account_type),
            unrealized=unrealized,
            realized=realized,
        )


def requirement(long_value: Decimal, short_value: Decimal, account_type: AccountType) -> Requirement:
    """Margin required of long and short values (neither negative). A cash account pays in full."""
    if account_type is AccountType.CASH:
        return Requirement(initial=long_value + short_value, maintenance=long_value + short_value)
    return Requirement(
        initial=_INITIAL_LONG * long_value + _INITIAL_SHORT * short_value,
        maintenance=_MAINTENANCE_LONG * long_value + _MAINTENANCE_SHORT * short_value,
    )


def requirement_of(
    positions: Mapping[str, int], mark: Callable[[str], Decimal], account_type: AccountType
) -> Requirement:
    """Margin required of signed ``positions`` at market."""
    long_value = short_value = ZERO
    for symbol, quantity in positions.items():
        value = mark(symbol) * quantity
        long_value += max(value, ZERO)
        short_value += max(-value, ZERO)
    return requirement(long_value, short_value, account_type)


def account_values(account: Account, balances: Balances) -> dict[str, str]:
    """Balances under IB's keys (``reqAccountUpdates``, ``reqAccountSummary``), in dollars and cents."""
    equity = balances.net_liquidation
    available, excess = balances.available_funds, balances.excess_liquidity
    is_margin = account.account_type is AccountType.MARGIN
    buying_power = max(available / _INITIAL_LONG if is_margin else balances.settled_cash, ZERO)
    money = {
        "NetLiquidation": equity,
        "TotalCashValue": balances.cash,
        "TotalCashBalance": balances.cash,
        "CashBalance": balances.cash,
        "SettledCash": balances.settled_cash,
        "AccruedCash": ZERO,
        "BuyingPower": buying_power,
        "EquityWithLoanValue": equity,
        "PreviousDayEquityWithLoanValue": account.previous_net_liquidation,
        "GrossPositionValue": balances.gross_value,
        "StockMarketValue": balances.long_value - balances.short_value,
        "RegTEquity": equity,
        "RegTMargin": balances.requirement.initial,
        "SMA": max(available, ZERO),
        "InitMarginReq": balances.requirement.initial,
        "MaintMarginReq": balances.requirement.maintenance,
        "FullInitMarginReq": balances.requirement.initial,
        "FullMaintMarginReq": balances.requirement.maintenance,
        "LookAheadInitMarginReq": balances.requirement.initial,
        "LookAheadMaintMarginReq": balances.requirement.maintenance,
        "AvailableFunds": available,
        "FullAvailableFunds": available,
        "LookAheadAvailableFunds": available,
        "ExcessLiquidity": excess,
        "FullExcessLiquidity": excess,
        "LookAheadExcessLiquidity": excess,
        "UnrealizedPnL": balances.unrealized,
        "RealizedPnL": balances.realized,
    }
    values = {key: format(amount.quantize(_CENTS), "f") for key, amount in money.items()}
    leverage = balances.gross_value / equity if equity > 0 else ZERO
    values["Leverage"] = format(leverage.quantize(_CENTS), "f")
    values["Cushion"] = format((excess / equity if equity > 0 else ZERO).quantize(Decimal("0.000001")), "f")
    values["AccountType"] = "INDIVIDUAL"
    values["AccountCode"] = account.account_id
    values["AccountReady"] = "true"
    values["DayTradesRemaining"] = "-1"
    values["Currency"] = "USD"
    return values
