"""Fixtures of the engine's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.portfolio.live_manager.parts import Parts


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    """The engine's order side with a journal of its own."""
    parts = Parts(tmp_path)
    yield parts
    parts.journal.close()
