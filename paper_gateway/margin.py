"""Whether the account can carry an order: Regulation T for a margin account, settled cash for a cash account."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from paper_gateway.account import Account, AccountType, requirement_of
from paper_gateway.market import Market
from paper_gateway.order_rules import REJECTED, Refusal
from paper_gateway.order_store import OrderStore
from paper_gateway.types import MarginImpact
from paper_gateway.working_order import WorkingOrder

_CENTS = Decimal("0.01")


def mark(market: Market, symbol: str) -> Decimal:
    """Price at which a position counts: the last trade's."""
    return market.listings[symbol].price(market.last_ticks(symbol) or 0)


def marks(market: Market) -> Callable[[str], Decimal]:
    """``mark`` of one market."""
    return lambda symbol: mark(market, symbol)


def refusal(
    market: Market,
    account: Account,
    store: OrderStore,
    order: WorkingOrder,
    *,
    replaces: WorkingOrder | None = None,
) -> Refusal | None:
    """Why the account can't carry ``order``; None when it can.

    All working orders are counted at their worst: as if each symbol's buys, or its sells, had filled. An order that
    can only make a position smaller is always allowed, and so is a child, whose parent was checked.
    """
    if order.parent is not None:
        return None
    worst = _worst_positions(account, store, replaces)
    before = worst.get(order.symbol, 0)
    held = account.position(order.symbol)
    buys, sells = _pending(store, order.symbol, replaces)
    if order.is_buy:
        buys += order.remaining
    else:
        sells += order.remaining
    after = _worst(held, buys, sells)
    if account.account_type is AccountType.CASH:
        return _cash_refusal(market, account, store, order, replaces)
    if abs(after) <= abs(before) or abs(after) <= abs(held):
        return None
    price = marks(market)
    equity = account.balances(price).net_liquidation
    needed = requirement_of(worst | {order.symbol: after}, price, account.account_type).initial
    if equity >= needed:
        return None
    return Refusal(
        REJECTED,
        "Order rejected - reason:YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR EQUITY WITH "
        f"LOAN VALUE [{equity.quantize(_CENTS)} USD] MUST EXCEED THE INITIAL MARGIN OF [{needed.quantize(_CENTS)} USD]",
    )


def impact(market: Market, account: Account, order: WorkingOrder, commission: Decimal) -> MarginImpact:
    """Show what ``order`` would do if it filled at market now."""
    price = marks(market)
    positions = {symbol: holding.quantity for symbol, holding in account.holdings.items()}
    before = requirement_of(positions, price, account.account_type)
    positions[order.symbol] = positions.get(order.symbol, 0) + order.sign * order.original
    after = requirement_of(positions, price, account.account_type)
    equity = account.balances(price).net_liquidation
    return MarginImpact(
        initial_before=before.initial,
        initial_after=after.initial,
        maintenance_before=before.maintenance,
        maintenance_after=after.maintenance,
        equity_before=equity,
        equity_after=equity - commission,
        commission=commission,
    )


def _cash_refusal(
    market: Market, account: Account, store: OrderStore, order: WorkingOrder, replaces: WorkingOrder | None
) -> Refusal | None:
    if not order.is_buy:
        if order.remaining <= account.position(order.symbol):
            return None
        return Refusal(REJECTED, "Order rejected - reason:short sales are not allowed in a cash account")
    committed = mark(market, order.symbol) * order.remaining
    for symbol in store.books:
        committed += mark(market, symbol) * _pending(store, symbol, replaces)[0]
    if committed <= account.settled_cash:
        return None
    return Refusal(
        REJECTED,
        f"Order rejected - reason:the order and those working need [{committed.quantize(_CENTS)} USD] of settled "
        f"cash, of which there is [{account.settled_cash.quantize(_CENTS)} USD]",
    )


def _worst_positions(account: Account, store: OrderStore, without: WorkingOrder | None) -> dict[str, int]:
    worst = {symbol: holding.quantity for symbol, holding in account.holdings.items()}
    for symbol in store.books:
        worst[symbol] = _worst(worst.get(symbol, 0), *_pending(store, symbol, without))
    return worst


def _pending(store: OrderStore, symbol: str, without: WorkingOrder | None) -> tuple[int, int]:
    book = store.books.get(symbol)
    if book is None:
        return 0, 0
    book.refresh()
    buys, sells = book.pending_buys, book.pending_sells
    if without is not None and without.symbol == symbol and without.is_active:
        buys -= without.workable if without.is_buy else 0
        sells -= 0 if without.is_buy else without.workable
    return buys, sells


def _worst(held: int, buys: int, sells: int) -> int:
    return max(held + buys, held - sells, key=abs)
