"""Whatever clients do: shares and cash conserve, nothing overfills, no limit or end time is overstepped.

No price lies outside what traded, but for the depth of the book and the account's own impact.
"""

import math
from decimal import Decimal
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from paper_gateway.commissions import SCHEDULES
from paper_gateway.impact import ImpactModel
from paper_gateway.tape_fills import DEEPEST
from paper_gateway.times import parse_moment
from paper_gateway.types import CommissionCharged, Executed, OrderChanged, OrderState, OrderTicket
from tests.paper_gateway.desk import Desk, drawn_table

CASH = Decimal(1_000_000)
TYPES = ("MKT", "LMT", "STP", "STP LMT", "TRAIL", "MOC", "LOC", "PEG MID", "REL", "MIDPRICE")
LIMITED = ("LMT", "STP LMT", "LOC", "PEG MID", "REL", "MIDPRICE")
IMPACT = ImpactModel(
    strength=0.2
)  # the drawn day trades so little that more would move its prices out of sight


def algos() -> st.SearchStrategy[dict[str, Any]]:
    ends = st.sampled_from(["09:31:00", "09:32:30", "09:34:00"])
    past = st.sampled_from(["0", "1"])
    sliced = st.tuples(ends, past).map(lambda pair: (("endTime", pair[0]), ("allowPastEndTime", pair[1])))
    priority = st.sampled_from(["Urgent", "Normal", "Patient"])
    return st.one_of(
        st.just({}),
        st.just({}),
        priority.map(lambda one: {"algo_strategy": "Adaptive", "algo_params": (("adaptivePriority", one),)}),
        sliced.map(lambda params: {"algo_strategy": "Twap", "algo_params": params}),
        sliced.map(lambda params: {"algo_strategy": "Vwap", "algo_params": (*params, ("maxPctVol", "0.5"))}),
    )


def walk(seed: int, steps: int = 60) -> list[tuple[float, float, float, float, float]]:
    random = np.random.default_rng(seed)
    closes = np.round(100 + np.cumsum(random.normal(0, 0.3, steps)), 2)
    opens = np.concatenate(([100.0], closes[:-1]))
    # Half of the bars have no shadow on a side, so that the touch lies outside what traded.
    shadows = np.round(random.random((2, steps)) * random.integers(0, 2, (2, steps)), 2)
    high = np.maximum(opens, closes) + shadows[0]
    low = np.minimum(opens, closes) - shadows[1]
    volume = random.integers(0, 20_000, steps)
    return [
        tuple(row) for row in np.column_stack((opens, high.round(2), low.round(2), closes, volume)).tolist()
    ]


def orders() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "symbol": st.sampled_from(["AAA", "BBB"]),
            "action": st.sampled_from(["BUY", "SELL"]),
            "quantity": st.integers(1, 6000),
            "order_type": st.sampled_from(TYPES),
            "offset": st.decimals("-1.5", "1.5", places=2),
            "time_in_force": st.sampled_from(["DAY", "GTC"]),
            "oca_group": st.sampled_from(["", "", "g1", "g2"]),
            "oca_type": st.integers(1, 3),
            "transmit": st.booleans(),
            "order_id": st.integers(1, 30),
            "parent_id": st.one_of(st.just(0), st.just(0), st.integers(1, 30)),
        }
    )


