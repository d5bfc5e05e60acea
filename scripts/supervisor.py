"""Starts the processes of one run, watches them, and stops them in order.

The rules, in the order in which they are looked at:

* the watchdog is restarted whenever it ends, with the same run id; it takes up an unfinished kill by itself;
* main is never restarted: when it ends unasked, the watchdog decides what becomes of the account;
* a graceful stop ends main first, then the watchdog, which until then watches over what main leaves working;
* a kill in progress is never cut short.
"""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from core.exit_codes import ExitCode
from dashboard.sources import WatchdogView, read_gateway_status, read_main, read_watchdog
from scripts.child import Child
from scripts.flight_recorder import FlightRecorder
from scripts.launch import Run

STOP_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
_BLOCKED = STOP_SIGNALS | {signal.SIGCHLD}
_POLL_S = 0.2
_MAIN_STOP_S = 30.0
_WATCHDOG_STOP_S = 15.0
KILL_S = 120.0
"""What a kill that is under way is given to end, before the watchdog is ended too."""
_SILENT_S = 3.0
_AFTERMATH_S = 5.0
"""How long the watchdog looks on after a completed kill: what came late of an earlier run is undone, too."""
_MAX_RESTARTS, _RESTART_WINDOW_S = 5, 60.0
_CONSOLE_MAX_BYTES = 20_000_000
# With these a process says that it can't start, and that trying again would not help.
_REFUSALS = frozenset(
    {ExitCode.USAGE, ExitCode.REFUSED_KILL_FLAG, ExitCode.ALREADY_RUNNING, ExitCode.BROKER_REFUSED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Why watching ended, and the exit code that this deserves."""

    text: str
    code: int = ExitCode.CLEAN


def block_signals() -> None:
    """Make signals wait until ``Supervisor`` asks for them, so that none is lost while a child is being started."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)


def unblock_signals() -> None:
    """Let a Ctrl-C end this process at once and without a traceback: nothing is supervised."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def is_stop_pending() -> bool:
    """Whether a signal that asks to stop is waiting."""
    return bool(signal.sigpending() & STOP_SIGNALS)


class Supervisor:
    """Watches one run. Signals must be blocked (``block_signals``) before it is used.

    Parameters
    ----------
    run
        The run.
    gateway
        The embedded gateway, already listening; None with a real broker.
    watchdog, main
        The two processes, not yet started.
    death_s
        How long the watchdog may take to notice that main is gone.
    say
        Takes one line for the operator.
    recorder
        Has an incident file written about each halt.
    """

    def __init__(
        self,
        run: Run,
        *,
        gateway: Child | None,
        watchdog: Child,
        main: Child,
        death_s: float,
        say: Callable[[str], None],
        recorder: FlightRecorder | None = None,
    ) -> None:
        self._run = run
        self._recorder = recorder
        self._gateway, self._watchdog, self._main = gateway, watchdog, main
        self._death_s = death_s
        self._say = say
        self._restarts: deque[float] = deque()
        self._kill_said = self._kill_end_said = False
        self._main_ended_at: float | None = None
        self._finished_at: float | None = None
        self._ended_kill: tuple[object, float] | None = None

    def start(self) -> None:
        """Start the watchdog, then main, which opens no risk before it has the watchdog's lease."""
        self._watchdog.start()
        self._main.start()
        self._say(f"run {self._run.run_id}: risk_monitor pid {self._watchdog.pid}, main pid {self._main.pid}")

    def watch(self) -> Outcome:
        """Watch until there is a reason to stop."""
        return self._watch(
            self._check_kill,
            self._check_gateway,
            self._check_watchdog,
            self._check_main,
            self._check_replay,
        )

    def complete_kill(self) -> int:
        """Have the watchdog, alone, end the kill that its journal holds; returns the exit code of the run."""
        self._watchdog.start()
        self._say(f"run {self._run.run_id}: risk_monitor pid {self._watchdog.pid}; main is not started")
        return self.stop(self._watch(self._check_watchdog, self._check_completion))

    def _watch(self, *checks: Callable[[], Outcome | None]) -> Outcome:
        while True:
            number = self._next_signal(_POLL_S)
            if number in STOP_SIGNALS:
                return Outcome(text=f"asked to stop ({number.name})")
            self._look_for_incident()
            for check in checks:
                outcome = check()
                if outcome is not None:
                    return outcome
            for child in (self._main, self._watchdog, self._gateway):
                if child is not None:
                    child.trim_console(_CONSOLE_MAX_BYTES)

    def stop(self, outcome: Outcome) -> int:
        """Stop everything in order and return the exit code of the run."""
        self._stop_main()
        view, watchdog_stop_s = self._watchdog_view(), _WATCHDOG_STOP_S
        if view is not None and view.is_killing:
            self._say("a kill is in progress; waiting until the watchdog has proved its end ...")
            self._await_kill_end(KILL_S)
        elif view is None or view.age_s(time.monotonic_ns()) > _SILENT_S:
            # It can't say what it does (a full disk, perhaps). It may be killing, and ends by itself only after that.
            watchdog_stop_s = KILL_S
        self._look_for_incident(is_last=True)
        killed = self._kill_said or self._is_killed()
        if not self._stop_child(self._watchdog, watchdog_stop_s):
            self._say("risk_monitor did not stop in time and was ended")
        killed = killed or self._watchdog.exit_code == ExitCode.HALTED
        if self._gateway is not None:
            self._stop_child(self._gateway, 5.0)
        if killed:
            return ExitCode.HALTED
        main_code = self._main.exit_code or 0
        if main_code == -signal.SIGTERM:  # our own, before main had a handler for it: it had done nothing yet
            main_code = ExitCode.CLEAN
        if outcome.code != ExitCode.CLEAN:
            return outcome.code
        return main_code if main_code >= 0 else ExitCode.INTERNAL_ERROR

    def _stop_main(self) -> None:
        """Stop main; when it ended unasked, give the watchdog the time to notice that."""
        if self._main.is_running:
            self._say("stopping main ...")
            if not self._stop_child(self._main, _MAIN_STOP_S):
                self._say("main did not stop in time and was ended; the watchdog takes over what it left")
        if self._has_main_died:
            # Perhaps only a moment ago: the watchdog has not noticed it yet.
            since = self._main_ended_at if self._main_ended_at is not None else time.monotonic()
            self._await_kill(since + self._death_s - time.monotonic())

    # --- what ends a run ---------------------------------------------------------------------------------

    def _check_kill(self) -> Outcome | None:
        view = self._watchdog_view()
        if view is None or view.kill_reason is None:
            return None
        if not self._kill_said:
            self._kill_said = True
            self._say(f"KILL ({view.kill_reason}): the watchdog cancels all orders and flattens the account")
        if not view.is_halted:
            return None
        if self._run.is_paper:
            return Outcome(text=f"killed: {view.kill_reason}", code=ExitCode.HALTED)
        if not self._kill_end_said:
            self._kill_end_said = True
            self._say(
                "the kill has ended; the watchdog stays up and keeps alerting. Stop with Ctrl-C or --stop"
            )
        return None

    def _check_gateway(self) -> Outcome | None:
        if self._gateway is None or self._gateway.is_running:
            return None
        return Outcome(
            text=f"the paper gateway ended (exit code {self._gateway.exit_code})",
            code=ExitCode.INTERNAL_ERROR,
        )

    def _check_watchdog(self) -> Outcome | None:
        if self._watchdog.is_running:
            return None
        code = self._watchdog.exit_code
        # Once it has run, a configuration that it can't use is no reason to leave the account without it.
        if code in _REFUSALS and (code != ExitCode.USAGE or self._watchdog.starts == 1):
            return Outcome(text=f"risk_monitor refused to run (exit code {code})", code=code)
        now = time.monotonic()
        self._restarts.append(now)
        while now - self._restarts[0] > _RESTART_WINDOW_S:
            self._restarts.popleft()
        if len(self._restarts) > _MAX_RESTARTS:
            return Outcome(
                text=f"risk_monitor ended {len(self._restarts)} times within {_RESTART_WINDOW_S:.0f} s",
                code=ExitCode.INTERNAL_ERROR,
            )
        self._watchdog.start()
        self._say(f"risk_monitor ended (exit code {code}) and was started again, pid {self._watchdog.pid}")
        return None

    def _check_main(self) -> Outcome | None:
        if self._main.is_running or self._kill_end_said:
            return None
        code = self._main.exit_code or 0
        if code in _REFUSALS:
            return Outcome(text=f"main refused to run (exit code {code})", code=code)
        if code == ExitCode.CLEAN:
            return Outcome(text="main was stopped")
        now = time.monotonic()
        if self._main_ended_at is None:
            self._main_ended_at = now
            self._say(f"main ended by itself ({_describe_exit(code)}); the watchdog decides")
        if self._kill_said or now - self._main_ended_at < self._death_s:
            return None
        text = f"main ended by itself ({_describe_exit(code)}); the watchdog saw nothing to kill"
        return Outcome(text=text, code=code if code > 0 else ExitCode.INTERNAL_ERROR)

    def _check_replay(self) -> Outcome | None:
        if self._gateway is None or not read_gateway_status(self._run.gateway_status).is_finished:
            return None
        now = time.monotonic()
        if self._finished_at is None:
            self._finished_at = now
        if not self._kill_said:
            return Outcome(text="the replay is finished")
        if now - self._finished_at < 10.0:
            return None
        return Outcome(
            text="the replay ended before the kill did: the market is closed", code=ExitCode.HALTED
        )

    def _check_completion(self) -> Outcome | None:
        view, now = self._watchdog_view(), time.monotonic()
        if view is None or not view.is_halted:
            self._ended_kill = None
            return None
        kill_id = view.kill.get("kill_id")
        if self._ended_kill is None or self._ended_kill[0] != kill_id:
            self._ended_kill = (kill_id, now)
        if now - self._ended_kill[1] < _AFTERMATH_S:
            return None
        return Outcome(text="the kill has ended", code=ExitCode.HALTED)

    # --- helpers -----------------------------------------------------------------------------------------

    def _look_for_incident(self, *, is_last: bool = False) -> None:
        if self._recorder is None:
            return
        main = read_main(self._run.logs)
        main = main if main is not None and main.run_id == self._run.run_id else None
        children = [child for child in (self._main, self._watchdog, self._gateway) if child is not None]
        self._recorder.look(main, self._watchdog_view(), children, is_last=is_last)

    def _watchdog_view(self) -> WatchdogView | None:
        view = read_watchdog(self._run.logs)
        return view if view is not None and view.run_id == self._run.run_id else None

    @property
    def _has_main_died(self) -> bool:
        """Whether main ended without having stopped in order."""
        in_order = _REFUSALS | {ExitCode.CLEAN, ExitCode.HALTED, -signal.SIGTERM}
        return self._main.exit_code is not None and self._main.exit_code not in in_order

    def _is_killed(self) -> bool:
        view = self._watchdog_view()
        return view is not None and view.kill_reason is not None

    def _await_kill(self, timeout_s: float) -> None:
        end = time.monotonic() + timeout_s
        while not self._is_killed() and time.monotonic() < end and self._check_watchdog() is None:
            self._next_signal(_POLL_S)

    def _await_kill_end(self, timeout_s: float) -> None:
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            self._next_signal(_POLL_S)
            outcome = self._check_watchdog()
            if outcome is not None:
                self._say(f"{outcome.text}: look at the account at the broker")
                return
            view = self._watchdog_view()
            if view is not None and view.is_halted:
                return
        self._say(f"the kill has not ended within {timeout_s:.0f} s: look at the account at the broker")

    def _stop_child(self, child: Child, timeout_s: float) -> bool:
        child.send(signal.SIGTERM)
        end = time.monotonic() + timeout_s
        while child.is_running and time.monotonic() < end:
            if self._next_signal(min(_POLL_S, max(0.01, end - time.monotonic()))) in STOP_SIGNALS:
                self._say(f"already stopping: {child.name} has {end - time.monotonic():.0f} s left")
        if not child.is_running:
            return True
        return child.stop(0.1)

    @staticmethod
    def _next_signal(timeout_s: float) -> signal.Signals | None:
        info = signal.sigtimedwait(_BLOCKED, timeout_s)
        return signal.Signals(info.si_signo) if info else None


def _describe_exit(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
