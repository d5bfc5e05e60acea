"""The watchdog's loop: look at the flags, take what the broker and main say, run the checks, kill when it must.

One thread does all of it. The broker session's threads and the loop meet in one queue; waiting on that queue is the
loop's pause between two looks at the flags. Time is the monotonic clock throughout.
"""

from __future__ import annotations

import queue
import secrets
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum

import structlog

from core.events import ConnectionChanged, Event
from core.exit_codes import ExitCode
from core.flags import FlagKind, FlagState
from core.locks import read_owner
from core.records import RecordKind
from core.vocabulary import ConnectionState
from risk.aftermath import Aftermath
from risk.alerts import Severity
from risk.checks.flags import check_flags
from risk.checks.verdict import CheckStatus, Verdict
from risk.kill_login import OTHER_LOGIN
from risk.kill_messages import KillEvent
from risk.liquidation import Kill, Liquidation, report_body
from risk.observation import Evidence, Observation, confirmations, kills, verdicts_on
from risk.peak import PeakStore
from risk.questions import Questions
from risk.watchdog_parts import Parts

REARM_HINT = 'a human re-arms with: ./run_system.sh --rearm "reason"'
_CHECKS_EVERY_NS = 50_000_000
_STATUS_EVERY_NS = 250_000_000
_JOURNAL_EVERY_NS = 5_000_000_000
_FLAG_AGE_LIMIT_NS = 60_000_000_000
_BATCH = 256

Item = Event | Callable[[], None]


class WatchdogState(StrEnum):
    """What the watchdog is doing, as its heartbeat says."""

    STARTING = "starting"
    WATCHING = "watching"
    BLIND = "blind"
    KILLING = "killing"
    HALTED = "halted"


