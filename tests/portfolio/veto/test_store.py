"""Whatever is wrong with a registered model, it is no model, and the text says what is wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from portfolio.veto.manifest import MODEL_FILE
from portfolio.veto.store import CURRENT_FILE, MANIFEST_FILE, UnusableModel, read_model
from tests.veto_models import hand_manifest, register, signals

TRADED = signals("momentum")


@pytest.fixture
def version(tmp_path: Path) -> Path:
    return register(tmp_path, TRADED)


def problem(folder: Path) -> str:
    with pytest.raises(UnusableModel) as caught:
        read_model(folder, TRADED)
    return str(caught.value)


def test_a_sound_model_is_read_with_its_chain_of_hashes(tmp_path: Path, version: Path) -> None:
    loaded = read_model(tmp_path, TRADED)
    assert loaded.version == version.name == "0001"
    assert json.loads((version.parent / CURRENT_FILE).read_text())["uses"][-1]["manifest_sha256"] == (
        loaded.manifest_sha256
    )


def test_any_changed_byte_of_the_chain_makes_it_unusable(tmp_path: Path, version: Path) -> None:
    for file in (version / MODEL_FILE, version / MANIFEST_FILE):
        sound = file.read_bytes()
        for place in range(0, len(sound), 7):
            file.write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
            assert "SHA-256" in problem(tmp_path)
        file.write_bytes(sound)
        read_model(tmp_path, TRADED)


def test_the_model_is_not_opened_before_its_hash_is_known(tmp_path: Path, version: Path) -> None:
    (version / MODEL_FILE).write_bytes(b"cos\nsystem\n(S'true'\ntR.")  # a malicious pickle
    assert "its SHA-256 is not the one in manifest.json" in problem(tmp_path)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (signals("momentum", stop_atr_multiple=3.0), "stop_atr_multiple is 3.0, not 2.0"),
        (signals("momentum", bar_size_s=86_400), "bar_size_s is 86400, not 300"),
        (
            TRADED.model_copy(update={"parameters": {**TRADED.parameters, "fast_window": 21}}),
            "parameters.fast_window is 21, not 20",
        ),
    ],
)
def test_a_model_of_other_signals_is_refused_by_name(tmp_path: Path, changed: object, words: str) -> None:
    register(tmp_path, changed)  # type: ignore[arg-type]
    assert words in problem(tmp_path)


def test_a_missing_model_or_file_is_named(tmp_path: Path, version: Path) -> None:
    assert "no model is in use" in _problem_elsewhere(tmp_path / "elsewhere")
    (version / MODEL_FILE).unlink()
    assert "No such file" in problem(tmp_path)
    os.mkfifo(version / MODEL_FILE)
    assert "not a regular file" in problem(tmp_path)
    (version.parent / CURRENT_FILE).write_text('{"uses": []}')
    assert "uses" in problem(tmp_path)
    (version.parent / CURRENT_FILE).write_text(
        '{"uses": [{"version": "../../x", "manifest_sha256": "", "since": ""}]}'
    )
    assert "version" in problem(tmp_path)


def _problem_elsewhere(folder: Path) -> str:
    with pytest.raises(UnusableModel) as caught:
        read_model(folder, TRADED)
    return str(caught.value)


def test_a_manifest_tells_versions_by_feature() -> None:
    assert hand_manifest(TRADED).versions == {"ret_5": 1, "rsi_14": 1}
