"""``python -m feature_repo COMMAND``: see ``python -m feature_repo --help``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from core.exit_codes import ExitCode
from core.missing_module import missing_library
from feature_repo.options import parser


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    options = parser().parse_args(arguments)
    # What follows loads Feast, which --help and a mistyped word need not wait for.
    from feature_repo.commands import run  # noqa: PLC0415

    return run(options)


if __name__ == "__main__":
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader (``| head``) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.CLEAN
    except ModuleNotFoundError as missing:
        print(missing_library(missing), file=sys.stderr)
        code = ExitCode.USAGE
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        code = ExitCode.INTERNAL_ERROR
    sys.exit(code)
