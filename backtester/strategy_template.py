"""The start of a strategy of one's own: ``python run_backtest.py new-strategy NAME``."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from core.errors import ConfigError
from strategy.registry import STRATEGIES

_TEMPLATE = Path(__file__).with_name("strategy_template.txt")


def write_template(name: str, folder: Path) -> Path:
    """Write ``folder/NAME.py``, a strategy that runs; return its path.

    Raises
    ------
    ConfigError
        For a name that can't be one, or a file that exists.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise ConfigError(
            [f"new-strategy {name}: write a name of small letters, digits and _, such as my_breakout"]
        )
    if name in STRATEGIES:
        raise ConfigError([f"new-strategy {name}: is the name of a strategy of ours; choose another"])
    text = _TEMPLATE.read_text(encoding="utf-8")
    camel = "".join(part.capitalize() for part in name.split("_"))
    for mark, value in (("my_strategy", name), ("MyStrategy", camel), ("MY_STRATEGY", name.upper())):
        text = text.replace(mark, value)
    path = folder / f"{name}.py"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError([f"{path}: exists; nothing was written"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: can't be written: {error.strerror or error}"]) from None
    return path
