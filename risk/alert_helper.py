"""Helper process of the watchdog: reads alerts from its standard input and sends them through apprise.

It is slow and heavy on purpose, so that the watchdog need not be. The first line names the services.
"""

from __future__ import annotations

import json
import sys
from typing import TextIO


def serve(lines: TextIO) -> int:
    """Send every alert that comes in, until the pipe is closed."""
    import apprise  # noqa: PLC0415 - only this process pays for it

    services = apprise.Apprise()
    levels = {"critical": apprise.NotifyType.FAILURE, "warning": apprise.NotifyType.WARNING}
    for line in lines:
        try:
            document = json.loads(line)
        except ValueError:
            continue
        for url in document.get("urls", ()):
            if not services.add(url):
                print("an alert address is not understood by apprise", file=sys.stderr)  # noqa: T201
        if "text" in document:
            level = levels.get(document.get("severity"), apprise.NotifyType.INFO)
            services.notify(title="Backstop", body=str(document["text"]), notify_type=level)
    return 0


if __name__ == "__main__":
    sys.exit(serve(sys.stdin))
