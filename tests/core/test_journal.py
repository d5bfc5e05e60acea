"""The journal: durable, chained, readable meanwhile; what damage of every kind looks like (F2, F4)."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import ManualClock, SystemClock
from core.command import READER_GONE
from core.errors import JournalCorrupt, StopTrading
from core.events import Commission
from core.journal import GENESIS, Journal, read, set_aside, verify
from core.journal.__main__ import main
from core.records import RecordKind
from core.vocabulary import HaltReason
from tests.unprivileged import bound

PROJECT = Path(__file__).resolve().parents[2]


def open_journal(path, *, boot_id="b1", clock=None):
    return Journal(path, process="main", run_id="run-1", boot_id=boot_id, clock=clock or SystemClock())


@pytest.fixture
def journal(tmp_path):
    opened = open_journal(tmp_path / "main.db")
    yield opened
    opened.close()


def fill(journal, count):
    for number in range(count):
        journal.append(RecordKind.SIGNAL, {"number": number})


def rewrite(path, statement, *values):
    """Change the file as somebody with a database tool could."""
    connection = sqlite3.connect(path)
    connection.executescript(
        "DROP TRIGGER records_are_never_changed; DROP TRIGGER records_are_never_removed;"
    )
    connection.execute(statement, values)
    connection.commit()
    connection.close()


def test_what_was_appended_is_read_back_in_order(tmp_path):
    journal = open_journal(tmp_path / "a.db", clock=ManualClock(wall_ns=42))
    assert journal.append(RecordKind.HALT, {"reason": HaltReason.JOURNAL, "level": 2}) == 1
    assert journal.append(RecordKind.EQUITY, {"nlv": Decimal("1.50"), "cash": None}) == 2
    first, second = Journal.read(journal.path)
    journal.close()
    assert (first.kind, first.payload) == (RecordKind.HALT, {"reason": "journal", "level": 2})
    assert (first.process, first.run_id, first.boot_id, first.time_ns) == ("main", "run-1", "b1", 42)
    assert second.payload == {"nlv": "1.50", "cash": None}


def test_a_frozen_message_is_a_payload(journal):
    journal.append(RecordKind.COMMISSION, Commission(exec_id="1.01", amount=Decimal("0.35"), currency="USD"))
    (record,) = read(journal.path)
    assert record.payload == {"exec_id": "1.01", "amount": "0.35", "currency": "USD"}


def test_a_float_that_is_not_finite_becomes_null(journal):
    journal.append(RecordKind.EQUITY, {"nlv": float("nan"), "parts": [float("inf"), 1.0]})
    (record,) = read(journal.path)
    assert record.payload == {"nlv": None, "parts": [None, 1.0]}


def test_reading_goes_on_after_a_number_and_takes_only_the_kinds_asked_for(journal):
    fill(journal, 3)
    journal.append(RecordKind.HALT, {})
    assert [r.seq for r in read(journal.path, after=2)] == [3, 4]
    assert [r.seq for r in read(journal.path, kinds={RecordKind.HALT})] == [4]
    assert list(read(journal.path, kinds=())) == []


def test_a_journal_goes_on_after_it_was_closed(tmp_path):
    path = tmp_path / "a.db"
    for boot in ("b1", "b2", "b3"):
        journal = open_journal(path, boot_id=boot)
        fill(journal, 2)
        journal.close()
    assert [r.boot_id for r in read(path)] == ["b1", "b1", "b2", "b2", "b3", "b3"]
    result = verify(path)
    assert (result.records, result.ok, result.problem) == (6, True, None)


def test_a_file_that_was_just_made_has_no_records_yet(tmp_path):
    path = tmp_path / "a.db"
    path.touch()
    assert list(read(path)) == []
    assert verify(path).ok


def test_an_empty_journal_verifies(journal):
    result = verify(journal.path)
    assert (result.ok, result.records, result.head.hash) == (True, 0, GENESIS)


def test_a_batch_is_stored_wholly_or_not_at_all(journal):
    with journal.batch():
        fill(journal, 3)
    with pytest.raises(KeyError), journal.batch():  # noqa: PT012 - what stands inside is the case
        fill(journal, 2)
        raise KeyError("something went wrong")
    fill(journal, 1)
    assert [r.seq for r in read(journal.path)] == [1, 2, 3, 4]
    assert verify(journal.path).ok


def test_a_batch_can_not_stand_inside_another(journal):
    with journal.batch(), pytest.raises(RuntimeError, match="inside another"), journal.batch():
        pass


def test_only_the_owning_thread_may_append_until_another_claims_the_journal(journal):
    fill(journal, 1)
    errors: list[BaseException] = []

    def append(*, claim):
        try:
            if claim:
                journal.claim()
            fill(journal, 1)
        except RuntimeError as error:
            errors.append(error)

    for claim in (False, True):
        thread = threading.Thread(target=append, kwargs={"claim": claim})
        thread.start()
        thread.join()
    assert len(errors) == 1
    assert journal.head.seq == 2


def test_records_can_be_read_while_more_are_written(journal):
    fill(journal, 10)
    reader = read(journal.path)
    assert next(reader).seq == 1
    fill(journal, 10)
    assert verify(journal.path).records == 20
    reader.close()


def test_a_payload_that_can_not_be_written_leaves_the_journal_as_it_was(journal):
    fill(journal, 1)
    with pytest.raises(TypeError):
        journal.append(RecordKind.ALERT, {"what": object()})
    with pytest.raises(ValueError, match="too large"):
        journal.append(RecordKind.ALERT, {"text": "x" * 2_000_000})
    fill(journal, 1)
    assert verify(journal.path).records == 2


def test_records_can_be_neither_changed_nor_removed_through_sql(journal):
    fill(journal, 2)
    connection = sqlite3.connect(journal.path)
    for statement in ("UPDATE records SET kind = 'fill'", "DELETE FROM records"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE records SET payload = '{\"number\":99}' WHERE seq = 3", "record 3: the hash"),
        ("UPDATE records SET time_ns = time_ns + 1 WHERE seq = 3", "record 3: the hash"),
        ("UPDATE records SET run_id = 'other' WHERE seq = 3", "record 3: the hash"),
        ("DELETE FROM records WHERE seq = 3", "record 3 is missing"),
        ("DELETE FROM records WHERE seq >= 4", "the end is missing: 3 records, but 6"),
        ("DELETE FROM records", "the end is missing: 0 records, but 6"),
    ],
)
def test_every_tampering_is_found(tmp_path, statement, problem):
    path = tmp_path / "a.db"
    journal = open_journal(path)
    fill(journal, 6)
    journal.close()
    rewrite(path, statement)
    result = verify(path)
    assert not result.ok
    assert result.problem is not None
    assert problem in result.problem
    with pytest.raises(JournalCorrupt):
        open_journal(path)


def test_a_chain_that_was_computed_anew_does_not_match_the_mirrored_head(tmp_path):
    for name, payload in (("real", 1), ("forged", 2)):
        journal = open_journal(tmp_path / f"{name}.db", clock=ManualClock())
        journal.append(RecordKind.FILL, {"quantity": payload})
        journal.close()
    shutil.copy(tmp_path / "forged.db", tmp_path / "real.db")
    assert verify(tmp_path / "real.db").problem == "record 1 is not the one that was written"


def test_a_head_file_that_is_missing_or_torn_is_no_problem(tmp_path):
    path = tmp_path / "a.db"
    for damage in (b"", b"00000", b"x" * 95, None):
        journal = open_journal(path)
        fill(journal, 1)
        journal.close()
        head = path.with_name("a.db.head")
        if damage is None:
            head.unlink()
        else:
            head.write_bytes(damage)
        assert verify(path).ok
    open_journal(path).close()


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"\x00" * 5000])
def test_a_file_that_is_no_journal_is_refused(tmp_path, content):
    path = tmp_path / "a.db"
    path.write_bytes(content)
    with pytest.raises(JournalCorrupt):
        open_journal(path)
    assert not verify(path).ok


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "a.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE other (x)")
    connection.commit()
    connection.close()
    with pytest.raises(JournalCorrupt, match="another program"):
        open_journal(path)


def test_a_damaged_journal_can_be_set_aside_so_that_a_new_one_begins(tmp_path):
    path = tmp_path / "a.db"
    path.write_bytes(b"garbage" * 100)
    kept = set_aside(path, "now")
    assert kept.read_bytes() == b"garbage" * 100
    journal = open_journal(path)
    fill(journal, 1)
    journal.close()
    assert verify(path).ok


def test_a_folder_that_can_not_be_made_stops_trading(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StopTrading, match="can't be opened"):
        open_journal(tmp_path / "file" / "a.db")


def test_the_journal_is_readable_by_its_owner_only(journal):
    assert journal.path.stat().st_mode & 0o077 == 0


def cut_copies(tmp_path, journal, step):
    """Copies of a journal whose write-ahead log was cut, as a power cut during a write leaves it."""
    wal = journal.path.with_name(journal.path.name + "-wal").read_bytes()
    for number, size in enumerate([*range(0, len(wal), step), len(wal)]):
        folder = tmp_path / f"cut{number}"
        folder.mkdir()
        shutil.copy(journal.path, folder / "main.db")
        (folder / "main.db-wal").write_bytes(wal[:size])
        yield folder / "main.db"


def test_f4_a_power_cut_at_any_write_leaves_a_prefix_that_verifies(tmp_path, journal):
    fill(journal, 12)
    lengths = []
    for path in cut_copies(tmp_path, journal, 517):
        result = verify(path)
        assert result.ok, result.problem
        assert [r.payload["number"] for r in read(path)] == list(range(result.records))
        lengths.append(result.records)
    assert lengths == sorted(lengths)
    assert lengths[-1] == 12


def test_f4_a_journal_that_was_cut_can_be_written_again(tmp_path, journal):
    fill(journal, 5)
    for path in cut_copies(tmp_path, journal, 4099):
        again = open_journal(path, boot_id="b2")
        before = again.head.seq
        fill(again, 2)
        again.close()
        assert verify(path).records == before + 2


def run_python(code, *arguments, prefix=()):
    return subprocess.run(
        [sys.executable, *prefix, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=PROJECT,
    )


@pytest.mark.parametrize("way", ["file", "folder"])
def test_a_journal_that_may_not_be_opened_is_reported_as_unreadable(tmp_path, way):
    path = tmp_path / "state" / "main.db"
    journal = open_journal(path)
    fill(journal, 1)
    journal.close()
    code = """
        import sys
        from pathlib import Path
        from core.errors import JournalCorrupt
        from core.journal import read, verify
        try:
            list(read(Path(sys.argv[1])))
        except JournalCorrupt as error:
            print(error)
        print(verify(Path(sys.argv[1])).ok)
    """
    locked = path if way == "file" else path.parent
    mode = locked.stat().st_mode
    locked.chmod(0)
    try:
        done = run_python(code, path, prefix=bound())
    finally:
        locked.chmod(mode)
    assert done.returncode == 0, done.stderr
    assert "can't be read" in done.stdout
    assert done.stdout.endswith("False\n")


@pytest.mark.parametrize("payload", ["7", "[1]", "nothing", "[" * 100_000, "1" * 5_000, None])
def test_a_record_whose_payload_is_garbage_is_reported_as_unreadable(tmp_path, payload):
    path = tmp_path / "a.db"
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TABLE records (seq INTEGER PRIMARY KEY, time_ns, process, run_id, boot_id, kind, payload, hash)"
    )
    connection.execute("INSERT INTO records VALUES (1, 1, 'main', 'r', 'b', 'fill', ?, 'h')", (payload,))
    connection.commit()
    connection.close()
    with pytest.raises(JournalCorrupt, match="can't be read"):
        list(read(path))
    assert not verify(path).ok


def test_a_missing_journal_and_a_folder_in_its_place_are_no_journal(tmp_path):
    (tmp_path / "folder.db").mkdir()
    for path in (tmp_path / "none.db", tmp_path / "folder.db", tmp_path / "folder.db" / "none.db"):
        with pytest.raises(FileNotFoundError, match="there is no journal"):
            list(read(path))


def test_f4_every_record_that_was_acknowledged_survives_a_sigkill(tmp_path):
    code = """
        import sys
        from pathlib import Path
        from core.clock import SystemClock
        from core.journal import Journal
        from core.records import RecordKind
        journal = Journal(Path(sys.argv[1]), process="main", run_id="r", boot_id="b", clock=SystemClock())
        while True:
            print(journal.append(RecordKind.SIGNAL, {"a": "x" * 300}), flush=True)
    """
    path = tmp_path / "a.db"
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), str(path)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=PROJECT,
        ) as process:
            assert process.stdout is not None
            acknowledged = [int(process.stdout.readline()) for _ in range(50)]
            process.send_signal(signal.SIGKILL)
            acknowledged += [int(line) for line in process.stdout if line.endswith("\n")]
        result = verify(path)
        assert result.ok, result.problem
        assert result.records >= acknowledged[-1]


def test_f2_a_full_disk_raises_and_the_journal_stays_whole_and_goes_on_when_there_is_room(tmp_path):
    # The limit on the size of files stands for the full disk: writes fail in the middle of a transaction.
    code = """
        import resource, signal, sys
        from pathlib import Path
        from core.clock import SystemClock
        from core.errors import StopTrading
        from core.journal import Journal
        from core.records import RecordKind
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        journal = Journal(Path(sys.argv[1]), process="main", run_id="r", boot_id="b", clock=SystemClock())
        journal.append(RecordKind.SIGNAL, {"a": 1})
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
        stored = failed = 0
        for number in range(40):
            try:
                journal.append(RecordKind.SIGNAL, {"a": "x" * 500})
                stored += 1
            except StopTrading:
                failed += 1
        try:
            with journal.batch():
                journal.append(RecordKind.SIGNAL, {"a": "x" * 50_000})
        except StopTrading:
            failed += 1
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        journal.append(RecordKind.HALT, {"reason": "journal"})
        print(stored, failed, journal.head.seq)
    """
    path = tmp_path / "a.db"
    done = run_python(code, path)
    assert done.returncode == 0, done.stderr
    stored, failed, newest = map(int, done.stdout.split())
    assert stored > 0
    assert failed > 1
    assert newest == stored + 2
    result = verify(path)
    assert result.ok, result.problem
    assert result.records == newest


def test_the_command_verifies_and_says_where_a_chain_breaks(tmp_path, capsys):
    path = tmp_path / "a.db"
    journal = open_journal(path)
    fill(journal, 3)
    journal.close()
    assert main(["verify", str(path)]) == 0
    assert "3 records, chain verified" in capsys.readouterr().out
    rewrite(path, "UPDATE records SET kind = 'fill' WHERE seq = 2")
    assert main(["verify", str(path)]) == 1
    assert "NOT verified: record 2" in capsys.readouterr().out
    assert main(["verify", str(tmp_path / "none.db")]) == 1
    assert "there is no journal" in capsys.readouterr().out


def test_the_command_shows_records(tmp_path, capsys):
    path = tmp_path / "a.db"
    journal = open_journal(path)
    fill(journal, 2)
    journal.append(RecordKind.ALERT, {"text": "a\n\x1b[31mb"})
    journal.close()
    assert main(["show", str(path), "--after", "1", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [2, 3]
    assert main(["show", str(path), "--kind", "alert"]) == 0
    assert "\x1b" not in capsys.readouterr().out
    assert main(["show", str(path), "--run", "another"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["show", str(tmp_path / "none.db")]) == 1


payloads = st.dictionaries(
    st.text(max_size=10),
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
    ),
    max_size=5,
)


@given(st.lists(payloads, max_size=8))
def test_any_payload_comes_back_as_it_was(tmp_path_factory, contents):
    path = tmp_path_factory.mktemp("j") / "a.db"
    journal = open_journal(path)
    with journal.batch():
        for content in contents:
            journal.append(RecordKind.ALERT, content)
    journal.close()
    assert [record.payload for record in read(path)] == contents
    assert verify(path).ok


def test_a_reader_that_has_seen_enough_gets_no_error(tmp_path):
    journal = open_journal(tmp_path / "main.db")
    fill(journal, 2000)
    journal.close()
    command = [sys.executable, "-m", "core.journal", "show", str(tmp_path / "main.db")]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30.0) == READER_GONE
