"""A real paper run, killed in the middle: the followed database is the rebuilt one, and the money agrees."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tca.__main__ import main
from tca.store import open_published
from tests.faults.real_main import TradingStage
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[TradingStage]:
    with TradingStage(tmp_path) as stage:
        stage.environment["BACKSTOP__EXECUTION__ON_SHUTDOWN"] = "cancel_all"
        yield stage


def follower(stage: TradingStage, database: Path) -> subprocess.Popen[bytes]:
    words = [
        "-m",
        "tca",
        "follow",
        "--poll",
        "0.05",
        "--journal",
        str(stage.main_journal),
        "--database",
        str(database),
    ]
    return subprocess.Popen([sys.executable, *words], cwd=ROOT)


def count(database: Path) -> int:
    if not database.is_file():
        return 0
    with closing(open_published(database)) as connection:
        return int(connection.execute("SELECT count(*) FROM parents").fetchall()[0][0])


def contents(database: Path) -> list[list[tuple[object, ...]]]:
    with closing(open_published(database)) as connection:
        return [
            connection.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall()
            for table in ("parents", "fills", "journals")
        ]


@pytest.mark.slow
def test_kills_of_main_and_of_the_follower_lose_nothing(
    stage: TradingStage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    followed, rebuilt = tmp_path / "followed.duckdb", tmp_path / "rebuilt.duckdb"
    stage.start_trading()
    first = follower(stage, followed)
    wait_for(lambda: count(followed) > 3, "the first parent orders", 60.0)
    first.kill()  # whatever it was writing
    first.wait()
    assert stage.watchdog is not None
    stage.main.kill()
    stage.watchdog.kill()
    stage.main.wait()
    stage.watchdog.wait()
    second = follower(stage, followed)
    before = count(followed)
    stage.new_run()
    stage.start_watchdog()
    stage.start_main()
    stage.await_phase("trading")
    wait_for(lambda: count(followed) > before + 3, "parent orders of the second run", 60.0)
    stage.main.send_signal(signal.SIGTERM)
    assert stage.main.wait(30) == 0, stage.output("main")[-3000:]
    second.send_signal(signal.SIGTERM)
    assert second.wait(30) == 0
    assert main(["rebuild", "--journal", str(stage.main_journal), "--database", str(rebuilt)]) == 0
    assert contents(followed) == contents(rebuilt)
    capsys.readouterr()
    assert main(["check", "--json", "--database", str(rebuilt)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["agrees"]
    assert result["journals"][0]["executions"] > 0
