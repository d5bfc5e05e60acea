"""What each of the broker's codes means and what we do about it: one table.

Source: IB's page "TWS API: System, Warning and Error Message Codes", and what public clients report. IB adds codes with
every release, some of them mere notices (10349 was one), so a code that isn't listed never ends an order: 2100-2199
are warnings, and after anything else the broker is asked what became of the order. A question that such a code names
has failed all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Category(StrEnum):
    """What a code is about."""

    CONNECTION = "connection"
    FARM = "farm"
    ORDER = "order"
    DATA = "data"
    REQUEST = "request"
    NOTICE = "notice"


class Response(StrEnum):
    """What the wrapper does about a code."""

    NOTE = "note"
    """Log it; nothing is wrong."""
    WARN = "warn"
    """Pass it on; the order or request it names goes on."""
    FAIL = "fail"
    """The order or request it names is refused."""
    QUERY = "query"
    """The broker and we disagree about an order: ask what is open before doing anything else."""
    DEGRADE = "degrade"
    """TWS has lost its servers: send no order until it is back."""
    RECOVER = "recover"
    """TWS is back and kept its data subscriptions: ask again for orders, executions and positions."""
    RENEW = "renew"
    """TWS is back and lost its data subscriptions: as RECOVER, and subscribe again."""
    FEED_STALE = "feed_stale"
    """Market data stopped or can't be trusted."""
    FEED_BACK = "feed_back"
    """Market data should flow again."""
    FEED_ENDED = "feed_ended"
    """TWS has ended this subscription: subscribe again."""
    FEED_REFUSED = "feed_refused"
    """This subscription will never give data."""
    RETRY_CONNECT = "retry_connect"
    """The session is refused now; wait and connect again."""


@dataclass(frozen=True, slots=True)
class CodeInfo:
    """One row of the table."""

    code: int
    category: Category
    response: Response
    meaning: str


