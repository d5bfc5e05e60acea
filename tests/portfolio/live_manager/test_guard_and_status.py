"""The guard: a flag halts, a lease ages; the phase: what is halted stays so; the heartbeat: readable by its readers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from core.clock import ManualClock
from core.event_queue import EventQueue
from core.flags import FlagFolder
from core.identity import Identity
from core.ipc.endpoints import Endpoints
from core.ipc.heartbeat import HEARTBEAT, HeartbeatListener, HeartbeatPublisher
from core.ipc.messages import Signer, Verifier
from core.vocabulary import HaltLevel, HaltReason
from dashboard.sources import read_main
from portfolio.live_manager.guard import Guard
from portfolio.live_manager.heartbeat import Heartbeat
from portfolio.live_manager.status import Phase, RunStatus
from tests.waiting import wait_for

KEY = b"k" * 32
RUN = "run00001"


class Watched:
    """A guard with a real flag folder and a real watchdog's channel."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(monotonic_ns=10**12)
        self.folder = folder / "flags"
        self.folder.mkdir()
        address = Endpoints.for_state(folder).watchdog_heartbeat
        signer = Signer(KEY, RUN, "b", "risk_monitor", self.clock)
        self.publisher = HeartbeatPublisher(address, signer)
        verifier = Verifier(KEY, RUN, sender="risk_monitor", kinds={HEARTBEAT}, clock=self.clock)
        self.listener = HeartbeatListener(address, verifier)
        self.guard = Guard(
            flags=FlagFolder(self.folder), watchdog=self.listener, lease_s=3.0, clock=self.clock
        )

    def tell(self, *, lease: bool) -> None:
        """Have the watchdog beat until it is heard."""
        accepted = self.listener.verifier.accepted

        def heard() -> bool:
            self.publisher.publish({"lease": lease})
            self.guard.has_lease()
            return self.listener.verifier.accepted > accepted

        wait_for(heard, "a heartbeat")


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """A guard that nobody has spoken to yet."""
    watched = Watched(tmp_path)
    yield watched
    watched.publisher.close()
    watched.listener.close()


def test_there_is_no_lease_before_the_watchdog_was_heard_and_none_when_it_gives_none(
    watched: Watched,
) -> None:
    assert not watched.guard.has_lease()
    watched.tell(lease=False)
    assert not watched.guard.has_lease()
    watched.tell(lease=True)
    assert watched.guard.has_lease()


def test_a_lease_ends_by_its_age_and_comes_back_only_with_a_fresh_heartbeat(watched: Watched) -> None:
    watched.tell(lease=True)
    watched.clock.advance(2.9)
    assert watched.guard.has_lease()
    watched.clock.advance(0.2)
    assert not watched.guard.has_lease()
    watched.tell(lease=True)
    assert watched.guard.has_lease()


@pytest.mark.parametrize(
    ("name", "reason"),
    [("KILL_NOW.flag", HaltReason.KILL_NOW_FLAG), ("KILL.flag", HaltReason.KILL_FLAG)],
)
def test_a_flag_halts(watched: Watched, name: str, reason: HaltReason) -> None:
    assert watched.guard.flag_halt() is None
    (watched.folder / name).touch()
    halt = watched.guard.flag_halt()
    assert halt is not None
    assert (halt.level, halt.reason) == (HaltLevel.HALTED, reason)


def test_a_flag_folder_that_is_gone_halts_as_well(watched: Watched) -> None:
    watched.folder.rmdir()
    halt = watched.guard.flag_halt()
    assert halt is not None
    assert halt.reason is HaltReason.FLAG_FOLDER


def test_what_is_halted_stays_halted_whatever_was_under_way() -> None:
    status = RunStatus()
    status.enter(Phase.WARMING)
    assert status.phase is Phase.WARMING
    status.phase = Phase.HALTED
    for phase in (Phase.WARMING, Phase.TRADING, Phase.STOPPING, Phase.STOPPED):
        status.enter(phase)
        assert status.phase is Phase.HALTED


def test_the_heartbeat_file_is_one_that_the_panel_reads_and_a_full_disk_costs_the_file_only(
    tmp_path: Path,
) -> None:
    clock, status = ManualClock(wall_ns=5, monotonic_ns=10**12), RunStatus()
    status.mark(Decimal("1000.50"), Decimal(10))
    identity = Identity(process="main", run_id=RUN, boot_id="b1")
    publisher = HeartbeatPublisher(
        Endpoints.for_state(tmp_path).main_heartbeat, Signer.of(identity, KEY, clock)
    )
    heartbeat = Heartbeat(
        publisher=publisher,
        file=tmp_path / "main_heartbeat.json",
        identity=identity,
        clock=clock,
        status=status,
        queue=EventQueue(),
        interval_s=0.25,
        positions=lambda: {"IBM": Decimal(3), "MSFT": Decimal(0)},
        working_orders=lambda: 2,
    )
    assert heartbeat.is_due(clock.monotonic_ns())
    heartbeat.send(clock.monotonic_ns())
    assert not heartbeat.is_due(clock.monotonic_ns())
    document = json.loads((tmp_path / "main_heartbeat.json").read_text())
    assert {"run_id", "boot_id", "monotonic_ns", "body"} <= set(document)
    assert document["body"]["positions"] == {"IBM": "3"}
    view = read_main(tmp_path)
    assert view is not None
    assert (view.run_id, view.phase) == (RUN, "starting")
    (tmp_path / "main_heartbeat.json").unlink()
    (tmp_path / "main_heartbeat.json").mkdir()  # can't be replaced by a file
    heartbeat.send(clock.monotonic_ns())
    publisher.close()
