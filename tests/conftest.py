"""For all tests: log lines of sessions that tests hold open don't run into pytest's own output."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog


@pytest.fixture(scope="session", autouse=True)
def quiet_log() -> Iterator[None]:
    """Send structlog's lines nowhere, until a test configures it otherwise."""
    with Path("/dev/null").open("w", encoding="utf-8") as nowhere:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=nowhere))
        yield
        structlog.reset_defaults()
