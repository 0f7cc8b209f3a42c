"""Whether every row of every table can be built at every scale, without building anything."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from boxseg.errors import InputError
from experiments.configuration.check import faults_of_binding
from experiments.configuration.choices import PARTS, choices
from experiments.configuration.compose import compose, scales_of_tables
from experiments.configuration.extensions import in_use
from experiments.configuration.needs import refuse_unfit
from experiments.configuration.run_configuration import RunConfiguration
from experiments.configuration.yaml_files import (
    configuration_files,
    near_keys,
    unknown_keys,
    unknown_names,
)
from experiments.launch.cost import rates
from experiments.launch.runs import Run, expand
from experiments.launch.tables import definitions, table_names
from reports.definition import TableDefinition
from reports.definition_faults import faults_of
from reports.paper_numbers import PaperNumbers

SHARED = ("backbone", "schedule")
"""Words that choose a part of the configuration which every composition of a scale has whole."""

OWN_DATA = "dataset=coco-folder"
"""What a scale that no table is run at is for."""

USUAL = ("boxinst", "boxseg", "sim", "condinst")
"""Methods that most parts go with."""


@dataclass
class Findings:
    """What was looked at, and what is wrong with it, a sentence each."""

    faults: list[str] = field(default_factory=list)
    files: int = 0
    cells: int = 0
    compositions: int = 0

    def add(self, fault: str) -> None:
        """Note a fault once, however many cells share it."""
        if fault not in self.faults:
            self.faults.append(fault)


def validate(tables: Sequence[str], scales: Sequence[str]) -> Findings:
    """Look at the YAML files, the tables' definitions, and the configuration of every cell.

    Args:
        tables: names, or "all".
        scales: names.

    Raises:
        InputError: a table or scale is unknown, or a file is no YAML.
    """
    findings = Findings()
    files = configuration_files()
    findings.files = len(files)
    for file, content in files.items():
        for fault in unknown_keys(file, content, in_use().packages):
            findings.add(fault)
    _try(rates, findings)
    every_table = _try(lambda: definitions(table_names()), findings) or []
    if not findings.faults:
        for fault in unknown_names(files, {table.dataset for table in every_table}):
            findings.add(fault)
    if findings.faults:
        return findings  # what is composed of such files would only repeat it
    found = definitions(tables)
    for definition in found:
        for fault in faults_of(definition, PaperNumbers.load()):
            findings.add(fault)
    checked = _Composed(files, findings)
    of_tables = [scale for scale in scales if scale in scales_of_tables()]
    for scale in scales:
        if scale not in of_tables:
            for method in choices("method"):
                own = (f"scale={scale}", OWN_DATA, f"method={method}")
                checked.look_at(own, f"at scale {scale}")
            continue
        for definition in found:
            _check_table(definition, scale, checked)
    if "all" in tables and of_tables:
        for words in _words_for_other_files(of_tables[0], checked):
            checked.look_at(words, f"at scale {of_tables[0]}")
    findings.compositions = len(checked.configs)
    return findings


def _check_table(definition: TableDefinition, scale: str, checked: _Composed) -> None:
    runs = _try(lambda: expand(definition, scale, 1, Path("runs")), checked.findings)
    for run in runs or []:
        checked.findings.cells += 1
        checked.look_at_run(run)


class _Composed:
    """Compositions, each looked at once.

    Args:
        files: that they are composed from.
        findings: to add to.
    """

    def __init__(self, files: dict[Path, Any], findings: Findings) -> None:
        self.files = files
        self.findings = findings
        self.configs: dict[tuple[str, ...], RunConfiguration | None] = {}
        self.bound: set[str] = set()

    def look_at_run(self, run: Run) -> None:
        """Check a cell's configuration, sharing what differs in backbone and schedule only."""
        chosen = {word.partition("=")[0]: word.partition("=")[2] for word in run.cell_words}
        words = tuple(word for word in run.cell_words if word.partition("=")[0] not in SHARED)
        where = f"at scale {run.scale} in {run.name.rpartition('/')[0]}"
        config = self.look_at(words, where)
        if config is None:
            return
        for key, known in (
            ("method", None),
            ("backbone", config.scale.backbones),
            ("schedule", config.schedules),
        ):
            if key not in chosen:
                self.findings.add(f"{run.cell.table}: row '{run.cell.row}' does not set {key}")
            elif known is not None and chosen[key] not in known:
                self.findings.add(
                    f"{run.cell.table}: row '{run.cell.row}' sets {key} to '{chosen[key]}', which "
                    f"scale {run.scale} does not have (allowed: {', '.join(known)})"
                    f"{near_keys(self.files, chosen[key])}"
                )

    def look_at(self, words: tuple[str, ...], where: str) -> RunConfiguration | None:
        """Compose and bind; the configuration, or None if it is none."""
        if words not in self.configs:
            self.configs[words] = self._checked(words, where)
        return self.configs[words]

    def _checked(self, words: tuple[str, ...], where: str) -> RunConfiguration | None:
        try:
            configuration = compose(words)
        except InputError as error:
            self.findings.add(f"{where}: {str(error).rstrip('.')} ({' '.join(words)})")
            return None
        _try(lambda: refuse_unfit(configuration), self.findings)
        for fault in faults_of_binding(configuration):
            if fault not in self.bound:
                self.bound.add(fault)
                self.findings.add(f"{fault} ({' '.join(words)})")
        return configuration


def _words_for_other_files(scale: str, checked: _Composed) -> Iterator[tuple[str, ...]]:
    """Few compositions in which every file that could be chosen and was not takes part."""
    common = f"scale={scale}"
    chosen = {word for words in checked.configs for word in words}

    def others(group: str) -> list[str]:
        return [f"{group}={name}" for name in choices(group) if f"{group}={name}" not in chosen]

    for words in itertools.zip_longest(others("method"), others("dataset"), others("launcher")):
        yield common, *filter(None, words)
    for part in PARTS:
        for name in choices(part):
            used = (config.parts.get(part) for config in checked.configs.values() if config)
            if name not in used:
                yield _fitting(common, f"{part}={name}")


def _fitting(*words: str) -> tuple[str, ...]:
    """Words with a method that they go with, or with the first if they go with none."""
    methods = (*USUAL, *(name for name in choices("method") if name not in USUAL))
    for method in methods:
        try:
            refuse_unfit(compose([*words, f"method={method}"]))
        except InputError:
            continue
        return (*words, f"method={method}")
    return (*words, f"method={methods[0]}")


def _try(function: Callable[[], Any], findings: Findings) -> Any:
    try:
        return function()
    except InputError as error:
        findings.add(str(error).rstrip("."))
        return None
