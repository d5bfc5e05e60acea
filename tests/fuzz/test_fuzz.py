"""Every parser against its corpus, damaged in many ways, against arbitrary bytes, and against what once broke it."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS
from tests.simulation.quiet import without_logs

HERE = Path(__file__).resolve().parent
_LARGEST_CORPUS = 60_000
NAMES = list(TARGETS)


def corpus(name: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((HERE / "corpus" / name).iterdir())]


@pytest.fixture(autouse=True, scope="module")
def _quiet():
    with without_logs():
        yield


@pytest.mark.parametrize("name", NAMES)
def test_the_corpus_is_read_whole_and_cut_at_every_place(name: str) -> None:
    for data in corpus(name):
        for end in {*range(0, len(data), max(1, len(data) // 25)), len(data)}:
            TARGETS[name](data[:end])


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_input_is_refused_or_read_and_never_breaks_the_parser(name: str) -> None:
    chance = random.Random(name)
    for data in corpus(name):
        for _ in range(25):
            TARGETS[name](damaged(data, chance))


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Change some bytes, repeat a piece, or put an ugly value in the place of a number or a word."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(4):
            case 0:
                changed[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                changed[at:at] = changed[at : at + chance.randrange(64)] * chance.randrange(4)
            case 2:
                del changed[at : at + chance.randrange(16)]
            case _:
                changed[at : at + chance.randrange(8)] = chance.choice(UGLY)
    return bytes(changed)


UGLY = (
    b"NaN",
    b"sNaN",
    b"-Infinity",
    b"1e999",
    b"9" * 400,
    b"-1",
    b"null",
    b"[]",
    b"{}",
    b"\xff\xfe",
    b"\0",
    b'"',
    b"!!python/object:os",
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("name", NAMES)
@given(data=st.binary(max_size=300))
def test_arbitrary_bytes_never_break_a_parser(name: str, data: bytes) -> None:
    TARGETS[name](data)


def crashes() -> list[Path]:
    return sorted(path for path in (HERE / "crashes").glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", crashes(), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_once_broke_a_parser_does_not_any_more(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_the_corpus_is_small_and_every_target_has_one() -> None:
    files = [path for path in (HERE / "corpus").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < _LARGEST_CORPUS
    assert {path.parent.name for path in files} == set(NAMES)
    with contextlib.suppress(ModuleNotFoundError):
        import atheris

        assert atheris
