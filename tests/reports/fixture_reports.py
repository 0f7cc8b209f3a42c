"""The reports of the synthetic results, or of a changed copy of them, as the command makes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reports.aggregate import build_table
from reports.claims import Assessment, assess
from reports.definition import load_definition
from reports.formats.files import write_claims, write_table
from reports.formats.plain_text import render_summary
from reports.paper_numbers import PaperNumbers
from reports.results import read_results
from reports.status import read_statuses
from reports.table import Table

FIXTURE = Path(__file__).parent / "fixture"
TABLES = Path(__file__).parents[2] / "experiments" / "conf" / "table"
NAMES = ("table3", "table4", "table6")


@dataclass(frozen=True)
class Reports:
    tables: tuple[Table, ...]
    assessments: tuple[Assessment, ...]

    def write(self, out: Path) -> dict[str, str]:
        """Write every file, add what the terminal shows, and give all texts by name."""
        written = [
            path for table in self.tables for path in write_table(table, out, self.assessments)
        ]
        written += write_claims(self.tables, self.assessments, out)
        texts = {path.name: path.read_bytes().decode() for path in written}
        for table in self.tables:
            texts[f"{table.name}.txt"] = render_summary(
                [table], self.assessments, Path("out"), None
            )
        return texts


def reports_of(runs: Path) -> Reports:
    """Build tables 3, 4 and 6 at mini scale; hashes are not checked, there are none."""
    results, paper = read_results(runs), PaperNumbers.load()
    definitions = [load_definition(TABLES / f"{name}.yaml") for name in NAMES]
    tables = tuple(
        build_table(
            definition,
            results,
            paper,
            read_statuses(runs, definition, "mini"),
            scale="mini",
            scale_label="synthetic",
            command="boxseg report table3 table4 table6",
            suite_version="0.1.0",
        )
        for definition in definitions
    )
    assessments = tuple(one for table in tables for one in assess(table, results.frame))
    return Reports(tables, assessments)
