"""A configuration is trained once, whichever tables show it.

Runs of one configuration and seed are one run. It lies in the folder of one of them; the folders of
the others are links to that one, relative, so that the folder of all runs may be moved. Whatever is
looked for in a run's folder is found there, by every command, while the run is at work and after.

A run is told by `config.sha256` in its folder, which stands there from the moment that somebody has
said to train it: so two processes with two tables agree on where their common run lies.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from boxseg.engine.lock import HeldError, locked
from boxseg.engine.run_directory import RunDirectory
from boxseg.errors import InputError
from boxseg.files import write_json_atomically
from experiments.launch.runs import Run

PATIENCE = 300.0
"""Seconds to wait for another process that is looking for its runs."""


@dataclass(frozen=True)
class Shared:
    """Which run each of some runs is.

    Attributes:
        of: per run's name, the run that is trained: itself, or another one of its configuration and
            seed, perhaps of another table.
    """

    of: Mapping[str, Run]

    @property
    def trained(self) -> tuple[Run, ...]:
        """The runs that are trained, each once, in the order of the first that they are for."""
        return tuple({run.name: run for run in self.of.values()}.values())

    def failures(self, reasons: Mapping[str, str]) -> dict[str, str]:
        """Per run, why it failed, given that of the trained ones; one may have failed for several.

        Args:
            reasons: by the names of trained runs.
        """
        return {
            name: reasons[run.name]
            if name == run.name
            else f"it is the same run as {run.name}: {reasons[run.name]}"
            for name, run in self.of.items()
            if run.name in reasons
        }

    def text(self) -> str | None:
        """One line on how many are the same, or None where all differ."""
        runs, trained = len(self.of), len(self.trained)
        same = f"{runs} runs have {trained} different configurations and seeds, each trained once"
        return same if trained < runs else None


def share(runs: Sequence[Run]) -> Shared:
    """Find or choose the run that each run is, and link the folders of those that are another.

    Args:
        runs: of one scale, in one folder of runs.

    Raises:
        InputError: the folder cannot be written, or another process keeps looking for its runs.
    """
    if not runs:
        return Shared({})
    folder = _of_scale(runs)
    wanted = _hashes(runs)  # what is wrong with their words is told before a folder is made
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock", PATIENCE):
            found = _found(runs, wanted)
            return Shared({run.name: _settled(run, found.of[run.name]) for run in runs})
    except HeldError:
        raise InputError(
            f"another process has been looking for runs in {folder} for minutes; wait for it."
        ) from None
    except OSError as error:
        raise InputError(
            f"cannot write in run directory {runs[0].directory}: {error.strerror}; "
            "choose another folder with --runs or mend its permissions."
        ) from None


def find_shared(runs: Sequence[Run]) -> Shared:
    """The run that each run is or would be, by what lies on disk; nothing is written.

    A run that is finished in its own folder is itself. Others are the one of their configuration
    that is finished, or begun, or was chosen before, in any table; where there is none, the first
    of them in the order given.
    """
    return _found(runs, _hashes(runs)) if runs else Shared({})


def _hashes(runs: Sequence[Run]) -> dict[str, str]:
    """Per run's name, its `config_sha256`."""
    return {run.name: run.sha256 for run in runs}


def _found(runs: Sequence[Run], wanted: Mapping[str, str]) -> Shared:
    """`find_shared` of at least one run, whose hashes are known."""
    places = _places(_of_scale(runs), {run.directory: wanted[run.name] for run in runs})
    chosen: dict[str, Path] = {}
    found = {}
    for run in runs:
        sha = wanted[run.name]
        own = next((p for p in places[sha] if p.directory == run.directory), None)
        if own is not None and own.finished:
            found[run.name] = run
            continue
        if sha not in chosen:
            best = max(places[sha], key=lambda place: place.rank, default=None)
            chosen[sha] = run.directory if best is None else best.directory
        found[run.name] = _in_folder(run, chosen[sha])
    return Shared(found)


@dataclass(frozen=True)
class _Place:
    """A folder with a run of some configuration."""

    directory: Path
    finished: bool
    begun: bool

    @property
    def rank(self) -> tuple[bool, bool]:
        return self.finished, self.begun


def _of_scale(runs: Sequence[Run]) -> Path:
    """The folder of all tables."""
    return runs[0].directory.parents[3]


def _places(folder: Path, wanted: Mapping[Path, str]) -> defaultdict[str, list[_Place]]:
    """Per configuration, where its runs lie, in the order of their names.

    Args:
        folder: of the scale.
        wanted: the configuration that each folder of a run is to have; where it has another one, it
            will be for that no longer.
    """
    configurations = set(wanted.values())
    places = defaultdict(list)
    for directory in _folders(folder):
        run = RunDirectory(directory)
        sha = run.config_sha256()
        if sha is None or sha not in configurations or wanted.get(directory, sha) != sha:
            continue
        place = _Place(directory, run.is_finished(sha), run.checkpoint.exists())
        if place.finished or not directory.name.startswith("."):  # those moved aside stay as is
            places[sha].append(place)
    return places


def _folders(folder: Path) -> Iterator[Path]:
    """The folders of runs below that of a scale, those moved aside included, links left out."""
    for cell in sorted(folder.glob("*/*/*")):
        yield from sorted(
            one
            for pattern in ("seed*", ".seed*")
            for one in cell.glob(pattern)
            if one.is_dir() and not one.is_symlink()
        )


def _in_folder(run: Run, directory: Path) -> Run:
    """The run that lies in a folder and has the configuration and seed of another."""
    if directory == run.directory:
        return run
    table, row, column = directory.parts[-4:-1]
    cell = replace(run.cell, table=table, row=row, column=column)
    return Run(cell, run.scale, run.seed, directory, run.cell_words)


def _settled(run: Run, trained: Run) -> Run:
    """Say on disk which run one is.

    Returns:
        That run; where another process is at work in the folder, or nothing can be written there,
        the run itself, which then fails or waits for a reason of its own.
    """
    try:
        if trained.directory != run.directory:
            _link(run.directory, trained.directory)
            return trained
        if run.directory.is_symlink():
            run.directory.unlink()
        directory = RunDirectory(run.directory)
        directory.choose(run.sha256)
        _name_as_own(directory, run)
    except (InputError, OSError):
        pass
    return run


def _name_as_own(directory: RunDirectory, run: Run) -> None:
    """Give a result the names of its cell where it has another's, as copies of links have."""
    result = directory.finished_result(run.sha256)
    own = run.cell.names()
    if result is not None and {key: result.get(key) for key in own} != own:
        table, row, column = (str(result.get(key)) for key in own)
        other = replace(run.cell, table=table, row=row, column=column)
        trained_as = other.with_seed(run.seed)
        write_json_atomically(directory.result, result | own | {"trained_as": trained_as})


def _link(link: Path, target: Path) -> None:
    """Make the one folder a link to the other, and what lies there give way.

    Raises:
        InputError: another process is at work there.
        OSError: nothing can be written there.
    """
    real = target.parent.resolve() / target.name
    way = os.path.relpath(real, link.parent.resolve())
    if link.is_symlink():
        if link.readlink() == Path(way):
            return
        link.unlink()
    elif link.exists():
        RunDirectory(link).give_way()
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(way, target_is_directory=True)
