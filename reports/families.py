"""Families of the paper's claims: what each is about, and which runs can explain its verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """Claims on one part of the method.

    Attributes:
        name: in links, too.
        title: of its section.
        question: that its claims answer.
        claims: ids by table; None stands for all of a table's.
        controls: rows of the table of controls that bear on it.
        not_recorded: what would explain more and is in no record.
    """

    name: str
    title: str
    question: str
    claims: Mapping[str, tuple[str, ...] | None]
    controls: tuple[str, ...]
    not_recorded: str = ""


_TEACHER = (
    "qam-over-baseline-1x",
    "qam-over-baseline-3x",
    "qam-over-boxteacher-1x",
    "qam-over-boxteacher-3x",
    "boxteacher-over-baseline-1x",
    "boxteacher-over-baseline-3x",
)

FAMILIES = (
    Family(
        "pseudo-masks",
        "A teacher's pseudo masks",
        "Do a teacher's masks teach what boxes do not, and are QAM's better than BoxTeacher's?",
        {"table3": _TEACHER, "table4": ("bpma-over-baseline-1x", "bpma-over-baseline-3x")},
        ("oracle", "oracle-half", "trimmed", "eroded", "boxteacher", "qam"),
    ),
    Family(
        "ranking",
        "Ranking by boxes (BQR)",
        "Is the mask of the best box better than the one that BoxTeacher assigns?",
        {"table4": ("bqr-over-bpma-1x", "bqr-over-bpma-3x")},
        ("bqr", "bqr-centerness", "qam-confident", "bpma-released"),
    ),
    Family(
        "fusion",
        "Fusion of candidates (QMF)",
        "Is a weighted mean of several candidates better than the best one?",
        {"table4": ("qmf-1x", "qmf-3x")},
        ("qam-vote", "tau-0.1", "tau-0.2", "tau-0.3", "tau-0.5"),
        "how far the candidates of an object agree with one another",
    ),
    Family(
        "scoring",
        "Scoring of masks (MQS)",
        "Does the quality tell good pseudo masks from bad ones, and does weighing by it help?",
        {"table4": ("mqs-1x", "mqs-3x")},
        ("qam-agreement", "qam-unweighted", "boxteacher-unweighted"),
    ),
    Family(
        "adaptive-k",
        "Adaptive number of candidates",
        "Should small objects have fewer candidates than large ones?",
        {"table7": None},
        ("k-1", "k-2", "k-5", "k-10", "k-20", "qam-area-k"),
    ),
    Family(
        "peers",
        "Copy-paste of peers (PC)",
        "Does pasting well segmented objects over others add more than any pasting does?",
        {
            "table3": ("pc-over-qam-1x", "pc-over-qam-3x"),
            "table5": None,
            "table6": ("pc-in-boxinst", "pc-in-sim"),
            "table8": None,
        },
        ("pc", "pc-0.1", "pc-0.35", "pc-always", "pc-released", "pc-unpasted-colors"),
    ),
)
