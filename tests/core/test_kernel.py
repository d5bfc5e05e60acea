"""The compiled-code cache must notice an edit in any file that a kernel is made of."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
import numpy as np
import pytest

from core import kernel as kernel_module
from core.kernel import KERNEL_PACKAGES, PROJECT_ROOT, kernel, source_hash

CALLEE = "from core.kernel import kernel\n\n\n@kernel\ndef callee(x: float) -> float:\n    return x + {}\n"
CALLER = (
    "from core.kernel import kernel\nfrom core.callee import callee\n\n\n"
    "@kernel\ndef caller(x: float) -> float:\n    return callee(x)\n"
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of its own with a kernel in one file that calls a kernel in another."""
    for package in ("core", "strategy"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    source = Path(kernel_module.__file__).read_text(encoding="utf-8")
    (tmp_path / "core" / "kernel.py").write_text(source, encoding="utf-8")
    (tmp_path / "core" / "callee.py").write_text(CALLEE.format("1.0"), encoding="utf-8")
    (tmp_path / "strategy" / "caller.py").write_text(CALLER, encoding="utf-8")
    return tmp_path


def run_code(project: Path, code: str, **variables: str) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "BACKSTOP_"))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        env=environment | {"PYTHONPATH": str(project)} | variables,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout.strip()


def run_caller(project: Path) -> float:
    return float(run_code(project, "from strategy.caller import caller; print(caller(1.0))"))


def test_an_edit_in_a_callee_of_another_file_is_noticed(project: Path):
    assert run_caller(project) == 2.0
    (project / "core" / "callee.py").write_text(CALLEE.format("10.0"), encoding="utf-8")
    assert run_caller(project) == 11.0


def test_without_the_keyed_folder_the_old_code_would_run_on(project: Path):
    """The trap itself: if numba learns to see such edits, the keyed folder has lost its reason."""
    plain = "import numba\n\n\ndef kernel(f):\n    return numba.njit(cache=True)(f)\n"
    (project / "core" / "kernel.py").write_text(plain, encoding="utf-8")
    assert run_caller(project) == 2.0
    (project / "core" / "callee.py").write_text(CALLEE.format("10.0"), encoding="utf-8")
    assert run_caller(project) == 2.0


def test_the_second_process_loads_what_the_first_compiled(project: Path):
    run_caller(project)
    compiled = {path: path.stat().st_mtime_ns for path in (project / "state").rglob("*.nbc")}
    assert compiled
    run_caller(project)
    assert {path: path.stat().st_mtime_ns for path in (project / "state").rglob("*.nbc")} == compiled


def test_the_hash_covers_constants_that_a_kernel_file_imports(project: Path):
    (project / "core" / "limits.py").write_text("LIMIT = 1\n", encoding="utf-8")
    (project / "core" / "unrelated.py").write_text("x = 1\n", encoding="utf-8")
    caller = project / "strategy" / "caller.py"
    caller.write_text("from core.limits import LIMIT\n" + CALLER, encoding="utf-8")
    before = source_hash(project)
    (project / "core" / "unrelated.py").write_text("x = 2\n", encoding="utf-8")
    assert source_hash(project) == before
    (project / "core" / "limits.py").write_text("LIMIT = 2\n", encoding="utf-8")
    assert source_hash(project) != before


@pytest.mark.parametrize(
    "line",
    [
        "from core import limits\n",
        "import core.limits\n",
        "from core.limits import LIMIT  # why\n",
        "import os, core.limits\n",
        "from core import (  # why\n    errors,\n    limits,\n)\n",
        "from core import (  # (why)\n    errors as e,\n    limits as l,\n)\n",
        "from core import errors, \\\n    limits\n",
        "import os; import core.limits as x\n",
        "if True: from core import limits\n",
    ],
)
def test_every_form_of_import_is_followed(project: Path, line: str):
    (project / "core" / "limits.py").write_text("LIMIT = 1\n", encoding="utf-8")
    (project / "strategy" / "caller.py").write_text(line + CALLER, encoding="utf-8")
    before = source_hash(project)
    (project / "core" / "limits.py").write_text("LIMIT = 2\n", encoding="utf-8")
    assert source_hash(project) != before


