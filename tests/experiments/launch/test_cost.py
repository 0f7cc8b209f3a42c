"""What runs at paper scale are estimated to cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from boxseg.errors import InputError
from experiments.configuration.compose import compose
from experiments.launch import cost
from experiments.launch.cost import basis_text, cost_text, gpu_hours, rates


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


def test_what_is_printed() -> None:
    assert cost_text(160) == "about 160 GPU hours (wall time 160 h on 1, 40 h on 4, 20 h on 8)"
    both = basis_text(["coco", "voc", "coco"])
    assert both.count("160 GPU hours for boxteacher, r50, 90000 iterations on 8 RTX 3090") == 1
    assert "16.2 GPU hours for boxseg, r50, 18000 iterations on 4 V100 32 GB" in both
    assert "V100" not in basis_text(["coco", "coco128"])


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("  coco:", "  koko:", "references lack 'coco'"),
        ("hours: 160", "hour: 160", "unknown key 'hour' at references.coco, did you mean 'hours'"),
        ("hours: 160", "hours: 0", "references.coco.hours"),
        ("  boxteacher: 1.0\n", "", "the reference 'coco' is of boxteacher with r50"),
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
