"""Where ``run_system.sh`` enters: a Ctrl-C has to wait from the first moment on.

The rest is imported only after that, because the import takes a second in which an interrupt would end in a traceback.
"""

from __future__ import annotations

import signal
import sys


def run() -> int:
    """Run the command line of this process; returns the exit code."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    from scripts.supervise import main  # noqa: PLC0415 - see above

    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(run())