def test_names_that_a_package_passes_on_are_followed(project: Path):
    package = project / "core" / "limits"
    package.mkdir()
    (package / "__init__.py").write_text("from core.limits.low import LIMIT\n", encoding="utf-8")
    (package / "low.py").write_text("LIMIT = 1\n", encoding="utf-8")
    (project / "strategy" / "caller.py").write_text(
        "from core.limits import LIMIT\n" + CALLER, encoding="utf-8"
    )
    hashes = {source_hash(project)}
    (package / "low.py").write_text("LIMIT = 2\n", encoding="utf-8")
    hashes.add(source_hash(project))
    (package / "__init__.py").write_text("LIMIT = 3\n", encoding="utf-8")
    hashes.add(source_hash(project))
    assert len(hashes) == 3


def test_a_folder_that_cannot_be_written_means_compiling_anew_not_failing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder", encoding="utf-8")
    monkeypatch.setenv(kernel_module.CACHE_VARIABLE, str(blocked))
    monkeypatch.setattr(kernel_module, "_folders", {})

    @kernel
    def double(x: float) -> float:
        return 2.0 * x

    assert double(2.0) == 4.0
    assert blocked.read_text(encoding="utf-8") == "not a folder"


def test_decorating_leaves_numbas_own_cache_setting_alone():
    before = numba.config.CACHE_DIR

    @kernel
    def identity(x: float) -> float:
        return x

    assert identity(1.0) == 1.0
    assert before == numba.config.CACHE_DIR


def test_threads_that_make_kernels_at_once_keep_them_in_the_same_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """A backtest's threads each compile a strategy's rule; one of them must not put the setting back under another."""
    monkeypatch.setattr(kernel_module, "_folders", {Path(__file__).parent: tmp_path})
    before = numba.config.CACHE_DIR
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            made: list[Any] = list(pool.map(lambda _: kernel(_copy(_plain)), range(200)))
    finally:
        sys.setswitchinterval(interval)
    assert before == numba.config.CACHE_DIR
    assert {Path(one._cache.cache_path).parent for one in made} == {tmp_path}


def _plain(x: int) -> int:
    return x + 1


def _copy(function: Callable[[int], int]) -> FunctionType:
    return FunctionType(function.__code__, {"__name__": __name__}, "k")


def test_no_kernel_is_compiled_with_fastmath():
    """A NaN test inside a kernel must survive compilation: fastmath would assume that there are none."""

    @kernel
    def is_nan(x: float) -> bool:
        return x != x  # noqa: PLR0124

    assert is_nan(np.nan)


def test_all_kernel_packages_are_in_the_project():
    known = {path.parent.name for path in PROJECT_ROOT.glob("*/__init__.py")}
    assert set(KERNEL_PACKAGES) - {"backtester"} <= known


def test_a_strategy_outside_the_project_is_keyed_by_the_files_beside_it(project: Path):
    own = project / "mine"
    own.mkdir()
    (own / "helper.py").write_text(CALLEE.format("1.0"), encoding="utf-8")
    (own / "mine.py").write_text(CALLER.replace("core.callee", "helper"), encoding="utf-8")
    code = "import sys; sys.path.insert(0, 'mine'); from mine import caller; print(caller(1.0))"
    assert run_code(project, code) == "2.0"
    (own / "helper.py").write_text(CALLEE.format("10.0"), encoding="utf-8")
    assert run_code(project, code) == "11.0"


def test_switched_off_the_cache_keeps_nothing(project: Path):
    code = "from strategy.caller import caller; print(caller(1.0))"
    assert run_code(project, code, BACKSTOP_KERNEL_CACHE="off") == "2.0"
    assert not (project / "state").exists()


def test_folders_unused_for_two_weeks_are_removed_and_nothing_else(project: Path):
    base = project / "state" / "kernels"
    old, recent, foreign = base / ("0" * 16), base / ("1" * 16), base / "notes"
    for folder in (old, recent, foreign):
        folder.mkdir(parents=True)
    for folder in (old, foreign):
        os.utime(folder, (0, 0))
    run_caller(project)
    assert not old.exists()
    assert recent.exists()
    assert foreign.exists()


def test_a_file_that_does_not_parse_disturbs_no_other_kernel(project: Path):
    (project / "strategy" / "unfinished.py").write_text("from core.kernel import (", encoding="utf-8")
    assert run_caller(project) == 2.0
