"""The algo wheel: which execution method a parent order gets, chosen by what orders like it have cost.

Pure: a context in, a method with its probability out. What the methods send is `execution.methods`; what they cost
is measured by `tca`; models are trained by `ml`. ``docs/tca.md`` tells how they fit together.
"""

from __future__ import annotations

from portfolio.algo_wheel.choice import MethodChoice, MethodPolicy, order_rng
from portfolio.algo_wheel.context import OrderContext

__all__ = ["MethodChoice", "MethodPolicy", "OrderContext", "order_rng"]
