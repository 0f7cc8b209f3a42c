"""A comparison as lines for a terminal of 80 columns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from string import ascii_uppercase
from typing import Any

from experiments.reporting.comparison.side_by_side import WINDOW, Comparison, Numbers
from experiments.reporting.scores_text import LABELS
from reports.own_runs import ABSENT

WIDTH = 80
NAME, NUMBER, DIFFERENCE = 28, 7, 8
"""Columns of what a number is, of the number, and of its difference from the first run's."""
LONGEST_KEY = 40
BESIDE = 3
"""Runs beside the first one in a block of numbers: with it and the differences they fill a line."""
MOST = len(ascii_uppercase)


def comparison_text(found: Comparison) -> str:
    """All of it; runs are named by letters, and the first is what the others are compared with."""
    letters = ascii_uppercase[: len(found.runs)]
    lines = [f"{letter}  {run}" for letter, run in zip(letters, found.runs, strict=True)]
    lines += ["", *_configuration(found, letters)]
    sections: tuple[tuple[str, Numbers, Callable[[float], str]], ...] = (
        ("scores, per cent", found.scores, "{:.1f}".format),
        ("by the true masks, per cent", found.masks, "{:.1f}".format),
        ("AP while training, per cent", found.while_training, "{:.1f}".format),
        (f"losses, last {WINDOW} logged", found.losses, _four_digits),
        (f"pseudo masks, last {WINDOW}", found.pseudo_masks, _four_digits),
        ("times", found.times, _four_digits),
    )
    for title, numbers, shown in sections:
        for block in _blocks(len(letters)) if numbers else ():
            lines += ["", *_numbers(title, numbers, shown, letters, block)]
    return "\n".join(lines) + "\n"


def _configuration(found: Comparison, letters: str) -> Iterator[str]:
    for run in found.unknown:
        yield f"{run} has no config.yaml beside it, so its keys are not compared"
    if len(found.unknown) > len(found.runs) - 2:
        return
    if not found.configuration:
        yield "the configurations are equal"
        return
    keys = [_cut_left(key, LONGEST_KEY) for key in found.configuration]
    key_width = max(len("configuration"), *map(len, keys))
    width = max((WIDTH - key_width) // len(letters) - 2, 4)
    rows = [
        ("configuration", tuple(letters)),
        *zip(keys, found.configuration.values(), strict=True),
    ]
    for key, values in rows:
        cells = (f"{_cut(_value(value), width):<{width}}" for value in values)
        yield f"{key:<{key_width}}  {'  '.join(cells)}".rstrip()


def _blocks(runs: int) -> Iterator[list[int]]:
    """The first run with some of the others, as many as a line has room for."""
    for start in range(1, runs, BESIDE):
        yield [0, *range(start, min(start + BESIDE, runs))]


def _numbers(
    title: str,
    numbers: Numbers,
    shown: Callable[[float], str],
    letters: str,
    block: Sequence[int],
) -> Iterator[str]:
    first, *others = block
    heads = [letters[index] for index in block]
    changes = [f"{letters[index]} - {letters[first]}" for index in others]
    yield f"{title:<{NAME}}{_cells(heads, changes)}"
    for name, values in numbers.items():
        cells = [_number(values[index], shown) for index in block]
        changes = [_difference(values[first], values[index], shown) for index in others]
        yield f"{_cut(_label(name), NAME - 1):<{NAME}}{_cells(cells, changes)}"


def _cells(numbers: Sequence[str], differences: Sequence[str]) -> str:
    right = [f"{cell:>{NUMBER}}" for cell in numbers]
    return "".join([*right, *(f"{cell:>{DIFFERENCE}}" for cell in differences)])


def _label(name: str) -> str:
    kind, _, score = name.partition("/")
    return f"{LABELS.get(kind, kind)} {score}" if score else name


def _number(value: float | None, shown: Callable[[float], str]) -> str:
    return ABSENT if value is None else shown(value)


def _difference(first: float | None, second: float | None, shown: Callable[[float], str]) -> str:
    if first is None or second is None:
        return ABSENT
    difference = second - first
    return ("+" if difference >= 0 else "-") + shown(abs(difference))


def _four_digits(value: float) -> str:
    """Four decimals of a small number, fewer of a large one; six letters up to 10,000."""
    decimals = sum(abs(value) < limit for limit in (1, 10, 100, 1000))
    return f"{value:.{decimals}f}"


def _value(value: Any) -> str:
    if value is None:
        return "?"
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _cut_left(text: str, width: int) -> str:
    return text if len(text) <= width else f"…{text[1 - width :]}"
