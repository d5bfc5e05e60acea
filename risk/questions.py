"""What the watchdog asks the broker again and again, and how often."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from core.clock import Clock
from core.events import Execution, OpenOrderReport
from core.ib_wrapper.requests import Plain
from core.ib_wrapper.session import IBSession
from core.vocabulary import Unknown
from risk.monitors import Monitors

T = TypeVar("T")
_SECOND = 1_000_000_000
_PLAIN = {"positions": Plain.POSITIONS, "orders": Plain.OPEN_ORDERS}


class Questions:
    """Asks for positions, account values, orders and executions; an answer that fails to come changes nothing.

    Positions and orders wait while an earlier End may still come: so what never comes is forgotten, and no kill pays for it.

    Parameters
    ----------
    post
        Hands a call to the watchdog's loop: answers arrive on the session's threads.
    """

    def __init__(
        self,
        session: IBSession,
        monitors: Monitors,
        *,
        clock: Clock,
        positions_every_s: float,
        values_max_age_s: float,
        post: Callable[[Callable[[], None]], None],
    ) -> None:
        self._session, self._monitors, self._clock, self._post = session, monitors, clock, post
        self._values_max_age_s = values_max_age_s
        self._open_orders: tuple[OpenOrderReport, ...] | None = None
        self._every_ns = {
            "positions": round(positions_every_s * _SECOND),
            "values": _SECOND // 2,
            "orders": 2 * _SECOND,
            "executions": 5 * _SECOND,
        }
        self._asked_ns = dict.fromkeys(self._every_ns, -(10**18))
        self._pending: set[str] = set()

    def ask_due(self) -> None:
        """Put the questions that are due; called while the session is ready."""
        for name, ask in (
            ("positions", self._ask_positions),
            ("values", self._ask_values),
            ("orders", self._ask_orders),
            ("executions", self._ask_executions),
        ):
            now = self._clock.monotonic_ns()
            if name in self._pending or now - self._asked_ns[name] < self._every_ns[name]:
                continue
            if name in _PLAIN and self._session.is_owed(_PLAIN[name]):
                continue
            self._asked_ns[name] = now
            ask()

    def _ask_positions(self) -> None:
        self._follow("positions", self._session.positions(), self._monitors.on_positions)

    def _ask_values(self) -> None:
        # The stream usually is fresh enough; a quiet account is asked about.
        if self._monitors.view_equity().age_s * 2 >= self._values_max_age_s:
            account = self._session.account or ""
            self._follow(
                "values",
                self._session.account_values(),
                lambda values: self._monitors.on_account_values(account, values),
            )

    def _ask_orders(self) -> None:
        self._follow("orders", self._session.open_orders(), self._keep_orders)

    def _keep_orders(self, orders: tuple[OpenOrderReport, ...]) -> None:
        self._open_orders = orders

    def _ask_executions(self) -> None:
        self._follow("executions", self._session.executions(), self._take_executions)

    def _take_executions(self, executions: tuple[Execution, ...]) -> None:
        self._monitors.on_executions(executions)
        if self._open_orders is not None:
            self._monitors.on_orders(self._open_orders, executions)

    def _follow(self, name: str, future: Future[T | Unknown], take: Callable[[T], None]) -> None:
        self._pending.add(name)

        def deliver() -> None:
            self._pending.discard(name)
            if future.cancelled() or future.exception() is not None:
                return
            answer = future.result()
            if not isinstance(answer, Unknown):
                take(answer)

        future.add_done_callback(lambda _: self._post(deliver))
