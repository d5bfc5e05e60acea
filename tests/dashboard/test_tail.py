from __future__ import annotations

import os
from pathlib import Path

from dashboard.tail import ConsoleTail, Rationing


def test_only_new_complete_lines_are_given(tmp_path: Path) -> None:
    path = tmp_path / "main.console.log"
    tail = ConsoleTail("main", path)
    assert tail.read_lines() == []
    with path.open("w") as file:
        file.write("one\ntw")
        file.flush()
        assert tail.read_lines() == ["one"]
        file.write("o\n\nthree\n")
    assert tail.read_lines() == ["two", "three"]
    assert tail.read_lines() == []


def test_a_file_that_was_emptied_is_read_from_its_new_beginning(tmp_path: Path) -> None:
    path = tmp_path / "main.console.log"
    path.write_text("a long first line\nand a torn o")
    tail = ConsoleTail("main", path)
    assert tail.read_lines() == ["a long first line"]
    os.truncate(path, 0)
    path.write_text("new\n")
    assert tail.read_lines() == ["new"]


def test_control_characters_never_reach_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "main.console.log"
    path.write_bytes(b"evil \x1b[2J\x07 bytes \xff and a\ttab\n")
    (line,) = ConsoleTail("main", path).read_lines()
    assert line.isprintable()
    assert line.startswith("evil �[2J� bytes � and a")


def test_a_line_without_end_is_not_kept_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "main.console.log"
    path.write_bytes(b"x" * 300_000)
    tail = ConsoleTail("main", path)
    for _ in range(10):
        assert tail.read_lines() == []
    assert len(tail._torn) <= 65_536


def test_what_stands_on_the_terminal_already_is_not_shown_again(tmp_path: Path) -> None:
    path = tmp_path / "system.console.log"
    path.write_text("said\n")
    tail = ConsoleTail("system", path, path.stat().st_size)
    with path.open("a") as file:
        file.write("new\n")
    assert tail.read_lines() == ["new"]


def test_everyday_lines_are_rationed_and_trouble_never_is() -> None:
    rationing = Rationing(2)
    everyday = "07:36:59 info     fill  symbol=IBM"
    assert [rationing.admits(everyday) for _ in range(5)] == [True, True, False, False, False]
    assert rationing.admits("07:36:59 warning  lease  fresh=False")
    assert rationing.admits("07:36:59 critical halt  reason=journal")
    assert rationing.admits("Traceback (most recent call last):")
    assert rationing.begin_interval() == 3
    assert rationing.admits(everyday)


def test_without_a_ration_every_line_is_shown() -> None:
    rationing = Rationing(None)
    assert all(rationing.admits("07:36:59 info     fill  symbol=IBM") for _ in range(100))
    assert rationing.begin_interval() == 0
