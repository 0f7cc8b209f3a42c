"""What a table consists of: its rows, columns, claims. Read from YAML, never from code."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from boxseg.errors import InputError
from reports.paper_numbers import PaperKey
from reports.validation import explain

MAIN_TABLE = "table3"
"""The paper's main comparison: BoxSeg and its two modules beside BoxTeacher and BoxInst."""

# Names become folder names of runs.
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._+-]*$", max_length=80)]
# One line, since it stands in cells and lists.
Text = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[^\r\n]+$")]
# Average precision, or what an evaluation by the true masks of the training data found.
Metric = Annotated[
    str,
    Field(
        pattern=r"^((segm|bbox)/AP(50|75|s|m|l)?|pseudo/(IoU|IoU-all|IoU-filled|valid)"
        r"|predicted/(IoU|IoU-top|hollow|full))$"
    ),
]


def _one_value(value: object) -> object:
    if value is not None and not isinstance(value, str | int | float):
        raise ValueError("must be one value: text, a number, true, false or null")
    return value


Overrides = dict[str, Annotated[str | int | float | bool | None, BeforeValidator(_one_value)]]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(_Part):
    """A column of runs; every row has one run per column and seed.

    `paper_column` is null for a column that the paper's table does not have.
    """

    name: Name
    label: str
    overrides: Overrides = {}
    paper_column: PaperKey | None = PaperKey()


class Row(_Part):
    """A row: one method. `unavailable` says why it cannot run yet.

    `columns` names those that the row has runs in; by default it has some in all. `reference` names
    the row that differs in nothing but what this one is to show; this one's effect is the
    difference between the two.
    """

    name: Name
    label: Text
    overrides: Overrides = {}
    columns: tuple[Name, ...] | None = Field(default=None, min_length=1)
    reference: Name | None = None
    paper_row: PaperKey | None = None
    unavailable: Text | None = None
    note: Text | None = None


class CellRef(_Part):
    """A cell, by the names of its row and column."""

    row: Name
    column: Name


class Claim(_Part):
    """A statement of the paper: `minuend` is better than `subtrahend` in `metric`.

    `stated_difference`, in AP points, is the number in the paper's text, or null where the text
    gives none and only the printed cells do.
    """

    id: Name
    text: Text
    source: Text
    minuend: CellRef
    subtrahend: CellRef
    metric: Metric
    stated_difference: float | None = Field(allow_inf_nan=False)


