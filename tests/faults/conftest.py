"""Fixtures of the fault tests. ``always`` runs the checkers of G1-G6 and L1 after every one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.faults import invariants
from tests.faults.engine_room import QUICK, EngineRoom, RoomStage, engine_room
from tests.risk.stage import Stage

MakeRoom = Callable[..., EngineRoom]


@pytest.fixture(autouse=True)
def always() -> Iterator[None]:
    """Hold every stage that the test has opened to the invariants."""
    Stage.opened.clear()
    yield
    for stage in Stage.opened:
        invariants.check(stage)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A project folder with a paper gateway that runs."""
    with Stage(tmp_path) as stage:
        yield stage


@pytest.fixture
def room(tmp_path: Path) -> Iterator[MakeRoom]:
    """Make an engine room on a gateway with the given faults; ``config`` is added to what is usual for rooms."""
    with ExitStack() as stack:

        def make(
            faults: str = "",
            *,
            config: str = QUICK,
            seed: int = 1,
            environment: dict[str, str] | None = None,
            gateway: tuple[str, ...] = (),
            **options: Any,
        ) -> EngineRoom:
            folder = tmp_path / f"project{seed}"
            folder.mkdir()
            made = RoomStage(folder, config=config, faults=faults)
            made.seed, made.gateway = seed, gateway
            stage = stack.enter_context(made)
            stage.environment |= {f"BACKSTOP__{name}": value for name, value in (environment or {}).items()}
            opened: AbstractContextManager[EngineRoom] = engine_room(stage, **options)
            return stack.enter_context(opened)

        yield make


class QuietStage(Stage):
    """The watchdog beside a peer that holds two positions and four orders. Whoever uses it leaves it as it was."""

    def assert_quiet(self) -> None:
        """Nothing was killed, and the watchdog watches on."""
        assert self.watchdog is not None
        assert self.watchdog.poll() is None, self.output("watchdog")
        assert self.status().get("kill") is None, self.output("watchdog")
        assert self.status()["state"] == "watching"


@pytest.fixture(scope="session")
def _quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuietStage]:
    folder = tmp_path_factory.mktemp("quiet")
    with QuietStage(folder) as stage:
        stage.environment["BACKSTOP_TEST_CLOCK"] = str(folder / "clock")
        # The peer tells no positions: after ten seconds that would be a break.
        stage.environment["BACKSTOP__RISK__BOOK_MISMATCH__ENABLED"] = "false"
        shim = Path(__file__).parent / "injected" / "clock"
        stage.environment["PYTHONPATH"] = f"{shim}:{stage.environment['PYTHONPATH']}"
        stage.start_watchdog()
        stage.await_state("watching")
        stage.start_peer("--positions", "2", "--orders", "4")
        stage.await_check("heartbeat", "ok")
        yield stage


@pytest.fixture
def quiet(_quiet: QuietStage) -> Iterator[QuietStage]:
    """The quiet stage, shared by the tests of a worker."""
    Stage.opened.append(_quiet)
    _quiet.assert_quiet()
    yield _quiet
    _quiet.assert_quiet()
