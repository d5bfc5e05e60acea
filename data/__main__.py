"""Where ``python -m data`` enters."""

from __future__ import annotations

import sys

from core.exit_codes import ExitCode
from core.missing_module import missing_library

if __name__ == "__main__":
    try:
        from data.cli.run import main

        code = main(sys.argv[1:])
    except ModuleNotFoundError as missing:
        print(missing_library(missing), file=sys.stderr)
        code = ExitCode.USAGE
    sys.exit(code)
