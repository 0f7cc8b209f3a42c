"""Whether the components of a configuration can be made, before anything is."""

from __future__ import annotations

from boxseg.errors import InputError
from experiments.configuration.binding import bind_all
from experiments.configuration.run_configuration import RunConfiguration
from experiments.configuration.yaml_files import configuration_files, places_of


def faults_of_binding(configuration: RunConfiguration) -> list[str]:
    """Bind every component of a configuration to what it names, which is imported for it.

    Returns:
        Per argument that is unknown, missing or of a wrong type, or component that is not there, a
        clause on it, which names the files that it may stand in.
    """
    if configuration.dataset.num_classes is None:  # the data will tell it
        configuration = configuration.with_number_of_classes(1)
    found = list(bind_all(configuration.content(), configuration.packages))
    files = configuration_files() if found else {}
    return [f"{places_of(files, key, value)}{clause}" for key, value, clause in found]


def refuse_what_does_not_bind(configuration: RunConfiguration) -> None:
    """Raise `InputError` for the first of `faults_of_binding`."""
    faults = faults_of_binding(configuration)
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise InputError(f"{faults[0]}{more}.")
