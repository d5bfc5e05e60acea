"""F4: the journal is cut off at any write: what is left is a consistent prefix, and its hash chain verifies."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from core.errors import StopTrading
from core.journal import Journal, read, verify
from core.records import RecordKind
from tests.faults.conftest import MakeRoom
from tests.faults.engine_room import EngineRoom


@pytest.mark.parametrize("seed", [1])
def test_a_journal_of_real_trading_that_was_cut_is_a_prefix_or_is_refused(
    room: MakeRoom, tmp_path: Path, seed: int
) -> None:
    main: EngineRoom = room(seed=seed)
    for symbol in ("IBM", "MSFT", "AAPL"):
        main.target(10, symbol)
    main.run_until(lambda: len(main.held()) == 3, "the fills")
    source = main.journal.path
    whole = [(one.seq, one.kind) for one in read(source)]
    chance = random.Random(seed)
    wal = source.with_name(source.name + "-wal").read_bytes()
    for number in range(12):
        folder = tmp_path / f"cut{number}"
        folder.mkdir()
        shutil.copy(source, folder / "main.db")  # the power went before the log was folded into the file
        (folder / "main.db-wal").write_bytes(wal[: chance.randint(0, len(wal))])
        left = [(one.seq, one.kind) for one in read(folder / "main.db")]
        assert left == whole[: len(left)]
        assert verify(folder / "main.db").ok
        try:
            again = Journal(
                folder / "main.db", process="main", run_id="run00002", boot_id="b", clock=main.clock
            )
        except StopTrading:
            continue
        again.append(RecordKind.RUN_STARTED, {"process": "main"})
        again.close()
        assert verify(folder / "main.db").ok
