"""The brokerage: orders in, events out, one account. It knows no sockets and moves no clock.

Every method that changes something returns what clients must see, in that order. The replay calls
``on_session_open``, ``on_step`` after each step, and ``on_session_close``; the server calls the rest for its clients.
An order id belongs to a client id; the account belongs to all.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from core.vocabulary import OrderType, TimeInForce
from paper_gateway import margin, matching, tactics
from paper_gateway import order_rules as rules
from paper_gateway.account import Account, AccountType
from paper_gateway.algo_orders import read_algo
from paper_gateway.bar_fills import BarFills, BarModel, refusal_of
from paper_gateway.bookkeeping import Bookkeeper
from paper_gateway.commissions import CommissionSchedule, TieredSchedule
from paper_gateway.hooks import Exchange, GoodExchange
from paper_gateway.impact import ImpactModel
from paper_gateway.internals import Internals
from paper_gateway.market import Market
from paper_gateway.matching import Fill
from paper_gateway.order_links import OrderLinks
from paper_gateway.order_rules import Refusal
from paper_gateway.order_store import OrderStore
from paper_gateway.outbox import Outbox
from paper_gateway.short_sales import ShortSales
from paper_gateway.tape_fills import TapeFills
from paper_gateway.types import (
    BrokerageEvent,
    CommissionCharged,
    CommissionView,
    Executed,
    ExecutionView,
    OrderChanged,
    OrderState,
    OrderTicket,
    OrderView,
    PositionChanged,
    PositionView,
)
from paper_gateway.working_order import Terms, WorkingOrder


class Brokerage:
    """Orders, executions, positions and account values.

    Parameters
    ----------
    market
        Where orders meet prices.
    account_id
        Such as DU1234567.
    cash
        What the account starts with.
    commission
        Schedule of commissions; None: IB's tiered one.
    seed
        Makes execution ids of different runs differ.
    account_type
        Margin (Regulation T) or cash.
    settlement_days
        N of T+N.
    bar_model
        None: orders meet the tape (`tape_fills`). Otherwise they fill by bars (`bar_fills`).
    impact
        What the account's size does to its prices on the tape; None: no more than the book's depth does.
    not_shortable
        Symbols of which no share can be borrowed.
    """

    def __init__(
        self,
        market: Market,
        *,
        account_id: str = "DU1234567",
        cash: Decimal = Decimal(1_000_000),
        commission: CommissionSchedule | None = None,
        seed: int = 1,
        account_type: AccountType = AccountType.MARGIN,
        settlement_days: int = 1,
        bar_model: BarModel | None = None,
        impact: ImpactModel | None = None,
        not_shortable: Iterable[str] = (),
    ) -> None:
        self._market = market
        self._account = Account(account_id=account_id, cash=cash, account_type=account_type)
        self._books = Bookkeeper(
            market,
            self._account,
            commission if commission is not None else TieredSchedule(),
            seed=seed,
            settlement_days=settlement_days,
        )
        self._store = OrderStore()
        self._outbox = Outbox()
        self._links = OrderLinks(self._store, self._outbox, self._start_trailing)
        self._short_sales = ShortSales(market, self._account, frozenset(not_shortable))
        announce = self._outbox.announce
        self._tape = TapeFills(
            market,
            self._store,
            impact if impact is not None else ImpactModel(strength=0.0),
            self._short_sales,
            book=self._book_fill,
            announce=announce,
            expire=self._expire,
        )
        self._bars: BarFills | None = None
        if bar_model is not None:
            self._bars = BarFills(market, self._store, bar_model, book=self._book_fill, announce=announce)
        self.exchange: Exchange = GoodExchange()
        """What may happen to orders on their way: nothing, unless faults are scripted."""
        self._perm_ids = 1_000_000_000 + zlib.crc32(f"{account_id}/{seed}".encode()) % 500_000_000

    @property
    def account_id(self) -> str:
        """The account's id."""
        return self._account.account_id

    # --- what clients do ---

    def place(self, ticket: OrderTicket) -> list[BrokerageEvent]:
        """Place an order, or modify the live one that has this client's order id."""
        terms = self._read_terms(ticket)
        if isinstance(terms, Refusal):
            self._outbox.refuse(ticket, terms)
            return self._outbox.drain()
        key = (ticket.client_id, ticket.order_id)
        existing = self._store.get(key)
        if existing is not None and not existing.state.is_done:
            self._modify(existing, ticket, terms)
        elif self._store.is_used(key):
            self._outbox.refuse(ticket, rules.reuse_refusal(existing))
        elif ticket.what_if:
            self._answer_what_if(ticket, terms)
        else:
            for each in (ticket, *self.exchange.twins(ticket)):
                self._place_new(each, terms)
        return self._outbox.drain()

    def cancel(self, client_id: int, order_id: int) -> list[BrokerageEvent]:
        """Cancel one order of a client, and the children that wait for it."""
        order = self._store.get((client_id, order_id))
        if order is None or order.state.is_done:
            self._outbox.fail(client_id, order_id, rules.cancel_refusal(order, order_id))
        elif (refusal := rules.check_locked_in(order, self._market)) is not None:
            self._outbox.fail(client_id, order_id, refusal)
        else:
            self._cancel_live(order)
        return self._outbox.drain()

    def global_cancel(self) -> list[BrokerageEvent]:
        """Cancel every live order of every client, but for those that the closing auction holds already."""
        for order in list(self._store.live()):
            if order.state.is_done:  # a parent takes its children with it
                continue
            refusal = rules.check_locked_in(order, self._market)
            if refusal is None:
                self._cancel_live(order)
            else:
                self._outbox.refuse(order.ticket, refusal)
        return self._outbox.drain()

    # --- what the replay does ---

    def on_session_open(self) -> list[BrokerageEvent]:
        """Begin the market's session: waiting orders go to the exchange and meet the opening quote."""
        session = self._market.session
        if session is not None:
            self._books.start_day(session)
        for order in sorted(self._store.live(), key=lambda each: each.sequence):
            if order.is_active:
                self._go_live(order)
        return self._outbox.drain()

    def on_step(self) -> list[BrokerageEvent]:
        """Match working orders against the market's newest step."""
        if self._bars is not None:
            self._bars.on_step()
            return self._outbox.drain()
        self._tape.on_step()
        return self._outbox.drain()

    def on_session_close(self) -> list[BrokerageEvent]:
        """Hold the closing auction, expire DAY orders, strike the day's balance."""
        live = sorted(self._store.live(), key=lambda each: each.sequence)
        for order in live:
            close = self._market.last_ticks(order.symbol)
            traded = close is not None and self._market.reader(order.symbol) is not None
            if order.is_auction and order.is_active and close is not None and traded:
                fill = matching.meet_auction(order, close)
                if fill is not None:
                    self._book_fill(order, fill)
        for order in live:
            if not order.state.is_done and order.time_in_force is TimeInForce.DAY:
                self._links.end(order, OrderState.CANCELLED)
        self._short_sales.on_session_close()
        self._books.end_day()
        return self._outbox.drain()

    # --- what clients ask ---

    def open_orders(self) -> list[OrderView]:
        """Live orders, by symbol, then by time."""
        return [order.view() for order in self._store.live()]

    def completed_orders(self) -> list[OrderView]:
        """Orders that are done, oldest first."""
        return [order.view() for order in self._store.completed()]

    def executions(self) -> list[ExecutionView]:
        """Return the executions of the last seven days, oldest first."""
        return self._books.executions()

    def commissions(self) -> Mapping[str, CommissionView]:
        """Return the commission of each of these executions, by execution id."""
        return self._books.commissions()

    def positions(self) -> list[PositionView]:
        """Return the positions that aren't flat."""
        return self._books.positions()

    def account_values(self) -> dict[str, str]:
        """Return account values under IB's keys, in dollars."""
        return self._books.account_values()

    def pnl(self) -> tuple[Decimal, Decimal, Decimal]:
        """Return daily (since the previous close), unrealized and realized (today's) profit and loss."""
        return self._books.pnl()

    @property
    def internals(self) -> Internals:
        """Parts, for those who make things go wrong on purpose."""
        return Internals(self._market, self._account, self._store, self._outbox, self._books, self._go_live)

    # --- placing ---

    def _read_terms(self, ticket: OrderTicket) -> Terms | Refusal:
        terms = rules.read_terms(ticket, self._market.listings.get(ticket.symbol), self.account_id)
        if isinstance(terms, Refusal):
            return terms
        market = self._market
        session = market.session if market.is_open else market.next_session
        algo = read_algo(ticket, terms.kind, terms.time_in_force, session, market.now_ns)
        if isinstance(algo, Refusal):
            return algo
        if algo is not None:
            terms = replace(terms, method=algo)
        return terms if self._bars is None else refusal_of(terms) or terms

    def _auction_refusal(self, order: WorkingOrder, terms: Terms) -> Refusal | None:
        """Why an order can't be changed because of the closing auction."""
        late = rules.check_auction(terms.kind, self._market, order.symbol)
        return rules.check_locked_in(order, self._market) or late

    def _expire(self, order: WorkingOrder) -> None:
        self._links.cancel(order, "the order's end time has passed")

    def _cancel_live(self, order: WorkingOrder) -> None:
        answer = self.exchange.on_cancel(order)
        if answer is None:
            self._links.cancel(order, "")
        elif isinstance(answer, Refusal):
            self._outbox.refuse(order.ticket, answer)

    def _place_new(self, ticket: OrderTicket, terms: Terms) -> None:
        parent = self._store.get((ticket.client_id, ticket.parent_id)) if ticket.parent_id else None
        if ticket.parent_id and (parent is None or (parent.state.is_done and not parent.filled)):
            self._outbox.refuse(
                ticket, Refusal(rules.MISSING_PARENT, f"Missing parent order: {ticket.parent_id}")
            )
            return
        order = self._new_order(ticket, terms)
        order.parent = parent
        order.is_short_sale = self._short_sales.is_short(order)
        refusal = (
            rules.check_auction(order.kind, self._market, order.symbol)
            or self._short_sales.refusal(order)
            or margin.refusal(self._market, self._account, self._store, order)
            or self.exchange.refusal(order)
        )
        if refusal is not None:
            order.state = OrderState.INACTIVE
            order.warning = refusal.message
            self._store.remember(order)
            self._outbox.announce(order)
            self._outbox.refuse(ticket, refusal)
            return
        self._store.add(order)
        order.held = self.exchange.hold(order)
        if ticket.transmit:
            self._transmit(order)
        else:
            self._outbox.announce(order)

    def _new_order(self, ticket: OrderTicket, terms: Terms) -> WorkingOrder:
        self._perm_ids += 1
        order = WorkingOrder(
            ticket=self._with_account(ticket),
            perm_id=self._perm_ids,
            tick=self._market.listings[ticket.symbol].tick,
            terms=terms,
            original=terms.quantity,
            stop=terms.stop,
        )
        if order.stop is None:
            self._start_trailing(order)
        return order

    def _with_account(self, ticket: OrderTicket) -> OrderTicket:
        return ticket if ticket.account else replace(ticket, account=self.account_id)

    def _start_trailing(self, order: WorkingOrder) -> None:
        last = self._market.last_ticks(order.symbol)
        if order.kind is OrderType.TRAIL and last is not None:
            order.stop = max(last + order.sign * order.trail_distance(last), 1)

    def _transmit(self, order: WorkingOrder) -> None:
        """Send an order and those that were held back for it: its parent and its parent's other children."""
        parent = order.parent
        if parent is not None and not parent.transmitted:
            self._submit(parent)
        if parent is not None:
            for sibling in self._store.children(parent):
                if not sibling.transmitted and sibling is not order:
                    self._submit(sibling)
        self._submit(order)

    def _submit(self, order: WorkingOrder) -> None:
        if order.state.is_done:  # a fill of its parent, sent just before, has ended its OCA group
            return
        order.transmitted = True
        self._store.touch(order)
        if order.is_active and self._trades(order.symbol):
            self._go_live(order)
            return
        order.state = order.held.state if order.held else OrderState.PRE_SUBMITTED
        self._outbox.announce(order)
        if order.held is None and not self._market.is_open and not order.waits_for_parent:
            self._outbox.refuse(order.ticket, rules.waiting_message(order.ticket, self._market))

    def _go_live(self, order: WorkingOrder) -> None:
        """Show an order that may fill now, and let it meet the quote."""
        last = self._market.last_ticks(order.symbol)
        if last is None or not self._trades(order.symbol):
            return
        is_new = order.state is OrderState.PENDING_SUBMIT
        if self._bars is None:
            matching.elect(order, last, last)
        held = order.is_stop or order.is_auction or not tactics.has_begun(order, self._market.now_ns)
        state = OrderState.PRE_SUBMITTED if held else OrderState.SUBMITTED
        if is_new or state is not order.state:
            order.state = state
            self._outbox.announce(order)
        self._store.touch(order)
        if not held and self._bars is None:
            self._tape.meet_quote(order)

    def _modify(self, order: WorkingOrder, ticket: OrderTicket, terms: Terms) -> None:
        refusal = rules.check_modification(order, terms, ticket)
        if refusal is None:
            changed = replace(order, terms=terms, original=terms.quantity, reduced=0)
            refusal = self._auction_refusal(order, terms) or margin.refusal(
                self._market, self._account, self._store, changed, replaces=order
            )
        if refusal is not None:
            self._outbox.refuse(ticket, refusal)
            return
        loses_place = terms.limit != order.limit or terms.quantity > order.quantity
        order.change(replace(self._with_account(ticket), parent_id=order.ticket.parent_id), terms)
        if order.stop is None:
            self._start_trailing(order)
        self._store.touch(order)
        if loses_place:
            self._store.requeue(order)
        self._outbox.announce(order)
        if not order.transmitted and ticket.transmit:
            self._transmit(order)
        elif order.is_active:
            self._go_live(order)

    def _answer_what_if(self, ticket: OrderTicket, terms: Terms) -> None:
        order = self._new_order(ticket, terms)
        order.state = OrderState.PRE_SUBMITTED
        impact = margin.impact(self._market, self._account, order, self._books.cost(order))
        self._outbox.put(OrderChanged(order=replace(order.view(), margin=impact), announce=True))

    # --- matching ---

    def _trades(self, symbol: str) -> bool:
        """Whether an order for the symbol can meet a quote now."""
        return self._market.is_open and self._market.reader(symbol) is not None

    def _book_fill(self, order: WorkingOrder, fill: Fill) -> None:
        """Book one execution, tell of it, and let it work on the orders tied to this one."""
        order.filled += fill.quantity
        order.turnover += fill.quantity * fill.price
        order.last_price = fill.price
        self._store.touch(order)
        if order.state is OrderState.PRE_SUBMITTED:
            order.state = OrderState.SUBMITTED
        booked = self._books.book(order, fill)
        self._outbox.put(Executed(execution=booked.execution))
        if order.remaining <= 0:
            self._links.end(order, OrderState.FILLED)
        else:
            self._outbox.announce(order, announce=False)
        client_id = order.ticket.client_id
        self._outbox.put(CommissionCharged(client_id=client_id, commission=booked.commission))
        self._outbox.put(PositionChanged(position=booked.position))
        self._links.filled(order, fill.quantity)
