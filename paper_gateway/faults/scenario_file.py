"""Reads a scenario file; says everything that is wrong with it at once, with line, key and what is allowed."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from core.config_yaml import Document, parse, path_text
from core.errors import ConfigError
from core.text import escape
from paper_gateway.faults.scenario import AnyFault, Fault, Scenario

_LARGEST = 1_000_000
_MODELS: dict[str, type[Fault]] = {
    get_args(model.model_fields["kind"].annotation)[0]: model for model in get_args(get_args(AnyFault)[0])
}


def load_scenario(path: Path) -> Scenario:
    """Read and check a scenario.

    Raises
    ------
    ConfigError
        When the file can't be read, or something in it can't be used.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST + 1).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: can't be read: {getattr(error, 'strerror', None) or error}"]) from error
    if len(text) > _LARGEST:
        raise ConfigError([f"{path}: longer than {_LARGEST} bytes"])
    document = parse(text)
    if document.problems:
        raise ConfigError([f"{_place(path, line)}: {sentence}" for line, sentence in document.problems])
    if not isinstance(document.value, dict):
        raise ConfigError([f"{path}: must hold the keys description and faults"])
    try:
        return Scenario.model_validate(document.value)
    except ValidationError as error:
        found = error.errors(include_url=False)
        # A list is called too short only because its items have problems of their own.
        found = [one for one in found if one["type"] != "too_short" or len(found) == 1]
        raise ConfigError(list(dict.fromkeys(_sentence(path, document, one) for one in found))) from error


def _place(path: Path, line: int | None) -> str:
    return f"{path} line {line}" if line else str(path)


def _sentence(path: Path, document: Document, one: ErrorDetails) -> str:
    # pydantic puts the discriminator's value behind the item's number; it is no key of the file.
    keys = tuple(part for number, part in enumerate(one["loc"]) if not (number == 2 and part in _MODELS))
    line = next(
        (document.lines[keys[:n]] for n in range(len(keys), -1, -1) if keys[:n] in document.lines), None
    )
    place, text = _place(path, line), path_text(keys)
    if one["type"] == "extra_forbidden":
        model = _MODELS.get(str(one["loc"][2])) if len(one["loc"]) > 3 else None
        known = list(model.model_fields) if model is not None else list(Scenario.model_fields)
        return f"{place}: {text}: unknown key{_nearest(str(keys[-1]), known)}"
    if one["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        given = one["input"].get("kind", "") if isinstance(one["input"], dict) else ""
        what = f"{escape(repr(given), 60)} is no kind of fault" if given else "needs a kind"
        return f"{place}: {text}.kind: {what}{_nearest(str(given), list(_MODELS))}"
    if one["type"] == "missing":
        return f"{place}: {text}: must be given"
    if one["type"] == "value_error":
        return f"{place}: {text}: {one['msg'].removeprefix('Value error, ')}"
    rule = one["msg"][0].lower() + one["msg"][1:]
    return f"{place}: {text}: {escape(repr(one['input']), 80)} can't be used: {rule}"


def _nearest(word: str, known: list[str]) -> str:
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else f"; known: {', '.join(sorted(known))}"
