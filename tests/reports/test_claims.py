from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from reports.claims import Assessment, assess
from reports.definition import TableDefinition
from reports.results import read_results
from reports.vocabulary import Verdict

Judge = Any


@pytest.fixture
def judged(runs: Path, build: Any, all_available: TableDefinition) -> Judge:
    """Give a function that assesses table 3 from the runs there are, by claim."""

    def judged(scale: str = "mini", **options: Any) -> dict[str, Assessment]:
        table = build(all_available, scale, **options)
        return {one.claim.id: one for one in assess(table, read_results(runs).frame)}

    return judged


@pytest.fixture
def put_rows(put_result: Any) -> Any:
    """Give a function that writes the mask AP of rows, one value per seed; None leaves it out."""

    def put(scale: str = "mini", column: str = "1x", **rows: Sequence[float | None]) -> None:
        for row, values in rows.items():
            for seed, value in enumerate(values):
                if value is not None:
                    put_result(
                        scale=scale,
                        row=row,
                        column=column,
                        seed=seed,
                        dataset="coco" if scale == "paper" else "scenes",
                        metrics={"segm/AP": value},
                    )

    return put


def test_differences_are_paired_by_seed(put_rows: Any, judged: Judge) -> None:
    put_rows(baseline=[30.0, 34.0, 20.0], qam=[31.0, 35.5, 22.0])
    one = judged()["qam-over-baseline-1x"]
    assert one.seeds == (0, 1, 2)
    assert one.differences == (1.0, 1.5, 2.0)
    # sd 0.5, error 0.288675, t = 4.302653: 1.5 +- 1.242. The rows' own sd is 7, and hides it all.
    assert one.mean == 1.5
    assert (one.low, one.high) == pytest.approx((0.258, 2.742), abs=1e-3)
    assert one.verdict is Verdict.REPLICATED
    assert one.runs == tuple(
        f"mini/table3/{row}/1x/seed{seed}" for row in ("qam", "baseline") for seed in range(3)
    )
    assert (one.table, one.scale) == ("table3", "mini")


def test_significantly_against_the_claim(put_rows: Any, judged: Judge) -> None:
    put_rows(boxteacher=[33.0, 33.2, 33.4], qam=[32.0, 32.1, 32.5])
    assert judged()["qam-over-boxteacher-1x"].verdict is Verdict.NOT_REPLICATED


def test_unpaired_seeds_are_left_out_and_named(put_rows: Any, judged: Judge) -> None:
    put_rows(baseline=[30.0, 34.0, 20.0, None, 0.0], qam=[31.0, 35.5, 22.0, 90.0])
    one = judged()["qam-over-baseline-1x"]
    assert one.differences == (1.0, 1.5, 2.0)
    assert one.reason.endswith("only one of the two cells has them: seeds 3, 4")
    assert not any("seed3" in run or "seed4" in run for run in one.runs)


def test_below_three_pairs(put_rows: Any, judged: Judge) -> None:
    put_rows(baseline=[30.0, 31.0], qam=[40.0, 41.0, 42.0], boxteacher=[35.0])
    verdicts = judged()
    two = verdicts["qam-over-baseline-1x"]
    assert (two.verdict, two.differences) == (Verdict.SINGLE_RUN, (10.0, 10.0))
    one = verdicts["qam-over-boxteacher-1x"]
    assert (one.verdict, one.mean, one.low) == (Verdict.SINGLE_RUN, 5.0, None)


def test_not_run_says_what_is_lacking(put_rows: Any, judged: Judge) -> None:
    put_rows(qam=[40.0, 41.0, 42.0])
    one = judged()["qam-over-baseline-1x"]
    assert (one.verdict, one.seeds, one.mean) == (Verdict.NOT_RUN, (), None)
    assert one.reason == "baseline, 1x: not run"
    assert one.runs == ()


def test_no_seed_in_common(put_rows: Any, judged: Judge) -> None:
    put_rows(baseline=[30.0], qam=[None, 33.0])
    one = judged()["qam-over-baseline-1x"]
    assert one.verdict is Verdict.NOT_RUN
    assert one.reason.startswith("no seed was run in both cells")


def test_the_paper_s_difference_and_its_source(judged: Judge) -> None:
    verdicts = judged()
    stated = verdicts["qam-over-baseline-3x"]
    assert stated.paper_difference == 2.3
    assert stated.paper_source.startswith("stated in section 4.2")
    # No number in the text: the printed cells, 33.1 - 32.6 at 1x.
    printed = verdicts["boxseg-over-boxteacher-1x"]
    assert printed.paper_difference == 0.5
    assert printed.paper_source == "printed cells, 33.1 - 32.6"


def test_scales_are_judged_apart(put_rows: Any, judged: Judge) -> None:
    put_rows("mini", baseline=[30.0, 31.0, 32.0], qam=[35.1, 36.0, 37.2])
    put_rows("paper", baseline=[31.0, 31.1, 31.2], qam=[33.05, 33.1, 33.2])
    put_rows("smoke", baseline=[1.0, 1.1, 1.2], qam=[3.1, 3.1, 3.2])
    name = "qam-over-baseline-1x"
    mini, paper, smoke = (judged(scale)[name] for scale in ("mini", "paper", "smoke"))
    assert (mini.verdict, paper.verdict) == (Verdict.REPLICATED, Verdict.REPLICATED)
    assert "the paper's +2.0" in paper.reason
    assert "the paper's" not in mini.reason
    assert smoke.verdict is Verdict.INCONCLUSIVE


def test_the_paper_s_size_counts_at_paper_scale(put_rows: Any, judged: Judge) -> None:
    put_rows("paper", baseline=[31.0, 31.1, 31.2], qam=[36.05, 36.1, 36.2])
    assert judged("paper")["qam-over-baseline-1x"].verdict is Verdict.NOT_REPLICATED


def test_numbers_of_another_split_are_not_compared(put_result: Any, judged: Judge) -> None:
    for row, base in (("baseline", 31.0), ("qam", 36.0)):
        for seed in range(3):
            metrics = {"segm/AP": base + seed * (1.01 if row == "qam" else 1)}
            put_result(
                scale="paper",
                row=row,
                seed=seed,
                dataset="coco",
                split="other",
                metrics=metrics,
            )
    one = judged("paper")["qam-over-baseline-1x"]
    assert one.verdict is Verdict.REPLICATED
    assert "judged by its sign" in one.reason


def test_cells_on_different_data_are_not_compared(put_result: Any, judged: Judge) -> None:
    for seed in range(3):
        put_result(seed=seed, metrics={"segm/AP": 30.0 + seed})
        put_result(row="qam", seed=seed, split="dark", metrics={"segm/AP": 35.0 + 1.1 * seed})
    one = judged()["qam-over-baseline-1x"]
    assert one.verdict is Verdict.INCONCLUSIVE
    assert "different data" in one.reason


def test_outdated_results_are_not_judged(put_rows: Any, judged: Judge) -> None:
    from reports.status import RunKey

    put_rows(baseline=[30.0, 34.0, 20.0, 25.0], qam=[31.0, 35.5, 22.0, 90.0])
    one = judged(config_hashes={RunKey("qam", "1x", 3): "f" * 64})["qam-over-baseline-1x"]
    assert one.seeds == (0, 1, 2)
    assert one.reason.endswith("seeds 3")


def test_every_claim_is_judged(judged: Judge, all_available: TableDefinition) -> None:
    assert list(judged()) == [claim.id for claim in all_available.claims]
    assert {one.verdict for one in judged().values()} == {Verdict.NOT_RUN}
