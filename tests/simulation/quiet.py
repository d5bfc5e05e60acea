"""Logging off: a seed writes hundreds of lines that nobody reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog


def _drop(*_: object) -> dict[str, object]:
    raise structlog.DropEvent


@contextmanager
def without_logs() -> Iterator[None]:
    """Drop all log lines inside."""
    before = structlog.get_config()
    structlog.configure(processors=[_drop], wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        yield
    finally:
        structlog.configure(**before)