class TableDefinition(_Part):
    """A table. `overrides` are for the experiment configuration and are not interpreted here.

    `version` grows whenever rows, columns or overrides change their meaning. `dataset` and
    `split` are those of the paper; a smaller scale replaces the dataset. `paper_table` is null for
    a table of ours, which the paper does not have. Only such a table may have `positive_controls`:
    rows that are taught by the true masks of their training data.
    """

    name: Name
    version: int = Field(ge=1)
    title: Text
    caption: Text
    paper_table: str | None = Field(pattern=r"^[1-8]$")
    dataset: Name
    split: Name
    metrics: tuple[Metric, ...] = Field(min_length=1)
    positive_controls: bool = False
    overrides: Overrides = {}
    columns: tuple[Column, ...] = Field(min_length=1)
    rows: tuple[Row, ...] = Field(min_length=1)
    claims: tuple[Claim, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> TableDefinition:
        for kind, names in (
            ("columns", [column.name for column in self.columns]),
            ("rows", [row.name for row in self.rows]),
            ("claims", [claim.id for claim in self.claims]),
            ("metrics", list(self.metrics)),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{kind} name '{twice[0]}' more than once")
        return self

    @model_validator(mode="after")
    def _only_the_paper_s_tables_have_its_rows(self) -> TableDefinition:
        for row in self.rows:
            if self.paper_table is None and row.paper_row is not None:
                raise ValueError(f"row '{row.name}' has a paper_row, but paper_table is null")
        return self

    @model_validator(mode="after")
    def _the_paper_s_tables_have_no_controls(self) -> TableDefinition:
        if self.positive_controls and self.paper_table is not None:
            raise ValueError("positive_controls is true, but the table is one of the paper's")
        return self

    @model_validator(mode="after")
    def _rows_name_columns_and_rows(self) -> TableDefinition:
        names = [column.name for column in self.columns]
        rows = {row.name: row for row in self.rows}
        for row in self.rows:
            for name in row.columns or ():
                if name not in names:
                    raise ValueError(
                        f"row '{row.name}' names the column '{name}' (allowed: {', '.join(names)})"
                    )
            if row.reference is None:
                continue
            if row.reference == row.name or row.reference not in rows:
                others = ", ".join(name for name in rows if name != row.name)
                raise ValueError(
                    f"row '{row.name}' has the reference '{row.reference}' (allowed: {others})"
                )
            common = {column.name for column in self.columns_of(rows[row.reference])}
            if not common & {column.name for column in self.columns_of(row)}:
                raise ValueError(
                    f"row '{row.name}' and its reference '{row.reference}' have no common column"
                )
        return self

    @model_validator(mode="after")
    def _overrides_do_not_compete(self) -> TableDefinition:
        for row in self.rows:
            for column in self.columns:
                both = sorted(row.overrides.keys() & column.overrides.keys())
                if both:
                    raise ValueError(
                        f"row '{row.name}' and column '{column.name}' both override '{both[0]}'"
                    )
        return self

    @model_validator(mode="after")
    def _claims_name_cells(self) -> TableDefinition:
        rows = [row.name for row in self.rows]
        columns = [column.name for column in self.columns]
        for claim in self.claims:
            for cell in (claim.minuend, claim.subtrahend):
                if cell.row not in rows:
                    raise ValueError(
                        f"claim '{claim.id}' names the row '{cell.row}' "
                        f"(allowed: {', '.join(rows)})"
                    )
                if cell.column not in columns:
                    raise ValueError(
                        f"claim '{claim.id}' names the column '{cell.column}' "
                        f"(allowed: {', '.join(columns)})"
                    )
                row = next(row for row in self.rows if row.name == cell.row)
                if cell.column not in [column.name for column in self.columns_of(row)]:
                    raise ValueError(
                        f"claim '{claim.id}' names the column '{cell.column}', which the row "
                        f"'{cell.row}' has no runs in"
                    )
            if claim.minuend == claim.subtrahend:
                raise ValueError(f"claim '{claim.id}' compares a cell with itself")
            if claim.metric not in self.metrics:
                raise ValueError(
                    f"claim '{claim.id}' names the metric '{claim.metric}' "
                    f"(allowed: {', '.join(self.metrics)})"
                )
        return self

    def columns_of(self, row: Row) -> tuple[Column, ...]:
        """Give the columns that a row has runs in, in the table's order."""
        named = row.columns
        return tuple(one for one in self.columns if named is None or one.name in named)

    def printed_key(self, row: Row, column: Column) -> PaperKey | None:
        """Which printed row a cell stands for, if the paper's table has one."""
        if row.paper_row is None or column.paper_column is None:
            return None
        return row.paper_row.narrowed_by(column.paper_column)

    def claim_number(self, claim: str) -> str:
        """Number a claim by its table and its place there: `3.1` is the first of table 3.

        A table of ours, which the paper does not have, gives its name instead: `coco-photos.1`.

        Raises:
            KeyError: the table has no claim of this id.
        """
        for place, one in enumerate(self.claims, start=1):
            if one.id == claim:
                return f"{self.paper_table or self.name}.{place}"
        raise KeyError(claim)

    def overrides_of(self, row: Row, column: Column) -> Overrides:
        """Give what a cell's runs override: the table's, then its row's and column's."""
        return {**self.overrides, **row.overrides, **column.overrides}


def load_definition(path: Path) -> TableDefinition:
    """Read a table definition, `<name>.yaml`.

    Raises:
        InputError: the file is missing, not YAML, has an unknown, missing or repeated key or a
            value that is not allowed; the file, the key and what is allowed are named.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; check the table's name.") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}.") from error
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text; rewrite it.") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not valid YAML: {_first_line(error)}; mend it.") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no table definition; it must be a mapping of keys.")
    try:
        definition = TableDefinition.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path}: {explain(error, TableDefinition)}; correct it.") from None
    if definition.name != path.stem:
        raise InputError(
            f"{path} defines the table '{definition.name}'; name the file '{definition.name}.yaml'."
        )
    return definition


class _UniqueKeyLoader(yaml.SafeLoader):
    """PyYAML keeps the last of repeated keys without a word; this one refuses them."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                continue  # PyYAML's own complaint about it is clear.
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' appears twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _first_line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{problem} at line {mark.line + 1}" if mark else problem
