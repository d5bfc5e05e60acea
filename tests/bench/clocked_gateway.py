"""The paper gateway with a stopwatch: the broker's own view of when things came and went.

The gateway is the real one, unchanged; around a few of its calls the monotonic clock is read (it is one clock for all
processes of a machine). ``python -m tests.bench.clocked_gateway --stamps SOCKET`` takes the gateway's options too. Whoever
connects to the unix socket gets the stamps so far as one JSON line, and after a ``reset`` they begin anew.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from core.vocabulary import KILL_PREFIX
from paper_gateway import __main__ as command_line
from paper_gateway.assembly import assemble
from paper_gateway.server import Connection
from paper_gateway.types import BrokerageEvent, OrderChanged, OrderTicket, PositionChanged


@dataclass(slots=True)
class Stamps:
    """What the broker saw; times are monotonic ns.

    ``boundaries`` holds, for each boundary at which bars were closed: when they were sent, when the first and the last order
    after it arrived, and how many came.
    """

    global_cancels: list[int] = field(default_factory=list)
    last_order_done: int = 0
    flat: int = 0
    boundaries: list[list[int]] = field(default_factory=list)


class Stopwatch:
    """Wraps the calls of an assembled gateway."""

    def __init__(self) -> None:
        self.stamps = Stamps()
        self.working: set[int] = set()
        self.held: set[str] = set()
        self.arrived = 0

    def attach(self, assembly: Any) -> None:
        """Put the stopwatch around the gateway's calls."""
        hub = assembly.server.hub
        _wrap(hub, "publish", self._around_publish)
        _wrap(hub.brokerage, "global_cancel", self._around_global_cancel)
        _wrap(hub.brokerage, "place", self._around_place)
        _wrap(assembly.server, "barrier", self._around_barrier)
        watch, plain = self, Connection.data_received

        def data_received(connection: Connection, data: bytes) -> None:
            watch.arrived = time.monotonic_ns()
            plain(connection, data)

        _wrap(Connection, "data_received", lambda _: data_received)

    def _around_publish(self, plain: Callable[..., None]) -> Callable[..., None]:
        def publish(events: Iterable[BrokerageEvent]) -> None:
            listed = list(events)
            plain(listed)
            now = (
                time.monotonic_ns()
            )  # what is published is in the clients' buffers; the write follows at once
            for event in listed:
                if isinstance(event, OrderChanged):
                    self._on_order(event, now)
                elif isinstance(event, PositionChanged):
                    self._on_position(event, now)

        return publish

    def _on_order(self, event: OrderChanged, now: int) -> None:
        order = event.order
        if not order.state.is_done:
            self.working.add(order.perm_id)
        elif order.perm_id in self.working:
            self.working.discard(order.perm_id)
            if not order.ticket.order_ref.startswith(KILL_PREFIX):
                self.stamps.last_order_done = now

    def _on_position(self, event: PositionChanged, now: int) -> None:
        if event.position.quantity:
            self.held.add(event.position.symbol)
        elif event.position.symbol in self.held:
            self.held.discard(event.position.symbol)
            if not self.held:
                self.stamps.flat = now

    def _around_global_cancel(
        self, plain: Callable[[], list[BrokerageEvent]]
    ) -> Callable[[], list[BrokerageEvent]]:
        def global_cancel() -> list[BrokerageEvent]:
            self.stamps.global_cancels.append(self.arrived)
            return plain()

        return global_cancel

    def _around_place(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        def place(ticket: OrderTicket) -> Any:
            # A stop follows its entry; what is timed is the order that the decision asked for.
            if self.stamps.boundaries and not ticket.order_ref.endswith("-S"):
                boundary = self.stamps.boundaries[-1]
                boundary[1] = boundary[1] or self.arrived
                boundary[2] = self.arrived
                boundary[3] += 1
            return plain(ticket)

        return place

    def _around_barrier(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        async def barrier(market_ns: int) -> bool:
            self.stamps.boundaries.append([time.monotonic_ns(), 0, 0, 0])
            return bool(await plain(market_ns))

        return barrier

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one question."""
        word = await reader.readline()
        if word.strip() == b"reset":
            self.stamps = Stamps()
        body = asdict(self.stamps) | {"working": len(self.working), "held": len(self.held)}
        writer.write(json.dumps(body).encode() + b"\n")
        await writer.drain()
        writer.close()


def _wrap(owner: object, name: str, around: Callable[[Any], Any]) -> None:
    setattr(owner, name, around(getattr(owner, name)))


async def _main(arguments: Any) -> int:
    socket_path = str(vars(arguments).pop("stamps"))
    assembly = assemble(command_line._options(arguments))
    watch = Stopwatch()
    watch.attach(assembly)
    await assembly.server.start()
    questions = await asyncio.start_unix_server(watch.answer, socket_path)
    async with questions:
        await command_line._serve(assembly, arguments.status_file)
    return 0


if __name__ == "__main__":
    parser = command_line.make_parser()
    parser.add_argument("--stamps", type=Path, required=True)
    sys.exit(asyncio.run(_main(parser.parse_args())))
