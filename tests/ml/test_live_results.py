"""What live trading earned, by hand: corrections, kills and commissions in any order."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from core.clock import ManualClock
from core.events import Commission, Execution
from core.journal import Journal, read
from core.payloads import commission_payload, fill_payload
from core.records import RecordKind
from core.vocabulary import Side
from ml.drift.live_results import KINDS, live_returns


class Main:
    """A journal as main writes it: fills of IBM unless another symbol is said."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "main.db"
        self.journal = Journal(
            self.path, process="main", run_id="r", boot_id="b", clock=ManualClock(wall_ns=1)
        )
        self._number = 0

    def fill(
        self,
        quantity: int,
        price: str,
        strategy: str = "momentum",
        *,
        symbol: str = "IBM",
        exec_id: str | None = None,
    ) -> str:
        self._number += 1
        execution = Execution(
            exec_id=exec_id or f"e.{self._number}.01",
            order_ref="o",
            order_id=1,
            perm_id=1,
            client_id=1,
            account="DU1",
            symbol=symbol,
            side=Side.BUY if quantity > 0 else Side.SELL,
            quantity=Decimal(abs(quantity)),
            price=Decimal(price),
            time_ns=self._number,
        )
        self.journal.append(RecordKind.FILL, fill_payload(execution, strategy=strategy))
        return execution.exec_id

    def commission(self, exec_id: str, amount: str) -> None:
        paid = Commission(exec_id=exec_id, amount=Decimal(amount), currency="USD")
        self.journal.append(RecordKind.COMMISSION, commission_payload(paid))

    def returns(self, strategy: str = "momentum") -> list[float]:
        return list(live_returns(read(self.path, kinds=KINDS), strategy))


@pytest.fixture
def main(tmp_path: Path) -> Iterator[Main]:
    main = Main(tmp_path)
    yield main
    main.journal.close()


def test_round_trips_of_each_symbol_after_commissions(main: Main) -> None:
    main.commission(main.fill(100, "50"), "5")
    main.fill(-10, "30", symbol="MSFT")
    main.fill(999, "50", "pairs")
    main.commission(main.fill(-100, "51"), "5")
    main.fill(10, "27", symbol="MSFT")
    main.fill(100, "51")  # still open
    assert main.returns() == pytest.approx([90 / 5000, 30 / 300])


def test_what_a_kill_closed_ends_the_round_trips_of_those_who_held_it(main: Main) -> None:
    main.fill(100, "50")
    main.fill(40, "50", "pairs")
    main.commission(main.fill(-90, "49", "watchdog"), "7")
    main.fill(-50, "48", "watchdog")
    main.fill(10, "20")
    main.fill(-10, "21")
    # In the order of the names: 90 and 10 of momentum's 100, then the 40 of pairs.
    assert main.returns() == pytest.approx([(-90 - 20) / 5000, 10 / 200])
    assert main.returns("pairs") == pytest.approx([-80 / 2000])
    assert main.returns("mean_reversion") == []


def test_corrections_replace_and_early_commissions_are_paid(main: Main) -> None:
    main.commission("a.b.01", "1")
    main.fill(100, "50", exec_id="a.b.01")
    main.fill(-120, "51", "watchdog")  # only 100 were known to be held
    main.fill(120, "50", exec_id="a.b.02")
    main.commission("a.b.02", "2")
    main.commission("a.b.01", "9")  # late
    main.fill(100, "50", exec_id="a.b.01")  # late
    assert main.returns() == pytest.approx([(120 - 2) / 6000])
