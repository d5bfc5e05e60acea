"""Where ``python -m data`` enters."""

from __future__ import annotations

import sys

from data.cli.run import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
