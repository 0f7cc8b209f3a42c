"""Bars and notes drawn by rich; imported by the first of them on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from boxseg.progress_display.bars import Bar, Note

MARGIN = 5
"""Columns that stay free at the right: a Ctrl-C is echoed as `^C` after the last line, and one that
broke that line would leave a part of it behind."""
LEAST_TITLE, LEAST_BAR, LONGEST_BAR = 12, 6, 30
"""Columns."""


class _Console(Console):
    """Never hides the cursor: of a process that is killed, nobody would show it again."""

    def show_cursor(self, show: bool = True) -> bool:
        return False


class Screen:
    """Draws below what has been printed, over and over in the same place.

    Args:
        stream: to a terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self.console = _Console(
            file=stream, force_terminal=True, force_interactive=True, force_jupyter=False
        )
        self.live: Live | None = None

    def draw(self, bars: Sequence[Bar], notes: Sequence[Note]) -> None:
        """Draw all, in place of what was drawn last."""
        frame = self._frame(bars, notes)
        if self.live is not None:
            self.live.update(frame, refresh=True)
            return
        self.live = Live(
            frame,
            console=self.console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self.live.start(refresh=True)

    def erase(self) -> None:
        """Leave the terminal as if nothing had been drawn, for lines to be printed."""
        live, self.live = self.live, None
        if live is not None:
            live.stop()

    def _frame(self, bars: Sequence[Bar], notes: Sequence[Note]) -> RenderableType:
        """As many bars as there is room for, above the notes."""
        columns = max(self.console.width - MARGIN, 1)
        room = max(self.console.height - 1 - len(notes), 1)
        shown = bars if len(bars) <= room else bars[: room - 1]
        lines = [note.line() for note in notes]
        if len(shown) < len(bars):
            lines.insert(0, f"and {len(bars) - len(shown)} more")
        below = [Text(line, no_wrap=True, overflow="crop") for line in lines]
        for text in below:
            text.truncate(columns)
        return Group(*([_table(shown, columns)] if shown else []), *below)


def _table(bars: Sequence[Bar], columns: int) -> Table:
    """A row for each bar; where it is narrow, what matters less is left out."""
    cells = {
        "title": [bar.title for bar in bars],
        "bar": [" " * LEAST_BAR for _ in bars],
        "count": [bar.count_text() for bar in bars],
        "pace": [bar.pace_text() for bar in bars],
        "left": [bar.left_text() for bar in bars],
        "detail": [bar.detail for bar in bars],
    }
    widths = {name: max(map(cell_len, texts)) for name, texts in cells.items()}
    widths = _fitted({name: width for name, width in widths.items() if width}, columns)
    table = Table.grid(padding=(0, 1, 0, 0))
    for width in widths.values():
        table.add_column(width=width, no_wrap=True, overflow="crop")
    for number, bar in enumerate(bars):
        drawn = ProgressBar(total=bar.total, completed=bar.done, width=widths.get("bar"))
        row = {name: Text(cells[name][number]) for name in widths}
        row["title"] = Text(_ending(bar.title, widths["title"]))
        table.add_row(*(drawn if name == "bar" else row[name] for name in widths))
    return table


def _fitted(widths: dict[str, int], columns: int) -> dict[str, int]:
    """Columns' widths, so that they and a space between two of them fit into so many columns."""

    def spare() -> int:
        return columns - sum(widths.values()) - len(widths) + 1

    for least in ("pace", "title", "detail", "left", "bar", "count"):
        if spare() >= 0:
            break
        if least == "title":
            shortened = max(widths["title"] + spare(), LEAST_TITLE)
            widths = {**widths, "title": min(widths["title"], shortened)}
        else:
            widths = {name: width for name, width in widths.items() if name != least}
    if spare() < 0:
        widths["title"] += spare()
    if "bar" in widths:
        widths["bar"] = min(widths["bar"] + max(spare(), 0), LONGEST_BAR)
    return widths


def _ending(title: str, columns: int) -> str:
    """A title cut to so many columns; its end is what tells the runs of a table apart."""
    if cell_len(title) <= columns:
        return title
    while title and cell_len(title) > columns - 2:
        title = title[1:]
    return f"..{title}"[:columns]
