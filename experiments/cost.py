"""What a run at paper scale will cost, estimated from a small table of reference rates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig

FILE = Path(__file__).resolve().parent / "cost.yaml"
ITERATIONS_1X, BATCH = 90_000, 16


def reference() -> dict[str, Any]:
    """The table of reference rates."""
    content = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def gpu_hours(config: DictConfig) -> float | None:
    """Estimated GPU hours of a run, on the reference's GPU; None for a method without a rate."""
    rates = reference()
    family = next((m for m in rates["methods"] if config.method.startswith(m)), None)
    if family is None:
        return None
    images = config.solver.iterations * config.solver.batch_size * config.solver.accumulate
    schedule = images / (ITERATIONS_1X * BATCH)
    relative = rates["methods"][family] * rates["backbones"][config.backbone]
    return float(rates["reference"]["hours"] * relative * schedule)
