"""From the seconds of rounds to the figures of a table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def ratio(times: Sequence[float], reference: Sequence[float]) -> float:
    """Median of the rounds' ratios: what both met in a round cancels out.

    Raises:
        ValueError: the numbers of rounds differ.
    """
    return statistics.median(a / b for a, b in zip(times, reference, strict=True))


def table(rows: Sequence[dict[str, str]]) -> str:
    """Rows as aligned text; columns in the order in which they are first met, right-aligned."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [columns, *([row.get(name, "") for name in columns] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
