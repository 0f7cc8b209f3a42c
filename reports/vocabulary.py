"""The words by which the report sums things up, each set in one place and nowhere spelt again."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """What is known of a run.

    Its files alone never say queued, lost or unknown: a launcher that hands runs to a scheduler
    does (a job waits; no one knows the job any more; the scheduler does not answer).
    """

    DONE = "done"
    OUTDATED = "outdated"
    REFUSED = "result refused"
    QUEUED = "queued"
    RUNNING = "running"
    ELSEWHERE = "running elsewhere"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    LOST = "lost"
    UNKNOWN = "unknown"
    MISSING = "not run"


class Lack(StrEnum):
    """Why a cell has no number, where the state of its runs does not say it."""

    UNAVAILABLE = "not yet available"
    NOT_PLANNED = "not planned"
    OUTDATED = "outdated"
    NOT_POOLED = "not pooled"
    UNDEFINED = "undefined"
    NOT_MEASURED = "not measured"
    INAPPLICABLE = "-"


class Verdict(StrEnum):
    """What our runs say of a claim, by the rule of `reports.verdict`."""

    REPLICATED = "replicated"
    NOT_REPLICATED = "not replicated"
    NO_LARGE_EFFECT = "no effect larger than the paper's half"
    NO_ASSAY_SENSITIVITY = "no assay sensitivity"
    INCONCLUSIVE = "inconclusive"
    SINGLE_RUN = "single run"
    NOT_RUN = "not run"


class Outcome(StrEnum):
    """What became of a table or a figure of the paper, by the rule of `reports.reproduction`."""

    REPLICATED = "replicated"
    PARTIAL = "partial"
    CONTRADICTED = "contradicted"
    OUTDATED = "outdated"
    NOT_ATTEMPTED = "not attempted"
    IMPOSSIBLE = "impossible"
