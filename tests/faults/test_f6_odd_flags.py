"""F6: the flag is a FIFO, a symlink, empty or huge: the system halts, and nobody hangs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.conftest import MakeRoom
from tests.risk.stage import Stage


def _make(path: Path, what: str) -> None:
    match what:
        case "fifo":
            os.mkfifo(path)
        case "symlink":
            path.symlink_to("/nowhere/at/all")
        case "empty":
            path.touch()
        case "huge":
            with path.open("wb") as file:
                file.truncate(2**33)
        case "folder":
            path.mkdir()


@pytest.mark.parametrize("what", ["fifo", "folder"])
def test_main_halts_at_once(room: MakeRoom, what: str) -> None:
    main = room()
    _make(main.stage.folder / "flags" / "KILL_NOW.flag", what)
    main.run_until(lambda: main.parts.status.halt is not None, "the halt", 10.0)
    main.target(10)
    assert main.kinds("order_sent") == []


@pytest.mark.parametrize("what", ["symlink", "huge"])
def test_the_watchdog_kills(stage: Stage, what: str) -> None:
    stage.start_watchdog()
    stage.await_state("watching")
    stage.start_peer("--positions", "1", "--orders", "2")
    stage.await_check("heartbeat", "ok")
    _make(stage.kill_now, what)
    assert stage.await_kill()["flat"]
