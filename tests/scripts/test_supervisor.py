"""The supervisor against real processes that behave well or badly on purpose."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.exit_codes import ExitCode
from scripts.child import Child
from scripts.launch import Run
from scripts.supervisor import STOP_SIGNALS, Outcome, Supervisor, block_signals
from tests.waiting import wait_for

RUN_ID = "6740d2a8-abcdef"
OBEDIENT = "import time\ntime.sleep(600)"
GRACEFUL = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _blocked_signals() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, set())
    block_signals()
    yield
    while signal.sigtimedwait(STOP_SIGNALS | {signal.SIGCHLD}, 0) is not None:
        pass
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    logs = tmp_path / "logs"
    logs.mkdir()
    return Run(
        run_id=RUN_ID,
        root=tmp_path,
        config=tmp_path / "config.yaml",
        state=tmp_path,
        control=tmp_path,
        logs=logs,
        flags=tmp_path,
        results=tmp_path,
        is_paper=True,
        started_ns=0,
    )


class System:
    """A supervisor with its children; every child is gone after the test."""

    def __init__(
        self, run: Run, *, main: str = GRACEFUL, watchdog: str = GRACEFUL, gateway: str = OBEDIENT
    ) -> None:
        self.run = run
        self.said: list[str] = []
        self.children = {
            name: Child(
                name,
                [sys.executable, "-u", "-c", code],
                environment=dict(os.environ),
                folder=run.root,
                console=run.console(name),
            )
            for name, code in {"gateway": gateway, "risk_monitor": watchdog, "main": main}.items()
        }
        self.supervisor = Supervisor(
            run,
            gateway=self.children["gateway"],
            watchdog=self.children["risk_monitor"],
            main=self.children["main"],
            death_s=0.5,
            say=self.said.append,
        )
        self.children["gateway"].start()

    def start(self) -> Supervisor:
        self.supervisor.start()
        return self.supervisor

    def wait_ready(self, *names: str) -> None:
        wait_for(lambda: all("ready" in self.children[name].read_console() for name in names))

    def close(self) -> None:
        for child in self.children.values():
            child.stop(1.0)


@pytest.fixture
def system(run: Run) -> Iterator[Callable[..., System]]:
    made: list[System] = []

    def make(**programs: str) -> System:
        made.append(System(run, **programs))
        return made[-1]

    yield make
    for each in made:
        each.close()


def write_watchdog(run: Run, state: str, reason: str | None = None, run_id: str = RUN_ID) -> None:
    body = {"pid": 1, "state": state, "lease": False, "kill": {"reason": reason} if reason else None}
    document = {"run_id": run_id, "monotonic_ns": time.monotonic_ns(), "body": body}
    (run.logs / "risk_monitor_heartbeat.json").write_text(json.dumps(document))


def finish_replay(run: Run) -> None:
    run.gateway_status.write_text(json.dumps({"state": "finished"}))


def test_a_finished_replay_ends_everything_with_exit_code_0(run: Run, system: Callable[..., System]) -> None:
    it = system()
    supervisor = it.start()
    it.wait_ready("main", "risk_monitor")
    finish_replay(run)
    outcome = supervisor.watch()
    assert supervisor.stop(outcome) == ExitCode.CLEAN
    assert not any(child.is_running for child in it.children.values())


def test_ctrl_c_stops_main_before_the_watchdog(run: Run, system: Callable[..., System]) -> None:
    order = run.root / "order"
    notes = f"""
