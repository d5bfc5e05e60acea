"""One seed: main trades, everything goes wrong that the seed asks for, and in the end G1 to G6 hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from core.events import Halt, Order
from core.halts import halt_of_command
from core.ipc import Command
from core.records import RecordKind
from core.vocabulary import KILL_PREFIX, OrderType, Purpose, Side
from portfolio.live_manager.book import LiveBook
from risk.fence import FenceResult
from risk.kill_messages import FenceOutcome
from tests.simulation.broker import ZERO, Broker, SimOrder, Troubles
from tests.simulation.clock import MS, SECOND, Crash, Time
from tests.simulation.journal import Disk
from tests.simulation.main_process import MAIN, SYMBOLS, MainProcess
from tests.simulation.watchdog_process import SimFlags, WatchdogProcess

QUIET = 5 * SECOND
"""Within so long of the last event our book must equal the broker's (G4)."""
_KILL_PATIENCE = 120 * SECOND
_MANUAL = "by hand"


class Violation(AssertionError):
    """An invariant of the fault catalogue does not hold; the text begins with its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a seed asks for."""

    troubles: Troubles
    decisions: int
    crashes: int
    drops: int
    kill: bool
    watchdog_crashes: int
    fence: FenceOutcome
    fence_delay: int
    through_json: bool


def plan_of(time: Time) -> Plan:
    """Draw a plan: most runs have a few troubles, some have many, some none."""
    chance = time.chance

    def sometimes(value: float, how_often: float = 0.3) -> float:
        return value if chance.random() < how_often else 0.0

    kill = chance.random() < 0.35
    troubles = Troubles(
        drop=sometimes(0.15),
        duplicate=sometimes(0.3),
        late=sometimes(0.4),
        no_answer=sometimes(0.3, 0.4 if kill else 0.15),  # a kill must never read silence as "nothing"
        corrections=sometimes(0.3),
        late_commissions=sometimes(0.5),
        fills_after_cancel=sometimes(0.5),
        refused_cancels=sometimes(0.3, 0.15),
        rejects=sometimes(0.1, 0.1),
        twice=sometimes(0.2, 0.1),
        halted=frozenset({"IBM"}) if kill and chance.random() < 0.1 else frozenset(),
        restarts=chance.choice((0, 0, 0, 1, 2)),
        forget_ns=chance.choice((0, 10, 40)) * MS,
        manual=0 if kill else int(chance.random() < 0.08),
        ids_go_back=chance.random() < 0.2,
    )
    return Plan(
        troubles=troubles,
        decisions=chance.randint(2, 8),
        crashes=chance.choice((0, 0, 1, 1, 2)),
        drops=chance.choice((0, 0, 0, 1)),
        kill=kill,
        watchdog_crashes=chance.choice((0, 0, 1, 2)) if kill else 0,
        fence=chance.choice((FenceOutcome.ACKNOWLEDGED, FenceOutcome.KILLED)),
        fence_delay=chance.randint(0, 200) * MS,
        through_json=chance.random() < 0.2,
    )


