"""Which published code a checkpoint is of, and its tensors sorted by network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from boxseg.errors import InputError
from boxseg.weights.names import LAYOUTS, Layout

_SHOWN = 12


@dataclass
class Differences:
    """How a checkpoint differs from what it ought to hold, by published names."""

    missing: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    reshaped: list[str] = field(default_factory=list)

    def compare(
        self, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], names: Mapping[str, str]
    ) -> None:
        """Add those of a network.

        Args:
            found: the checkpoint's tensors, by our names.
            wanted: tensors of the right shapes, by our names.
            names: the published name of each.
        """
        self.missing += [names[name] for name in wanted if name not in found]
        self.left_over += [names[name] for name in found if name not in wanted]
        for name in found.keys() & wanted.keys():
            ours, theirs = wanted[name], found[name]
            if ours.shape != theirs.shape or (
                ours.is_floating_point() != theirs.is_floating_point()
            ):
                self.reshaped.append(f"{names[name]} ({_kind(theirs)} instead of {_kind(ours)})")

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.missing or self.left_over or self.reshaped)

    def error(self, file: Path, title: str) -> InputError:
        """The error that names the tensors."""
        parts = [
            f"{len(names)} {what}: {_listed(names)}"
            for names, what in (
                (self.missing, "missing"),
                (self.left_over, "left over"),
                (self.reshaped, "of another shape"),
            )
            if names
        ]
        return InputError(
            f"the tensors in {file} are not those of {title}: {'; '.join(parts)}; use the "
            "published file, or leave out with --ignore NAME what no prediction needs."
        )


def _kind(tensor: Tensor) -> str:
    return f"{' x '.join(map(str, tensor.shape)) or 'scalar'} {str(tensor.dtype)[6:]}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} others" if len(names) > _SHOWN else ""
    return ", ".join(sorted(names)[:_SHOWN]) + more


def recognised(names: Iterable[str], file: Path) -> Layout:
    """The layout that explains most of the names, which lacks fewest.

    Raises:
        InputError: none explains any.
    """
    present = set(names)

    def explained(layout: Layout) -> int:
        idle = len(present & set(layout.idle)) - len(set(layout.idle) - present)
        return idle + sum(layout.place(name) is not None for name in present)

    best = max(LAYOUTS, key=explained)
    if explained(best) <= 0:
        examples = ", ".join(sorted(present)[:3])
        raise InputError(
            f"the tensors in {file} ({examples}, ...) have the names of no known code; give a "
            f"checkpoint of {', '.join(layout.title for layout in LAYOUTS)} or an MSRA backbone."
        )
    return best


@dataclass(frozen=True)
class SortedTensors:
    """A checkpoint's tensors.

    Attributes:
        networks: by network, then by our name.
        idle: those that no prediction needs, by published name.
        strange: published names that belong to nothing.
    """

    networks: dict[str, dict[str, Tensor]]
    idle: dict[str, Tensor]
    strange: list[str]

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], layout: Layout) -> SortedTensors:
        """Sort tensors with published names."""
        result = cls({network: {} for network in layout.networks}, {}, [])
        for name, tensor in tensors.items():
            place = layout.place(name)
            if name in layout.idle:
                result.idle[name] = tensor
            elif place is None or place[1] in result.networks[place[0]]:
                result.strange.append(name)
            else:
                network, ours = place
                result.networks[network][ours] = tensor
        return result
