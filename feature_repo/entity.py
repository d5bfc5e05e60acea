"""The keys of features: a symbol, and for costs the execution method beside it. The same columns offline and online."""

from __future__ import annotations

from typing import Final

from feast import Entity, ValueType

from feature_repo.tables import METHOD, SYMBOL

SYMBOL_ENTITY: Final = Entity(
    name="stock",
    join_keys=[SYMBOL],
    value_type=ValueType.STRING,
    description="a stock, by the symbol that config.yaml and IB use",
)
METHOD_ENTITY: Final = Entity(
    name="execution_method",
    join_keys=[METHOD],
    value_type=ValueType.STRING,
    description="how a parent order was worked (portfolio.algo_wheel)",
)
