"""A small honest main for the watchdog's tests: same lock, heartbeats, file and command channel, real orders.

``python -m tests.risk.peer --config FILE --positions 3 --orders 10`` buys, rests limit orders, says ``ready`` and then
beats until it is told to halt or to end. Options make it misbehave in one way each.
"""

from __future__ import annotations

import argparse
import os
import queue
import signal
import sys
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from core.atomic_file import write_atomic
from core.canonical import dump
from core.clock import SystemClock
from core.config_loader import load_settings
from core.errors import NotConnected
from core.events import Event, Order
from core.ib_wrapper.session import IBSession
from core.identity import Identity, read_ipc_key
from core.ipc import CommandServer, Endpoints, HeartbeatPublisher, Signer, Verifier
from core.locks import InstanceLock, process_start_ticks
from core.vocabulary import OrderType, Purpose, Side
from execution.order_ref import short_run

CLOCK = SystemClock()


class Peer:
    """What a test asks of main."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        loaded = load_settings(options.config, os.environ)
        self.folders = loaded.folders
        self.folders.make()
        self.folders.flags.mkdir(exist_ok=True)
        self.settings = loaded.settings
        self.identity = Identity.from_environ("main", os.environ)
        self.key = read_ipc_key(os.environ)
        self.inbox: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.lane_open = True
        self.phase = "starting"
        self.events = 0
        self.sent = 0
        self.session = IBSession(
            loaded.settings.broker,
            client_id=loaded.settings.broker.main_client_id,
            sink=self.inbox.put,
            clock=CLOCK,
        )

    def run(self) -> int:
        endpoints = Endpoints.for_state(self.folders.control)
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "phase", "stopping"))
        with InstanceLock(
            self.folders.state / "main.lock", run_id=self.identity.run_id, boot_id=self.identity.boot_id
        ):
            self.publisher = HeartbeatPublisher(
                endpoints.main_heartbeat, Signer.of(self.identity, self.key, CLOCK)
            )
            server = CommandServer(
                endpoints.main_commands,
                verifier=Verifier(
                    self.key, self.identity.run_id, sender="risk_monitor", kinds={"command"}, clock=CLOCK
                ),
                signer=Signer.of(self.identity, self.key, CLOCK),
                close_order_lane=self.close_lane,
                on_command=lambda command, body: print(f"command {command}", flush=True),
            )
            if not self.options.deaf:
                server.start()
            self.session.start()
            try:
                return self.beat()
            finally:
                server.stop()
                self.session.stop(2.0)
                self.publisher.close()

    def close_lane(self) -> None:
        self.lane_open = False

    def beat(self) -> int:
        if not self.session.wait_ready(10):
            print("no session", flush=True)
            return 6
        self.build()
        self.phase = self.options.phase
        self.publish()
        print("ready", flush=True)
        due = 0.0
        while self.phase != "stopping":
            try:
                self.inbox.get(timeout=0.05)
                self.events += 0 if self.options.mute_events else 1
            except queue.Empty:
                pass
            if self.options.rate and self.lane_open:
                self.place(Side.BUY, "AAPL", Decimal(1), OrderType.MARKET)
                time.sleep(1 / self.options.rate)
            if time.monotonic() >= due:
                due = time.monotonic() + 0.25
                self.publish()
        self.phase = "stopped"
        self.publish()
        return 0

    def build(self) -> None:
        symbols = self.settings.universe.symbols
        for number in range(self.options.positions):
            self.place(Side.BUY, symbols[number % len(symbols)], Decimal(100), OrderType.MARKET)
        for number in range(self.options.orders):
            self.place(
                Side.BUY, symbols[number % len(symbols)], Decimal(10), OrderType.LIMIT, limit=Decimal(1)
            )
        deadline = time.monotonic() + 20
        want = min(self.options.positions, len(symbols))
        while time.monotonic() < deadline:
            held, working = self.session.positions().result(), self.session.open_orders().result()
            known = isinstance(held, tuple) and isinstance(working, tuple)
            if known and len(held) >= want and len(working) == self.options.orders:
                return
            time.sleep(0.05)
        raise SystemExit("the orders did not come to rest")

    def place(
        self, side: Side, symbol: str, quantity: Decimal, kind: OrderType, limit: Decimal | None = None
    ) -> None:
        self.sent += 1
        order = Order(
            order_ref=f"BS-{short_run(self.identity.run_id)}-{self.sent:06d}-e",
            strategy="peer",
            symbol=symbol,
            side=side,
            quantity=quantity,
            order_type=kind,
            purpose=Purpose.ENTRY,
            reason="test",
            created_ns=0,
            limit_price=limit,
        )
        try:
            self.session.place(self.session.next_order_id(), order)
        except NotConnected as error:
            print(f"not sent: {error}", flush=True)

    def publish(self) -> None:
        body = {
            "pid": os.getpid(),
            "start_ticks": process_start_ticks(os.getpid()),
            "events_processed": self.events,
            "queue_depth": self.options.queue_depth,
            "phase": self.phase,
            "positions": {},
        }
        document = {
            "run_id": self.identity.run_id,
            "boot_id": self.identity.boot_id,
            "monotonic_ns": CLOCK.monotonic_ns(),
            "body": body,
        }
        if not self.options.file_only:
            self.publisher.publish(body)
        write_atomic(self.folders.logs / "main_heartbeat.json", dump(document).encode(), durable=False)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--positions", type=int, default=0)
    parser.add_argument("--orders", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--phase", default="trading")
    parser.add_argument("--queue-depth", type=int, default=0)
    parser.add_argument("--mute-events", action="store_true", help="count no processed event")
    parser.add_argument("--deaf", action="store_true", help="do not answer commands")
    parser.add_argument("--file-only", action="store_true", help="beat only by file")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    return Peer(parse(arguments)).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
