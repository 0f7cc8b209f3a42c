"""Finding the runs of tables that a gallery can show side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from experiments.reporting.gallery.comparison import SCORE_THRESHOLD, compared_images, run_config
from reports.definition import Row, TableDefinition
from reports.page.document import GalleryImage

METHODS = {"boxinst": "BoxInst", "boxteacher": "BoxTeacher", "sim": "SIM", "boxseg": "BoxSeg"}
"""Methods shown, in the order of their panels, and their labels."""

_PARTS = ("method", "pseudo_labels", "copy_paste")  # keys that make a row a method of its own


def gallery(
    runs: Path,
    scale: str,
    tables: Sequence[TableDefinition],
    score_threshold: float = SCORE_THRESHOLD,
) -> tuple[GalleryImage, ...]:
    """Images in panels of BoxInst, BoxTeacher, SIM and BoxSeg, as far as there are runs of them.

    Which images: see `compared_images`. Which runs: see `comparable_runs`. Empty where no run left
    its predictions.

    Args:
        runs: folder of the runs.
        scale: whose runs.
        tables: to look for runs in.
        score_threshold: detections below it are not drawn.

    Raises:
        InputError: the runs' data or files cannot be read.
    """
    return compared_images(comparable_runs(runs, scale, tables), score_threshold)


def comparable_runs(runs: Path, scale: str, tables: Sequence[TableDefinition]) -> dict[str, Path]:
    """Finished runs, with predictions, of plain methods that differ in nothing but the method.

    Runs are put together that share dataset, evaluated split, backbone, schedule, length and seed,
    whichever table they are of. Of several such sets the one with most methods is taken, then the
    one with BoxTeacher, then the longest training, then the lowest seed, then the first table's.

    Returns:
        Directories by label, in the order of `METHODS`; empty if there are none.
    """
    groups: dict[tuple[object, ...], dict[str, Path]] = defaultdict(dict)
    for table in tables:
        for row in table.rows:
            method = _plain_method(table, row)
            if method is None:
                continue
            for column in table.columns_of(row):
                folder = runs / scale / table.name / row.name / column.name
                for run in sorted(folder.glob("seed*")):
                    if _is_complete(run):
                        groups[_kind(run)].setdefault(method, run)

    def rank(item: tuple[tuple[object, ...], dict[str, Path]]) -> tuple[object, ...]:
        (*_, iterations, seed), found = item
        assert isinstance(iterations, int) and isinstance(seed, int)
        return len(found), "boxteacher" in found, iterations, -seed

    if not groups:
        return {}
    _, found = max(groups.items(), key=rank)
    return {label: found[method] for method, label in METHODS.items() if method in found}


def _plain_method(table: TableDefinition, row: Row) -> str | None:
    """The method of a row that changes none of its parts."""
    overrides = table.overrides | row.overrides
    chosen = {key: overrides[key] for key in _PARTS if key in overrides}
    method = chosen.get("method")
    return str(method) if list(chosen) == ["method"] and method in METHODS else None


def _is_complete(run: Path) -> bool:
    names = ("result.json", "predictions.json", "config.yaml")
    return all((run / name).is_file() for name in names)


def _kind(run: Path) -> tuple[object, ...]:
    """What runs have to share to be compared; iterations and seed come last."""
    config = run_config(run)
    return (
        config.dataset.name,
        config.dataset.source.get("root"),
        config.dataset.evaluate,
        config.backbone,
        config.schedule,
        config.scale.version,
        config.solver.iterations,
        config.seed,
    )