class Watchdog:
    """The second line of defence.

    Parameters
    ----------
    parts
        Its collaborators.
    inbox
        Where the broker session's events arrive.
    """

    def __init__(self, parts: Parts, inbox: queue.SimpleQueue[Item]) -> None:
        self._parts = parts
        self._inbox = inbox
        self._clock = parts.clock
        self._log = structlog.get_logger("watchdog")
        self._stopping = False
        self._liquidation: Liquidation | None = None
        self._aftermath: Aftermath | None = None
        self._halted: str | None = None
        self._flag_seen = FlagState(kind=FlagKind.NONE)
        self._statuses: dict[str, CheckStatus] = {}
        self._peak_store: PeakStore | None = None
        self._next_checks = self._next_status = self._next_journal = 0
        self._confirmations = confirmations(parts.settings)
        self._questions = Questions(
            parts.session,
            parts.monitors,
            clock=parts.clock,
            positions_every_s=parts.settings.book_mismatch.interval_s,
            values_max_age_s=parts.settings.drawdown.max_age_s,
            post=inbox.put,
        )

    # --- life --------------------------------------------------------------------------------------------

    def run(self) -> ExitCode:
        """Watch until asked to stop; a kill that has begun is carried to its end first."""
        self._parts.session.start()
        self._take_up()
        while not self._stopping or self._is_killing:
            self.step()
        self._keep_peak(now=True)
        self._publish()
        return ExitCode.HALTED if self._halted is not None or self._liquidation else ExitCode.CLEAN

    def stop(self) -> None:
        """Ask the loop to end; safe to call from a signal handler."""
        self._stopping = True

    def step(self) -> None:
        """One turn: what has arrived, the flags, the kill, and what is due."""
        self._drain(0.002 if self._is_killing else self._parts.settings.flag_poll_s)
        flag = self._parts.flags.present()
        if self._liquidation is None and self._halted is None:
            self._judge_flag(flag)
        if self._liquidation is not None:
            self._liquidation.poll()
        elif self._halted is not None:
            self._parts.fence.poll()  # of a kill that was refused: main is stopped all the same
        now = self._clock.monotonic_ns()
        if now >= self._next_checks:
            self._next_checks = now + _CHECKS_EVERY_NS
            self._look()
        if now >= self._next_journal:
            self._next_journal = now + _JOURNAL_EVERY_NS
            self._parts.monitors.read_journal()
        if now >= self._next_status:
            self._next_status = now + _STATUS_EVERY_NS
            self._publish()
            self._repeat_alert()

    @property
    def _is_killing(self) -> bool:
        return self._liquidation is not None and self._liquidation.report is None

    @property
    def _is_ready(self) -> bool:
        return self._parts.session.state is ConnectionState.READY

    def _take_up(self) -> None:
        """Begin where an earlier incarnation ended: an unfinished kill is finished, a standing flag stays in force."""
        history, flag = self._parts.history, self._parts.flags.present()
        unfinished = history.unfinished(self._parts.flags.read_kill(), self._parts.run_id, self._clock)
        if unfinished is not None and unfinished.login.differs_from(self._parts.login):
            self._refuse(unfinished, f"the configuration says {self._parts.login.describe()}")
        elif unfinished is not None:
            self._begin(unfinished)
        elif flag.kind in {FlagKind.KILL, FlagKind.KILL_NOW}:
            if flag.kind is FlagKind.KILL_NOW and self._has_main_been() and not history.ended:
                return  # made while we were away: the first turn of the loop finds it and kills
            name = "KILL_NOW.flag" if flag.kind is FlagKind.KILL_NOW else "KILL.flag"
            self._halted = f"{name} stands since before the start ({flag.detail}); {REARM_HINT}"
        elif history.ended:
            self._halted = f"a kill ({history.reason}) has not been re-armed; {REARM_HINT}"

    def _has_main_been(self) -> bool:
        """Whether main runs, or ran and was heard, in this run: then the flag is no leftover and there may be positions.

        A main that is dead by now has left its heartbeat file. One that refused to start has not; its lock would not do.
        """
        heartbeats, owner = self._parts.heartbeats, read_owner(self._parts.main_lock)
        while heartbeats.poll():
            pass
        is_running = owner is not None and owner.is_running() and owner.run_id == self._parts.run_id
        return is_running or heartbeats.view().armed

    # --- taking in ---------------------------------------------------------------------------------------

    def _drain(self, wait_s: float) -> None:
        try:
            self._take(self._inbox.get(timeout=wait_s))
            for _ in range(_BATCH):
                self._take(self._inbox.get_nowait())
        except queue.Empty:
            return

    def _take(self, item: Item) -> None:
        if callable(item):
            item()
            return
        if isinstance(item, ConnectionChanged):
            self._parts.monitors.on_session(ready=item.state is ConnectionState.READY)
            if item.state is ConnectionState.READY:
                self._look_at_login()
        self._parts.monitors.on_event(item)
        if self._liquidation is not None:
            self._liquidation.on_broker_event(item)

    def _look_at_login(self) -> None:
        """Before a kill that is taken up again sends anything: the broker must have the account that it was begun with."""
        if self._liquidation is None or not self._is_killing or not self._liquidation.kill.is_resumed:
            return
        kill, session = self._liquidation.kill, self._parts.session
        refusal = kill.login.refusal(self._parts.login, session.account, session.accounts)
        if refusal is not None:
            self._refuse(kill, refusal)

    def _refuse(self, kill: Kill, why: str) -> None:
        """Leave a kill unfinished, and halt: whose account it is about is not the one at hand."""
        text = f"{why}, and the kill was begun in {kill.login.describe()}: nothing is sent"
        self._liquidation = None
        self._halted = f"kill {kill.kill_id} ({kill.reason}) is not completed: {text}"
        step = {"kill_id": kill.kill_id, "step": OTHER_LOGIN, "monotonic_ns": self._clock.monotonic_ns()}
        self._parts.recorder.write(RecordKind.KILL_STEP, {**step, "detail": text})
        self._repeat_alert()
        self._publish()

    # --- judging -----------------------------------------------------------------------------------------

    def _judge_flag(self, flag: FlagState) -> None:
        verdict = check_flags(flag)
        if verdict.is_breach:
            now, wall = self._clock.monotonic_ns(), self._clock.now_ns()
            age = wall - flag.mtime_ns
            # A flag with an odd time (a copied file, a clock that jumped) is counted from when it was seen.
            is_plausible = 0 <= age <= _FLAG_AGE_LIMIT_NS and self._flag_seen.kind is FlagKind.NONE
            self._begin(
                Kill(
                    kill_id=secrets.token_hex(3),
                    reason=verdict.reason,
                    detail=verdict.detail,
                    figures=verdict.figures,
                    detected_ns=now,
                    flag_mtime_ns=flag.mtime_ns,
                    flag_age_ns=age if is_plausible else 0,
                    evidence=Evidence(check=verdict.name, flag=flag),
                )
            )
        elif flag.kind is FlagKind.UNREADABLE:
            text = f"the flags folder can't be read ({flag.detail}); main gets no lease"
            self._parts.alerts.tell(Severity.CRITICAL, text, key="flags")
        else:
            self._parts.alerts.forget("flags")
        self._flag_seen = flag

    def _look(self) -> None:
        """Hear main, ask the broker what is due, run the checks."""
        parts = self._parts
        while parts.heartbeats.poll():
            pass
        parts.monitors.read_files()
        self._look_after_kill()
        if self._is_ready and not self._is_killing:
            self._questions.ask_due()
            self._keep_peak()
        observation = parts.monitors.observe()
        verdicts = verdicts_on(observation, parts.settings)
        self._judge(verdicts, observation)
        for verdict in verdicts:  # after the kill has begun: what is written to the disk can wait
            self._note(verdict)

    def _judge(self, verdicts: tuple[Verdict, ...], observation: Observation) -> None:
        """Kill at the first confirmed breach."""
        for verdict in verdicts:
            confirmation = self._confirmations.get(verdict.name)
            count, sample = confirmation.state if confirmation else (0, None)
            if kills(verdict, confirmation) and self._liquidation is None and self._halted is None:
                self._begin(
                    Kill(
                        kill_id=secrets.token_hex(3),
                        reason=verdict.reason,
                        detail=verdict.detail,
                        figures=verdict.figures,
                        detected_ns=self._clock.monotonic_ns(),
                        evidence=Evidence(
                            check=verdict.name, observation=observation, count=count, sample=sample
                        ),
                    )
                )

    def _note(self, verdict: Verdict) -> None:
        """Record a status that has changed; tell of a breach and of what is not known any more."""
        before = self._statuses.get(verdict.name)
        if verdict.status is before:
            return
        self._statuses[verdict.name] = verdict.status
        payload = {"name": verdict.name, "status": verdict.status.value, "figures": dict(verdict.figures)}
        self._parts.status.row(verdict)
        self._parts.recorder.write(RecordKind.CHECK, payload | {"detail": verdict.detail})
        if verdict.is_breach:
            self._parts.alerts.tell(Severity.CRITICAL, f"{verdict.name}: {verdict.detail}", key=verdict.name)
        elif verdict.status is CheckStatus.UNKNOWN and before is CheckStatus.OK:
            text = f"{verdict.name} is not known: {verdict.detail or 'no answer'}"
            self._parts.alerts.tell(Severity.WARNING, text, key=f"{verdict.name}_unknown")

    def _keep_peak(self, *, now: bool = False) -> None:
        account, equity = self._parts.session.account, self._parts.monitors.equity
        if account is None:
            return
        if self._peak_store is None:
            stored = self._parts.peaks.get(account)
            if stored is not None:
                equity.peak = max(stored, equity.peak or 0.0)
            self._peak_store = PeakStore(self._parts.recorder, self._clock, stored)
        self._peak_store.keep(account, equity.peak, now=now)

    # --- acting ------------------------------------------------------------------------------------------

    def _begin(self, kill: Kill) -> None:
        parts = self._parts
        self._aftermath = None
        if not kill.is_resumed:
            kill = replace(kill, login=parts.login.at(parts.session.account))
        self._liquidation = Liquidation(
            kill,
            session=parts.session,
            fence=parts.fence,
            flags=parts.flags,
            recorder=parts.recorder,
            alerts=parts.alerts,
            clock=parts.clock,
            run_id=parts.run_id,
            settings=parts.settings,
            post=self._post,
        )
        self._liquidation.start()
        self._publish()

    def _look_after_kill(self) -> None:
        """Once a kill has ended: tell of what still came of ours, and undo it unless a human is at work."""
        liquidation = self._liquidation
        if liquidation is None or liquidation.report is None:
            return
        if self._aftermath is None:
            report, session = liquidation.report, self._parts.session
            self._aftermath = Aftermath(session, report.residue, clock=self._clock, post=self._inbox.put)
        stray = self._aftermath.look()
        if stray is not None and stray.is_alone:
            now, reason = self._clock.monotonic_ns(), liquidation.kill.reason
            self._begin(Kill(kill_id=secrets.token_hex(3), reason=reason, detail=stray.text, detected_ns=now))
        elif stray is not None:
            self._parts.alerts.tell(Severity.CRITICAL, stray.text, key="stray")

    def _post(self, event: KillEvent) -> None:
        """Bring an event of the kill to the loop, from whatever thread."""

        def handle() -> None:
            if self._liquidation is not None:
                self._liquidation.handle(event)

        self._inbox.put(handle)

    def _repeat_alert(self) -> None:
        if self._halted is not None:
            self._parts.alerts.tell(Severity.CRITICAL, f"halted: {self._halted}", key="halted")
        elif self._liquidation is not None and self._liquidation.report is not None:
            report = self._liquidation.report
            what = "flat" if report.flat else "NOT flat, see the residue"
            text = f"halted after a kill ({report.reason.value}), account {what}; {REARM_HINT}"
            self._parts.alerts.tell(Severity.CRITICAL, text, key="halted")
        elif self._liquidation is None and (reason := self._parts.heartbeats.halt_reason):
            self._parts.alerts.tell(Severity.CRITICAL, f"main has halted: {reason}", key="main_halted")
        elif overdue := self._parts.heartbeats.overdue_orders:
            text = f"the broker doesn't answer about {overdue}"
            self._parts.alerts.tell(Severity.WARNING, text, key="main_overdue")
        else:
            self._parts.alerts.forget("main_overdue")

    # --- telling -----------------------------------------------------------------------------------------

    @property
    def state(self) -> WatchdogState:
        """What it is doing now."""
        if self._is_killing:
            return WatchdogState.KILLING
        if self._liquidation is not None or self._halted is not None:
            return WatchdogState.HALTED
        if self._is_ready and self._parts.session.account is not None:
            return WatchdogState.WATCHING
        return WatchdogState.BLIND if self._parts.session.statistics.connects else WatchdogState.STARTING

    @property
    def grants_lease(self) -> bool:
        """Whether main may open risk: only while everything needed for a kill is at hand."""
        return (
            self.state is WatchdogState.WATCHING
            and self._flag_seen.kind is FlagKind.NONE
            and self._parts.recorder.works
            and not self._stopping
        )

    def _publish(self) -> None:
        equity = self._parts.monitors.view_equity()
        liquidation = self._liquidation
        kill: dict[str, object] | None = None
        if liquidation is not None:
            kill = {"kill_id": liquidation.kill.kill_id, "reason": liquidation.kill.reason.value}
            if liquidation.report is not None:
                kill |= report_body(liquidation.report)
        self._parts.status.publish(
            {
                "state": self.state.value,
                "lease": self.grants_lease,
                "lease_s": self._parts.settings.lease_s,
                "connection": self._parts.session.state.value,
                "account": self._parts.session.account,
                "nlv": equity.nlv,
                "peak_nlv": equity.peak,
                "drawdown": equity.drawdown,
                "checks": {name: status.value for name, status in self._statuses.items()},
                "halted": self._halted,
                "kill": kill,
            }
        )
