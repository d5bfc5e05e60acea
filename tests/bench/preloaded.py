"""What the fork server imports before it forks the first main."""

from __future__ import annotations

from tests.bench.loaded_main import preload

preload()
