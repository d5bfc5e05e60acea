"""Kill flags: seen whatever they are (F6), obeyed when nobody can tell (F3), archived and never lost."""

import json
import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core.clock import ManualClock
from core.flags import FlagFolder, FlagKind, FlagState
from tests.unprivileged import bound

ROOT = Path(__file__).resolve().parents[2]
NANOSECONDS = 1_700_000_000_000_000_000


@pytest.fixture
def folder(tmp_path):
    return FlagFolder(tmp_path, ManualClock(wall_ns=NANOSECONDS))


def test_an_empty_folder_has_no_flag(folder):
    state = folder.present()
    assert (state.kind, state.stands, state.detail, state.mtime_ns) == (FlagKind.NONE, False, "", 0)
    assert folder.standing() == ()


def test_a_touched_file_is_a_flag(folder):
    folder.kill_now_path.touch()
    state = folder.present()
    assert (state.kind, state.stands, state.detail) == (FlagKind.KILL_NOW, True, "an empty file")
    assert state.mtime_ns == folder.kill_now_path.stat().st_mtime_ns


def test_the_operators_flag_is_named_first(folder):
    folder.write_kill({"reason": "drawdown"})
    folder.kill_now_path.touch()
    assert folder.present().kind is FlagKind.KILL_NOW
    assert folder.standing() == ("KILL_NOW.flag", "KILL.flag")


def make_fifo(path):
    os.mkfifo(path)


def make_dangling_symlink(path):
    path.symlink_to("/nowhere/at/all")


def make_symlink_to_device(path):
    path.symlink_to("/dev/zero")


def make_loop(path):
    path.symlink_to(path.name)


def make_folder(path):
    path.mkdir()


def make_socket(path):
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.close()


def make_huge(path):
    with path.open("wb") as file:
        file.truncate(1 << 40)


def make_garbage(path):
    path.write_bytes(b"\xff\xfe\x00{{{\x1b[2J")


def make_nested_json(path):
    path.write_text("[" * 60_000)


@pytest.mark.parametrize(
    "make",
    [
        make_fifo,
        make_dangling_symlink,
        make_symlink_to_device,
        make_loop,
        make_folder,
        make_socket,
        make_huge,
        make_garbage,
        make_nested_json,
    ],
)
def test_f6_anything_of_the_name_counts_and_nobody_waits_for_it(folder, make):
    for path, kind in ((folder.kill_now_path, FlagKind.KILL_NOW), (folder.kill_path, FlagKind.KILL)):
        make(path)
        answers: list[object] = []
        thread = threading.Thread(
            target=lambda answers=answers: answers.extend([folder.present(), folder.read_kill()]), daemon=True
        )
        thread.start()
        thread.join(10.0)
        assert not thread.is_alive(), "somebody waits for the flag's body"
        state, body = answers
        assert isinstance(state, FlagState)
        assert state.kind is kind
        assert state.detail.isprintable()
        assert len(state.detail) < 300
        assert body is None
        assert len(folder.clear()) == 1


def test_f6_writing_over_whatever_stands_there_leaves_a_flag(folder):
    for make in (make_fifo, make_dangling_symlink, make_folder, make_huge):
        make(folder.kill_path)
        folder.write_kill({"reason": "drawdown"})
        assert folder.present().kind is FlagKind.KILL
        folder.clear()


def test_the_watchdogs_flag_tells_its_reason_and_keeps_its_figures(folder):
    folder.write_kill({"reason": "drawdown", "figures": {"drawdown": 0.16}, "run_id": "r"})
    assert folder.present().detail == "drawdown"
    assert folder.read_kill() == {"reason": "drawdown", "figures": {"drawdown": 0.16}, "run_id": "r"}
    assert [path.name for path in folder.path.iterdir()] == ["KILL.flag"]


def test_a_written_note_is_shown_in_one_harmless_line(folder):
    folder.kill_now_path.write_text("stop it \x1b[31mnow\nand call me")
    assert folder.present().detail == "stop it \\x1b[31mnow"


def test_f3_a_missing_folder_is_as_bad_as_a_flag(tmp_path):
    state = FlagFolder(tmp_path / "gone").present()
    assert (state.kind, state.stands) == (FlagKind.UNREADABLE, True)
    assert "No such file" in state.detail


def test_f3_a_file_in_place_of_the_folder_is_as_bad_as_a_flag(tmp_path):
    (tmp_path / "flags").touch()
    assert FlagFolder(tmp_path / "flags").present().kind is FlagKind.UNREADABLE


def test_f3_a_folder_that_goes_away_is_noticed(folder):
    assert not folder.present().stands
    folder.path.rename(folder.path.with_name("moved"))
    assert folder.present().kind is FlagKind.UNREADABLE
    folder.path.with_name("moved").rename(folder.path)
    assert not folder.present().stands


def test_f3_a_folder_without_permissions_is_as_bad_as_a_flag(folder):
    look = "import sys, pathlib; from core.flags import FlagFolder; print(FlagFolder(pathlib.Path(sys.argv[1])).present().kind)"
    folder.path.chmod(0)
    try:
        done = subprocess.run(
            [sys.executable, *bound("-c", look, str(folder.path))],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        folder.path.chmod(stat.S_IRWXU)
    assert done.stdout.strip() == FlagKind.UNREADABLE


def test_f3_a_flag_that_can_not_be_written_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        FlagFolder(tmp_path / "file" / "flags").write_kill({"reason": "drawdown"})


def test_a_missing_folder_is_made_when_a_kill_is_written(tmp_path):
    folder = FlagFolder(tmp_path / "flags")
    folder.write_kill({"reason": "heartbeat"})
    assert folder.present().kind is FlagKind.KILL


def test_a_kill_flag_never_disappears_while_it_is_written_again(folder):
    folder.write_kill({"reason": "first"})
    stop, seen = threading.Event(), set()

    def watch():
        while not stop.is_set():
            seen.add(folder.present().kind)

    thread = threading.Thread(target=watch)
    thread.start()
    for number in range(50):
        folder.write_kill({"reason": f"again {number}"})
    stop.set()
    thread.join()
    assert seen == {FlagKind.KILL}


def test_clearing_archives_every_flag_under_a_name_of_its_own(folder):
    names = []
    for number in range(3):
        folder.kill_now_path.write_text(str(number))
        folder.write_kill({"reason": str(number)})
        names += [path.name for path in folder.clear()]
        assert not folder.present().stands
    assert len(set(names)) == 6
    assert names[0] == "20231114T221320.000000Z-KILL_NOW.flag"
    bodies = [json.loads(p.read_text()) for p in (folder.path / "archive").glob("*-KILL.flag*")]
    assert sorted(body["reason"] for body in bodies) == ["0", "1", "2"]
    assert folder.clear() == ()


def test_s3_flags_are_not_archived_through_a_symlink(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (folder.path / "archive").symlink_to(elsewhere)
    folder.kill_now_path.touch()
    with pytest.raises(OSError, match="symlink"):
        folder.clear()
    assert folder.present().stands
    assert list(elsewhere.iterdir()) == []


def test_s3_a_symlink_is_replaced_and_what_it_points_to_stays(folder, tmp_path_factory):
    victim = tmp_path_factory.mktemp("victim") / "file"
    victim.write_text("precious")
    folder.kill_path.symlink_to(victim)
    folder.write_kill({"reason": "drawdown"})
    assert victim.read_text() == "precious"
    assert not folder.kill_path.is_symlink()
