"""``run_system.sh`` as a user runs it: real processes, the real protocol, real signals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.journal import read
from core.records import RecordKind
from tests.acceptance.system import ROOT, System

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
LONG = ("--sessions", "200")


@pytest.fixture
def make_system(tmp_path: Path) -> Iterator[Callable[..., System]]:
    made: list[System] = []

    def make(**overrides: str) -> System:
        made.append(System(tmp_path, **overrides))
        return made[-1]

    yield make
    for system in made:
        system.close()


@pytest.fixture
def system(make_system: Callable[..., System]) -> System:
    return make_system()


def kinds(system: System) -> list[str]:
    return [record.kind for record in read(system.folder / "state" / "watchdog.db")]


def test_a_paper_run_ends_by_itself_with_orders_and_without_a_break(system: System) -> None:
    system.start("--sessions", "3")
    assert system.wait(300.0) == 0, system.terminal()[-3000:]
    result = system.result()
    assert result["sessions"] == 3
    assert result["orders"] > 0
    assert result["fills"] > 0
    assert result["commission"] > 0
    assert result["breaks"] == 0
    assert result["journal_verified"] is True
    assert result["kill"] is None
    assert "hash chain verified" in system.terminal()
    assert system.leftovers() == []


def test_the_kill_flag_flattens_refuses_the_next_start_and_waits_for_a_human(system: System) -> None:
    system.start(*LONG)
    system.wait_trading(orders=3)
    (system.flags / "KILL_NOW.flag").touch()
    assert system.wait() == 3, system.terminal()[-3000:]
    kill = system.result()["kill"]
    assert kill["reason"] == "kill_now_flag"
    assert kill["flat"] is True
    assert kill["flag_to_cancel_sent_ms"] <= kill["flag_to_flat_ms"]
    assert system.leftovers() == []
    assert_an_incident_was_written_and_decides_the_same_again(system)

    refused = system.call("--paper", "--sessions", "1")
    assert refused.returncode == 4
    assert "--rearm" in refused.stderr
    assert system.call("--status").returncode == 3

    assert system.call("--rearm", "tried the kill switch").returncode == 0
    assert RecordKind.REARMED in kinds(system)
    assert not list(system.flags.glob("*.flag"))
    system.start("--sessions", "1")
    assert system.wait(300.0) == 0, system.terminal()[-3000:]


def assert_an_incident_was_written_and_decides_the_same_again(system: System) -> None:
    (path,) = (system.folder / "results" / "incidents").glob("*.json")
    document = json.loads(path.read_text())
    assert path.with_suffix(".md").exists()
    assert {one["name"] for one in document["processes"]} == {"main", "risk_monitor", "gateway"}
    for name in (
        "main",
        "risk_monitor",
    ):  # both sockets, both directions: an order or a cancel, and an answer
        directions = {message["direction"] for message in document["wires"][name]}
        assert directions == {"in", "out"}, name
    done = subprocess.run(
        [sys.executable, "-m", "scripts.incident", "replay", path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    # Main sees the flag by itself, or the watchdog's command comes first.
    assert re.search(r"same    main's halt: HALTED (watchdog_command|kill_now_flag)", done.stdout)


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_when_main_is_stopped_or_killed_the_watchdog_flattens_alone(
    system: System, number: signal.Signals
) -> None:
    system.start(*LONG)
    os.kill(system.wait_trading(orders=3).pid, number)
    assert system.wait() == 3, system.terminal()[-3000:]
    kill = system.result()["kill"]
    assert kill["reason"] in {"heartbeat", "progress"}
    assert kill["flat"] is True
    assert system.leftovers() == []


def test_a_killed_watchdog_comes_back_and_the_run_goes_on(system: System) -> None:
    system.start(*LONG)
    system.wait_trading()
    first = system.watchdog()
    assert first is not None
    os.kill(first.pid, signal.SIGKILL)

    def is_back() -> bool:
        view = system.watchdog()
        return view is not None and view.pid != first.pid and view.lease

    system.wait_until(is_back)
    system.send(signal.SIGINT)
    assert system.wait() == 0, system.terminal()[-3000:]
    assert system.result()["kill"] is None


def test_ctrl_c_stops_gracefully_without_a_false_alarm(system: System) -> None:
    system.start(*LONG)
    system.wait_trading()
    system.send(signal.SIGINT)
    assert system.wait() == 0, system.terminal()[-3000:]
    assert RecordKind.KILL_STARTED not in kinds(system)
    assert system.leftovers() == []


def test_stop_and_status_speak_to_the_running_system_and_a_second_start_is_refused(system: System) -> None:
    system.start(*LONG)
    system.wait_trading()
    assert "trading" in system.call("--status").stdout
    second = system.call("--paper", "--sessions", "1")
    assert second.returncode == 5
    assert "already runs" in second.stderr
    assert system.call("--rearm", "while it runs").returncode == 5
    assert system.call("--stop").returncode == 0
    assert system.wait() == 0
    assert "not running" in system.call("--status").stdout


def test_nothing_is_left_behind_when_the_supervisor_itself_is_killed(system: System) -> None:
    system.start(*LONG)
    system.wait_trading()
    system.send(signal.SIGKILL)
    assert system.wait() == -signal.SIGKILL
    deadline_reached = [process.wait(60.0) for process in system.leftovers()]
    assert system.leftovers() == [], deadline_reached


def test_three_mistakes_are_three_errors_and_nothing_starts(system: System) -> None:
    config = system.folder / "config.yaml"
    text = config.read_text()
    config.write_text(
        text.replace("port: 4002", "port: 99999")
        .replace("symbols:", "symbls:")
        .replace("mode: paper", "mode: papre")
    )
    done = system.call("--paper")
    assert done.returncode == 2
    for mistake in ("broker.port", "universe.symbls", "mode"):
        assert mistake in done.stderr
    assert "3 problems" in done.stderr
    assert not system.logs.exists()


def test_a_wrong_strategy_parameter_is_found_before_anything_starts(
    make_system: Callable[..., System],
) -> None:
    system = make_system(BACKSTOP__STRATEGIES__0__PARAMETERS="{fast_window: -3}")
    done = system.call("--paper")
    assert done.returncode == 2
    assert "parameters" in done.stderr
    assert not system.logs.exists()


def test_live_mode_without_an_account_is_refused(make_system: Callable[..., System]) -> None:
    done = make_system(BACKSTOP__MODE="live").call()
    assert done.returncode == 2
    assert "account_id" in done.stderr


@pytest.mark.parametrize("kind", ["file", "folder", "fifo", "dangling link"])
def test_whatever_has_the_name_of_a_flag_refuses_the_start(system: System, kind: str) -> None:
    path = system.flags / "KILL_NOW.flag"
    makers: dict[str, Callable[[], object]] = {
        "file": path.touch,
        "folder": path.mkdir,
        "fifo": lambda: os.mkfifo(path),
        "dangling link": lambda: path.symlink_to("/nowhere"),
    }
    makers[kind]()
    done = system.call("--paper")
    assert done.returncode == 4
    assert "KILL_NOW" in done.stderr.upper()


def test_without_a_broker_it_gives_up_in_time_and_says_so(make_system: Callable[..., System]) -> None:
    # Port 1 is reserved and refuses at once; the patience is shortened, not the path.
    system = make_system(BACKSTOP__BROKER__PORT="1", BACKSTOP__BROKER__STARTUP_TIMEOUT_S="5")
    done = system.call()
    assert done.returncode == 6, done.stdout + done.stderr
    assert system.leftovers() == []
