"""A database of simulated parent orders, to try the report on more orders than anybody has.

The orders are those of `tca.simulated_market`; their methods are chosen evenly. Prices and quantities are whole
millionths, so that the components add up exactly here as well.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from portfolio.algo_wheel.model import METHODS
from tca.schema import FILLS, MONEY, PARENTS
from tca.simulated_market import Orders, draw_orders, expected_costs, realised_costs
from tca.store import TcaStore

Integers = npt.NDArray[np.int64]

JOURNAL_ID: Final = "generated"
_CHUNK: Final = 250_000
_MICROS: Final = 1_000_000
_START_NS: Final = 1_356_998_400_000_000_000  # 2013-01-01
_DAY_NS: Final = 86_400_000_000_000
_OPEN_NS: Final = 52_200_000_000_000  # 14:30 UTC
_SESSION_NS: Final = 23_400_000_000_000  # six and a half hours
_SYMBOLS: Final = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
_DAYS: Final = 1_000


def generate(store: TcaStore, *, parents: int, seed: int) -> None:
    """Fill the database with ``parents`` orders and publish it."""
    rng = np.random.default_rng(seed)
    paid = 0
    for first in range(0, parents, _CHUNK):
        table, fills, money = _chunk(first, min(_CHUNK, parents - first), parents, rng)
        store.append("parents", table)
        store.append("fills", fills)
        paid += money
    journal = {
        "journal_id": [JOURNAL_ID],
        "path": ["generated"],
        "head_seq": [0],
        "head_hash": [""],
        "cash_change": _money(np.array([-paid])),
    }
    store.append("journals", pa.table(journal))
    store.publish()


def _chunk(first: int, count: int, parents: int, rng: np.random.Generator) -> tuple[pa.Table, pa.Table, int]:
    orders = draw_orders(count, rng)
    chances = orders.mask / orders.mask.sum(axis=1, keepdims=True)
    methods: Integers = (chances.cumsum(axis=1) > rng.random((count, 1))).argmax(axis=1)
    costs = realised_costs(orders, methods, expected_costs(orders), rng)
    columns = _money_columns(orders, costs, rng)
    each = np.arange(count)
    decided = (
        _START_NS
        + (first + each) * _DAYS // parents * _DAY_NS
        + _OPEN_NS
        + (orders.day_fraction * _SESSION_NS).astype(np.int64)
    )
    names = np.array([str(method) for method in METHODS])
    known: dict[str, object] = {
        "journal_id": pa.repeat(JOURNAL_ID, count),
        "run_id": pa.repeat("generated", count),
        "order_ref": [f"BS-generated-{first + place:07d}-E" for place in range(count)],
        "strategy": np.where(each % 2, "momentum", "mean_reversion"),
        "symbol": np.array(_SYMBOLS)[rng.integers(len(_SYMBOLS), size=count)],
        "side": np.where(orders.is_sell, "SELL", "BUY"),
        "purpose": np.where(orders.is_sell, "exit", "entry"),
        "order_type": pa.repeat("MKT", count),
        "method": names[methods],
        "propensity": chances[each, methods],
        "why": pa.repeat("generated", count),
        "admissible": _admissible(orders.mask, names),
        "spread_bps": orders.spread_bps,
        "volatility_bps": orders.volatility_bps,
        "adv_share": orders.adv_share,
        "day_fraction": orders.day_fraction,
        "urgency": orders.urgency,
        "decided_ns": decided,
        "first_fill_ns": decided,
        "last_fill_ns": decided + 60_000_000_000,
        "ended_ns": decided + 60_000_000_000,
        "outcome": pa.repeat("Filled", count),
        "is_final": pa.repeat(pa.scalar(value=True), count),
        "fills": pa.array(np.ones(count, dtype=np.int32)),
        "decision_source": pa.repeat("bar_close", count),
        "first_seq": first + each,
        "last_seq": first + each,
    }
    arrays = []
    for field in PARENTS:
        if field.name in columns:
            arrays.append(_money(columns[field.name]))
        elif field.name in known:
            arrays.append(_array(known[field.name], field.type))
        else:
            arrays.append(_measure(field.name, field.type, columns, costs, rng))
    table = pa.Table.from_arrays(arrays, schema=PARENTS)
    return table, _fills(table, columns), int(columns["paid"].sum())


def _fills(parents: pa.Table, money: dict[str, Integers]) -> pa.Table:
    """One execution for each order."""
    price = np.abs(money["paid"] - money["fees"]) // (money["filled"] // _MICROS)
    columns = {
        "journal_id": parents["journal_id"],
        "order_ref": parents["order_ref"],
        "child_ref": parents["order_ref"],
        "exec_id": parents["order_ref"],
        "revision": pa.array(np.ones(len(parents), dtype=np.int32)),
        "time_ns": parents["first_fill_ns"],
        "quantity": parents["filled"],
        "price": _money(price),
        "fee": parents["fees"],
    }
    return pa.Table.from_pydict({name: columns[name] for name in FILLS.names}, schema=FILLS)


def _money_columns(
    orders: Orders, costs: npt.NDArray[np.float64], rng: np.random.Generator
) -> dict[str, Integers]:
    """Prices, quantities and money in millionths."""
    count = len(orders)
    sign = np.where(orders.is_sell, -1, 1)
    quantity = rng.integers(1, 2_000, count)
    missed = np.where(rng.random(count) < 0.05, quantity // 5, 0)
    filled = quantity - missed
    decision = rng.integers(2_000, 60_000, count) * 10_000
    moved = 1.0 + rng.normal(0.0, 1.0, count) * 1e-4
    arrival = np.rint(decision * moved / 5_000).astype(np.int64) * 5_000
    price = np.rint(arrival * (1.0 + sign * costs / 1e4)).astype(np.int64)
    half = np.maximum(np.rint(arrival * orders.spread_bps / 2e4 / 5_000).astype(np.int64), 1) * 5_000
    end = np.rint(decision * (1.0 + rng.normal(0.0, 0.01, count))).astype(np.int64)
    fees = np.maximum(350_000, filled * 3_500)
    parts = {
        "delay": sign * filled * (arrival - decision),
        "execution": sign * filled * (price - arrival),
        "opportunity": sign * missed * (end - decision),
    }
    return {
        "quantity": quantity * _MICROS,
        "filled": filled * _MICROS,
        "missed": missed * _MICROS,
        "decision_price": decision,
        "bid": arrival - half,
        "ask": arrival + half,
        "arrival_price": arrival,
        "end_price": end,
        "notional": quantity * decision,
        "decision_value": sign * filled * decision,
        "paid": sign * filled * price + fees,
        "fees": fees,
        **parts,
        "shortfall": parts["delay"] + parts["execution"] + parts["opportunity"] + fees,
    }


def _measure(
    name: str,
    kind: pa.DataType,
    money: dict[str, Integers],
    costs: npt.NDArray[np.float64],
    rng: np.random.Generator,
) -> pa.Array:
    if name == "shortfall_bps":
        return pa.array(money["shortfall"] / money["notional"] * 1e4)
    if name == "arrival_bps":
        return pa.array(costs)
    if name.endswith("_bps"):
        return pa.array(costs + rng.normal(0.0, 20.0, len(costs)))
    return pa.array((money["arrival_price"] / _MICROS) * (1.0 + rng.normal(0.0, 0.002, len(costs))), kind)


def _array(values: object, kind: pa.DataType) -> pa.Array:
    return values.cast(kind) if isinstance(values, pa.Array) else pa.array(values, kind)


def _admissible(mask: npt.NDArray[np.bool_], names: npt.NDArray[np.str_]) -> pa.Array:
    rows, columns = np.nonzero(mask)
    offsets = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=len(mask)))))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(names[columns].tolist()))


def _money(micros: Integers) -> pa.Array:
    """Integers of millionths as decimals: the same 128 bits, only the point is set."""
    wide = np.zeros((len(micros), 2), dtype=np.int64)
    wide[:, 0] = micros
    wide[:, 1] = micros >> 63  # the sign, into the upper half
    return pa.Array.from_buffers(MONEY, len(micros), [None, pa.py_buffer(np.ascontiguousarray(wide))])
