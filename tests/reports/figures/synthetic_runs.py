"""Results, training logs and calibration made up by a formula, with the look of real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from reports.aggregate import build_table
from reports.definition import TableDefinition, load_definition
from reports.paper_numbers import PaperNumbers
from reports.results import Results
from reports.status import read_statuses
from reports.table import Table

TABLES = Path(__file__).parents[3] / "experiments" / "conf" / "table"
# Methods without a teacher have neither pseudo masks nor their scores.
WITHOUT_TEACHER = ("boxinst", "condinst", "mask-rcnn")
METRICS = ("segm/AP", "segm/AP50", "segm/AP75", "segm/APs", "segm/APm", "segm/APl")
SITUATIONS = tuple(
    f"segm/AP@{name}"
    for name in ("similar-background", "overlap-inter-class", "overlap-intra-class")
)


def definition_of(name: str) -> TableDefinition:
    return load_definition(TABLES / f"{name}.yaml")


def write_table(runs: Path, name: str, seeds: int = 3, *, logs: bool = True) -> None:
    """Write runs of every row and column of a table at mini scale."""
    definition = definition_of(name)
    for place, row in enumerate(definition.rows):
        for column in definition.columns:
            for seed in range(seeds):
                if row.unavailable is None:
                    method = str(definition.overrides_of(row, column).get("method"))
                    of_run = (row.name, column.name, seed)
                    write_run(runs, name, *of_run, method=method, place=place, log=logs)


def write_run(
    runs: Path,
    table: str,
    row: str,
    column: str,
    seed: int,
    *,
    method: str = "boxseg",
    place: int = 0,
    log: bool = True,
    **changes: Any,
) -> Path:
    """Write one run; `changes` replace keys of its result.json."""
    draw = np.random.default_rng([seed, place, len(column)])
    teacher = method not in WITHOUT_TEACHER
    metrics: dict[str, float | None] = {
        name: float(30 + 1.2 * place + 3 * number + draw.normal(0, 0.8))
        for number, name in enumerate((*METRICS, *SITUATIONS))
    }
    if teacher:
        metrics["pseudo/IoU-all"] = float(70 + place + draw.normal(0, 0.5))
        metrics["pseudo/rank-correlation"] = float(40 + 3 * place + draw.normal(0, 2))
    content = {
        "schema": 1,
        "table": table,
        "row": row,
        "column": column,
        "scale": "mini",
        "seed": seed,
        "method": method,
        "dataset": "scenes",
        "split": "val",
        "config_sha256": "0" * 64,
        "metrics": metrics,
        "iterations": 600,
        "seconds": 200.0 + seed,
        "started": "2026-11-22T20:36:00+00:00",
        "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": False},
        "environment": dict.fromkeys(("python", "torch", "detectron2", "device", "host"), "x"),
    }
    if teacher:
        content["calibration"] = calibration(draw, place)
    folder = runs / "mini" / table / row / column / f"seed{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps({**content, **changes}))
    if log:
        lines = training_log(draw, teacher)
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def calibration(draw: np.random.Generator, place: int) -> list[dict[str, Any]]:
    bins: list[dict[str, Any]] = []
    for number in range(10):
        objects = int(draw.integers(5, 40) * number**1.5)
        low, high = number / 10, (number + 1) / 10
        bins.append(
            {
                "quality_from": low,
                "quality_to": high,
                "objects": objects,
                "mean_quality": (low + high) / 2 if objects else None,
                "mean_iou": float(
                    np.clip(0.35 + 0.04 * number + 0.01 * place + draw.normal(0, 0.02), 0, 1)
                )
                if objects
                else None,
            }
        )
    return bins


def training_log(draw: np.random.Generator, teacher: bool) -> list[dict[str, float]]:
    lines = []
    for iteration in range(10, 601, 10):
        warm = min((iteration - 1) / 67, 1.0)
        fall = float(np.exp(-iteration / 200))
        line = {
            "iteration": iteration,
            "loss_fcos_cls": 0.3 + fall + float(draw.normal(0, 0.06)),
            "loss_fcos_loc": 0.2 + 0.6 * fall + float(draw.normal(0, 0.03)),
            "loss_fcos_ctr": 0.6 + 0.1 * fall + float(draw.normal(0, 0.01)),
            "loss_prj": 0.2 + 0.7 * fall + float(draw.normal(0, 0.04)),
            "pairwise_raw": 0.3 + 0.2 * fall + float(draw.normal(0, 0.02)),
            "pairwise_warmup": warm,
        }
        line["loss_pairwise"] = line["pairwise_raw"] * warm
        if teacher:
            line["loss_mask"] = 0.4 * warm + float(draw.normal(0, 0.02))
            line["pseudo_mask_warmup"] = warm
            line["pseudo_iou"] = 0.75 - 0.5 * fall + float(draw.normal(0, 0.02))
        line["total_loss"] = sum(v for k, v in line.items() if k.startswith("loss_"))
        lines.append(line)
    return lines


def built(runs: Path, results: Results, name: str, scale: str = "mini") -> Table:
    definition = definition_of(name)
    return build_table(
        definition,
        results,
        PaperNumbers.load(),
        read_statuses(runs, definition, scale),
        scale=scale,
        scale_label="scenes, EfficientNet-Lite",
        command=f"boxseg reproduce {name} --scale {scale}",
        suite_version="0.1.0",
    )
