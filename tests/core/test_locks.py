"""Locks: one instance, freed by the kernel, and never a foreign process taken for ours (P10, P11, P12)."""

import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import AlreadyRunning
from core.locks import InstanceLock, is_locked, machine_boot_id, process_start_ticks, read_owner

PROJECT = Path(__file__).resolve().parents[2]
HOLDER = """
    import sys, time
    from pathlib import Path
    from core.locks import InstanceLock
    InstanceLock(Path(sys.argv[1]), run_id="run-1", boot_id="b1").acquire()
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "main.lock"


@pytest.fixture
def holder(path):
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLDER), str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def owner_of(path):
    owner = read_owner(path)
    assert owner is not None
    return owner


def test_the_lock_names_its_owner(path):
    with InstanceLock(path, run_id="run-1", boot_id="b1"):
        owner = owner_of(path)
        assert (owner.pid, owner.run_id, owner.boot_id) == (os.getpid(), "run-1", "b1")
        assert owner.is_running()
        assert is_locked(path)
    assert not is_locked(path)
    assert read_owner(path) == owner


def test_p10_a_second_instance_is_refused_and_told_who_runs(path, holder):
    with pytest.raises(AlreadyRunning, match=f"process {holder.pid}, run run-1"):
        InstanceLock(path).acquire()
    assert is_locked(path)
    assert owner_of(path).pid == holder.pid


def test_a_lock_is_free_after_its_holder_was_killed_and_still_names_it(path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert not is_locked(path)
    owner = owner_of(path)
    assert owner.pid == holder.pid
    assert not owner.is_running()
    with InstanceLock(path, run_id="run-2"):
        assert owner_of(path).run_id == "run-2"


def test_a_process_can_not_take_its_own_lock_twice(path):
    with InstanceLock(path), pytest.raises(AlreadyRunning):
        InstanceLock(path).acquire()


def test_the_run_can_be_written_after_the_lock_was_taken(path):
    with InstanceLock(path, run_id="a-rather-long-run-id-that-is-replaced") as lock:
        lock.describe(run_id="r2")
        assert owner_of(path).run_id == "r2"
    with pytest.raises(RuntimeError, match="not held"):
        lock.describe(run_id="r3")


def test_a_lock_file_that_was_removed_is_made_anew(path):
    with InstanceLock(path):
        path.unlink()
        with InstanceLock(path):
            assert is_locked(path)


def test_p12_a_reused_process_id_is_not_taken_for_the_owner(path):
    with InstanceLock(path):
        owner = owner_of(path)
    assert owner.is_running()
    assert not replace(owner, start_ticks=owner.start_ticks - 1).is_running()
    assert not replace(owner, machine_boot_id="another start of the machine").is_running()


def test_a_zombie_does_not_live():
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert process_start_ticks(process.pid) is None
    process.wait()
    assert process_start_ticks(process.pid) is None


def test_a_process_name_with_brackets_and_blanks_does_not_confuse(tmp_path):
    program = tmp_path / "a) S 1 (b"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([str(program), "600"])
    try:
        ticks = process_start_ticks(process.pid)
        own = process_start_ticks(os.getpid())
        assert ticks is not None
        assert own is not None
        assert ticks >= own
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[1]", b"\xff", b'{"pid": "1"}', b"[" * 4000, b'{"pid": true, "run_id": ""}'],
)
def test_a_lock_file_that_makes_no_sense_has_no_owner(tmp_path, body):
    path = tmp_path / "x.lock"
    path.write_bytes(body)
    assert read_owner(path) is None


def test_a_negative_process_id_is_no_owner(tmp_path):
    path = tmp_path / "x.lock"
    path.write_text('{"pid": -1, "run_id": "", "boot_id": "", "start_ticks": 1, "machine_boot_id": ""}')
    assert read_owner(path) is None


def test_there_may_be_no_lock_file_or_a_fifo(tmp_path):
    assert read_owner(tmp_path / "none") is None
    assert not is_locked(tmp_path / "none")
    os.mkfifo(tmp_path / "fifo")
    assert read_owner(tmp_path / "fifo") is None


def test_the_machine_has_a_boot_id():
    assert len(machine_boot_id()) == 36
