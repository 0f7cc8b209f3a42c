"""What was submitted to Slurm, on record before Slurm is asked, so that no crash can lose it.

Every submission has a folder `<runs>/<scale>/.slurm/<name>/` with its record, the batch script, the
definitions of its runs and the logs of its jobs. The name is also the job's, and unique: whatever
happened to the process that submitted, the queue can be asked for it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from boxseg.errors import InputError
from boxseg.files import write_text_atomically

FOLDER = ".slurm"
RECORD = "submission.json"


class SubmittedRun(BaseModel):
    """A run, `table/row/column/seed<k>`, and the configuration it was submitted with."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    run: str
    config_sha256: str


class Submission(BaseModel):
    """One job array; task i is for `runs[i]`.

    `job` is the array's number once it is known, and `cancelled` the tasks that `boxseg cancel`
    ended: Slurm itself forgets those that had not begun.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    record: Literal[1] = 1
    name: str = Field(pattern=r"^boxseg-\d{4,}-[0-9a-f]{8}$")
    submitted: AwareDatetime
    job: str | None = None
    runs: tuple[SubmittedRun, ...]
    cancelled: tuple[int, ...] = ()

    @property
    def number(self) -> int:
        """Its place in the order of submissions."""
        return int(self.name.split("-")[1])

    def write(self, folder: Path) -> None:
        """Write it into its own folder below `folder`."""
        write_text_atomically(folder / self.name / RECORD, self.model_dump_json(indent=2) + "\n")


@dataclass(frozen=True)
class Attempt:
    """One run's part of a submission: the task with this index."""

    submission: Submission
    index: int

    @property
    def task(self) -> str:
        """The task as Slurm's commands name it, or the submission where the job is not known."""
        job = self.submission.job
        return self.submission.name if job is None else f"{job}_{self.index}"

    @property
    def config_sha256(self) -> str:
        """Of the configuration that was submitted."""
        return self.submission.runs[self.index].config_sha256

    @property
    def cancelled(self) -> bool:
        """Whether `boxseg cancel` ended it."""
        return self.index in self.submission.cancelled

    def log(self, folder: Path) -> Path:
        """What the task wrote to standard error, below the folder of all submissions."""
        return folder / self.submission.name / f"{self.task}_0_log.err"


def submissions_folder(runs: Path, scale: str) -> Path:
    """Where the submissions of a scale's runs are recorded."""
    return runs / scale / FOLDER


def read_submissions(folder: Path) -> list[Submission]:
    """Every submission below `folder`, the oldest first; none where there is no such folder.

    Raises:
        InputError: a record cannot be read.
    """
    submissions = []
    for file in folder.glob(f"*/{RECORD}"):
        try:
            submissions.append(Submission.model_validate_json(file.read_bytes()))
        except (OSError, ValidationError) as error:
            raise InputError(
                f"{file}, the record of what was submitted to Slurm, cannot be read "
                f"({type(error).__name__}); restore it, or delete its folder if none of its jobs "
                "is left."
            ) from None
    return sorted(submissions, key=lambda submission: submission.number)


def new_name(submissions: Iterable[Submission]) -> str:
    """A name for the next submission; no other folder of runs, before or after, will have it."""
    number = max((submission.number for submission in submissions), default=0) + 1
    return f"boxseg-{number:04d}-{secrets.token_hex(4)}"


def newest_attempts(submissions: Iterable[Submission]) -> dict[str, Attempt]:
    """Per run, its part in the last submission that has it; the earlier ones are over."""
    return {
        submitted.run: Attempt(submission, index)
        for submission in submissions
        for index, submitted in enumerate(submission.runs)
    }
