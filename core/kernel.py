"""The ``kernel`` decorator: numba ``njit`` with a cache that notices every edit.

Numba's ``cache=True`` stamps a compiled function with the file in which *it* stands. A callee or a constant
that lives in another file is compiled into it but not looked at, so after an edit there the old machine code
runs on. Therefore the cache folder is named by a hash over all project files that define kernels, together
with every project file they import: an edit in any of them is another folder.

No ``fastmath``: a compiled kernel gives bit for bit what the same function gives in plain Python
(``NUMBA_DISABLE_JIT=1``), and the tests hold it to that.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import ParamSpec, TypeVar

import numba

P = ParamSpec("P")
R = TypeVar("R")

PROJECT_ROOT = Path(__file__).resolve().parent.parent
"""Folder that holds the packages."""

KERNEL_PACKAGES = ("core", "strategy", "portfolio", "backtester")
"""Packages in which kernels may stand."""

CACHE_VARIABLE = "BACKSTOP_KERNEL_CACHE"
"""Environment variable that moves the cache to another folder; ``off`` compiles without keeping anything."""

_IMPORT = re.compile(
    rb"(?:^|[;:])[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import\b[ \t]*(\([^)]*\)|[^\n;]*)|import[ \t]+([^\n;]*))",
    re.MULTILINE,
)
"""The module and the names of a ``from`` import, or the modules of an ``import``."""

_NAME = re.compile(rb"[\w.]+")

_NOT_CODE = re.compile(rb"#[^\n]*|\\\n")
"""Comments, and ends of lines that go on."""

_UNUSED_AFTER_S = 14 * 86_400.0
_one_at_a_time = threading.Lock()


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile ``function`` at its first call for each set of argument types, and keep the result on disk.

    The interpreter's lock is released while it runs, so that threads can work on several accounts at once.

    Parameters
    ----------
    function
        A function of the subset of Python that numba knows. Arguments are scalars, arrays and NamedTuples of
        them; keep their types stable (``1.0``, not ``1``), for each other set of types is compiled anew.

    Returns
    -------
    callable
        The compiled function, with the same signature. ``.py_func`` is the plain one.
    """
    return _compiled(function, _nrt=True)


def borrowing_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """`kernel` for a function of a hot loop that makes no array and returns none, neither alone nor in a NamedTuple.

    It borrows its caller's arrays, so that references needn't be counted: for a NamedTuple of a dozen arrays that
    takes longer than most of what kernels do with them. Numba refuses to compile it if it makes an array; a test looks
    at what it returns.
    """
    return _compiled(function, _nrt=False)


def inlined_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """`borrowing_kernel` for a small function: its code is put into each caller's.

    LLVM judges by the size of the callee before it is optimised, and calls what would be a handful of instructions,
    pushing every field of every array.
    """
    return _compiled(function, _nrt=False, forceinline=True)


def _compiled(function: Callable[P, R], **options: bool) -> Callable[P, R]:
    """Compile with numba; a division by zero gives what IEEE 754 says, as numpy's does.

    With Python's error model each division may raise, and numba then can't leave out the counting of references to any
    array in reach. No kernel may rely on a ``ZeroDivisionError``.
    """
    # Numba reads the setting when the function is decorated; other libraries' caches stay where they are. Backtests make
    # kernels in several threads: the setting of one must not be put back while another's is looked for.
    with _one_at_a_time:
        folder = _cache_folder(Path(function.__code__.co_filename))
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = "" if folder is None else str(folder)
        try:
            compiled: Callable[P, R] = numba.njit(
                cache=folder is not None, nogil=True, error_model="numpy", **options
            )(function)
        finally:
            numba.config.CACHE_DIR = before
    return compiled


def source_hash(root: Path = PROJECT_ROOT, extra: Iterable[Path] = ()) -> str:
    """Hash over all files that kernels are made of.

    Parameters
    ----------
    root
        Folder that holds the packages of `KERNEL_PACKAGES`.
    extra
        Further files that define kernels, for instance a user's own strategy.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for path, body in sorted(_kernel_sources(root, extra).items()):
        digest.update(f"{path}\0{len(body)}\0".encode())
        digest.update(body)
    return digest.hexdigest()[:16]


def _kernel_sources(root: Path, extra: Iterable[Path]) -> dict[str, bytes]:
    """Bodies of the files that define kernels and of all project files they import, by name."""
    sources: dict[str, bytes] = {}
    known: set[bytes] = set()
    waiting = list(extra)
    for package in KERNEL_PACKAGES:
        waiting += [path for path in (root / package).rglob("*.py") if b"core.kernel" in path.read_bytes()]
    while waiting:
        path = waiting.pop()
        if str(path) not in sources:
            body = sources[str(path)] = path.read_bytes()
            names = set(_imported_names(body)) - known
            known |= names
            waiting += [file for name in names for file in _files_of(name, root)]
    return sources


def _imported_names(body: bytes) -> Iterator[bytes]:
    """Names that the import statements in ``body`` could mean by a module.

    Found by their words, not by parsing, which would take longer than all else at a start. What only looks like an import
    (a line of a docstring) adds a file to the hash and does no harm.
    """
    for source, names, modules in _IMPORT.findall(_NOT_CODE.sub(b" ", body)):
        if source:
            yield source
            yield from (source + b"." + name for name in _NAME.findall(names))
        yield from _NAME.findall(modules)


def _files_of(name: bytes, root: Path) -> list[Path]:
    """Project files that a module of this name stands in."""
    path = root.joinpath(*name.decode().split("."))
    return [file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()]


_folders: dict[Path | None, Path | None] = {}


def _cache_folder(source: Path) -> Path | None:
    """Cache folder for a kernel defined in ``source``; None when nothing can be kept."""
    inside = any(source.is_relative_to(PROJECT_ROOT / package) for package in KERNEL_PACKAGES)
    key = None if inside else source.parent
    if key not in _folders:
        _folders[key] = _make_cache_folder(() if inside else tuple(source.parent.glob("*.py")))
    return _folders[key]


def _make_cache_folder(extra: tuple[Path, ...]) -> Path | None:
    base = os.environ.get(CACHE_VARIABLE) or str(PROJECT_ROOT / "state" / "kernels")
    if base == "off":
        return None
    folder = Path(base) / source_hash(extra=extra)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
    except OSError:
        return None  # a read-only project folder: slower starts, but no reason not to start
    with contextlib.suppress(OSError):  # another process may be removing the same ones
        _remove_unused(folder.parent)
    return folder if os.access(folder, os.W_OK) else None


def _remove_unused(base: Path) -> None:
    """Remove cache folders that no process has opened for two weeks."""
    oldest = time.time() - _UNUSED_AFTER_S
    for folder in base.iterdir():
        if re.fullmatch(r"[0-9a-f]{16}", folder.name) and folder.stat().st_mtime < oldest:
            shutil.rmtree(folder, ignore_errors=True)
