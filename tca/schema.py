"""Tables of the TCA database, as Arrow schemas. ``docs/tca.md`` explains every column."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

MONEY: Final = pa.decimal128(18, 6)
"""Prices, quantities and money: exact to a millionth, up to a million millions."""

PARENTS: Final = pa.schema(
    [
        ("journal_id", pa.string()),
        ("run_id", pa.string()),
        ("order_ref", pa.string()),
        ("strategy", pa.string()),
        ("symbol", pa.string()),
        ("side", pa.string()),
        ("purpose", pa.string()),
        ("order_type", pa.string()),
        ("method", pa.string()),
        ("propensity", pa.float64()),
        ("why", pa.string()),
        ("admissible", pa.list_(pa.string())),
        ("spread_bps", pa.float64()),
        ("volatility_bps", pa.float64()),
        ("adv_share", pa.float64()),
        ("day_fraction", pa.float64()),
        ("urgency", pa.float64()),
        ("decided_ns", pa.int64()),
        ("first_fill_ns", pa.int64()),
        ("last_fill_ns", pa.int64()),
        ("ended_ns", pa.int64()),
        ("outcome", pa.string()),
        ("is_final", pa.bool_()),
        ("quantity", MONEY),
        ("filled", MONEY),
        ("missed", MONEY),
        ("fills", pa.int32()),
        ("decision_price", MONEY),
        ("decision_source", pa.string()),
        ("bid", MONEY),
        ("ask", MONEY),
        ("arrival_price", MONEY),
        ("end_price", MONEY),
        ("average_price", pa.float64()),
        ("interval_vwap", pa.float64()),
        ("close_price", pa.float64()),
        ("next_open", pa.float64()),
        ("notional", MONEY),
        ("decision_value", MONEY),
        ("paid", MONEY),
        ("delay", MONEY),
        ("execution", MONEY),
        ("opportunity", MONEY),
        ("fees", MONEY),
        ("shortfall", MONEY),
        ("shortfall_bps", pa.float64()),
        ("arrival_bps", pa.float64()),
        ("vwap_bps", pa.float64()),
        ("close_bps", pa.float64()),
        ("next_open_bps", pa.float64()),
        ("reversion_1_bps", pa.float64()),
        ("reversion_6_bps", pa.float64()),
        ("first_seq", pa.int64()),
        ("last_seq", pa.int64()),
    ]
)
"""One row a parent order; `tca.rows.parent_row` makes it."""

FILLS: Final = pa.schema(
    [
        ("journal_id", pa.string()),
        ("order_ref", pa.string()),
        ("child_ref", pa.string()),
        ("exec_id", pa.string()),
        ("revision", pa.int32()),
        ("time_ns", pa.int64()),
        ("quantity", MONEY),
        ("price", MONEY),
        ("fee", MONEY),
    ]
)
"""One row an execution, in its latest correction."""

JOURNALS: Final = pa.schema(
    [
        ("journal_id", pa.string()),
        ("path", pa.string()),
        ("head_seq", pa.int64()),
        ("head_hash", pa.string()),
        ("cash_change", MONEY),
    ]
)
"""One row a journal: up to where it has been folded, and by how much trading has changed the ledger's cash."""

TABLES: Final = {"parents": PARENTS, "fills": FILLS, "journals": JOURNALS}
