"""Training at the paper's scale on photographs: it fits into a machine's memory and is finite."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.experiments.command_line import losses
from tests.method_steps import NEEDS_MMDET

LIMIT = 24 * 2**30  # bytes
BATCH = 2


@pytest.fixture(scope="module")
def photographs(test_data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six training images and one to evaluate, of real photographs with many objects."""
    source = test_data_dir / "coco-tiny"
    if not source.is_dir():
        pytest.skip(f"no real photographs at {source}")
    root = tmp_path_factory.mktemp("photographs")
    (root / "annotations").mkdir()
    for split, count in (("train2017", 6), ("val2017", 1)):
        content = json.loads((source / "annotations" / f"instances_{split}.json").read_text())
        objects = [a["image_id"] for a in content["annotations"]]
        content["images"].sort(key=lambda image: -objects.count(image["id"]))
        content["images"] = content["images"][:count]
        kept = {image["id"] for image in content["images"]}
        content["annotations"] = [a for a in content["annotations"] if a["image_id"] in kept]
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
        (root / split).symlink_to(source / split)
    return root


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    [
        "condinst",
        "boxinst",
        "boxteacher",
        "boxseg",
        "box2mask-c",
        "discobox",
        pytest.param("box2mask-t", marks=NEEDS_MMDET),
        pytest.param("boxseg-t", marks=NEEDS_MMDET),
    ],
)
def test_two_iterations_at_800_pixels(method: str, photographs: Path, tmp_path: Path) -> None:
    words = [
        *("train", f"method={method}", "scale=paper", "dataset=coco-folder", "backbone=r50"),
        *(f"root='{photographs}'", f"run_dir='{tmp_path / 'run'}'", "device=cpu", "log_period=1"),
        *("solver.iterations=2", "solver.learning_rate_schedule.steps=[1]"),
        *(f"solver.batch_size={BATCH}", "images.short_sides=[800]"),
        "scale.needs_initial_weights=false",  # MSRA's are not here; memory and finiteness are
    ]
    if method.endswith("-t"):
        words.append("mapper.jitter=null")  # which may draw a small size
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    with (tmp_path / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "experiments.cli", *words],
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env=environment,
            cwd=Path(__file__).parents[3],
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, (tmp_path / "stderr").read_text()
    peak = usage.ru_maxrss * 1024
    logged = losses(tmp_path / "run")
    print(f"{method}: peak {peak / 2**30:.1f} GiB, {usage.ru_utime:.0f} s of processor time")
    assert peak < LIMIT
    assert [line["iteration"] for line in logged] == [1, 2]
    for line in logged:
        terms = {name: value for name, value in line.items() if name.startswith("loss")}
        # DiscoBox begins with class and projection: its own term comes later.
        assert len(terms) > (1 if method == "discobox" else 2)
        assert all(math.isfinite(value) for value in terms.values()), terms
        assert line["total_loss"] > 0
