"""What no record can say, `statements.yaml`: scope, deviations, how it went. It has no results.

A sentence that needs a result names where to find it, and the number is filled in from the records.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from boxseg.errors import InputError
from reports.definition import CellRef, Name
from reports.validation import explain
from reports.vocabulary import Outcome

STATEMENTS = Path(__file__).parent / "statements.yaml"

_UNITS = "AP|mAP|AP50|AP75|IoU|points?|GPU hours?|hours?|h|minutes?|min|seconds?|s"
_RESULT = re.compile(rf"\d\s*(?:{_UNITS})\b|\b(?:AP|IoU) (?:of|is|was) [+-]?\d")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


def _no_result(text: str) -> str:
    found = _RESULT.search(text)
    if found is not None:
        raise ValueError(
            f"'{found.group()}' is a result typed by hand; name its record under `numbers`"
        )
    return text


# What a person wrote: settings may stand in it, results may not.
Words = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_no_result)
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OneRun(_Part):
    """A metric of one run, by its folder below the runs' root."""

    run: str
    metric: str


class Difference(_Part):
    """The mean difference between two cells, paired by seed."""

    scale: Name
    table: Name
    minuend: CellRef
    subtrahend: CellRef
    metric: str = "segm/AP"


Reference = OneRun | Difference


class Statement(_Part):
    """A sentence; each `{name}` in it stands for the number that `numbers` names."""

    text: Words
    numbers: dict[str, Reference] = {}

    @model_validator(mode="before")
    @classmethod
    def _text_alone(cls, value: object) -> object:
        return {"text": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _numbers_are_those_of_the_text(self) -> Statement:
        used = set(_PLACEHOLDER.findall(self.text))
        if used != self.numbers.keys():
            names = ", ".join(sorted(used ^ self.numbers.keys()))
            raise ValueError(f"the text and `numbers` do not both have: {names}")
        return self

    def filled(self, texts: dict[str, str]) -> str:
        """Put the texts of the numbers, by name, in their places."""
        return _PLACEHOLDER.sub(lambda found: texts[found.group(1)], self.text)


class PaperFigure(_Part):
    """A figure of the paper: what it shows and what there is of it here."""

    figure: str
    shows: Words
    status: Outcome
    here: Words


class HiddenSplit(_Part):
    """A split without public annotations: what the paper measured on it cannot be measured."""

    dataset: Name
    split: Name
    why: Words
    instead: Words


class Deviation(_Part):
    """What is done otherwise than in the paper, and why.

    `controls` are rows of the table of controls, whose differences from their references are the
    effect; it reads `unmeasured` where there are none, or none was run.
    """

    what: Words
    paper: Words
    here: Words
    why: Words
    scales: tuple[Name, ...] = Field(min_length=1)
    controls: tuple[Name, ...] = ()


class CodeDifference(_Part):
    """Where a paper and its authors' code disagree; `switch` is a file here that does as the code.

    `seen` says where in their code, or how it was found. `controls` are rows of the table of
    controls with the switch, whose effects are those of the switch.
    """

    method: Words
    paper: Words
    released: Words
    seen: Words
    switch: Words | None
    controls: tuple[Name, ...] = ()


class Requirement(_Part):
    """An item of the checklist, and where it is met, or why it is not."""

    id: str = Field(pattern=r"^R\d+$")
    asks: Words
    state: Literal["met", "partly met", "not met"]
    where: Words


class Extension(_Part):
    """Something one may want to add, and how."""

    what: Words
    how: Words


class Statements(_Part):
    """The whole file."""

    scope: tuple[Statement, ...]
    figures: tuple[PaperFigure, ...]
    hidden_splits: tuple[HiddenSplit, ...]
    deviations: tuple[Deviation, ...]
    code_differences: tuple[CodeDifference, ...]
    easy: tuple[Statement, ...]
    hard: tuple[Statement, ...]
    authors: Statement
    limits: tuple[Statement, ...]
    licences: tuple[Statement, ...]
    extensions: tuple[Extension, ...]
    checklist: tuple[Requirement, ...]


def load_statements(path: Path = STATEMENTS) -> Statements:
    """Read and check the file.

    Raises:
        InputError: it is missing, no YAML, has an unknown, missing or wrong key, or a result that
            was typed by hand.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}.") from error
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is not valid YAML ({reason}); mend it.") from None
    try:
        return Statements.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path}: {explain(error, Statements)}; correct it.") from None