def _rows() -> tuple[CodeInfo, ...]:
    connection, farm, order = Category.CONNECTION, Category.FARM, Category.ORDER
    data, request, notice = Category.DATA, Category.REQUEST, Category.NOTICE
    r = Response
    return tuple(
        CodeInfo(*row)
        for row in (
            (1100, connection, r.DEGRADE, "TWS lost its connection to IB"),
            (1101, connection, r.RENEW, "TWS is connected to IB again; data subscriptions are lost"),
            (1102, connection, r.RECOVER, "TWS is connected to IB again; data subscriptions are kept"),
            (1300, connection, r.RETRY_CONNECT, "TWS moved its socket port"),
            (326, connection, r.RETRY_CONNECT, "the client id is in use by another session"),
            (502, connection, r.RETRY_CONNECT, "couldn't connect to TWS"),
            (503, connection, r.RETRY_CONNECT, "TWS is too old for this client"),
            (504, connection, r.RETRY_CONNECT, "not connected"),
            (507, connection, r.RETRY_CONNECT, "bad message length"),
            (2110, connection, r.DEGRADE, "TWS lost its server; it reconnects by itself"),
            (2103, farm, r.FEED_STALE, "a market data farm is disconnected"),
            (2104, farm, r.FEED_BACK, "a market data farm is connected"),
            (2105, farm, r.NOTE, "a historical data farm is disconnected"),
            (2106, farm, r.NOTE, "a historical data farm is connected"),
            (2107, farm, r.NOTE, "a historical data farm is idle; it wakes on demand"),
            (2108, farm, r.NOTE, "a market data farm is idle; it wakes on demand"),
            (2119, farm, r.NOTE, "a market data farm is connecting"),
            (2157, farm, r.NOTE, "the security definition farm is disconnected"),
            (2158, farm, r.NOTE, "the security definition farm is connected"),
            (103, order, r.FAIL, "duplicate order id"),
            (104, order, r.QUERY, "a filled order can't be modified"),
            (105, order, r.FAIL, "the modification doesn't match the order"),
            (106, order, r.FAIL, "the order can't be transmitted"),
            (107, order, r.FAIL, "the order is incomplete"),
            (109, order, r.FAIL, "the price is outside TWS's precautionary range"),
            (110, order, r.FAIL, "the price isn't a multiple of the minimum tick"),
            (111, order, r.FAIL, "the time in force doesn't fit the order type"),
            (113, order, r.FAIL, "the time in force must be DAY for an order on the close"),
            (116, order, r.FAIL, "the order can't be transmitted to a dead exchange"),
            (117, order, r.FAIL, "the size is too small for a block order"),
            (135, order, r.QUERY, "no order of that id"),
            (136, order, r.QUERY, "this order can't be cancelled by this client"),
            (161, order, r.QUERY, "a cancel came when the order could not be cancelled"),
            (201, order, r.FAIL, "the order was rejected"),
            (202, order, r.WARN, "the order was cancelled"),
            (203, order, r.FAIL, "this account may not trade the security"),
            (329, order, r.FAIL, "the order can't be modified"),
            (355, order, r.FAIL, "the size doesn't conform to the market rule"),
            (382, order, r.FAIL, "the price violates TWS's precautionary limits"),
            (383, order, r.FAIL, "the size violates TWS's precautionary limits"),
            (387, order, r.FAIL, "the order type isn't supported here"),
            (388, order, r.FAIL, "the size is smaller than the minimum"),
            (399, order, r.WARN, "a message about the order"),
            (404, order, r.WARN, "shares are being located for a short sale; the order is held"),
            (434, order, r.FAIL, "the order's size is zero"),
            (460, order, r.FAIL, "no trading permission"),
            (461, order, r.FAIL, "the contract is not available for trading"),
            (463, order, r.FAIL, "the price isn't valid"),
            (2102, order, r.QUERY, "the order can't be modified while it is being processed"),
            (10006, order, r.FAIL, "the parent order is missing"),
            (10052, order, r.FAIL, "the time in force isn't valid"),
            (10147, order, r.QUERY, "the order to cancel is not known"),
            (10148, order, r.QUERY, "the order can't be cancelled in its present state"),
            (10149, order, r.QUERY, "the order to cancel has no valid id"),
            (10243, order, r.FAIL, "fractions of a share can't be ordered by the API"),
            (10268, order, r.FAIL, "an order attribute is no longer supported"),
            (10289, order, r.FAIL, "the order needs a cash quantity"),
            (10293, order, r.FAIL, "the contract is not available for trading"),
            (10326, order, r.FAIL, "the OCA group of an order can't be changed"),
            (10327, order, r.FAIL, "the OCA type of an order can't be changed"),
            (10328, order, r.QUERY, "the connection was lost before the order was resolved"),
            (10349, order, r.WARN, "the time in force was set by an order preset"),
            (162, data, r.FAIL, "the historical data service refused (pacing, or no data)"),
            (165, data, r.NOTE, "a message of the historical data service"),
            (100, request, r.WARN, "too many messages in a second; TWS hangs up next"),
            (101, data, r.FEED_REFUSED, "too many market data lines"),
            (102, data, r.FEED_REFUSED, "duplicate id of a market data request"),
            (200, request, r.FAIL, "no security of that definition"),
            (300, request, r.NOTE, "no subscription of that id"),
            (309, data, r.FEED_REFUSED, "too many market depth requests"),
            (310, request, r.NOTE, "no market depth of that id"),
            (317, request, r.NOTE, "market depth was reset"),
            (320, request, r.FAIL, "TWS couldn't read the request"),
            (321, request, r.FAIL, "TWS couldn't validate the request"),
            (322, request, r.FAIL, "TWS couldn't process the request"),
            (354, data, r.FEED_REFUSED, "no market data subscription"),
            (366, data, r.FAIL, "no historical request of that id"),
            (420, data, r.FEED_REFUSED, "no permission for real-time bars, or pacing"),
            (10089, data, r.FEED_REFUSED, "the data needs an additional subscription"),
            (10090, data, r.WARN, "part of the data isn't subscribed"),
            (10091, data, r.WARN, "part of the data needs an additional subscription"),
            (10167, data, r.WARN, "delayed data are shown instead"),
            (10168, data, r.FEED_REFUSED, "no subscription, and delayed data are not enabled"),
            (10182, data, r.FEED_ENDED, "live updates failed: TWS was disconnected"),
            (10186, data, r.FEED_REFUSED, "no subscription, and delayed data are not enabled"),
            (10197, data, r.FEED_STALE, "a competing live session takes the market data"),
            (10225, data, r.FEED_ENDED, "a bust ended the real-time bars"),
            # Said of every value that has a fraction, for the life of a subscription: the data come all the same.
            (10285, data, r.WARN, "a fractional size was cut to whole shares for this version of the API"),
            (2100, notice, r.WARN, "account updates were taken over by a new request"),
            (2109, notice, r.WARN, "outsideRth is ignored for this order"),
            (2137, notice, r.WARN, "the order crosses another one"),
            (2148, notice, r.WARN, "the order's price is far from the market"),
            (2150, notice, r.WARN, "an invalid position trade"),
            (2161, notice, r.WARN, "the price of an order was changed"),
            (2169, notice, r.WARN, "an order warning"),
        )
    )


TABLE: Final[dict[int, CodeInfo]] = {row.code: row for row in _rows()}


def classify(code: int) -> CodeInfo:
    """Row of a code; a code that isn't listed is classed by its range."""
    known = TABLE.get(code)
    if known is not None:
        return known
    if 2100 <= code < 2200:
        return CodeInfo(code, Category.NOTICE, Response.WARN, "a warning that isn't listed")
    return CodeInfo(code, Category.REQUEST, Response.QUERY, "an error that isn't listed")
