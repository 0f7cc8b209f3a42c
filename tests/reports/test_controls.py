from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from reports.claims import Assessment, assess
from reports.controls import Controls
from reports.definition import TableDefinition
from reports.results import read_results
from reports.vocabulary import Verdict

SENSITIVE = {
    "boxinst": [30.0, 31.0, 30.5, 30.2],
    "condinst": [40.1, 41.0, 40.4, 40.3],
    "oracle": [37.0, 38.1, 37.6, 37.2],
    "oracle-half": [34.0, 35.0, 34.4, 34.3],
    "trimmed": [33.0, 34.1, 33.5, 33.2],
    "boxteacher": [31.6, 32.5, 32.1, 31.8],
}


@pytest.fixture
def put_controls(put_result: Any) -> Any:
    """Give a function that writes the controls' runs, some rows changed or left out."""

    def put(iterations: int = 600, **changed: Sequence[float] | None) -> None:
        rows = {**SENSITIVE, **{name.replace("_", "-"): row for name, row in changed.items()}}
        for row, values in rows.items():
            for seed, value in enumerate(values or ()):
                put_result(
                    table="controls",
                    row=row,
                    column=f"{iterations}",
                    seed=seed,
                    iterations=iterations,
                    metrics={"segm/AP": value},
                )

    return put


def assay(runs: Path, iterations: int = 600, split: str = "val") -> tuple[bool | None, str]:
    found = Controls.among(read_results(runs).frame, "mini").assay(iterations, "scenes", split)
    return found.sensitive, found.reason


def test_a_known_effect_that_is_seen(put_controls: Any, runs: Path) -> None:
    put_controls()
    sensitive, reason = assay(runs)
    assert sensitive is True
    # 1.575 above BoxInst; the oracle 7.05 of 10.025.
    assert "boxteacher is seen above boxinst by 1.57 AP" in reason or "by 1.58 AP" in reason
    assert "recover 70% of the 10.0 AP" in reason


def test_without_the_optional_controls(put_controls: Any, runs: Path) -> None:
    put_controls(oracle_half=None, trimmed=None)
    assert assay(runs)[0] is True


@pytest.mark.parametrize(("taught", "sensitive"), [(44.0, True), (60.0, True), (61.0, False)])
def test_a_teacher_that_teaches_no_more_than_the_box_is_no_positive_control(
    put_controls: Any, put_result: Any, runs: Path, taught: float, sensitive: bool
) -> None:
    put_controls()
    for seed, value in enumerate((25.0, 26.0, 25.5)):
        put_result(
            table="controls",
            row="eroded",
            column="600",
            seed=seed,
            iterations=600,
            metrics={
                "segm/AP": value,
                "pseudo/IoU-filled": taught,
                "trivial/ellipse-IoU": 60.0,
            },
        )
    found, reason = assay(runs)
    assert found is sensitive
    named = "(eroded not counted: no better than ellipses)" in reason
    assert named is sensitive


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"boxteacher": [29.9, 31.1, 30.4, 30.2]}, "boxteacher is not significantly above boxinst"),
        ({"boxteacher": [28.0, 29.0, 28.6, 28.3]}, "boxteacher is not significantly above"),
        ({"trimmed": [30.0, 31.1, 30.4, 30.1]}, "trimmed is not significantly above boxinst"),
        ({"oracle": [33.0, 34.1, 33.5, 33.2]}, "true pseudo masks recover 30% of the 10.0 AP"),
        ({"condinst": [30.0, 31.0, 30.6, 30.1]}, "condinst is not significantly above boxinst"),
    ],
)
def test_controls_that_fail(
    put_controls: Any, runs: Path, changed: dict[str, list[float]], says: str
) -> None:
    put_controls(**changed)
    sensitive, reason = assay(runs)
    assert (sensitive, says in reason) == (False, True), reason


def test_where_they_were_not_run_they_do_not_judge(put_controls: Any, runs: Path) -> None:
    assert assay(runs) == (None, "controls not run")
    put_controls(oracle=[37.0, 38.0])
    assert assay(runs) == (None, "controls not run: oracle on fewer than 3 seeds")
    put_controls()
    assert assay(runs)[0] is True
    assert assay(runs, iterations=1800) == (None, "controls not run")
    assert assay(runs, split="dark") == (None, "controls not run")


@pytest.fixture
def judged(runs: Path, build: Any, all_available: TableDefinition) -> Any:
    def judged() -> dict[str, Assessment]:
        found = assess(build(all_available), read_results(runs).frame)
        return {one.claim.id: one for one in found}

    return judged


def test_claims_that_build_on_a_teacher_are_gated(
    put_controls: Any, put_result: Any, judged: Any
) -> None:
    rows = {"baseline": 30.0, "boxteacher": 31.0, "qam": 33.0}
    for row, base in rows.items():
        for seed, more in enumerate((0.0, 0.2, 0.1)):
            value = base + more + 0.01 * seed * base
            pseudo = {} if row == "baseline" else {"pseudo/IoU-all": 70.0}
            put_result(row=row, seed=seed, metrics={"segm/AP": value, **pseudo})
    name = "qam-over-baseline-1x"
    free = judged()[name]
    assert free.verdict is Verdict.REPLICATED
    assert free.reason.endswith("; controls not run")
    put_controls()
    seen = judged()[name]
    assert seen.verdict is Verdict.REPLICATED
    assert "boxteacher is seen above boxinst" in seen.reason
    put_controls(boxteacher=[29.9, 31.1, 30.4, 30.2])
    blind = judged()[name]
    assert blind.verdict is Verdict.NO_ASSAY_SENSITIVITY
    assert "apart from that, mean difference +3." in blind.reason
    assert (blind.mean, blind.p_value) == (free.mean, free.p_value)
    # What was never tested stays what it is.
    assert judged()["qam-over-baseline-3x"].verdict is Verdict.NOT_RUN


def test_claims_without_a_teacher_are_not(put_controls: Any, put_result: Any, judged: Any) -> None:
    put_controls(boxteacher=[29.9, 31.1, 30.4, 30.2])
    for row, base in (("baseline", 30.0), ("qam", 33.0)):
        for seed in range(3):
            put_result(row=row, seed=seed, metrics={"segm/AP": base + seed * (base / 30)})
    one = judged()["qam-over-baseline-1x"]
    assert one.verdict is Verdict.REPLICATED
    assert "controls" not in one.reason
