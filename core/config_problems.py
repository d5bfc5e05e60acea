"""Turns a failed validation into sentences that an operator can act on."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from core.config_schema import Settings
from core.config_section import Section
from core.config_yaml import Path, Plain, path_text
from core.text import escape

_MAX_ROUNDS = 5


@dataclass(slots=True)
class Source:
    """Where values came from: lines of a file, or environment variables."""

    name: str
    lines: dict[Path, int] = field(default_factory=dict)
    overrides: dict[Path, str] = field(default_factory=dict)

    def locate(self, path: Path) -> str:
        """Origin of the value at ``path``, or of the nearest part around it."""
        for length in range(len(path), 0, -1):
            part = path[:length]
            if part in self.overrides:
                return f"environment {self.overrides[part]}"
            if part in self.lines:
                return f"{self.name} line {self.lines[part]}"
            for overridden, name in self.overrides.items():
                if overridden[:length] == part:
                    return f"environment {name}"
        return self.name


def find_problems(values: Plain, source: Source) -> tuple[Settings | None, list[str]]:
    """Validate ``values``.

    Returns
    -------
    Settings or None
        The settings when there is no problem.
    list of str
        All problems.

    Notes
    -----
    Rules about several keys are looked at only when every key of their section is valid by itself. So, to find
    all problems at once, keys with a problem are left out and the rest is validated again; what is then said
    about a section from which something was left out is not believed.
    """
    values = copy.deepcopy(values)
    _drop_empty_sections(values, Settings)
    problems: list[str] = []
    left_out: list[Path] = []
    for _ in range(_MAX_ROUNDS):
        try:
            settings = Settings.model_validate(values)
        except ValidationError as error:
            details = error.errors(include_url=False)
        else:
            return (None if problems else settings), problems
        credible = [
            one for one in details if _is_credible(one["loc"], left_out) and not _follows(one, details)
        ]
        problems += dict.fromkeys(f"{source.locate(one['loc'])}: {_sentence(one)}" for one in credible)
        removed = [one["loc"] for one in details if one["loc"] and _remove(values, one["loc"])]
        left_out += removed
        if not removed:
            return None, problems
    return None, problems


def _drop_empty_sections(values: Plain, model: type[Section]) -> None:
    """Let a section whose keys are all commented out (YAML reads it as null) keep its defaults."""
    for name, info in model.model_fields.items():
        kind = info.annotation
        if (
            isinstance(values, dict)
            and name in values
            and isinstance(kind, type)
            and issubclass(kind, Section)
        ):
            if values[name] is None:
                del values[name]
            else:
                _drop_empty_sections(values[name], kind)


def _follows(one: ErrorDetails, details: list[ErrorDetails]) -> bool:
    """Whether a list is called too short only because its items have problems of their own."""
    path = one["loc"]
    return one["type"] == "too_short" and any(
        len(other["loc"]) > len(path) and other["loc"][: len(path)] == path for other in details
    )


def _is_credible(path: Path, left_out: Iterable[Path]) -> bool:
    """Whether a problem at ``path`` can't be a mere consequence of what was left out."""
    for gone in left_out:
        if path == gone[: len(path)] and not (path == () and _is_inside_section(gone)):
            return False
    return True


def _is_inside_section(path: Path) -> bool:
    """Whether a left-out key has a default of its own, so that rules across sections still tell the truth."""
    top = Settings.model_fields.get(str(path[0]))
    is_section = top is not None and isinstance(top.annotation, type) and issubclass(top.annotation, Section)
    return top is None or is_section or len(path) > 3  # the last: a single parameter of a strategy


def _remove(values: Plain, path: Path) -> bool:
    """Remove what stands at ``path``, or the list around a list item; whether anything was removed."""
    here, parents = values, []
    for part in path:
        parents.append((here, part))
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            break
    while parents:
        container, part = parents.pop()
        if isinstance(container, dict) and part in container:
            del container[part]
            return True
    return False


def _sentence(one: ErrorDetails) -> str:
    path, kind = one["loc"], one["type"]
    if path and path[-1] in ("int", "float"):  # pydantic names the branch of a union
        path = path[:-1]
    text = path_text(path)
    if kind == "extra_forbidden":
        siblings = _known_keys(path[:-1])
        return f"{text}: unknown key{_nearest(str(path[-1]), siblings)}"
    if kind == "value_error":  # a rule about several keys, in words of its own
        message = one["msg"].removeprefix("Value error, ")
        return f"{text}: {message}" if text else message
    if kind == "missing":
        return f"{text}: must be given"
    allowed = _describe_schema(_schema_at(path))
    value = "nothing" if one["input"] is None else escape(repr(one["input"]), 120)
    if allowed is None:
        return f"{text}: {value} can't be used: {one['msg']}"
    return f"{text}: {value} is not allowed: must be {allowed}"


def _nearest(word: str, known: list[str]) -> str:
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else f"; known here: {', '.join(sorted(known))}"


# --- what the schema allows ------------------------------------------------------------------------------

Schema = dict[str, Any]


@cache
def _root_schema() -> Schema:
    return Settings.model_json_schema()


def _schema_at(path: Path) -> Schema | None:
    """JSON schema of the value at ``path``."""
    root = _root_schema()
    here: Schema | None = root
    for part in path:
        here = _resolve(here, root)
        if here is None:
            return None
        if isinstance(part, int):
            here = here.get("items")
        else:
            here = here.get("properties", {}).get(part, here.get("additionalProperties") or None)
    return _resolve(here, root) if isinstance(here, dict) else None


def _resolve(schema: Schema | None, root: Schema) -> Schema | None:
    while schema is not None and "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema


def _known_keys(path: Path) -> list[str]:
    return list((_schema_at(path) or {}).get("properties", {}))


def _describe_schema(schema: Schema | None) -> str | None:
    """Say what is allowed; None when the schema has no simple form."""
    if schema is None:
        return None
    if "anyOf" in schema:
        return _describe_options(schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(str(value) for value in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    describe = _BY_TYPE.get(schema.get("type", ""))
    return describe(schema) if describe else None


def _describe_options(options: list[Schema]) -> str | None:
    numbers = [option for option in options if option.get("type") == "number"]
    words = [
        _describe_schema(option) for option in numbers or options
    ]  # a number may be given as text as well
    return " or ".join(dict.fromkeys(word for word in words if word)) or None


def _range(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" from {low:.15g} to {high:.15g}"
    bounds = {"at least": low, "above": schema.get("exclusiveMinimum")}
    bounds |= {"at most": high, "below": schema.get("exclusiveMaximum")}
    words = [f"{word} {bound:.15g}" for word, bound in bounds.items() if bound is not None]
    return f" {', '.join(words)}" if words else ""


def _length(schema: Schema) -> str:
    if "minItems" in schema and "maxItems" in schema:
        return f" of {schema['minItems']} to {schema['maxItems']} items"
    return f" of at least {schema['minItems']} items" if "minItems" in schema else ""


def _text(schema: Schema) -> str:
    return f"text of the form {schema['pattern']}" if "pattern" in schema else "text, not empty"


_BY_TYPE: dict[str, Callable[[Schema], str]] = {
    "integer": lambda schema: f"a whole number{_range(schema)}",
    "number": lambda schema: f"a number{_range(schema)}",
    "string": _text,
    "array": lambda schema: f"a list{_length(schema)}",
    "boolean": lambda _: "true or false",
    "object": lambda _: "keys and values",
    "null": lambda _: "nothing at all",
}
