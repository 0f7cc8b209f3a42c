"""What runs at paper scale are estimated to cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from boxseg.errors import InputError
from experiments.configuration.compose import compose
from experiments.launch import cost
from experiments.launch.cost import (
    basis_text,
    cost_text,
    gpu_gigabytes,
    gpu_hours,
    own_basis_text,
    own_gpu_hours,
    rates,
    run_cost_text,
    total_cost_text,
    work,
)


def hours(*words: str) -> float | None:
    return gpu_hours(compose(["scale=paper", "dataset=coco", *words]))


def test_the_references_are_what_was_measured() -> None:
    assert hours("method=boxteacher") == 160
    assert gpu_hours(compose(["scale=paper", "dataset=voc", "method=boxseg"])) == 16.2


def test_estimates_by_hand() -> None:
    assert hours("method=boxteacher", "schedule=3x") == 480
    assert hours("method=boxinst", "backbone=r101") == pytest.approx(160 * 0.74 * 1.35)
    # On VOC, from BoxSeg's own time there: 16.2 / 1.03 for BoxTeacher, three times as long.
    voc = compose(["scale=paper", "dataset=voc", "method=boxteacher", "schedule=3x"])
    assert gpu_hours(voc) == pytest.approx(3 * 16.2 / 1.03)
    # Half the batch takes twice the iterations, and sees as many images.
    assert hours("method=boxteacher", "solver.batch_size=8") == 160
    assert hours("method=boxteacher", "solver.iterations=9000") == 16


def test_variants_cost_what_their_method_does_and_others_are_not_guessed() -> None:
    assert hours("method=boxseg-released") == hours("method=boxseg")
    assert hours("method=sim") == pytest.approx(160 * 1.12)
    assert hours("method=mask-rcnn") == pytest.approx(160 * 0.33)
    assert hours("method=mmdet-boxinst") is None


def own(*words: str) -> tuple[float, tuple[str, ...]]:
    estimate = own_gpu_hours(compose(["scale=paper", "dataset=coco", *words]))
    assert estimate is not None
    return estimate.hours, estimate.inferred


def test_own_hours_are_the_measured_steps() -> None:
    assert own("method=boxinst") == (pytest.approx(90_000 * 0.288 / 3600), ())
    assert own("method=boxinst", "solver.precision=bfloat16")[0] == pytest.approx(25 * 0.211)
    assert own("method=boxinst", "solver.precision=auto")[0] == pytest.approx(25 * 0.211)
    # A batch of 8 was measured too, on other images; it takes twice the iterations.
    assert own("method=boxinst", "solver.batch_size=8") == (pytest.approx(50 * 0.122), ())
    assert own("method=boxseg", "schedule=3x") == (pytest.approx(75 * 0.653), ())


def test_own_hours_say_what_of_them_is_inferred() -> None:
    assert own("method=boxteacher") == (pytest.approx(50 * 0.300), ("batch",))
    assert own("method=boxteacher-released")[0] == pytest.approx(50 * 0.300)
    # The same precision before the same batch.
    assert own("method=condinst") == (pytest.approx(50 * 0.118), ("batch",))
    assert own("method=boxseg-released")[0] == pytest.approx(50 * 0.430)
    assert own("method=sim") == (pytest.approx(25 * 0.628), ("precision",))
    assert own("method=boxseg", "backbone=r101") == (
        pytest.approx(25 * 0.653 * 1.35),
        ("backbone",),
    )
    assert own("method=mask-rcnn", "backbone=r101") == (
        pytest.approx(50 * 0.300 * 0.33 * 1.35),
        ("method", "batch", "backbone"),
    )
    # A method with a rate of its own is no variant of the measured one whose name it begins with.
    assert own("method=boxseg-t", "schedule=1x") == (
        pytest.approx(50 * 0.300 * 2.0),
        ("method", "batch"),
    )
    assert own_gpu_hours(compose(["scale=paper", "dataset=coco", "method=mmdet-boxinst"])) is None


def test_work_compares_runs() -> None:
    def of(*words: str) -> float:
        return work(compose(["scale=mini", *words]))

    assert of("method=boxteacher") == 600 * 4
    assert of("method=boxinst", "schedule=3x") == pytest.approx(3 * 600 * 4 * 0.74)
    assert of("method=boxteacher", "solver.accumulate=2") == 600 * 4 * 2
    assert of("method=mmdet-boxinst") == 600 * 4  # without a rate: the unit


def test_what_is_printed() -> None:
    wall = "(wall time 160 h on 1, 40 h on 4, 20 h on 8)"
    assert cost_text(160, "RTX 3090") == f"about 160 GPU hours on RTX 3090 {wall}"
    wall = "(wall time 7.2 h on 1, 1.8 h on 4, 0.9 h on 8)"
    assert cost_text(7.2, "H200") == f"about 7.2 GPU hours on H200 {wall}"
    boxinst = compose(["scale=paper", "dataset=coco", "method=boxinst"])
    assert run_cost_text(boxinst).endswith(
        f"about 7.2 GPU hours on H200 {wall}, as measured; about 17 GB of each GPU's memory"
    )
    assert "118 GPU hours on RTX 3090" in run_cost_text(boxinst)
    boxseg = compose(["scale=paper", "dataset=voc", "method=boxseg", "backbone=r101"])
    assert "GPU hours on V100 32 GB" in run_cost_text(boxseg)
    assert ", inferred: backbone; about " in run_cost_text(boxseg)
    other = compose(["scale=paper", "dataset=coco", "method=mmdet-boxinst"])
    assert run_cost_text(other) == "no estimate"
    total = total_cost_text([boxinst, boxinst, other])
    assert [part.partition(" (")[0] for part in total.split("; ")] == [
        "about 237 GPU hours on RTX 3090",
        "about 14 GPU hours on H200",
    ]
    assert "boxinst 0.288 s (batch 16, float32)" in own_basis_text()
    assert "this suite at commit d5e5344" in own_basis_text()
    both = basis_text(["coco", "voc", "coco"])
    assert both.count("160 GPU hours for boxteacher, r50, 90000 iterations on 8 RTX 3090") == 1
    assert "16.2 GPU hours for boxseg, r50, 18000 iterations on 4 V100 32 GB" in both
    assert "V100" not in basis_text(["coco", "coco-photos"])


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("  coco:", "  koko:", "references lack 'coco'"),
        ("hours: 160", "hour: 160", "unknown key 'hour' at references.coco, did you mean 'hours'"),
        ("hours: 160", "hours: 0", "references.coco.hours"),
        ("  boxteacher: 1.0\n", "", "the reference 'coco' is of boxteacher with r50"),
        ("seconds: 0.118", "second: 0.118", "unknown key 'second' at steps.measured"),
        ("seconds: 0.118", "seconds: -1", r"steps.measured\[0\].seconds"),
        ("precision: float32", "precision: float16", r"steps.measured\[0\].precision"),
        ("{method: condinst", "{method: bootinst", "steps are of bootinst with r50"),
        ("{method: boxteacher", "{method: boxinst", "steps lack boxteacher"),
        ("gpus: [1", "gpus: [[1", "cannot be read as YAML"),
    ],
)
def test_a_table_of_rates_that_is_wrong(
    before: str, after: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = cost.FILE.read_text()
    assert before in text
    file = tmp_path / "cost.yaml"
    file.write_text(text.replace(before, after, 1))
    monkeypatch.setattr(cost, "FILE", file)
    with pytest.raises(InputError, match=said):
        rates()


def memory(*words: str) -> float | None:
    return gpu_gigabytes(compose(["dataset=coco", *words]))


def test_memory_is_what_was_measured_or_goes_with_images_and_backbone() -> None:
    assert memory("scale=paper", "method=boxinst", "solver.batch_size=8") == 8.4
    assert memory("scale=paper", "method=boxteacher") == pytest.approx(2 * 10.1)
    assert memory("scale=paper", "method=boxteacher", "backbone=r101") == pytest.approx(27.27)
    # Not measured: as the greatest.
    assert memory("scale=paper", "method=sim") == memory("scale=paper", "method=boxseg") == 30
    # Two processes share the batch.
    assert memory("scale=paper", "method=boxseg", "launcher.tasks_per_node=2") == 15
    assert memory("scale=mini", "method=boxseg") is None