class Account(RuleBasedStateMachine):
    """Random orders, changes, cancels and steps; what was told must add up to what the account says."""

    @initialize(seed=st.integers(0, 1000), schedule=st.sampled_from(sorted(SCHEDULES)))
    def start(self, seed, schedule):
        tables = {
            symbol: drawn_table(symbol, walk(seed + shift)) for shift, symbol in enumerate(("AAA", "BBB"))
        }
        self.desk = Desk(tables, cash=CASH, commission=SCHEDULES[schedule], impact=IMPACT).open()
        self.tickets: dict[tuple[int, int], OrderTicket] = {}
        self.seen = 0
        self.shares = {"AAA": 0, "BBB": 0}
        self.cash = CASH
        self.filled: dict[tuple[int, int], int] = {}
        self.done: set[tuple[int, int]] = set()
        self.desk.step()

    @rule(order=orders(), algo=algos())
    def place(self, order, algo):
        price = self.desk.market.quote(order["symbol"]).last + order.pop("offset")
        aux_price = {"TRAIL": Decimal("0.25"), "REL": Decimal("0.01"), "PEG MID": Decimal(0)}
        self.desk.place(
            **order, **algo, limit_price=price, aux_price=aux_price.get(order["order_type"], price)
        )

    @rule(order_id=st.integers(1, 30))
    def cancel(self, order_id):
        self.desk.cancel(order_id)

    @rule()
    def global_cancel(self):
        self.desk.events += self.desk.brokerage.global_cancel()
        assert not self.desk.brokerage.open_orders()

    @rule(count=st.integers(1, 5))
    def steps(self, count):
        self.desk.step(count)

    @rule()
    def close(self):
        if self.desk.market.is_open:
            self.desk.close()
            assert all(o.ticket.time_in_force == "GTC" for o in self.desk.brokerage.open_orders())
            self.desk.market.set_time(self.desk.session.open_ns)
            self.desk.open()
            self.desk.step()

    @invariant()
    def what_was_told_adds_up(self):
        for event in self.desk.events[self.seen :]:
            if isinstance(event, Executed):
                self._check_execution(event.execution)
            elif isinstance(event, CommissionCharged):
                self.cash -= event.commission.amount
            elif isinstance(event, OrderChanged):
                self._check_order(event.order)
        self.seen = len(self.desk.events)
        for symbol, shares in self.shares.items():
            assert self.desk.position(symbol) == shares
        values = self.desk.brokerage.account_values()
        assert Decimal(values["TotalCashValue"]) == self.cash.quantize(Decimal("0.01"))

    def _check_execution(self, fill):
        signed = int(fill.quantity) * (1 if fill.side == "BOT" else -1)
        assert fill.quantity > 0
        self.shares[fill.symbol] += signed
        self.cash -= signed * fill.price
        reader = self.desk.market.reader(fill.symbol)
        assert reader is not None
        index = max((fill.time_ns - self.desk.session.open_ns) // 5_000_000_000 - 1, 0)
        tick = self.desk.market.listings[fill.symbol].tick
        key = (fill.client_id, fill.order_id)
        traded = sum(self.filled.values()) + int(fill.quantity)
        beyond = (DEEPEST + math.ceil(IMPACT.shift(reader, traded, traded)) + 1) * tick
        assert reader.low[index] * tick - beyond <= fill.price <= reader.high[index] * tick + beyond
        self._check_terms(fill, self.tickets[key])
        self.filled[key] = self.filled.get(key, 0) + int(fill.quantity)
        assert key not in self.done

    def _check_terms(self, fill, ticket):
        sign = 1 if fill.side == "BOT" else -1
        if ticket.order_type in LIMITED:
            assert sign * (ticket.limit_price - fill.price) >= 0
        params = dict(ticket.algo_params)
        if params.get("allowPastEndTime") == "0":
            assert fill.time_ns <= parse_moment(params["endTime"], self.desk.session.date)

    def _check_order(self, order):
        key = (order.ticket.client_id, order.ticket.order_id)
        self.tickets[key] = order.ticket
        assert order.filled == self.filled.get(key, 0)
        assert order.filled + order.remaining == order.ticket.quantity
        assert order.remaining >= 0
        assert key not in self.done
        if order.state is OrderState.FILLED:
            assert order.remaining == 0
        if order.state.is_done:
            self.done.add(key)

    @invariant()
    def open_orders_are_not_done(self):
        for order in self.desk.brokerage.open_orders():
            assert not order.state.is_done
            assert order.remaining > 0


TestAccount = Account.TestCase
TestAccount.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


@settings(max_examples=60, deadline=None)
@given(quantity=st.integers(1, 3_000_000), price=st.decimals("0.5", "900", places=2), parts=st.integers(1, 5))
def test_filling_an_order_in_parts_costs_the_same_commission(quantity, price, parts):
    for schedule in SCHEDULES.values():
        total = schedule.commission(quantity, price * quantity, 0)
        charged = filled = Decimal(0)
        for part in range(1, parts + 1):
            done = quantity * part // parts
            if done:
                now = schedule.commission(done, price * done, 0)
                assert now >= charged
                charged, filled = now, done
        assert filled == quantity
        assert charged == total
