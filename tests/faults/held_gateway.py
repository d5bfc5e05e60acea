"""The paper gateway, its replay held where a test wants it: between two boundaries the market stands still and serves.

The gateway is the real one, as fast as the machine can; at each boundary it waits until the file named by ``--until``
holds a later market time (ns since the epoch). ``python -m tests.faults.held_gateway --until FILE`` takes its options too.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from paper_gateway import __main__ as command_line
from paper_gateway.assembly import assemble

_LOOK_EVERY_S = 0.02


def _is_allowed(market_ns: int, until: Path) -> bool:
    return market_ns < int(until.read_text())


def _hold(server: Any, until: Path) -> None:
    """Let the server's barrier also wait for the test."""
    plain = server.barrier

    async def barrier(market_ns: int) -> bool:
        in_time = bool(await plain(market_ns))
        while not _is_allowed(market_ns, until):  # noqa: ASYNC110  # it is a file of another process
            await asyncio.sleep(_LOOK_EVERY_S)
        return in_time

    server.barrier = barrier


async def _main() -> None:
    parser = command_line.make_parser()
    parser.add_argument("--until", type=Path, required=True)
    arguments = parser.parse_args()
    until: Path = vars(arguments).pop("until")
    assembly = assemble(command_line._options(arguments))
    _hold(assembly.server, until)
    await assembly.server.start()
    await command_line._serve(assembly, None)


if __name__ == "__main__":
    asyncio.run(_main())
    sys.exit(0)
