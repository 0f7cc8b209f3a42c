"""Which parts go together, as far as the composed files tell: who has a place for which part.

A part has a place where what is built refers to it: the step to the segmenter, the segmenter to the
losses. What the components themselves declare is compared in `experiments.configuration.needs`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from boxseg.errors import InputError

PLACES = {
    "supervision": "segmenter",
    "detection": "segmenter",
    "rescoring": "segmenter",
    "losses": "segmenter",
    "pseudo_labels": "step",
    "copy_paste": "step",
    "segmenter": "step",
    "step": "method",
}
"""Per part, what may refer to it."""

NEEDED = ("supervision", "detection", "pseudo_labels")
"""Parts that have to be there where something refers to them."""

_REFERENCE = re.compile(rf"\$\{{({'|'.join(PLACES)})\.([\w.]+)")
"""What refers to a value of a part: the part, and the key in it."""

PLAIN = "${segmenter}"
"""A step that is the segmenter's own."""

OWN_LABELS = "step=own-labels"
"""Makes a single-model method label for itself, for the copy-paste that is chosen for it."""

Composer = Callable[[tuple[str, ...]], DictConfig]
"""Composes words GROUP=NAME; references in what it gives are not replaced."""


def completed(chosen: Mapping[str, str], composed: Composer) -> tuple[str, ...]:
    """The files to compose: those chosen, and what makes a copy-paste work without a teacher.

    Args:
        chosen: names of files by their groups.
        composed: see `Composer`.

    Raises:
        InputError: a part was chosen that the rest has no place for, or that is needed and empty.
    """
    words = tuple(f"{group}={name}" for group, name in chosen.items())
    config = composed(words)
    parts = [part for part in ("pseudo_labels", "copy_paste") if chosen.get(part)]
    pastes = "copy_paste" in chosen and config.copy_paste is not None
    if parts and "step" not in chosen and _plain(config)["step"] == PLAIN:
        said = " and ".join(f"{part}={chosen[part]}" for part in parts)
        if config.load_masks and any(config[part] is not None for part in parts):
            raise InputError(
                f"{said} cannot go with method={config.method}, which is trained with true masks "
                "and has no use for pseudo masks; choose a box-supervised method, such as boxinst "
                "or sim."
            )
        if pastes:
            words = (*words, OWN_LABELS)
            config = composed(words)
        elif config.pseudo_labels is not None:
            raise InputError(
                f"pseudo_labels={chosen['pseudo_labels']} would make pseudo masks that nothing "
                f"uses: method={config.method} has no teacher; choose a copy_paste besides, or a "
                "method with a teacher, such as boxteacher or boxseg."
            )
    _refuse_without_place(config, chosen)
    _refuse_empty(config)
    _refuse_nothing_to_take(config)
    return words


def _refuse_without_place(config: DictConfig, chosen: Mapping[str, str]) -> None:
    plain = _plain(config)
    for part, place in PLACES.items():
        if part in chosen and config[part] and not _has_place(plain, part):
            raise InputError(
                f"{part}={chosen[part]} has no place in {_named(config, place)}, which has its own "
                f"or needs none; leave it out, or choose another {place}."
            )


def _refuse_empty(config: DictConfig) -> None:
    plain = _plain(config)
    for part in NEEDED:
        place = PLACES[part]
        if config[part] is None and _has_place(plain, part):
            raise InputError(
                f"{_named(config, place)} cannot do without {part}, and "
                f"{part}={config.parts[part]} gives it none; choose another {part}."
            )


def _refuse_nothing_to_take(config: DictConfig) -> None:
    """Refuse a part that refers to a value which the chosen other part does not have."""
    plain = _plain(config)
    for part in PLACES:
        for other, key in _REFERENCE.findall(str(plain[part])):
            if other != part and not _is_there(plain[other], key.split(".")):
                raise InputError(
                    f"{part}={config.parts[part]} takes {key} from the {other}, and "
                    f"{_named(config, other)} has none; choose another {other}= or {part}=."
                )


def _is_there(node: Any, keys: Sequence[str]) -> bool:
    if not keys or isinstance(node, str):  # found, or a reference to what has it
        return True
    return isinstance(node, dict) and keys[0] in node and _is_there(node[keys[0]], keys[1:])


def replaced(config: DictConfig) -> list[str]:
    """The parts of a method that its segmenter has its own of, instead.

    Args:
        config: of the files alone.
    """
    plain = _plain(config)
    kept = [
        f"{part}={config.parts[part]}"
        for part, place in PLACES.items()
        if place == "segmenter" and config[part] and not _has_place(plain, part)
    ]
    if not kept:
        return []
    own_losses = [name for name, loss in (config.losses or {}).items() if loss is None]
    return [*kept, *(f"losses.{name}" for name in own_losses)]


def without_a_place(config: DictConfig) -> list[str]:
    """Names of the parts that are empty, or that nothing of a model refers to.

    Args:
        config: of the files alone.
    """
    plain = _plain(config)
    return [part for part in PLACES if not config[part] or not _has_place(plain, part)]


def without_empty_losses(config: DictConfig) -> None:
    """Leave out the terms of the loss that are null, which is how a file takes one away."""
    if isinstance(config.losses, DictConfig):
        for name in [name for name, loss in config.losses.items() if loss is None]:
            del config.losses[name]


def _named(config: DictConfig, place: str) -> str:
    part = f"{place}={config.parts[place]} of " if place in config.parts else ""
    return f"{part}method={config.method}"


def _has_place(plain: Mapping[str, Any], part: str) -> bool:
    """Whether the model refers to a part, or to what refers to it."""
    place = PLACES[part]
    refers = f"${{{part}" in str(plain["model" if place == "method" else place])
    return refers and (place not in PLACES or _has_place(plain, place))


def _plain(config: DictConfig) -> dict[str, Any]:
    content = OmegaConf.to_container(config, resolve=False)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}
