"""Is the installed ibapi one that this wrapper was written against? Asked at start, before any connection.

IBKR's own download (10.x) has the same import name and other signatures (``cancelOrder``, ``reqGlobalCancel``,
``error``); a mistake there would show only when a cancel is needed.
"""

from __future__ import annotations

import importlib.metadata
import inspect
from functools import cache
from typing import Any, Final

from ibapi import client, decoder, order, server_versions, wrapper

from core.errors import IncompatibleIbapi

SUPPORTED_VERSIONS: Final = ("9.81.1",)
_REPAIR: Final = "install the locked one: pip install --require-hashes -r requirements.lock"

_REQUESTS: Final = {
    "placeOrder": ("orderId", "contract", "order"),
    "cancelOrder": ("orderId",),
    "reqGlobalCancel": (),
    "reqAllOpenOrders": (),
    "reqPositions": (),
    "reqCurrentTime": (),
    "reqExecutions": ("reqId", "execFilter"),
    "reqAccountUpdates": ("subscribe", "acctCode"),
    "reqAccountSummary": ("reqId", "groupName", "tags"),
    "cancelAccountSummary": ("reqId",),
    "reqPnL": ("reqId", "account", "modelCode"),
    "reqMktData": (
        "reqId", "contract", "genericTickList", "snapshot", "regulatorySnapshot", "mktDataOptions",
    ),
    "reqRealTimeBars": ("reqId", "contract", "barSize", "whatToShow", "useRTH", "realTimeBarsOptions"),
    "reqHistoricalData": (
        "reqId", "contract", "endDateTime", "durationStr", "barSizeSetting", "whatToShow", "useRTH",
        "formatDate", "keepUpToDate", "chartOptions",
    ),
    "reqContractDetails": ("reqId", "contract"),
    "reqMarketDataType": ("marketDataType",),
}  # fmt: skip
_CALLBACKS: Final = {
    "error": ("reqId", "errorCode", "errorString"),
    "orderStatus": (
        "orderId", "status", "filled", "remaining", "avgFillPrice", "permId", "parentId", "lastFillPrice",
        "clientId", "whyHeld", "mktCapPrice",
    ),
    "openOrder": ("orderId", "contract", "order", "orderState"),
    "execDetails": ("reqId", "contract", "execution"),
    "commissionReport": ("commissionReport",),
    "tickSize": ("reqId", "tickType", "size"),
    "pnl": ("reqId", "dailyPnL", "unrealizedPnL", "realizedPnL"),
}  # fmt: skip


def _mismatches(owner: Any, expected: dict[str, tuple[str, ...]]) -> list[str]:  # noqa: ANN401 (a class of ibapi)
    problems = []
    for name, parameters in expected.items():
        method = getattr(owner, name, None)
        if method is None:
            problems.append(f"{owner.__name__}.{name} is missing")
            continue
        found = tuple(inspect.signature(method).parameters)[1:]
        if found != parameters:
            problems.append(f"{owner.__name__}.{name} takes {found}, not {parameters}")
    return problems


def find_problems(version: str) -> list[str]:
    """List what is wrong with the imported ibapi, one sentence each; empty when nothing is."""
    problems = []
    if not version.startswith(SUPPORTED_VERSIONS):
        problems.append(f"ibapi {version} is installed; this wrapper was written for {SUPPORTED_VERSIONS[0]}")
    problems += _mismatches(client.EClient, _REQUESTS)
    problems += _mismatches(wrapper.EWrapper, _CALLBACKS)
    spoken = (
        getattr(server_versions, "MIN_CLIENT_VER", None),
        getattr(server_versions, "MAX_CLIENT_VER", None),
    )
    if spoken != (100, 157):
        problems.append(f"ibapi speaks the versions {spoken}, not (100, 157)")
    if not hasattr(decoder.Decoder, "interpret") or not hasattr(decoder.Decoder, "msgId2handleInfo"):
        problems.append("ibapi's decoder has another shape")
    if not hasattr(order.Order(), "eTradeOnly"):
        problems.append("ibapi's order has other fields")
    return problems


@cache
def check_ibapi() -> str:
    """Return the version of the installed ibapi.

    Raises
    ------
    IncompatibleIbapi
        If it is another one than the wrapper was written against; the text says everything that differs.
    """
    try:
        version = importlib.metadata.version("ibapi")
    except importlib.metadata.PackageNotFoundError:
        version = "of unknown version"
    problems = find_problems(version)
    if problems:
        raise IncompatibleIbapi("; ".join([*problems, _REPAIR]))
    return version
