"""Puts the watchdog together from its parts."""

from __future__ import annotations

import queue
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

from core.clock import Clock
from core.config_loader import LoadedSettings
from core.csv_log import OrderSubmissionTail
from core.flags import FlagFolder
from core.ib_wrapper.session import IBSession
from core.identity import Identity
from core.ipc import (
    HEARTBEAT,
    REPLY,
    CommandClient,
    Endpoints,
    HeartbeatListener,
    HeartbeatPublisher,
    Signer,
    Verifier,
)
from core.journal import Record
from core.wire_ring import WireRing
from risk.alerts import Alerts
from risk.fence import Fence
from risk.heartbeat_watch import HeartbeatWatch
from risk.kill_history import KillHistory
from risk.kill_login import KillLogin
from risk.monitors import Monitors
from risk.peak import peaks_of
from risk.recorder import Recorder
from risk.status import StatusPublisher
from risk.watchdog import Item, Watchdog
from risk.watchdog_parts import Parts

MAIN = "main"
# A kill needs its answers over a slow line too, whatever patience main was given.
_LEAST_REQUEST_TIMEOUT_S = 10.0
# What is asked for regularly and carries an id is better asked again: a late answer can't be mistaken.
_ID_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembler:
    """Makes the watchdog; what it opens is closed with ``resources``.

    Parameters
    ----------
    loaded
        The configuration.
    identity, ipc_key
        Who this process is, and the key of the run.
    recorder, alerts, flags, clock
        The watchdog's own, already open.
    records
        What its journal held at the start.
    resources
        Closes sockets and files.
    ring
        Takes a copy of the broker's messages, for the flight recorder.
    """

    loaded: LoadedSettings
    identity: Identity
    ipc_key: bytes
    recorder: Recorder
    alerts: Alerts
    flags: FlagFolder
    clock: Clock
    records: Sequence[Record]
    resources: ExitStack
    ring: WireRing | None = None

    def assemble(self) -> tuple[Watchdog, IBSession]:
        """Make the watchdog and its broker session; neither is started."""
        settings, folders = self.loaded.settings, self.loaded.folders
        endpoints = Endpoints.for_state(folders.control)
        history = KillHistory.of(self.records)
        inbox: queue.SimpleQueue[Item] = queue.SimpleQueue()
        session = self._session(inbox, history)
        heartbeats = self._heartbeats(endpoints)
        parts = Parts(
            settings=settings.risk,
            run_id=self.identity.run_id,
            main_lock=folders.state / "main.lock",
            clock=self.clock,
            session=session,
            flags=self.flags,
            fence=self._fence(endpoints, heartbeats),
            monitors=self._monitors(heartbeats),
            heartbeats=heartbeats,
            recorder=self.recorder,
            alerts=self.alerts,
            status=self._status(endpoints),
            history=history,
            login=KillLogin.configured(settings),
            peaks=peaks_of(self.records),
        )
        return Watchdog(parts, inbox), session

    def _session(self, inbox: queue.SimpleQueue[Item], history: KillHistory) -> IBSession:
        settings = self.loaded.settings
        timeout_s = max(settings.broker.request_timeout_s, _LEAST_REQUEST_TIMEOUT_S)
        session = IBSession(
            settings.broker.model_copy(update={"request_timeout_s": timeout_s}),
            client_id=settings.broker.watchdog_client_id,
            sink=inbox.put,
            clock=self.clock,
            order_id_floor=history.order_id_floor,
            account_id=settings.account_id,
            exchange=settings.universe.exchange,
            primary_exchanges=settings.universe.primary_exchanges,
            currency=settings.universe.currency,
            ring=self.ring,
            id_timeout_s=_ID_TIMEOUT_S,
        )
        session.subscribe_account()
        session.subscribe_pnl()
        return session

    def _heartbeats(self, endpoints: Endpoints) -> HeartbeatWatch:
        listener = HeartbeatListener(endpoints.main_heartbeat, self._verifier(HEARTBEAT))
        return HeartbeatWatch(
            self.resources.enter_context(closing(listener)),
            file=self.loaded.folders.logs / "main_heartbeat.json",
            run_id=self.identity.run_id,
            clock=self.clock,
        )

    def _fence(self, endpoints: Endpoints, heartbeats: HeartbeatWatch) -> Fence:
        commands = CommandClient(
            endpoints.main_commands, signer=self._signer(), verifier=self._verifier(REPLY)
        )
        return Fence(
            self.resources.enter_context(closing(commands)),
            lock_path=self.loaded.folders.state / "main.lock",
            run_id=self.identity.run_id,
            timeout_s=self.loaded.settings.risk.fence_timeout_s,
            clock=self.clock,
            heard=lambda: heartbeats.process,
        )

    def _monitors(self, heartbeats: HeartbeatWatch) -> Monitors:
        folders = self.loaded.folders
        submissions = OrderSubmissionTail(
            folders.logs / "order_submissions.csv", run_id=self.identity.run_id, clock=self.clock
        )
        return Monitors(
            self.loaded.settings.risk,
            heartbeats=heartbeats,
            main_journal=folders.state / "main.db",
            submissions=self.resources.enter_context(closing(submissions)),
            clock=self.clock,
        )

    def _status(self, endpoints: Endpoints) -> StatusPublisher:
        folders = self.loaded.folders
        publisher = HeartbeatPublisher(endpoints.watchdog_heartbeat, self._signer())
        return StatusPublisher(
            self.resources.enter_context(closing(publisher)),
            file=folders.logs / "risk_monitor_heartbeat.json",
            log=folders.logs / "risk_log.csv",
            identity=self.identity,
            clock=self.clock,
        )

    def _signer(self) -> Signer:
        return Signer.of(self.identity, self.ipc_key, self.clock)

    def _verifier(self, kind: str) -> Verifier:
        return Verifier(self.ipc_key, self.identity.run_id, sender=MAIN, kinds={kind}, clock=self.clock)
