"""Values as they are written: ``5..44``, ``50..290:10``, ``0.1..0.5:0.1``, ``10,20,30``, ``tiered,fixed``."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

Value = int | float | str | bool

MOST_VALUES = 1_000_000
"""Values of one key."""

_WORDS: dict[str, bool] = {"true": True, "false": False}


def read_values(text: str) -> tuple[Value, ...]:
    """Read values, each once: numbers in rising order, words and truth values as they are written.

    Raises
    ------
    ValueError
        With what is wrong, as the end of a sentence that names the key.
    """
    values: list[Value] = []
    for item in text.split(","):
        word = item.strip()
        if not word:
            raise ValueError(f"{text!r} holds an empty value")
        values += _range(word) if ".." in word else [read_value(word)]
        if len(values) > MOST_VALUES:
            raise ValueError(f"{text!r} holds more than {MOST_VALUES:,} values")
    unique = list(dict.fromkeys(values))
    numbers = [one for one in unique if isinstance(one, int | float) and not isinstance(one, bool)]
    return tuple(sorted(numbers)) if len(numbers) == len(unique) else tuple(unique)


def read_value(word: str) -> Value:
    """Read one value: a whole number, a number, ``true`` or ``false``, or a word."""
    if word in _WORDS:
        return _WORDS[word]
    number = _decimal(word)
    return word if number is None else _plain(number, whole="." not in word and "e" not in word.lower())


def _range(word: str) -> list[Value]:
    span, _colon, step_text = word.partition(":")
    first_text, _dots, last_text = span.partition("..")
    first, last = _decimal(first_text), _decimal(last_text)
    if first is None or last is None:
        raise ValueError(f"{word!r} is no range: write 5..44 or 50..290:10")
    whole = first == int(first) and last == int(last) and "." not in first_text + last_text.strip(".")
    step = _decimal(step_text) if step_text else Decimal(1) if whole else None
    if step is None:
        raise ValueError(f"{word!r} needs a step that is a number, such as {first}..{last}:0.1")
    if step <= 0 or last < first:
        raise ValueError(f"{word!r} has no values: the first is the smaller one, and the step above 0")
    count = int((last - first) / step) + 1
    if count > MOST_VALUES:
        raise ValueError(f"{word!r} holds {count:,} values, more than {MOST_VALUES:,}")
    whole = whole and step == int(step)
    return [_plain(first + step * place, whole=whole) for place in range(count)]


def _decimal(text: str) -> Decimal | None:
    """Exact number, so that a range of tenths holds 0.3 and not 0.30000000000000004."""
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _plain(number: Decimal, *, whole: bool) -> int | float:
    return int(number) if whole else float(number)
