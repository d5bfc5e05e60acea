"""A start goes on by itself after an outage, whatever the outage overtook."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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


@pytest.fixture
def main() -> MainProcess:
    """Main, connected and about to compare its book, at a broker without troubles."""
    time = Time(1)
    broker = Broker(time, Troubles(), on_fill=lambda *_: None, on_order=lambda *_: None)
    process = MainProcess(time, broker, Disk(time), through_json=False)
    process.status.phase = Phase.STARTING
    process.session.connect()
    run(process)
    return process


def run(process: MainProcess, duration: int = 2 * SECOND) -> None:
    end = process.time.now + duration
    while process.time.now < end:
        process.work()
        process.time.run_until(process.time.now + 10 * MS)


def test_a_connection_alone_asks_nothing_before_the_start_does(main: MainProcess) -> None:
    assert main.reconciler.answers == 0


def test_the_question_of_a_start_is_put_again_when_an_outage_overtook_it(main: MainProcess) -> None:
    main.reconciler.request("start")
    main.session.drop()  # the loss is taken before the question is put
    main.session.connect()
    run(main)
    assert main.reconciler.is_reconciled


def test_the_engine_tells_the_desk_which_symbols_are_locked(main: MainProcess) -> None:
    main.reconciler.locked_symbols = frozenset({SYMBOLS[0]})
    assert [main.desk.is_locked(symbol) for symbol in SYMBOLS[:2]] == [True, False]
