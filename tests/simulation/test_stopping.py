"""Who was asked to stop opens nothing more, whatever still comes in; what reduces goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.events import Shutdown
from tests.simulation.broker import Broker, Troubles
from tests.simulation.clock import MS, SECOND, Time
from tests.simulation.journal import Disk
from tests.simulation.main_process import SYMBOLS, MainProcess
from tests.simulation.quiet import without_logs


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with without_logs():
        yield


@pytest.fixture
def main() -> MainProcess:
    """Main, connected and reconciled, at a broker without troubles."""
    time = Time(1)
    broker = Broker(time, Troubles(), on_fill=lambda *_: None, on_order=lambda *_: None)
    process = MainProcess(time, broker, Disk(time), through_json=False)
    process.session.connect()
    process.reconciler.request("start")
    run(process)
    assert process.reconciler.is_reconciled
    return process


def run(process: MainProcess, duration: int = SECOND) -> None:
    end = process.time.now + duration
    while process.time.now < end:
        process.work()
        process.time.run_until(process.time.now + 10 * MS)


def holdings(process: MainProcess) -> dict[str, int]:
    return {
        symbol: int(quantity) for symbol, quantity in process.book.ledger.net_positions().items() if quantity
    }


def test_a_decision_that_comes_after_the_stop_was_asked_for_opens_nothing_and_closes_what_it_wants(
    main: MainProcess,
) -> None:
    held, other = SYMBOLS[0], SYMBOLS[1]
    main.target(held, 10)
    run(main)
    assert holdings(main) == {held: 10}
    main.queue.put(Shutdown(reason="test"))
    run(main)
    main.target(other, 10)
    run(main)
    assert holdings(main) == {held: 10}
    main.target(held, 0)
    run(main)
    assert holdings(main) == {}
