"""The packages whose parts a configuration may name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from boxseg.errors import InputError


@dataclass(frozen=True)
class Packages:
    """Packages that components are taken from; what names another one is not imported, nor built.

    A configuration, composed or read, has those that the user named for the command and the
    suite's own; it cannot name any itself: a checkpoint from elsewhere must not run what it likes.

    Attributes:
        names: of packages, dotted where they are parts of another.
    """

    names: tuple[str, ...]

    def with_names(self, names: Iterable[str]) -> Packages:
        """These and others."""
        return Packages((*self.names, *names))

    def hold(self, target: str) -> bool:
        """Whether a dotted name is of one of these packages."""
        return target.startswith(tuple(f"{name}." for name in self.names))

    def refuse_foreign(self, target: str) -> None:
        """Raise `InputError` unless a dotted name is of one of these packages."""
        if not self.hold(target):
            raise InputError(
                f"the configuration names {target}, which is no part of this suite; if you trust "
                f"it, name its package on the command line (--package {target.partition('.')[0]})."
            )


OWN = Packages(("boxseg", "baselines"))
