"""What a recalibration says where there is no terminal."""

from __future__ import annotations

from governance.progress import told_progress
from tests.waiting import wait_for


def test_a_step_says_a_line_at_its_beginning_and_every_so_often(capsys):
    lines: list[str] = []
    with told_progress(lines.append, "candidates", 2000, every_s=0.01) as advance:
        assert lines[0].startswith("candidates, 2,000; compiling")
        wait_for(
            lambda: "candidates: 0 of 2,000; kernels" in "\n".join(lines), "a line while nothing is done"
        )
        advance(1500)
        wait_for(lambda: lines[-1] == "candidates: 1,500 of 2,000", "a line about what is done")
    after = len(lines)
    assert capsys.readouterr().err == ""
    assert len(lines) == after


def test_a_quick_step_says_one_line():
    lines: list[str] = []
    with told_progress(lines.append, "costs", 3) as advance:
        advance(3)
    assert len(lines) == 1
