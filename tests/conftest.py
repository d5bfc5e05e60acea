"""For all tests: their order; log lines of open sessions stay out of pytest's output; no example fails for being slow."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

# Examples are not timed: on a machine with other work to do the first call of a kernel takes what it takes.
settings.register_profile("backstop", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("backstop")

_FIRST = ("test_monte_carlo.py", "test_o3_locked_in_auction_orders.py")
"""In a fresh checkout one worker compiles the kernels with the first, while the other waits for a watchdog with the second."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run files with slow tests before the others, so that two workers end together; a file's tests stay together."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}

    def place(item: pytest.Item) -> tuple[int, bool]:
        name = item.path.name
        return _FIRST.index(name) if name in _FIRST else len(_FIRST), item.path not in slow

    items.sort(key=place)


@pytest.fixture(scope="session", autouse=True)
def quiet_log() -> Iterator[None]:
    """Send structlog's lines nowhere, until a test configures it otherwise."""
    with Path("/dev/null").open("w", encoding="utf-8") as nowhere:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=nowhere))
        yield
        structlog.reset_defaults()
