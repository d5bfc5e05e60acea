"""A start goes on by itself after an outage; who was asked to stop opens nothing more. Main alone, at a broker without troubles."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.events import Shutdown
from portfolio.live_manager.status import Phase
from tests.simulation.broker import Broker, Troubles
from tests.simulation.clock import MS, SECOND, Time
from tests.simulation.journal import Disk
from tests.simulation.main_process import SYMBOLS, MainProcess
from tests.simulation.quiet import without_logs


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with without_logs():
        yield


def connected(phase: Phase) -> MainProcess:
    time = Time(1)
    broker = Broker(time, Troubles(), on_fill=lambda *_: None, on_order=lambda *_: None)
    process = MainProcess(time, broker, Disk(time), through_json=False)
    process.status.phase = phase
    process.session.connect()
    return process


@pytest.fixture
def starting() -> MainProcess:
    """Main, connected and about to compare its book."""
    process = connected(Phase.STARTING)
    run(process)
    return process


@pytest.fixture
def main() -> MainProcess:
    """Main, connected and reconciled."""
    process = connected(Phase.TRADING)
    process.reconciler.request("start")
    run(process)
    assert process.reconciler.is_reconciled
    return process


def run(process: MainProcess, duration: int = 2 * SECOND) -> None:
    end = process.time.now + duration
    while process.time.now < end:
        process.work()
        process.time.run_until(process.time.now + 10 * MS)


def holdings(process: MainProcess) -> dict[str, int]:
    return {
        symbol: int(quantity) for symbol, quantity in process.book.ledger.net_positions().items() if quantity
    }


def test_a_connection_alone_asks_nothing_before_the_start_does(starting: MainProcess) -> None:
    assert starting.reconciler.answers == 0


def test_the_question_of_a_start_is_put_again_when_an_outage_overtook_it(starting: MainProcess) -> None:
    starting.reconciler.request("start")
    starting.session.drop()  # the loss is taken before the question is put
    starting.session.connect()
    run(starting)
    assert starting.reconciler.is_reconciled


def test_the_engine_tells_the_desk_which_symbols_are_locked(starting: MainProcess) -> None:
    starting.reconciler.locked_symbols = frozenset({SYMBOLS[0]})
    assert [starting.desk.is_locked(symbol) for symbol in SYMBOLS[:2]] == [True, False]


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
