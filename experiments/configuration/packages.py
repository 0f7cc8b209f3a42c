"""The packages whose parts a configuration may name."""

from __future__ import annotations

from dataclasses import dataclass

from boxseg.errors import InputError


@dataclass(frozen=True)
class Packages:
    """Packages that components are taken from; what names another one is not imported, nor built.

    This is the only place that holds them. A configuration is composed with the packages that its
    user allows; one that comes with a checkpoint has `OWN`, whatever it says: a checkpoint from
    elsewhere must not run what it likes.

    Attributes:
        names: of top-level packages.
    """

    names: tuple[str, ...]

    def hold(self, target: str) -> bool:
        """Whether a dotted name is of one of these packages."""
        return target.partition(".")[0] in self.names and "." in target

    def refuse_foreign(self, target: str) -> None:
        """Raise `InputError` unless a dotted name is of one of these packages."""
        if not self.hold(target):
            raise InputError(
                f"the configuration names {target}, which is no part of this suite; only "
                f"components of {' and '.join(self.names)} are built."
            )


OWN = Packages(("boxseg", "baselines"))