import signal, sys, time
def stop(*_):
    with open({str(order)!r}, "a") as file: file.write("NAME\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
time.sleep(600)
"""
    it = system(main=notes.replace("NAME", "main"), watchdog=notes.replace("NAME", "watchdog"))
    supervisor = it.start()
    it.wait_ready("main", "risk_monitor")
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)
    assert supervisor.stop(supervisor.watch()) == ExitCode.CLEAN
    assert order.read_text().split() == ["main", "watchdog"]


def test_a_watchdog_that_ends_is_started_again(run: Run, system: Callable[..., System]) -> None:
    marker = run.root / "first"
    dies_once = f"""
import os, signal, sys, time
if not os.path.exists({str(marker)!r}):
    open({str(marker)!r}, "w").close()
    sys.exit(1)
{GRACEFUL}
open({str(run.gateway_status)!r}, "w").write('{{"state": "finished"}}')
"""
    # The second incarnation ends the replay, so the test ends only if there is one.
    dies_once = dies_once.replace("time.sleep(600)", "") + "time.sleep(600)"
    it = system(watchdog=dies_once)
    supervisor = it.start()
    outcome = supervisor.watch()
    assert supervisor.stop(outcome) == ExitCode.CLEAN
    assert it.children["risk_monitor"].starts == 2
    assert any("was started again" in line for line in it.said)


def test_a_restarted_watchdog_that_can_not_use_its_configuration_is_tried_again(
    run: Run, system: Callable[..., System]
) -> None:
    count = run.root / "count"
    watchdog = f"""
import signal, sys, time
with open({str(count)!r}, "a") as file: file.write("x")
starts = len(open({str(count)!r}).read())
if starts < 4:
    sys.exit(1 if starts == 1 else {int(ExitCode.USAGE)})
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
open({str(run.gateway_status)!r}, "w").write('{{"state": "finished"}}')
time.sleep(600)
"""
    it = system(watchdog=watchdog)
    supervisor = it.start()
    it.wait_ready("main")
    assert supervisor.stop(supervisor.watch()) == ExitCode.CLEAN
    assert it.children["risk_monitor"].starts == 4


def test_a_watchdog_that_has_just_died_in_a_kill_is_brought_back_by_a_stop_too(
    run: Run, system: Callable[..., System]
) -> None:
    marker = run.root / "first"
    watchdog = f"""
import json, os, signal, sys, time
def tell(state):
    body = {{"pid": 1, "state": state, "kill": {{"reason": "drawdown"}}}}
    document = {{"run_id": {RUN_ID!r}, "monotonic_ns": time.monotonic_ns(), "body": body}}
    open({str(run.logs / "risk_monitor_heartbeat.json")!r}, "w").write(json.dumps(document))
if not os.path.exists({str(marker)!r}):
    open({str(marker)!r}, "w").close()
    tell("killing")
    os.kill(os.getpid(), signal.SIGKILL)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
tell("halted")
time.sleep(600)
"""
    it = system(watchdog=watchdog)
    supervisor = it.start()
    it.wait_ready("main")
    wait_for(lambda: not it.children["risk_monitor"].is_running)
    assert supervisor.stop(Outcome(text="asked to stop")) == ExitCode.HALTED
    assert it.children["risk_monitor"].starts == 2


def test_a_watchdog_that_can_not_say_that_it_kills_is_given_the_time(
    run: Run, system: Callable[..., System], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.supervisor._WATCHDOG_STOP_S", 0.3)
    # Its heartbeat file can't be written, as on a full disk; it ends only after its kill.
    slow = (
        "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: (time.sleep(1.0), sys.exit(3)))\n"
    )
    it = system(watchdog=slow + "print('ready')\ntime.sleep(600)")
    supervisor = it.start()
    it.wait_ready("main", "risk_monitor")
    assert supervisor.stop(Outcome(text="asked to stop")) == ExitCode.HALTED
    assert it.children["risk_monitor"].exit_code == ExitCode.HALTED


def test_a_watchdog_that_always_ends_ends_the_run(system: Callable[..., System]) -> None:
    it = system(watchdog="import sys; sys.exit(1)")
    supervisor = it.start()
    outcome = supervisor.watch()
    assert "6 times" in outcome.text
    assert supervisor.stop(outcome) == ExitCode.INTERNAL_ERROR


@pytest.mark.parametrize("code", [ExitCode.USAGE, ExitCode.ALREADY_RUNNING, ExitCode.BROKER_REFUSED])
def test_a_refusal_to_start_is_not_tried_again_and_its_code_is_passed_on(
    system: Callable[..., System], code: ExitCode
) -> None:
    it = system(main=f"import sys; sys.exit({int(code)})")
    supervisor = it.start()
    assert supervisor.stop(supervisor.watch()) == code
    assert it.children["main"].starts == 1


def test_a_crashed_main_is_never_started_again(system: Callable[..., System]) -> None:
    it = system(main="import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    supervisor = it.start()
    outcome = supervisor.watch()
    assert supervisor.stop(outcome) == ExitCode.INTERNAL_ERROR
    assert it.children["main"].starts == 1
    assert "SIGKILL" in outcome.text


def test_a_kill_ends_a_paper_run_with_exit_code_3_once_it_is_complete(
    run: Run, system: Callable[..., System]
) -> None:
    it = system()
    supervisor = it.start()
    it.wait_ready("main", "risk_monitor")
    write_watchdog(run, "halted", "kill_now_flag")
    outcome = supervisor.watch()
    assert outcome.code == ExitCode.HALTED
    assert supervisor.stop(outcome) == ExitCode.HALTED


def test_a_completed_kill_is_looked_after_for_a_while_and_its_sequel_is_waited_for(
    run: Run, system: Callable[..., System], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.supervisor._AFTERMATH_S", 1.0)
    watchdog = f"""
import json, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
def tell(state, kill_id, for_s):
    print(state, kill_id)
    body = {{"pid": 1, "state": state, "kill": {{"reason": "drawdown", "kill_id": kill_id}}}}
    document = {{"run_id": {RUN_ID!r}, "monotonic_ns": time.monotonic_ns(), "body": body}}
    open({str(run.logs / "risk_monitor_heartbeat.json")!r}, "w").write(json.dumps(document))
    time.sleep(for_s)
tell("halted", "a", 0.6)
tell("halted", "b", 0.6)  # began and ended between two looks
tell("killing", "c", 0.6)
tell("halted", "c", 600)
"""
    it = system(watchdog=watchdog)
    assert it.supervisor.complete_kill() == ExitCode.HALTED
    assert "halted c" in it.children["risk_monitor"].read_console()


def test_a_kill_in_progress_is_waited_for_when_a_stop_is_asked_for(
    run: Run, system: Callable[..., System]
) -> None:
    # This watchdog completes its kill only after a while; a SIGTERM before that would cut it short.
    slow_kill = f"""
import json, signal, sys, time
done = False
def stop(*_):
    sys.exit(0 if done else 1)
signal.signal(signal.SIGTERM, stop)
path = {str(run.logs / "risk_monitor_heartbeat.json")!r}
def tell(state):
    body = {{"pid": 1, "state": state, "kill": {{"reason": "drawdown"}}}}
    open(path, "w").write(json.dumps({{"run_id": {RUN_ID!r}, "monotonic_ns": 1, "body": body}}))
tell("killing")
print("ready", flush=True)
time.sleep(1.0)
done = True
tell("halted")
time.sleep(600)
"""
    it = system(watchdog=slow_kill)
    supervisor = it.start()
    it.wait_ready("main", "risk_monitor")
    # To this thread, which blocks it: threads that other tests have left behind don't.
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    assert supervisor.stop(supervisor.watch()) == ExitCode.HALTED
    assert it.children["risk_monitor"].exit_code == 0


def test_the_heartbeat_of_an_earlier_run_is_not_taken_for_a_kill(
    run: Run, system: Callable[..., System]
) -> None:
    write_watchdog(run, "halted", "drawdown", run_id="00000000-000000")
    it = system()
    supervisor = it.start()
    it.wait_ready("main", "risk_monitor")
    finish_replay(run)
    assert supervisor.stop(supervisor.watch()) == ExitCode.CLEAN


def test_a_dead_gateway_ends_the_run(system: Callable[..., System]) -> None:
    it = system(gateway="import sys; sys.exit(1)")
    supervisor = it.start()
    outcome = supervisor.watch()
    assert "paper gateway ended" in outcome.text
    assert supervisor.stop(outcome) == ExitCode.INTERNAL_ERROR


def test_a_main_that_does_not_stop_is_ended(
    run: Run, system: Callable[..., System], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.supervisor._MAIN_STOP_S", 0.3)
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready'); time.sleep(600)"
    )
    it = system(main=stubborn)
    supervisor = it.start()
    it.wait_ready("main", "risk_monitor")
    finish_replay(run)
    assert supervisor.stop(supervisor.watch()) == ExitCode.INTERNAL_ERROR
    assert it.children["main"].exit_code == -signal.SIGKILL
    assert any("the watchdog takes over" in line for line in it.said)


def test_a_main_that_had_not_come_to_handle_the_stop_has_done_nothing_wrong(
    system: Callable[..., System],
) -> None:
    made = system(main="import time; print('ready'); time.sleep(60)")
    supervisor = made.start()
    made.wait_ready("main")
    assert supervisor.stop(Outcome(text="asked to stop")) == 0