class World:
    """Everything of one seed."""

    def __init__(self, seed: int, *, is_traced: bool = False) -> None:
        self.time = Time(seed, is_traced=is_traced)
        self.plan = plan_of(self.time)
        self.time.say("plan", str(self.plan))
        self.broker = Broker(self.time, self.plan.troubles, on_fill=self._on_fill, on_order=self._on_order)
        self.main_disk, self.watchdog_disk = Disk(self.time), Disk(self.time)
        self.flags = SimFlags()
        self.main: MainProcess | None = None
        self.watchdog: WatchdogProcess | None = None
        self._filled: dict[str, Decimal] = {}
        self._fenced_at: int | None = None
        self._kill_began: int | None = None
        self._main_may_start = True

    # --- the run -----------------------------------------------------------------------------------------

    def play(self) -> None:
        """Play the seed to its end.

        Raises
        ------
        Violation
            When an invariant does not hold.
        """
        time, chance = self.time, self.time.chance
        self._start_main()
        end = time.now + 900 * MS
        for _ in range(self.plan.decisions):
            time.at(chance.randint(time.now, end), self._decide)
        for _ in range(self.plan.crashes):
            time.at(chance.randint(time.now, end), self._arm_main)
        for _ in range(self.plan.drops):
            time.at(chance.randint(time.now, end), self._drop_main)
        for _ in range(self.plan.troubles.restarts):
            time.at(chance.randint(time.now, end), self._restart_broker)
        for _ in range(self.plan.troubles.manual):
            time.at(chance.randint(time.now, end), self._trade_by_hand)
        if self.plan.kill:
            time.at(chance.randint(time.now + 100 * MS, end), self._kill)
        self._pulse()
        time.run_until(end)
        if self.plan.kill:
            self._await_kill()
            self._rearm()
        self._await_quiet()
        self._check_end()

    def _pulse(self) -> None:
        """Let the processes work; their loops turn more slowly once the bustle is over."""
        self._run(lambda: self.main.work() if self.main is not None else None)
        self._run_watchdog(lambda: self.watchdog.work() if self.watchdog is not None else None)
        is_killing = self.watchdog is not None and not self.watchdog.is_done
        is_busy = self.time.now < 1_001 * SECOND or (self.main is not None and self.main.queue.depth() > 0)
        pause = 5 * MS if is_killing else 10 * MS if is_busy else 50 * MS
        self.time.after(pause, self._pulse)

    def _decide(self) -> None:
        chance = self.time.chance
        symbol, quantity = chance.choice(SYMBOLS), chance.choice((0, 0, 5, 10, 20, -10))
        self._run(lambda: self.main.target(symbol, quantity) if self.main is not None else None)

    # --- main's lives ------------------------------------------------------------------------------------

    def _start_main(self) -> None:
        if self.main is not None or not self._main_may_start or self.flags.body is not None:
            return
        self.main = MainProcess(self.time, self.broker, self.main_disk, through_json=self.plan.through_json)
        self.time.say("main", f"starts from {len(self.main_disk.entries)} records")
        self._connect_main(self.main)

    def _connect_main(self, process: MainProcess) -> None:
        if process is not self.main or process.session.is_ready:
            return
        if self.broker.is_up:
            process.session.connect()
        else:
            self.time.after(30 * MS, lambda: self._connect_main(process))

    def _run(self, what: Callable[[], object]) -> None:
        """Let main do something; it may die at a step of it."""
        try:
            what()
        except Crash:
            self._end_main()

    def _arm_main(self) -> None:
        """Have main die at one of its next steps, or at once."""
        if self.main is None:
            return
        if self.time.chance.random() < 0.7:
            self.main.stepper.left = self.time.chance.randint(1, 8)
        else:
            self.time.say("main", "KILLED")
            self._end_main()

    def _end_main(self) -> None:
        if self.main is None:
            return
        drained = self.main.session.lose()
        self.main = None
        pause = self.time.chance.randint(10, 150) * MS
        self.time.at(max(self.time.now + pause, drained + MS), self._start_main)

    def _drop_main(self) -> None:
        process = self.main
        if process is None or not process.session.is_ready:
            return
        self.time.say("main", "loses its connection")
        back = max(self.time.now + 50 * MS, process.session.drop() + MS)
        self.time.at(back, lambda: self._connect_main(process))

    def _restart_broker(self) -> None:
        if not self.broker.is_up:
            return
        self.time.say("broker", "RESTARTS")
        self._drop_main()
        self.broker.restart()
        watchdog = self.watchdog
        if watchdog is not None and watchdog.session.is_ready:
            watchdog.session.drop()
        self.time.after(self.time.chance.randint(20, 200) * MS, self._broker_back)

    def _broker_back(self) -> None:
        self.time.say("broker", "is back")
        self.broker.come_back()
        if self.watchdog is not None and not self.watchdog.session.is_ready:
            self._connect_watchdog(self.watchdog)

    def _trade_by_hand(self) -> None:
        if not self.broker.is_up:
            return
        symbol = self.time.chance.choice(SYMBOLS)
        self.broker.trade_by_hand(symbol, _manual_order(symbol))

    # --- the kill ----------------------------------------------------------------------------------------

    def _kill(self) -> None:
        self.time.say("watchdog", "KILL")
        self._kill_began = self.time.now
        self._start_watchdog()
        assert self.watchdog is not None
        if self.plan.watchdog_crashes:
            self.watchdog.stepper.left = self.time.chance.randint(1, 12)
        self._run_watchdog(lambda: self.watchdog.kill("aaaaaa") if self.watchdog is not None else None)

    def _start_watchdog(self) -> None:
        self.watchdog = WatchdogProcess(
            self.time,
            self.broker,
            self.watchdog_disk,
            self.flags,
            fence_delay=self.plan.fence_delay,
            stop_main=self._stop_main,
        )
        self._connect_watchdog(self.watchdog)

    def _connect_watchdog(self, process: WatchdogProcess) -> None:
        if process is not self.watchdog or process.session.is_ready:
            return
        if self.broker.is_up:
            self._run_watchdog(process.session.connect)
        else:
            self.time.after(30 * MS, lambda: self._connect_watchdog(process))

    def _run_watchdog(self, what: Callable[[], object]) -> None:
        try:
            what()
        except Crash:
            self._end_watchdog()

    def _end_watchdog(self) -> None:
        assert self.watchdog is not None
        drained = self.watchdog.session.lose()
        self.watchdog = None
        # The supervisor starts it again; its client id is free when the broker has taken in all it had sent.
        self.time.at(max(self.time.now + 100 * MS, drained + MS), self._restart_watchdog)

    def _restart_watchdog(self) -> None:
        self.time.say("watchdog", f"starts again from {len(self.watchdog_disk.entries)} records")
        self._start_watchdog()
        process = self.watchdog
        assert process is not None
        left = self.plan.watchdog_crashes - 1
        if left > 0:
            self.plan = replace(self.plan, watchdog_crashes=left)
            process.stepper.left = self.time.chance.randint(1, 12)

        def begin() -> None:
            process.take_up()
            if process.liquidation is None and not process.history.ended:  # the same breach is found again
                process.kill("bbbbbb")

        self._run_watchdog(begin)

    def _stop_main(self) -> FenceResult:
        """Fence main: its lane closes, or it is ended."""
        self._main_may_start = False
        if self.main is None:
            self._fenced_at = self._fenced_at or self.time.now
            return FenceResult(outcome=FenceOutcome.ABSENT, detail="simulated")
        if self.plan.fence is FenceOutcome.ACKNOWLEDGED:
            self.main.lane.close("watchdog_command")
            self.main.queue.put(halt_of_command(Command.HALT, "simulated"))
        else:
            drained = self.main.session.lose()
            self.main = None
            self._fenced_at = max(self._fenced_at or 0, drained)
        self._fenced_at = self._fenced_at or self.time.now
        return FenceResult(outcome=self.plan.fence, detail="simulated")

    def _await_kill(self) -> None:
        end = self.time.now + _KILL_PATIENCE
        while not (self.watchdog is not None and self.watchdog.is_done):
            if self.time.now > end:
                raise Violation("G1: the kill did not end")
            self.time.run_until(self.time.now + 100 * MS)
        self._check_kill()

    def _rearm(self) -> None:
        """A human looks at the account, re-arms, and starts main again."""
        self.time.run_until(self.time.now + 500 * MS)
        if self.main is not None:
            self.main.session.lose()
            self.main = None
        self.flags.body = None
        self._main_may_start = True
        self._start_main()

    # --- invariants --------------------------------------------------------------------------------------

    def _on_order(self, one: SimOrder) -> None:
        ref = one.order.order_ref
        if one.client == MAIN:
            if (
                self._fenced_at is not None
                and self.time.now > self._fenced_at + 20 * MS
                and not self._main_may_start
            ):
                raise Violation(f"G2: {ref} reached the broker after the fence")
            if not any(
                kind == RecordKind.ORDER_INTENT and p["order_ref"] == ref
                for kind, p in self.main_disk.entries
            ):
                raise Violation(f"G3: {ref} is at the broker and was never journaled")
        live = [o for o in self.broker.orders.values() if o.order.order_ref == ref and o is not one]
        if live and ref and not self.plan.troubles.twice:
            raise Violation(f"G3: {ref} was sent a second time")

    def _on_fill(self, one: SimOrder, part: Decimal, before: Decimal) -> None:
        ref = one.order.order_ref
        total = self._filled[ref] = self._filled.get(ref, ZERO) + part
        most = max(one.order.quantity, self._intended(ref))
        if total > most and ref != _MANUAL and not self.plan.troubles.twice:
            raise Violation(f"G3: {ref} was for {most} and has filled {total}")
        if ref.startswith(KILL_PREFIX):
            after = before + one.order.side.sign * part
            if before * after < 0 or abs(after) >= abs(before):
                raise Violation(f"G2: {ref} moved {one.order.symbol} from {before} to {after}")

    def _intended(self, ref: str) -> Decimal:
        quantities = [
            Decimal(str(payload["quantity"]))
            for kind, payload in self.main_disk.entries
            if kind == RecordKind.ORDER_INTENT and payload["order_ref"] == ref
        ]
        return max(quantities, default=ZERO)

    def _check_kill(self) -> None:
        """G1, G6 at the end of a kill."""
        assert self.watchdog is not None
        assert self.watchdog.liquidation is not None
        report = self.watchdog.liquidation.report
        assert report is not None
        left = {
            item["symbol"]: Decimal(item["quantity"]) for item in report.residue if Decimal(item["quantity"])
        }
        held = {symbol: quantity for symbol, quantity in self.broker.positions.items() if quantity}
        if held != left:
            raise Violation(f"G1: the kill ended with {held} held and the residue {left}")
        working = [o for o in self.broker.orders.values() if o.is_live and o.order.symbol not in left]
        if working and report.flat:
            raise Violation(f"G1: flat was told with {working} working")
        told = [
            moment
            for (kind, _), moment in zip(self.watchdog_disk.entries, self.watchdog_disk.times, strict=True)
            if kind == RecordKind.ALERT
        ]
        assert self._kill_began is not None
        if not told or told[0] > self._kill_began + SECOND:
            raise Violation("G6: nobody was told of the kill within a second")

    def _await_quiet(self) -> None:
        """Let `QUIET` pass after the last event at the broker and the last connection of main."""
        limit = self.time.now + 120 * SECOND
        while True:
            self.time.run_until(self.time.now + 500 * MS)
            ready = self.main is not None and self.main.session.is_ready and self.broker.is_up
            if ready and self.time.now - self.broker.last_event_ns >= QUIET and not self._differences():
                return
            if self.time.now > limit or (ready and self.time.now - self._last_change() > QUIET + SECOND):
                raise Violation("G4: " + "; ".join(self._differences() or ["main does not come to rest"]))

    def _last_change(self) -> int:
        return max(self.broker.last_event_ns, self._quiet_since)

    @property
    def _quiet_since(self) -> int:
        # An unanswered question costs its time-out; what is asked next counts from there.
        unsure = self.plan.troubles.no_answer > 0
        return 1_000 * SECOND + (20 * SECOND if unsure else 2 * SECOND)

    def _differences(self) -> list[str]:
        """Where main's book differs from the broker's."""
        assert self.main is not None
        ledger = self.main.book.ledger
        ours = {symbol: quantity for symbol, quantity in ledger.net_positions().items() if quantity}
        theirs = {symbol: quantity for symbol, quantity in self.broker.positions.items() if quantity}
        strange = {one.symbol for one in self.broker.executions if one.order_ref == _MANUAL}
        found = [
            f"{symbol}: our book has {ours.get(symbol, ZERO)}, the broker {theirs.get(symbol, ZERO)}"
            for symbol in sorted((ours.keys() | theirs.keys()) - strange)
            if ours.get(symbol, ZERO) != theirs.get(symbol, ZERO)
        ]
        if not strange and ledger.cash != self.broker.cash:
            found.append(f"cash: our book has {ledger.cash}, the broker {self.broker.cash}")
        if strange - self.main.reconciler.locked_symbols:
            found.append(
                f"a human traded {sorted(strange)}; locked: {sorted(self.main.reconciler.locked_symbols)}"
            )
        return found

    def _check_end(self) -> None:
        """G3 and that the fold of the journal is the book that was lived."""
        main = self.main
        assert main is not None
        folded = LiveBook(lambda day: day)
        for kind, payload in self.main_disk.read_back() if self.plan.through_json else self.main_disk.entries:
            folded.apply(kind, payload)
        if folded.ledger.to_dict() != main.book.ledger.to_dict():
            raise Violation("G4: the journal folds to another ledger than the one that was lived")
        for state in main.book.orders:
            if folded.orders.get(state.order_ref) != state:
                raise Violation(f"G4: the journal folds to another state of {state.order_ref}")
        filled: dict[str, Decimal] = {}
        for execution in {one.base_exec_id: one for one in self.broker.executions}.values():
            filled[execution.order_ref] = filled.get(execution.order_ref, ZERO) + execution.quantity
        for state in main.book.orders:
            if state.filled != filled.get(state.order_ref, ZERO):
                raise Violation(
                    f"G4: {state.order_ref} has {state.filled} booked, filled {filled.get(state.order_ref)}"
                )
        live = [o for o in self.broker.orders.values() if o.is_live and o.client == MAIN]
        for one in live:
            state_of = main.book.orders.get(one.order.order_ref)
            if state_of is None or not state_of.is_live:
                raise Violation(f"G3: {one.order.order_ref} works at the broker, and we believe it has ended")
        if self.plan.troubles.twice:
            refs = [one.order.order_ref for one in live]
            doubled = {ref for ref in refs if refs.count(ref) > 1}
            if doubled:
                raise Violation(f"O5: {doubled} live twice at the broker to the end")


def _manual_order(symbol: str) -> Order:
    return Order(
        order_ref=_MANUAL,
        strategy="",
        symbol=symbol,
        side=Side.BUY,
        quantity=Decimal(7),
        order_type=OrderType.MARKET,
        purpose=Purpose.ENTRY,
        reason="",
        created_ns=0,
    )


def play(seed: int) -> None:
    """Play one seed."""
    World(seed).play()


def trace(seed: int) -> tuple[list[str], BaseException | None]:
    """Play one seed once more and keep what happened; the error with which it ended, if it did."""
    world = World(seed, is_traced=True)
    error: BaseException | None = None
    try:
        world.play()
    except Exception as caught:  # noqa: BLE001 (it is what the reader wants to see)
        error = caught
    return list(world.time.lines or ()), error


__all__ = ["Halt", "Plan", "Violation", "World", "play", "trace"]
