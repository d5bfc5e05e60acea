from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.core.ib_wrapper.scripted import Events, ScriptedTws


@pytest.fixture
def tws() -> Iterator[ScriptedTws]:
    server = ScriptedTws()
    yield server
    server.close()


@pytest.fixture
def events() -> Events:
    return Events()
