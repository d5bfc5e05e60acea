"""``python -m ml``: the registry of veto models, and what the veto has saved or cost."""

from __future__ import annotations

import sys

from core.exit_codes import ExitCode
from core.missing_module import missing_library

if __name__ == "__main__":
    try:
        from ml.commands import main

        code = main(sys.argv[1:])
    except ModuleNotFoundError as missing:
        sys.stderr.write(f"{missing_library(missing)}\n")
        code = ExitCode.USAGE
    sys.exit(code)
