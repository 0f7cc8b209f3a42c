"""What a cluster lacks of what runs ask it for, as far as its own commands tell."""

from __future__ import annotations

import getpass
import shutil
import subprocess
from collections.abc import Iterable, Iterator

from experiments.configuration.schema import Launcher
from experiments.launch.preflight import Lack

PATIENCE = 30.0
"""Seconds that Slurm has to answer."""


def lacks_of_slurm(asked: Iterable[Launcher]) -> list[Lack]:
    """What is missing, each thing once; what Slurm does not tell is left to `sbatch`."""
    if shutil.which("sbatch") is None:
        remedy = "run this on the cluster's login node, or choose --launcher local"
        return [Lack("Slurm", "there is no sbatch here", remedy)]
    asked = list(asked)
    partitions = _answer("sinfo", "--noheader", "--format=%R")
    accounts = _answer(
        *("sacctmgr", "--noheader", "--parsable2", "show", "associations"),
        *(f"user={getpass.getuser()}", "format=Account"),
    )
    found = [
        *_unknown("partition", (one.partition for one in asked), partitions),
        *_unknown("account", (one.account for one in asked), accounts),
    ]
    return list(dict.fromkeys(found))


def _unknown(kind: str, asked: Iterable[str | None], known: list[str]) -> Iterator[Lack]:
    for value in asked:
        # Several may be named, of which Slurm takes the first that is free.
        for name in (value or "").split(","):
            if name and known and name not in known:
                yield Lack(
                    f"{kind} {name}",
                    f"Slurm knows {', '.join(known)}",
                    f"give launcher.{kind}=NAME",
                )


def _answer(*command: str) -> list[str]:
    """The names that a command prints, one a line; none where it does not answer."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return sorted({line.strip() for line in done.stdout.splitlines() if len(line.split()) == 1})
