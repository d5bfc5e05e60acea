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


_C, _R = Category, Response
_ROWS: Final = (
    (1100, _C.CONNECTION, _R.DEGRADE, "TWS lost its connection to IB"),
    (1101, _C.CONNECTION, _R.RENEW, "TWS is connected to IB again; data subscriptions are lost"),
    (1102, _C.CONNECTION, _R.RECOVER, "TWS is connected to IB again; data subscriptions are kept"),
    (1300, _C.CONNECTION, _R.RETRY_CONNECT, "TWS moved its socket port"),
    (326, _C.CONNECTION, _R.RETRY_CONNECT, "the client id is in use by another session"),
    (502, _C.CONNECTION, _R.RETRY_CONNECT, "couldn't connect to TWS"),
    (503, _C.CONNECTION, _R.RETRY_CONNECT, "TWS is too old for this client"),
    (504, _C.CONNECTION, _R.RETRY_CONNECT, "not connected"),
    (507, _C.CONNECTION, _R.RETRY_CONNECT, "bad message length"),
    (2110, _C.CONNECTION, _R.DEGRADE, "TWS lost its server; it reconnects by itself"),
    (2103, _C.FARM, _R.FEED_STALE, "a market data farm is disconnected"),
    (2104, _C.FARM, _R.FEED_BACK, "a market data farm is connected"),
    (2105, _C.FARM, _R.NOTE, "a historical data farm is disconnected"),
    (2106, _C.FARM, _R.NOTE, "a historical data farm is connected"),
    (2107, _C.FARM, _R.NOTE, "a historical data farm is idle; it wakes on demand"),
    (2108, _C.FARM, _R.NOTE, "a market data farm is idle; it wakes on demand"),
    (2119, _C.FARM, _R.NOTE, "a market data farm is connecting"),
    (2157, _C.FARM, _R.NOTE, "the security definition farm is disconnected"),
    (2158, _C.FARM, _R.NOTE, "the security definition farm is connected"),
    (103, _C.ORDER, _R.FAIL, "duplicate order id"),
    (104, _C.ORDER, _R.QUERY, "a filled order can't be modified"),
    (105, _C.ORDER, _R.FAIL, "the modification doesn't match the order"),
    (106, _C.ORDER, _R.FAIL, "the order can't be transmitted"),
    (107, _C.ORDER, _R.FAIL, "the order is incomplete"),
    (109, _C.ORDER, _R.FAIL, "the price is outside TWS's precautionary range"),
    (110, _C.ORDER, _R.FAIL, "the price isn't a multiple of the minimum tick"),
    (111, _C.ORDER, _R.FAIL, "the time in force doesn't fit the order type"),
    (113, _C.ORDER, _R.FAIL, "the time in force must be DAY for an order on the close"),
    (116, _C.ORDER, _R.FAIL, "the order can't be transmitted to a dead exchange"),
    (117, _C.ORDER, _R.FAIL, "the size is too small for a block order"),
    (135, _C.ORDER, _R.QUERY, "no order of that id"),
    (136, _C.ORDER, _R.QUERY, "this order can't be cancelled by this client"),
    (145, _C.ORDER, _R.FAIL, "a field's value isn't one of those that are allowed"),
    (154, _C.ORDER, _R.FAIL, "the security is halted"),
    (161, _C.ORDER, _R.QUERY, "a cancel came when the order could not be cancelled"),
    (201, _C.ORDER, _R.FAIL, "the order was rejected"),
    (202, _C.ORDER, _R.WARN, "the order was cancelled"),
    (203, _C.ORDER, _R.FAIL, "this account may not trade the security"),
    (329, _C.ORDER, _R.FAIL, "the order can't be modified"),
    (355, _C.ORDER, _R.FAIL, "the size doesn't conform to the market rule"),
    (382, _C.ORDER, _R.FAIL, "the price violates TWS's precautionary limits"),
    (383, _C.ORDER, _R.FAIL, "the size violates TWS's precautionary limits"),
    (387, _C.ORDER, _R.FAIL, "the order type isn't supported here"),
    (388, _C.ORDER, _R.FAIL, "the size is smaller than the minimum"),
    (399, _C.ORDER, _R.WARN, "a message about the order"),
    (404, _C.ORDER, _R.WARN, "shares are being located for a short sale; the order is held"),
    (434, _C.ORDER, _R.FAIL, "the order's size is zero"),
    (439, _C.ORDER, _R.FAIL, "there is no algorithm of that name"),
    (440, _C.ORDER, _R.QUERY, "an order that an algorithm works can't be modified"),
    (441, _C.ORDER, _R.FAIL, "the algorithm's parameters are not valid"),
    (442, _C.ORDER, _R.FAIL, "the algorithm is not allowed for this order"),
    (443, _C.ORDER, _R.FAIL, "the algorithm doesn't know a parameter"),
    (460, _C.ORDER, _R.FAIL, "no trading permission"),
    (461, _C.ORDER, _R.FAIL, "the contract is not available for trading"),
    (463, _C.ORDER, _R.FAIL, "the price isn't valid"),
    (2102, _C.ORDER, _R.QUERY, "the order can't be modified while it is being processed"),
    (10006, _C.ORDER, _R.FAIL, "the parent order is missing"),
    (10052, _C.ORDER, _R.FAIL, "the time in force isn't valid"),
    (10147, _C.ORDER, _R.QUERY, "the order to cancel is not known"),
    (10148, _C.ORDER, _R.QUERY, "the order can't be cancelled in its present state"),
    (10149, _C.ORDER, _R.QUERY, "the order to cancel has no valid id"),
    (10314, _C.ORDER, _R.FAIL, "a date or time of the order can't be read"),
    (10224, _C.ORDER, _R.FAIL, "orders of one OCA group must name the same account"),
    (10243, _C.ORDER, _R.FAIL, "fractions of a share can't be ordered by the API"),
    (10268, _C.ORDER, _R.FAIL, "an order attribute is no longer supported"),
    (10289, _C.ORDER, _R.FAIL, "the order needs a cash quantity"),
    (10293, _C.ORDER, _R.FAIL, "the contract is not available for trading"),
    (10326, _C.ORDER, _R.FAIL, "the OCA group of an order can't be changed"),
    (10327, _C.ORDER, _R.FAIL, "the OCA type of an order can't be changed"),
    (10328, _C.ORDER, _R.QUERY, "the connection was lost before the order was resolved"),
    (10349, _C.ORDER, _R.WARN, "the time in force was set by an order preset"),
    (162, _C.DATA, _R.FAIL, "the historical data service refused (pacing, or no data)"),
    (165, _C.DATA, _R.NOTE, "a message of the historical data service"),
    (100, _C.REQUEST, _R.WARN, "too many messages in a second; TWS hangs up next"),
    (101, _C.DATA, _R.FEED_REFUSED, "too many market data lines"),
    (102, _C.DATA, _R.FEED_REFUSED, "duplicate id of a market data request"),
    (200, _C.REQUEST, _R.FAIL, "no security of that definition"),
    (300, _C.REQUEST, _R.NOTE, "no subscription of that id"),
    (309, _C.DATA, _R.FEED_REFUSED, "too many market depth requests"),
    (310, _C.REQUEST, _R.NOTE, "no market depth of that id"),
    (317, _C.REQUEST, _R.NOTE, "market depth was reset"),
    (320, _C.REQUEST, _R.FAIL, "TWS couldn't read the request"),
    (321, _C.REQUEST, _R.FAIL, "TWS couldn't validate the request"),
    (322, _C.REQUEST, _R.FAIL, "TWS couldn't process the request"),
    (354, _C.DATA, _R.FEED_REFUSED, "no market data subscription"),
    (366, _C.DATA, _R.FAIL, "no historical request of that id"),
    (420, _C.DATA, _R.FEED_REFUSED, "no permission for real-time bars, or pacing"),
    (10089, _C.DATA, _R.FEED_REFUSED, "the data needs an additional subscription"),
    (10090, _C.DATA, _R.WARN, "part of the data isn't subscribed"),
    (10091, _C.DATA, _R.WARN, "part of the data needs an additional subscription"),
    (10167, _C.DATA, _R.WARN, "delayed data are shown instead"),
    (10168, _C.DATA, _R.FEED_REFUSED, "no subscription, and delayed data are not enabled"),
    (10182, _C.DATA, _R.FEED_ENDED, "live updates failed: TWS was disconnected"),
    (10186, _C.DATA, _R.FEED_REFUSED, "no subscription, and delayed data are not enabled"),
    (10197, _C.DATA, _R.FEED_STALE, "a competing live session takes the market data"),
    (10225, _C.DATA, _R.FEED_ENDED, "a bust ended the real-time bars"),
    # Said of every value that has a fraction, for the life of a subscription: the data come all the same.
    (10285, _C.DATA, _R.WARN, "a fractional size was cut to whole shares for this version of the API"),
    (2100, _C.NOTICE, _R.WARN, "account updates were taken over by a new request"),
    (2109, _C.NOTICE, _R.WARN, "outsideRth is ignored for this order"),
    (2137, _C.NOTICE, _R.WARN, "the order crosses another one"),
    (2148, _C.NOTICE, _R.WARN, "the order's price is far from the market"),
    (2150, _C.NOTICE, _R.WARN, "an invalid position trade"),
    (2161, _C.NOTICE, _R.WARN, "the price of an order was changed"),
    (2169, _C.NOTICE, _R.WARN, "an order warning"),
)

TABLE: Final[dict[int, CodeInfo]] = {row[0]: CodeInfo(*row) for row in _ROWS}


def classify(code: int) -> CodeInfo:
    """Row of a code; a code that isn't listed is classed by its range."""
    known = TABLE.get(code)
    if known is not None:
        return known
    if 2100 <= code < 2200:
        return CodeInfo(code, Category.NOTICE, Response.WARN, "a warning that isn't listed")
    return CodeInfo(code, Category.REQUEST, Response.QUERY, "an error that isn't listed")
