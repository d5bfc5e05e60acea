"""Small foundations: identity and key, atomic files, canonical JSON, exit codes."""

import json
import threading
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.atomic_file import write_atomic
from core.canonical import dump, fields_of
from core.errors import ConfigError
from core.events import Commission
from core.exit_codes import ExitCode
from core.identity import Identity, new_run_id, read_ipc_key
from core.vocabulary import Side


def test_the_run_id_comes_from_the_environment():
    first = Identity.from_environ("main", {"BACKSTOP_RUN_ID": "6740aa00-1f2e3d"})
    second = Identity.from_environ("main", {"BACKSTOP_RUN_ID": "6740aa00-1f2e3d"})
    assert (first.process, first.run_id, first.run_id_was_made) == ("main", "6740aa00-1f2e3d", False)
    assert first.boot_id != second.boot_id


def test_a_process_run_by_hand_makes_a_run_id_and_says_so():
    identity = Identity.from_environ("main", {})
    assert identity.run_id_was_made
    assert len(identity.run_id) == len(new_run_id()) == 15


@pytest.mark.parametrize("run_id", ["../../etc", "a b", "x" * 65, "é" * 8, "abc\n", "-rf-", "a"])
def test_s3_a_run_id_that_could_be_a_path_or_worse_is_refused(run_id):
    with pytest.raises(ConfigError, match="BACKSTOP_RUN_ID"):
        Identity.from_environ("main", {"BACKSTOP_RUN_ID": run_id})


def test_the_key_is_read_from_hex_digits():
    assert read_ipc_key({"BACKSTOP_IPC_KEY": "ab" * 32}) == b"\xab" * 32


@pytest.mark.parametrize("text", ["", "ab" * 31, "zz" * 32, "abc"])
def test_a_key_that_can_not_be_used_is_refused_without_showing_it(text):
    with pytest.raises(ConfigError, match="BACKSTOP_IPC_KEY") as caught:
        read_ipc_key({"BACKSTOP_IPC_KEY": text})
    assert not text or text not in str(caught.value)


def test_a_reader_sees_the_old_content_or_the_new_never_a_mixture(tmp_path):
    path = tmp_path / "x.json"
    contents = {bytes([65 + n]) * 20_000 for n in range(4)}
    write_atomic(path, next(iter(contents)))
    stop, seen = threading.Event(), set()

    def read():
        while not stop.is_set():
            seen.add(path.read_bytes())

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(100):
        write_atomic(path, sorted(contents)[number % 4], durable=number % 10 == 0)
    stop.set()
    thread.join()
    assert seen <= contents
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_a_file_that_can_not_be_replaced_leaves_nothing_behind(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomic(tmp_path / "folder", b"x")
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "none" / "x", b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_a_file_is_private_unless_told_otherwise(tmp_path):
    write_atomic(tmp_path / "a", b"x")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_the_same_content_is_always_the_same_text():
    assert dump({"b": 1, "a": (Decimal("1.10"), Side.BUY)}) == '{"a":["1.10","BUY"],"b":1}'
    assert dump({"a": ["1.10", "BUY"], "b": 1}) == '{"a":["1.10","BUY"],"b":1}'


def test_what_is_not_finite_is_null_wherever_it_stands():
    message = Commission(exec_id="1", amount=Decimal("NaN"), currency="USD")
    content = {"x": [float("inf"), {"y": float("nan")}], "m": message, "n": 1.5}
    assert json.loads(dump(content)) == {
        "x": [None, {"y": None}],
        "m": {"exec_id": "1", "amount": None, "currency": "USD"},
        "n": 1.5,
    }


def test_what_is_no_message_can_not_be_written():
    for value in (object(), {1, 2}.__iter__(), print):
        with pytest.raises(TypeError, match="is no message"):
            dump({"x": value})
    with pytest.raises(TypeError):
        fields_of(3)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=10,
    )
)
def test_canonical_json_is_ascii_and_comes_back(value):
    text = dump(value)
    assert text.isascii()
    assert json.loads(text) == value


def test_exit_codes_are_those_that_supervisors_know():
    assert [int(code) for code in ExitCode] == [0, 1, 2, 3, 4, 5, 6]
