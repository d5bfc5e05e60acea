"""The status file: how far the replay is, for the panel and the supervisor."""

from __future__ import annotations

import json
import os
from pathlib import Path

from core.atomic_file import write_atomic
from paper_gateway.hub import Hub
from paper_gateway.replay import ReplayStatus


def write_status(path: Path, port: int, status: ReplayStatus, hub: Hub) -> None:
    """Replace the status file.

    ``state`` is waiting, running or finished; ``sessions`` 0 when there is no end; ``speed`` market seconds in a
    second of open market; ``late`` how many boundaries a client was late at.
    """
    document = {
        "state": status.state.value,
        "pid": os.getpid(),
        "port": port,
        "sessions_done": status.sessions_done,
        "sessions": status.sessions_planned or 0,
        "session": None if status.session is None else status.session.isoformat(),
        "market_ns": status.market_ns,
        "steps": status.steps,
        "speed": round(status.effective_speed, 1),
        "barriers": status.barriers,
        "late": status.late_barriers,
        "clients": sorted(hub.sessions),
        "messages_in": hub.statistics.messages_in,
        "malformed": hub.statistics.malformed,
        "connections": hub.statistics.connections,
        "slow_clients": hub.statistics.slow_clients,
    }
    write_atomic(path, json.dumps(document).encode() + b"\n", durable=False, mode=0o644)
