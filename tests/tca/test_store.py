"""The database's one writer and its readers."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from core.errors import AlreadyRunning
from tca.rows import Row
from tca.store import TcaStore, open_published, to_table

JOURNAL: Row = {
    "journal_id": "j",
    "path": "main.db",
    "head_seq": 1,
    "head_hash": "h",
    "cash_change": Decimal("-1.25"),
}


def parent(ref: str, cost: str = "1.000001") -> Row:
    return {"journal_id": "j", "order_ref": ref, "shortfall": Decimal(cost), "admissible": ["MKT", "VWAP"]}


def rows(path: Path) -> list[tuple[object, ...]]:
    with closing(open_published(path)) as connection:
        return connection.execute(
            "SELECT order_ref, shortfall, admissible FROM parents ORDER BY 1"
        ).fetchall()


def test_rows_are_replaced_by_name_and_money_is_exact(tmp_path: Path) -> None:
    path = tmp_path / "tca.duckdb"
    with TcaStore(path) as store:
        store.write(JOURNAL, [parent("a"), parent("b")], [])
        store.write(JOURNAL, [parent("b", "2.5")], [])
        store.publish()
    both = ["MKT", "VWAP"]
    assert rows(path) == [("a", Decimal("1.000001"), both), ("b", Decimal("2.500000"), both)]


def test_a_reader_keeps_its_copy_while_the_next_is_published(tmp_path: Path) -> None:
    path = tmp_path / "tca.duckdb"
    with TcaStore(path) as store:
        store.write(JOURNAL, [parent("a")], [])
        store.publish()
        with closing(open_published(path)) as reader:
            store.write(JOURNAL, [parent("b")], [])
            assert len(rows(path)) == 1, "not published yet"
            store.publish()
            assert reader.execute("SELECT count(*) FROM parents").fetchall() == [(1,)]
        assert len(rows(path)) == 2
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        ".tca.lock",
        ".tca.working.duckdb",
        "tca.duckdb",
    ]


def test_readers_in_other_processes_never_see_half_a_write(tmp_path: Path) -> None:
    path = tmp_path / "tca.duckdb"
    script = (
        "import duckdb, sys\n"
        "for _ in range(30):\n"
        "    with duckdb.connect(sys.argv[1], read_only=True) as c:\n"
        "        n, s = c.execute('SELECT count(*), count(DISTINCT shortfall) FROM parents').fetchone()\n"
        "        assert n == 50 and s == 1, (n, s)\n"
    )
    with TcaStore(path) as store:
        store.write(JOURNAL, [parent(str(n), "0") for n in range(50)], [])
        store.publish()
        with subprocess.Popen([sys.executable, "-c", script, str(path)]) as reader:
            version = 0
            while reader.poll() is None:
                version += 1
                store.write(JOURNAL, [parent(str(n), str(version)) for n in range(50)], [])
                store.publish()
        assert (reader.returncode, version > 1) == (0, True)


def test_a_failed_write_leaves_everything_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "tca.duckdb"
    with TcaStore(path) as store:
        store.write(JOURNAL, [parent("a")], [])
        with pytest.raises(duckdb.Error):
            store.write(JOURNAL, [parent("a", "7")], _torn())
        store.publish()
    assert rows(path) == [("a", Decimal("1.000001"), ["MKT", "VWAP"])]


def _torn() -> list[Row]:
    class Torn(dict[str, object]):
        def get(self, key: str, default: object = None) -> object:
            raise duckdb.Error("the disk is full")

    return [Torn()]


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tca.duckdb"
    with TcaStore(path), pytest.raises(AlreadyRunning):
        TcaStore(path)
    with TcaStore(path):
        pass


def test_another_thread_may_not_write(tmp_path: Path) -> None:
    problems: list[Exception] = []
    with TcaStore(tmp_path / "tca.duckdb") as store:

        def write() -> None:
            try:
                store.publish()
            except RuntimeError as error:
                problems.append(error)

        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
    assert "only the thread" in str(problems[0])


def test_a_torn_working_file_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "tca.duckdb"
    (tmp_path / ".tca.working.duckdb").write_bytes(b"half a database" * 1000)
    with TcaStore(path) as store:
        store.write(JOURNAL, [parent("a")], [])
        store.publish()
    assert len(rows(path)) == 1


def test_nothing_published_is_told_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="tca rebuild"):
        open_published(tmp_path / "tca.duckdb")


def test_money_must_be_a_decimal() -> None:
    with pytest.raises(TypeError, match="must be a Decimal"):
        to_table("parents", [{"shortfall": 1.5}])
