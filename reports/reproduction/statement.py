"""The reproducibility statement: what was replicated, at which scale, and what it rests on."""

from __future__ import annotations

from collections.abc import Sequence

from reports.claims import Assessment
from reports.formats.markdown import items
from reports.reproduction.compute import PaperCost, spent, spent_on_repeats
from reports.reproduction.results_part import (
    claims_section,
    compute_section,
    environment_section,
    figures_section,
    tables_section,
    why_section,
)
from reports.reproduction.statements import Statements, load_statements
from reports.reproduction.words_part import (
    checklist_section,
    code_section,
    deviations_section,
    extensions_section,
    paragraphs,
    statement_list,
)
from reports.results import Results
from reports.table import Table

GPUS = (1, 4, 8)


def render_reproduction(
    tables: Sequence[Table],
    assessments: Sequence[Assessment],
    results: Results,
    *,
    controls: Sequence[Table] = (),
    costs: Sequence[PaperCost] = (),
    gpus: Sequence[int] = GPUS,
    statements: Statements | None = None,
    results_link: str = "results",
) -> str:
    """Give the statement as Markdown; the same records give the same text.

    Args:
        tables: of any scales; listed in this order, the scales in that of their first table.
        assessments: of all their claims.
        results: the records that the tables were built from.
        controls: the table of controls at one scale each, whose rows the deviations name.
        costs: of tables at paper scale, estimated.
        gpus: numbers of GPUs that wall times are told for, as if n were n times as fast as one.
        statements: what no record can say; by default the file beside this module.
        results_link: the runs' root, relative to the statement.

    Raises:
        InputError: `statements.yaml` is wrong.
    """
    said = load_statements() if statements is None else statements
    frame = results.frame
    taken = spent([*tables, *controls], frame) + spent_on_repeats(results.repeats)
    sections = {
        "Scope": paragraphs(said.scope, frame),
        "Tables of the paper": tables_section(tables, assessments, said.hidden_splits, costs),
        "Figures of the paper": figures_section(said.figures),
        "Claims": claims_section(tables, assessments, results_link),
        "Why": why_section(tables, assessments, controls, results),
        "Deviations from the paper": deviations_section(said.deviations, controls),
        "Where papers and released code disagree": code_section(said.code_differences, controls),
        "Compute": compute_section(taken, costs, gpus),
        "Environment": environment_section(tables),
        "Results left out": _left_out(results, tables),
        "What was easy": statement_list(said.easy, frame),
        "What was hard": statement_list(said.hard, frame),
        "Communication with the authors": paragraphs([said.authors], frame),
        "Limits": statement_list(said.limits, frame),
        "Licences": statement_list(said.licences, frame),
        "How to extend": extensions_section(said.extensions),
        "Checklist": checklist_section(said.checklist),
    }
    lines = [
        "# Reproducibility statement",
        "",
        "Generated from the runs' records; do not edit. Every result below is read from a record; "
        "the sentences around them stand in `reports/reproduction/statements.yaml`, which refuses "
        "results typed by hand. Effects are those of rows of the table `controls`, each minus its "
        "reference, as mean [95% interval] in mask AP; without a record they read `unmeasured`.",
        "",
    ]
    for title, body in sections.items():
        lines += [f"## {title}", "", "\n".join(body).rstrip("\n"), ""]
    return "\n".join(lines[:-1]) + "\n"


def _left_out(results: Results, tables: Sequence[Table]) -> list[str]:
    found = [*results.rejected, *(one for table in tables for one in table.rejected)]
    by_path = {one.path: one.reason for one in found}
    if not by_path:
        return ["None."]
    return items([f"`{path}`: {reason}" for path, reason in sorted(by_path.items())])
