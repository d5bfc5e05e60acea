"""The registry: versions appear whole or not at all, one is in use, and a kill at any moment leaves one of two states."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from ml import commands
from ml.registry.writer import NotPromoted, add_version, listed, model_bytes, promote, roll_back, versions
from portfolio.veto.manifest import CARD_FILE, MODEL_FILE
from portfolio.veto.store import UnusableModel, read_model
from tests.veto_models import hand_manifest, hand_model, keep_registering, register, signals

TRADED = signals("momentum")


def test_versions_count_up_and_the_promoted_one_is_in_use(tmp_path: Path) -> None:
    register(tmp_path, TRADED, threshold=0.4)
    register(tmp_path, TRADED, threshold=0.6, use=False)
    own = tmp_path / "momentum"
    assert versions(own) == ["0001", "0002"]
    assert [one.in_use for one in listed(own)] == [True, False]
    assert read_model(tmp_path, TRADED).model.threshold == 0.4
    promote(own, "0002")
    assert read_model(tmp_path, TRADED).model.threshold == 0.6
    assert roll_back(own) == "0001"
    assert read_model(tmp_path, TRADED).model.threshold == 0.4
    assert roll_back(own) is None
    with pytest.raises(UnusableModel, match="no model is in use"):
        read_model(tmp_path, TRADED)
    with pytest.raises(NotPromoted, match="no model is in use"):
        roll_back(own)


def test_a_refused_model_can_not_be_promoted_and_not_be_used_by_a_forged_pointer(tmp_path: Path) -> None:
    own = tmp_path / "momentum"
    files = {MODEL_FILE: model_bytes(hand_model())}
    refused = add_version(own, hand_manifest(TRADED, passed=False), files)
    with pytest.raises(NotPromoted, match="was refused: made by hand"):
        promote(own, refused)
    register(tmp_path, TRADED)
    pointer = own / "current.json"
    digest = hashlib.sha256((own / refused / "manifest.json").read_bytes()).hexdigest()
    pointer.write_text(
        f'{{"uses": [{{"version": "{refused}", "manifest_sha256": "{digest}", "since": ""}}]}}'
    )
    with pytest.raises(UnusableModel, match="was refused"):
        read_model(tmp_path, TRADED)


def test_a_damaged_version_is_listed_as_damaged_and_can_not_be_promoted(tmp_path: Path) -> None:
    version = register(tmp_path, TRADED, use=False)
    (version / MODEL_FILE).write_bytes(b"{}")
    with pytest.raises(UnusableModel, match="SHA-256"):
        promote(version.parent, version.name)
    (version / "manifest.json").write_bytes(b"{}")
    assert "manifest.json" in listed(version.parent)[0].problem


@pytest.mark.parametrize("cycle", range(2))
def test_a_writer_that_is_killed_leaves_a_usable_model(tmp_path: Path, cycle: int) -> None:
    register(tmp_path, TRADED)
    process = multiprocessing.get_context("spawn").Process(target=keep_registering, args=(tmp_path,))
    process.start()
    own, end = tmp_path / "momentum", time.monotonic() + 60
    while len(versions(own)) < 4 + 3 * cycle:
        assert time.monotonic() < end
        assert process.is_alive()
        time.sleep(0.001)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    read_model(tmp_path, TRADED)
    assert all(one.manifest is not None for one in listed(own))
    before = versions(own)
    register(tmp_path, TRADED)  # the lock is free, what was left over is in nobody's way
    assert len(versions(own)) == len(before) + 1


def test_the_commands_list_show_promote_and_roll_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "momentum"
    files = {MODEL_FILE: model_bytes(hand_model()), CARD_FILE: b"<html>"}
    add_version(own, hand_manifest(TRADED), files)
    add_version(own, hand_manifest(TRADED, passed=False), files)

    def run(*words: str) -> tuple[int, str]:
        code = commands.main([*words[:1], "--registry", str(tmp_path), *words[1:]])
        told = capsys.readouterr()
        return code, told.out + told.err

    assert "refused   made by hand" in run("list")[1]
    assert "card.html" in run("show", "momentum", "0001")[1]
    assert run("promote", "momentum", "0001") == (0, "momentum 0001 is in use\n")
    code, told = run("promote", "momentum", "0002")
    assert code == 1
    assert "was refused" in told
    assert run("rollback", "momentum") == (0, "no model is in use any more\n")
    assert run("show", "momentum", "../x")[0] == 1
    code, told = run("show", "momentum", "0009")
    assert code == 1
    assert "there is no version 0009" in told
