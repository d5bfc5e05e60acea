from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from core.clock import SystemClock
from core.events import Execution
from core.journal import Journal
from core.records import RecordKind
from core.vocabulary import Side
from scripts import summary

RUN_ID = "6740d2a8-abcdef"


def execution(number: int, side: Side, price: str) -> dict[str, object]:
    fields = Execution(
        exec_id=f"0000e0d5.50.{number:02d}.01",
        order_ref=f"BS-6740d2a8-{number:06d}-e",
        order_id=number,
        perm_id=number,
        client_id=1,
        account="DU1",
        symbol="IBM",
        side=side,
        quantity=Decimal(10),
        price=Decimal(price),
        time_ns=number,
    )
    plain = {name: getattr(fields, name) for name in fields.__slots__}
    return plain | {"strategy": "momentum", "arrival_price": 100.0}


def commission(number: int) -> dict[str, object]:
    return {"exec_id": f"0000e0d5.50.{number:02d}.01", "amount": "0.35", "currency": "USD"}


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    run = {
        "run_id": RUN_ID,
        "is_paper": True,
        "started_ns": 0,
        "state": str(tmp_path),
        "control": str(tmp_path),
        "logs": str(tmp_path),
        "results": str(tmp_path),
    }
    (tmp_path / "latest_run.json").write_text(json.dumps(run))
    for process, name in (("main", "main.db"), ("risk_monitor", "watchdog.db")):
        for run_id in ("00000000-000000", RUN_ID):
            journal = Journal(
                tmp_path / name, process=process, run_id=run_id, boot_id="b", clock=SystemClock()
            )
            if process == "main":
                first = run_id != RUN_ID
                journal.append(RecordKind.SESSION, {"date": "2012-10-01", "open_ns": 1, "close_ns": 2})
                journal.append(
                    RecordKind.EQUITY, {"bar_end_ns": 1, "nlv": "1000000", "cash": "0", "gross": "0"}
                )
                side, price = (Side.BUY, "100.00") if first else (Side.SELL, "103.50")
                journal.append(RecordKind.FILL, execution(1 if first else 2, side, price))
                journal.append(RecordKind.COMMISSION, commission(1 if first else 2))
            journal.close()
    return tmp_path / "latest_run.json"


def test_only_this_run_counts_but_the_position_it_closes_may_be_older(
    run_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert summary.main(["--run", str(run_file)]) == 0
    document = json.loads((run_file.parent / "paper_run.json").read_text())
    assert (document["sessions"], document["fills"]) == (1, 1)
    (strategy,) = document["strategies"]
    assert strategy["realized_pnl"] == pytest.approx(10 * 3.50 - 0.35)
    assert strategy["open_positions"] == 0
    assert "says nothing about what the strategies would earn" in document["caveat"]
    assert document["journal_verified"] is True
    assert "hash chain verified" in capsys.readouterr().out


def test_an_altered_record_is_reported_and_changes_the_exit_code(
    run_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(run_file.parent / "main.db") as connection:
        # Somebody who wants to alter a record takes the guards away first.
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        (payload,) = connection.execute("SELECT payload FROM records WHERE seq = 3").fetchone()
        connection.execute(
            "UPDATE records SET payload = ? WHERE seq = 3", (payload.replace("100.00", "90.00"),)
        )
    connection.close()
    assert summary.main(["--run", str(run_file)]) == 1
    assert "NOT VERIFIED" in capsys.readouterr().out
    assert json.loads((run_file.parent / "paper_run.json").read_text())["journal_verified"] is False


def test_a_run_whose_main_never_wrote_a_journal_still_has_a_summary(run_file: Path) -> None:
    (run_file.parent / "main.db").unlink()
    assert summary.main(["--run", str(run_file)]) == 1
    document = json.loads((run_file.parent / "paper_run.json").read_text())
    assert document["orders"] == 0
    assert "no bar was decided on" in document["no_orders_because"]


def test_without_any_run_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert summary.main(["--run", str(tmp_path / "none.json")]) == 2
    assert "No run to summarise yet" in capsys.readouterr().err


def test_the_watchdog_pays_the_commission_of_what_it_closed(run_file: Path) -> None:
    journal = Journal(
        run_file.parent / "main.db", process="main", run_id=RUN_ID, boot_id="c", clock=SystemClock()
    )
    journal.append(RecordKind.FILL, execution(3, Side.BUY, "100.00"))
    closing = execution(4, Side.SELL, "101.00") | {"strategy": "watchdog"}
    journal.append(RecordKind.FILL, closing)
    journal.append(RecordKind.COMMISSION, commission(4))
    journal.close()
    assert summary.main(["--run", str(run_file)]) == 0
    document = json.loads((run_file.parent / "paper_run.json").read_text())
    earned = {strategy["name"]: strategy["realized_pnl"] for strategy in document["strategies"]}
    assert earned["watchdog"] == pytest.approx(-0.35)
    assert earned["momentum"] == pytest.approx(10 * 3.50 - 0.35 + 10 * 1.00)


def test_a_reader_that_goes_away_gets_no_traceback(run_file: Path) -> None:
    command = [sys.executable, "-m", "scripts.summary", "--run", str(run_file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30.0) == 0
