"""For all tests: log lines of open sessions stay out of pytest's output; no example fails for being slow."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

# Examples are not timed: on a machine with other work to do the first call of a kernel takes what it takes.
settings.register_profile("backstop", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("backstop")


@pytest.fixture(scope="session", autouse=True)
def quiet_log() -> Iterator[None]:
    """Send structlog's lines nowhere, until a test configures it otherwise."""
    with Path("/dev/null").open("w", encoding="utf-8") as nowhere:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=nowhere))
        yield
        structlog.reset_defaults()
