from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from reports.claims import Assessment, assess, counted_once
from reports.definition import TableDefinition
from reports.results import read_results
from reports.status import RunKey
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
    # Two rows, so pooled is paired: sd 0.5, error 0.288675, t = 4.302653: 1.5 +- 1.242. The rows'
    # own sd is 7, and hides it all.
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
    put_rows(baseline=[30.0, 34.0, 20.0, 25.0], qam=[31.0, 35.5, 22.0, 90.0])
    one = judged(config_hashes={RunKey("qam", "1x", 3): "f" * 64})["qam-over-baseline-1x"]
    assert one.seeds == (0, 1, 2)
    assert one.reason.endswith("seeds 3")


def test_every_claim_is_judged(judged: Judge, all_available: TableDefinition) -> None:
    assert list(judged()) == [claim.id for claim in all_available.claims]
    assert {one.verdict for one in judged().values()} == {Verdict.NOT_RUN}


def test_the_error_is_pooled_over_the_column(put_rows: Any, judged: Judge) -> None:
    put_rows(baseline=[30.0, 31.0, 32.0], qam=[32.0, 33.0, 34.5])
    alone = judged()["qam-over-baseline-1x"]
    assert alone.error is not None
    # Differences 2, 2, 2.5: sd 0.288675, over sqrt(2).
    assert (alone.error.sd, alone.error.degrees) == (pytest.approx(0.2041241), 2)
    put_rows(boxteacher=[31.0, 32.5, 33.0])
    put_rows("mini", "3x", baseline=[1.0, 9.0, 3.0], qam=[4.0, 2.0, 6.0])  # another column
    pooled = judged()["qam-over-baseline-1x"]
    assert pooled.error is not None
    # The rows' residuals: means 31, 33 1/6, 32 1/6 and 31, 32 1/6, 33 1/6, all 32 1/9. In 18ths:
    # baseline 2 -1 -1, qam -1 -4 5, boxteacher -1 5 -4; squares 6 + 42 + 42 = 90, over 4 degrees.
    assert pooled.error.degrees == 4
    assert pooled.error.sd == pytest.approx((90 / 18**2 / 4) ** 0.5)
    assert pooled.mean == alone.mean


def test_holm_takes_more_where_more_is_claimed(put_rows: Any, judged: Judge) -> None:
    put_rows(baseline=[30.0, 30.5, 29.8], qam=[31.1, 31.2, 31.4])
    alone = judged()["qam-over-baseline-1x"]
    assert alone.p_value is not None
    assert (alone.p_value, alone.verdict) == (alone.p_corrected, Verdict.REPLICATED)
    # More rows without any effect: more claims are tested, and all p-values are multiplied.
    put_rows(boxteacher=[30.1, 30.4, 30.0], **{"qam-pc": [31.2, 31.0, 31.5]})
    more = judged()
    found = [one for one in more.values() if one.p_value is not None]
    assert len(found) == 5
    for one in found:
        assert one.p_value is not None and one.p_corrected is not None
        assert one.p_value <= one.p_corrected <= 5 * one.p_value or one.p_corrected == 1.0
        assert "corrected for 5 claims" in one.reason


def test_what_it_would_take(put_rows: Any, judged: Judge) -> None:
    put_rows(baseline=[30.0, 31.0, 32.0], qam=[30.1, 31.9, 31.8])
    one = judged()["qam-over-baseline-1x"]
    assert one.prospects is not None and one.prospects.seeds is not None
    # sd of the differences 0.59: 2.0 is 3.4 of them. Among n seeds the t test takes
    # 2.0 * sqrt(n) / 0.59 well above t(0.95, n - 1): 4 seeds have it, 3 nearly.
    assert 0.6 < one.prospects.power < 1.0
    assert one.prospects.low < one.prospects.power <= one.prospects.high
    assert 3 <= one.prospects.seeds <= 5
    two = [30.0, 31.0], [30.1, 31.9]
    assert judged()["qam-over-baseline-3x"].prospects is None
    put_rows("mini", "3x", baseline=two[0], qam=two[1])
    single = judged()["qam-over-baseline-3x"]
    assert (single.verdict, single.p_value) == (Verdict.SINGLE_RUN, None)
    assert single.prospects is not None  # two seeds tell how many it takes


def test_runs_on_two_processors_are_told(put_result: Any, judged: Judge) -> None:
    host = {"python": "3.11", "torch": "2", "detectron2": "0.7", "device": "cpu"}
    for seed in range(3):
        machine = {**host, "host": f"{'B' if seed == 1 else 'A'}, {2 + seed} cores"}
        put_result(seed=seed, metrics={"segm/AP": 30.0 + seed}, environment=machine)
        put_result(
            row="qam",
            seed=seed,
            metrics={"segm/AP": 33.0 + 1.1 * seed},
            environment={**host, "host": "A, 2 cores"},
        )
    one = judged()["qam-over-baseline-1x"]
    assert one.reason.endswith("run on two kinds of processor: seeds 1")


def test_claims_on_the_same_two_cells_count_once(put_rows: Any, judged: Judge) -> None:
    put_rows(baseline=[30.0, 34.0, 20.0], qam=[31.0, 35.5, 22.0], boxteacher=[31.0, 34.5, 21.0])
    rows = ("baseline", "boxteacher", "qam", "qam-pc")
    hashes = {RunKey(row, column, 0): f"{row}-{column}" for row in rows for column in ("1x", "3x")}
    before = list(judged().values())
    assert len(counted_once(before)) == len(before)  # nothing known of the configurations
    apart = list(judged(config_hashes=_current(hashes)).values())
    assert len(counted_once(apart)) == len(apart)
    hashes[RunKey("boxteacher", "3x", 0)] = "boxteacher-1x"
    hashes[RunKey("qam", "3x", 0)] = "qam-1x"
    found = {one.claim.id: one for one in judged(config_hashes=_current(hashes)).values()}
    once = counted_once(list(found.values()))
    assert len(once) == len(found) - 1
    left = {one.claim.id for one in once}
    # The one that was run stands for both, wherever it is in the list.
    assert "qam-over-boxteacher-1x" in left and "qam-over-boxteacher-3x" not in left
    turned = counted_once([found["qam-over-boxteacher-3x"], found["qam-over-boxteacher-1x"]])
    assert [one.claim.id for one in turned] == ["qam-over-boxteacher-1x"]


def _current(hashes: dict[RunKey, str]) -> dict[RunKey, str]:
    """Name the configurations of seeds without runs alone, so that no run is outdated."""
    return {RunKey(key.row, key.column, 99): name for key, name in hashes.items()}
