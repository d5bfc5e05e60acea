"""What the watchdog is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.clock import Clock
from core.config_schema import RiskSettings
from core.flags import FlagFolder
from core.ib_wrapper.session import IBSession
from risk.alerts import Alerts
from risk.fence import Fence
from risk.heartbeat_watch import HeartbeatWatch
from risk.kill_history import KillHistory
from risk.kill_login import KillLogin
from risk.monitors import Monitors
from risk.recorder import Recorder
from risk.status import StatusPublisher


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Its collaborators; put together by ``risk.assembly``. ``login`` is what the configuration says."""

    settings: RiskSettings
    run_id: str
    main_lock: Path
    clock: Clock
    session: IBSession
    flags: FlagFolder
    fence: Fence
    monitors: Monitors
    heartbeats: HeartbeatWatch
    recorder: Recorder
    alerts: Alerts
    status: StatusPublisher
    history: KillHistory
    login: KillLogin
    peaks: dict[str, float]
