"""The check on photographs: a table of ours, on a folder whose masks judge and do not teach."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from boxseg.grabcut import is_installed
from experiments.launch.runs import expand
from experiments.launch.tables import definitions
from tests.experiments.command_line import boxseg, losses, result, trained

PREDICTED = {"predicted/IoU", "predicted/IoU-top", "predicted/hollow", "predicted/full"}
SCORES = {
    "pseudo/IoU",
    "pseudo/IoU-all",
    "pseudo/IoU-filled",
    "pseudo/valid",
    "pseudo/agreement",
    "pseudo/rank-correlation",
    "trivial/box-IoU",
    "trivial/ellipse-IoU",
}
if is_installed():
    SCORES |= {"trivial/grabcut-IoU"}
TAUGHT = ("boxteacher", "qam", "qam-pc", "sim")

# The folder here has the eight classes of scenes.
EIGHT = "dataset.num_classes=8"


def test_all_stands_for_the_paper_s_tables() -> None:
    names = [table.name for table in definitions(["all"])]
    assert "table3" in names
    assert "coco-photos" not in names
    assert [table.name for table in definitions(["coco-photos", "table3"])] == [
        "coco-photos",
        "table3",
    ]
    assert "coco-photos" in [table.name for table in definitions(["all", "coco-photos"])]


def test_its_rows_differ_in_the_method_only() -> None:
    (table,) = definitions(["coco-photos"])
    runs = expand(table, "mini", 1, Path("runs"), overrides=["root=photographs"])
    configs = {run.cell.row: run.configuration for run in runs}
    assert {row: config.method for row, config in configs.items()} == {
        "baseline": "boxinst",
        "boxteacher": "boxteacher",
        "qam": "boxseg",
        "qam-pc": "boxseg",
        "sim": "sim",
        "masks": "condinst",
    }
    for config in configs.values():
        assert config.dataset.name == "coco-photos"
        assert config.dataset.source["root"] == "photographs"
        assert config.images == configs["qam"].images
        assert config.scale.label == "photographs, EfficientNet-Lite"
        assert (config.dataset.source["train"], config.dataset.source["evaluate"]) == (
            "train",
            "val",
        )
    assert [row for row, config in configs.items() if config.load_masks] == [
        *("boxteacher", "qam", "qam-pc", "sim", "masks")
    ]


def test_the_whole_table_at_smoke_scale(coco_root: Path, tmp_path: Path) -> None:
    words = ("coco-photos", f"root={coco_root}", EIGHT, "--scale", "smoke")
    places = ("--runs", tmp_path / "runs", "--out", tmp_path / "reports")
    outcome = boxseg("reproduce", *words, *places)
    assert outcome.code == 0, outcome.err
    assert "smoke scale (photographs, a tiny ResNet, 4 iterations)" in " ".join(outcome.out.split())
    assert "pseudo IoU" in (tmp_path / "reports" / "smoke" / "coco-photos.md").read_text()
    folder = tmp_path / "runs" / "smoke" / "coco-photos"
    of_rows = {"baseline": set(), "masks": set()} | dict.fromkeys(TAUGHT, SCORES)
    for row, expected in of_rows.items():
        found = result(folder / row / "1x" / "seed0")
        assert (found["dataset"], found["split"]) == ("coco-photos", "val")
        assert {name for name in found["metrics"] if "AP" not in name} == expected | PREDICTED
    assert (tmp_path / "reports").is_dir()


def test_scenes_are_judged_too_and_data_that_need_not_be_are_not(
    coco_root: Path, tmp_path: Path
) -> None:
    scenes = trained(tmp_path / "scenes", "method=boxseg")
    metrics = result(scenes)["metrics"]
    assert {name for name in metrics if "AP" not in name} == SCORES | PREDICTED
    words = ("method=boxteacher", "dataset=coco-folder", f"root={coco_root}")
    folder = trained(tmp_path / "folder", *words)
    assert not {name for name in result(folder)["metrics"] if "AP" not in name}


@pytest.mark.parametrize("method", ["boxinst", "boxteacher", "boxseg"])
def test_the_true_masks_judge_and_do_not_teach(
    coco_root: Path, tmp_path: Path, method: str
) -> None:
    words = (f"method={method}", "dataset=coco-photos", EIGHT, f"root={coco_root}")
    clean = trained(tmp_path / "clean", *words)
    file = coco_root / "annotations" / "instances_train.json"
    content = json.loads(file.read_text())
    for one in content["annotations"]:
        x, y = one["bbox"][:2]
        one["segmentation"] = [[x, y, x + 1, y, x + 1, y + 1]]
    file.write_text(json.dumps(content))
    corrupt = trained(tmp_path / "corrupt", *words)

    def learnt(run: Path) -> list[dict[str, float]]:
        judged = ("pseudo_iou", "pseudo_rank_correlation")
        return [{k: v for k, v in line.items() if k not in judged} for line in losses(run)]

    assert learnt(corrupt) == learnt(clean)
    assert (corrupt / "predictions.json").read_bytes() == (clean / "predictions.json").read_bytes()
