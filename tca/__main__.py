"""``python -m tca COMMAND``: see ``python -m tca --help``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from core.command import run_command
from tca.options import parser


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    options = parser().parse_args(arguments)
    # What follows loads DuckDB, scipy and plotly, which --help and a mistyped word need not wait for.
    from tca.commands import run  # noqa: PLC0415

    return run(options)


if __name__ == "__main__":
    sys.exit(run_command(main, sys.argv[1:]))
