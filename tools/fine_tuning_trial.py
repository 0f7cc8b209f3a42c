"""Does it pay to start from a checkpoint? `python -m tools.fine_tuning_trial --root DIR`.

The photographs to train on are split into halves by a seeded draw of their ids. For each seed one
run learns from the first half; of two equally long runs on the second half, one starts from it and
the other from ImageNet. All are scored on the same evaluated split. Finished runs are reused.
The scale is mini unless the words name another. With `--first KEY=VALUE` the first run alone
differs, in its length for instance.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

from boxseg.data.coco_json import read_coco_json
from boxseg.files import write_text_atomically
from experiments.configuration.compose import compose, quoted
from experiments.run.data import dataset_of
from experiments.run.execute import execute

METRICS = ("segm/AP", "segm/AP50", "bbox/AP")
NAMES = ("first half", "from ImageNet", "from the first half")


def write_halves(words: Sequence[str], out: Path, seed: int) -> tuple[Path, Path]:
    """Write the ids of two halves of the images that a configuration trains on.

    Args:
        words: KEY=VALUE of the data.
        out: folder for `first.txt` and `second.txt`.
        seed: of the draw.
    """
    dataset = dataset_of(compose(words))
    ids = sorted(read_coco_json(dataset.split(dataset.train).annotations).images)
    random.Random(seed).shuffle(ids)
    files = out / "first.txt", out / "second.txt"
    middle = len(ids) // 2
    for file, half in zip(files, (ids[:middle], ids[middle:]), strict=True):
        write_text_atomically(file, "".join(f"{one}\n" for one in sorted(half)))
    return files


def trial(
    words: Sequence[str], out: Path, seed: int, of_first: Sequence[str] = ()
) -> list[dict[str, float | None]]:
    """Train the three runs of a seed; their metrics, in the order of `NAMES`.

    Args:
        words: KEY=VALUE of all runs: data, method, scale and length.
        out: folder for lists and runs.
        seed: of the runs; the halves are those of seed 0.
        of_first: KEY=VALUE of the first run, which replace its own.
    """
    replaced = {word.split("=", 1)[0] for word in of_first}
    kept = [word for word in words if word.split("=", 1)[0] not in replaced]
    first, second = (quoted(file) for file in write_halves(words, out, 0))
    folders = [out / name.replace(" ", "-") / f"seed{seed}" for name in NAMES]
    own = (
        [*kept, *of_first, f"ids={first}"],
        [*words, f"ids={second}"],
        [*words, f"ids={second}", f"from={quoted(folders[0])}"],
    )
    return [
        execute(compose([*one, f"seed={seed}", f"run_dir={quoted(folder)}"]))["metrics"]
        for one, folder in zip(own, folders, strict=True)
    ]


def text_of(trials: Sequence[Sequence[dict[str, float | None]]]) -> str:
    """A line for each run and seed, and the gains of the last run over the one before it."""
    lines = [f"{'':28}" + "".join(f"{metric:>12}" for metric in METRICS)]
    for seed, found in enumerate(trials):
        for name, metrics in zip(NAMES, found, strict=True):
            values = (metrics[metric] for metric in METRICS)
            told = "".join(f"{'-' if one is None else f'{one:.2f}':>12}" for one in values)
            lines.append(f"{f'seed {seed}, {name}':28}" + told)
        _, plain, tuned = found
        pairs = ((tuned[metric], plain[metric]) for metric in METRICS)
        gains = ["-" if a is None or b is None else f"{a - b:+.2f}" for a, b in pairs]
        lines.append(f"{f'seed {seed}, gain':28}" + "".join(f"{one:>12}" for one in gains))
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE", help="method=..., and the like")
    parser.add_argument("--root", type=Path, required=True, help="folder of coco-photos")
    parser.add_argument(
        "--first", action="append", default=[], metavar="KEY=VALUE", help="of the first run alone"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/fine-tuning"))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    data = ["dataset=coco-photos", "scale=mini", f"root={quoted(options.root)}", *options.words]
    seeds = range(options.seeds)
    print(text_of([trial(data, options.out, seed, options.first) for seed in seeds]))
