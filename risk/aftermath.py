"""After the end of a kill: an order or a fill of ours that was still on its way must not go unnoticed.

`find_stray` is pure. It acts on evidence only: what carries an order reference of ours is ours, anything else may be
a human's, and what a human does with the account after a kill is never undone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from decimal import Decimal

from core.clock import Clock
from core.events import BrokerSnapshot, Execution
from core.ib_wrapper.session import IBSession
from core.vocabulary import BrokerStatus, Unknown

OUR_PREFIX = "BS-"
"""Beginning of the orderRef of each order of main and of the watchdog."""
_LOOK_EVERY_NS = 1_000_000_000
_ENDED = frozenset({BrokerStatus.CANCELLED, BrokerStatus.API_CANCELLED, BrokerStatus.FILLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """Something of ours that showed up after the end.

    Parameters
    ----------
    text
        What it is, for the alert.
    is_alone
        Whether everything in the account that the kill did not leave is provably ours. Only then may a new kill
        undo it: a global cancel and a flattening would hit a human's orders and positions as well.
    """

    text: str
    is_alone: bool


def find_stray(snapshot: BrokerSnapshot, residue: Mapping[str, Decimal]) -> Stray | None:
    """Look for orders and positions of ours in an account that a kill has left.

    Parameters
    ----------
    snapshot
        Asked for after the end of the kill. With any part unknown nothing is concluded.
    residue
        What the kill could not close, signed, by symbol. It is told to the operator already; only growth is news.
    """
    positions, orders, executions = snapshot.positions, snapshot.open_orders, snapshot.executions
    if isinstance(positions, Unknown) or isinstance(orders, Unknown) or isinstance(executions, Unknown):
        return None
    of_symbol: dict[str, list[Execution]] = {}
    for execution in sorted(executions, key=lambda one: one.time_ns):
        of_symbol.setdefault(execution.symbol, []).append(execution)
    held = [
        report.symbol
        for report in positions
        if report.quantity and not _is_left(report.quantity, residue.get(report.symbol, Decimal(0)))
    ]
    working = [order for order in orders if order.status not in _ENDED and order.symbol not in residue]
    found = [
        f"order {order.order_ref} in {order.symbol}" for order in working if _is_ours(order.order_ref)
    ] + [
        f"fill of {of_symbol[symbol][-1].order_ref} in {symbol}"
        for symbol in held
        if symbol in of_symbol and _is_ours(of_symbol[symbol][-1].order_ref)
    ]
    if not found:
        return None
    is_alone = all(_is_ours(order.order_ref) for order in working) and all(
        symbol in of_symbol and all(_is_ours(one.order_ref) for one in of_symbol[symbol]) for symbol in held
    )
    text = f"after the end of the kill: {', '.join(sorted(found))}"
    if not is_alone:
        text += "; a human works in the account too, so nothing is done about it"
    return Stray(text=text, is_alone=is_alone)


class Aftermath:
    """Looks at the account once a second, and reports what two looks in a row have shown.

    Parameters
    ----------
    residue
        What the kill has left, as its report says.
    post
        Hands a call to the watchdog's loop: answers arrive on the session's threads.
    """

    def __init__(
        self,
        session: IBSession,
        residue: Iterable[Mapping[str, str]],
        *,
        clock: Clock,
        post: Callable[[Callable[[], None]], None],
    ) -> None:
        self._session, self._clock, self._post = session, clock, post
        self._residue = residue_by_symbol(residue)
        self._due_ns = 0
        self._waiting = False
        self._last: Stray | None = None
        self._confirmed: Stray | None = None

    def look(self) -> Stray | None:
        """Ask when it is time to; return what was confirmed since the last call."""
        now = self._clock.monotonic_ns()
        if not self._waiting and now >= self._due_ns:
            self._due_ns, self._waiting = now + _LOOK_EVERY_NS, True
            self._session.request_snapshot().add_done_callback(
                lambda answer: self._post(lambda: self._take(answer))
            )
        confirmed, self._confirmed = self._confirmed, None
        return confirmed

    def _take(self, answer: Future[BrokerSnapshot]) -> None:
        self._waiting = False
        found = find_stray(answer.result(), self._residue) if answer.exception() is None else None
        if found is not None and self._last is not None:
            self._confirmed = found
        self._last = found


def residue_by_symbol(residue: Iterable[Mapping[str, str]]) -> dict[str, Decimal]:
    """Add up what a report says is left: a symbol may stand there with its position and, at 0, with its orders."""
    left: dict[str, Decimal] = {}
    for item in residue:
        left[item["symbol"]] = left.get(item["symbol"], Decimal(0)) + Decimal(item["quantity"])
    return left


def _is_left(quantity: Decimal, left: Decimal) -> bool:
    """Whether a position is (a part of) what the kill left."""
    return quantity * left > 0 and abs(quantity) <= abs(left)


def _is_ours(order_ref: str) -> bool:
    return order_ref.startswith(OUR_PREFIX)
