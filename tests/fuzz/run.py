"""Fuzzes one target in this process: ``python -m tests.fuzz.run TARGET FOLDER... -libFuzzer-options``."""

from __future__ import annotations

import contextlib
import io
import logging
import sys

import atheris
import structlog

# The parsers and what they lean on; all else would only be slow.
_INSTRUMENTED = (
    "core",
    "dashboard",
    "data.bar_files",
    "ibapi",
    "paper_gateway",
    "risk",
    "scripts.incident",
    "yaml",
)


def main() -> None:
    """Fuzz until told to stop."""
    name = sys.argv[1]
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50), logger_factory=_nowhere)
    with atheris.instrument_imports(include=list(_INSTRUMENTED)):
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]

    def one(data: bytes) -> None:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            target(data)

    atheris.Setup([sys.argv[0], *sys.argv[2:]], one)
    atheris.Fuzz()


def _nowhere(*_: object) -> structlog.PrintLogger:
    return structlog.PrintLogger(io.StringIO())


if __name__ == "__main__":
    main()
