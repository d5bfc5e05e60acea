"""Strategies from a user's file: ``path/to/file.py:Name``.

``Name`` is a `strategy.base.StrategyKind`, or a plain function whose keyword-only arguments are the parameters:

    def dip(state, bar, *, window=20, depth=0.05):
        ...
        return state, weight

The state is None at first. What a file holds is run as any Python program is; nothing here makes a hostile file harmless.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from inspect import Parameter, signature
from pathlib import Path
from tempfile import gettempdir
from types import FunctionType, ModuleType
from typing import Any

from backtester.strategy_trial import line_in, trial_problems, words_of
from core.errors import ConfigError
from strategy.base import BarRow, Number, Pairs, Parameters, ParameterSpec, State, StrategyKind, nearest
from strategy.registry import STRATEGIES

_ANY_NUMBER = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategySource:
    """Where a strategy comes from, in a form that can be sent to another machine.

    Attributes
    ----------
    name
        In the registry, or of the object in the file.
    path, text
        The user's file and what stood in it; both empty for a strategy of the registry.
    pairs
        The pairs that it is to trade.
    """

    name: str
    path: str = ""
    text: str = ""
    pairs: Pairs = ()

    @classmethod
    def of(cls, words: str) -> StrategySource:
        """Read ``NAME`` or ``path/to/file.py:NAME``.

        Raises
        ------
        ConfigError
            When there is no such name, or the file can't be read.
        """
        if not names_a_file(words):
            if words not in STRATEGIES:
                raise ConfigError([f"{words}: unknown strategy{nearest(words, STRATEGIES)}"])
            return cls(name=words)
        file, colon, name = words.rpartition(":") if ".py:" in words else (words, "", "")
        path = Path(file).expanduser().resolve()
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise ConfigError([f"--strategy {words}: there is no file {path}"]) from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError([f"--strategy {words}: {path} can't be read: {error}"]) from None
        source = cls(name=name, path=str(path), text=text)
        if not colon or not name:
            known = ", ".join(_candidates(source.load_module())) or "none"
            raise ConfigError(
                [f"--strategy {words}: say which one, as {file}:NAME; strategies in it: {known}"]
            )
        return source

    def load(self) -> StrategyKind:
        """Return the strategy, after a short trial of one that comes from a file.

        Raises
        ------
        ConfigError
            When the file doesn't run, doesn't hold the name, or holds something that breaks the contract.
        """
        kind = _load(self) if self.path else STRATEGIES[self.name]
        return replace(kind, pairs=self.pairs) if self.pairs else kind

    def load_module(self) -> ModuleType:
        """Run the file. The module's name holds a hash of the text, so that no compiled code of an older text is used.

        Raises
        ------
        ConfigError
            With the line that failed.
        """
        path = Path(self.path)
        digest = hashlib.sha256(self.text.encode()).hexdigest()[:16]
        name = f"strategy_file_{path.stem}_{digest}"
        if name in sys.modules:
            return sys.modules[name]
        spec = importlib.util.spec_from_file_location(name, self._place(digest))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # compiled code finds its types by the module's name
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:  # noqa: BLE001 (a user's file may raise anything)
            del sys.modules[name]
            raise ConfigError([f"{path.name}{line_in(self.path, error)}: {words_of(error)}"]) from None
        return module

    def _place(self, digest: str) -> Path:
        """Return the file itself, or on a machine that doesn't have it a copy."""
        path = Path(self.path)
        if path.is_file() and path.read_text(encoding="utf-8") == self.text:
            return path
        folder = Path(gettempdir()) / f"backstop-strategies-{digest}"
        folder.mkdir(mode=0o700, exist_ok=True)
        copy = folder / path.name
        copy.write_text(self.text, encoding="utf-8")
        return copy


def names_a_file(words: str) -> bool:
    """Whether ``words`` mean a file rather than a name of the registry."""
    return ".py:" in words or words.endswith(".py") or "/" in words


@lru_cache(maxsize=64)
def _load(source: StrategySource) -> StrategyKind:
    module, file = source.load_module(), Path(source.path).name
    found = getattr(module, source.name, None)
    if found is None:
        raise ConfigError([f"{file}: there is no {source.name}{nearest(source.name, _candidates(module))}"])
    try:
        kind = found if isinstance(found, StrategyKind) else kind_of_function(found)
    except (TypeError, ValueError) as error:
        raise ConfigError([f"{file}: {source.name}: {error}"]) from None
    if kind.name in STRATEGIES:
        raise ConfigError([f"{file}: {kind.name}: is the name of a strategy of ours; choose another"])
    problems = trial_problems(kind, str(module.__file__))
    if problems:
        raise ConfigError([f"{file}: {source.name}: {problem}" for problem in problems])
    return kind


def _candidates(module: ModuleType) -> list[str]:
    """Names in a module that could be strategies."""
    kinds = [name for name, value in vars(module).items() if isinstance(value, StrategyKind)]
    functions = [
        name
        for name, value in vars(module).items()
        if isinstance(value, FunctionType) and value.__module__ == module.__name__ and name[0] != "_"
    ]
    return kinds or functions


def kind_of_function(function: object) -> StrategyKind:
    """Make a strategy of a plain function ``(state, bar, *, parameter=default, ...) -> (state, weight)``.

    Raises
    ------
    TypeError, ValueError
        When it is no such function.
    """
    if not callable(function) or isinstance(function, type):
        raise TypeError(f"must be a StrategyKind or a function, not a {type(function).__name__}")
    arguments = list(signature(function).parameters.values())
    positional = [one for one in arguments if one.kind in {one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD}]
    named = [one for one in arguments if one.kind is one.KEYWORD_ONLY]
    if len(positional) != 2 or len(positional) + len(named) != len(arguments):
        raise ValueError("must be written as (state, bar, *, window=20): two arguments, then parameters")
    name = str(getattr(function, "__name__", "function"))
    specs = tuple(_spec_of(one) for one in named)
    parameters_type: Any = namedtuple(f"{name}_parameters", [one.name for one in named])  # type: ignore[misc] # noqa: PYI024
    return StrategyKind(
        name=name,
        summary=(function.__doc__ or "a plain function").strip().splitlines()[0],
        specs=specs,
        parameters_type=parameters_type,
        new_state=_no_state,
        step=_step_of(function),
        warmup_bars=_no_warmup,
    )


def _step_of(function: Callable[..., tuple[State, float]]) -> Callable[..., tuple[State, float]]:
    def step(parameters: Parameters, state: State, bar: BarRow) -> tuple[State, float]:
        return function(state, bar, **parameters._asdict())

    return step


def _no_state(parameters: Parameters) -> State:  # noqa: ARG001 (one contract for all)
    return None


def _no_warmup(parameters: Parameters) -> int:  # noqa: ARG001 (one contract for all)
    return 1


def _spec_of(argument: Parameter) -> ParameterSpec:
    default = argument.default
    if isinstance(default, bool) or not isinstance(default, int | float):
        raise TypeError(
            f"parameter {argument.name}: needs a number as its default, such as {argument.name}=20"
        )
    bound: Number = int(_ANY_NUMBER) if isinstance(default, int) else _ANY_NUMBER
    return ParameterSpec(
        name=argument.name,
        default=default,
        low=-bound,
        high=bound,
        search=(default,),
        meaning="as in the file",
    )
