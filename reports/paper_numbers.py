"""The numbers the papers printed, each with its source; data in `paper/published.csv`."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from boxseg.errors import InputError
from reports.validation import explain

PUBLISHED = Path(__file__).parent / "paper" / "published.csv"


class PaperKey(BaseModel):
    """Which printed row is meant; what is None is left open.

    The cells of a printed row share these fields. `row_order` counts the rows of a printed table
    from 1 and tells apart rows that otherwise read the same.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str | None = None
    backbone: str | None = None
    schedule: str | None = None
    dataset: str | None = None
    split: str | None = None
    row_order: int | None = None

    def narrowed_by(self, other: PaperKey) -> PaperKey:
        """Join two keys; where both name a field, `other` wins."""
        return self.model_copy(update=other.model_dump(exclude_none=True))

    def fits(self, wanted: PaperKey) -> bool:
        """Whether this row, all of whose fields are named, may be the one that is wanted."""
        fields = wanted.model_dump(exclude_none=True)
        return all(getattr(self, name) == value for name, value in fields.items())

    def __str__(self) -> str:
        named = self.model_dump(exclude_none=True)
        return ", ".join(f"{name} '{value}'" for name, value in named.items()) or "any row"


@dataclass(frozen=True)
class PaperValue:
    """One printed number, in per cent, or None where no source of it was found."""

    value: float | None
    source: str
    dataset: str
    split: str
    backbone: str


class _PublishedCell(BaseModel):
    """A line of the CSV."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: str = Field(pattern=r"^([1-8]|aux)$")
    row_order: int | None = Field(ge=1)
    method: str = Field(min_length=1)
    backbone: str = Field(min_length=1)
    schedule: str
    supervision: str = Field(pattern=r"^(mask|box)$")
    dataset: str = Field(min_length=1)
    split: str = Field(min_length=1)
    metric: str = Field(pattern=r"^(box_)?AP(50|75|s|m|l)?$")
    value: float | None = Field(ge=0, le=100, allow_inf_nan=False)
    source: str = Field(min_length=1)

    @field_validator("row_order", "value", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    def fits(self, key: PaperKey) -> bool:
        return self.key.fits(key)

    @property
    def key(self) -> PaperKey:
        """The printed row it belongs to, with all that is known of it."""
        return PaperKey(**{name: getattr(self, name) for name in PaperKey.model_fields})


class PaperNumbers:
    """Every printed number of the paper's eight tables, and related ones (table `aux`)."""

    def __init__(self, cells: tuple[_PublishedCell, ...]) -> None:
        self._cells = cells

    @classmethod
    def load(cls, path: Path = PUBLISHED) -> PaperNumbers:
        """Read and check the CSV.

        Raises:
            InputError: the file is missing, or a line of it breaks the format; the line is named.
        """
        cells = []
        try:
            with path.open(encoding="utf-8", newline="") as file:
                reader = csv.DictReader(file, restkey="(surplus fields)")
                for record in reader:
                    try:
                        cells.append(_PublishedCell.model_validate(record))
                    except ValidationError as error:
                        raise InputError(
                            f"{path}, line {reader.line_num}: {explain(error, _PublishedCell)}; "
                            "correct the line."
                        ) from None
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror or error}.") from error
        return cls(tuple(cells))

    def printed_rows(self, table: str) -> list[PaperKey]:
        """The printed rows of a table (`1` to `8`), in their order.

        A row with numbers for two schedules counts as two.
        """
        return list(dict.fromkeys(cell.key for cell in self._cells if cell.table == table))

    def value(self, table: str, key: PaperKey, metric: str) -> PaperValue:
        """Look up one printed number.

        Args:
            table: `1` to `8`, or `aux`.
            key: the printed row; must fit exactly one.
            metric: in this suite's names, such as `segm/AP50` or `bbox/AP`.

        Raises:
            InputError: no printed cell fits, or several do; the message says which exist.
        """
        printed = _printed_metric(metric)
        of_table = [cell for cell in self._cells if cell.table == table]
        found = [cell for cell in of_table if cell.metric == printed and cell.fits(key)]
        if not found:
            methods = ", ".join(dict.fromkeys(f"'{cell.method}'" for cell in of_table))
            raise InputError(
                f"the paper's table {table} prints no {metric} for {key}; "
                f"its methods are: {methods or 'none'}."
            )
        if len(found) > 1:
            choices = "; ".join(
                f"'{c.method}', {c.backbone}, {c.schedule or 'no schedule'}, "
                f"{c.dataset} {c.split}, row {c.row_order}"
                for c in found
            )
            raise InputError(
                f"{len(found)} cells of the paper's table {table} fit {key} for {metric}; "
                f"name more of the row, one of: {choices}."
            )
        cell = found[0]
        return PaperValue(cell.value, cell.source, cell.dataset, cell.split, cell.backbone)


def _printed_metric(metric: str) -> str:
    """Turn `segm/AP50` into the CSV's `AP50`, and `bbox/AP` into its `box_AP`."""
    task, _, name = metric.partition("/")
    return {"segm": name, "bbox": f"box_{name}"}.get(task, metric)
