"""Which parts go together: what a combination needs besides, and why some make no sense."""

from __future__ import annotations

from collections.abc import Callable

from omegaconf import DictConfig, OmegaConf

from boxseg.errors import InputError

PARTS = ("pseudo_labels", "copy_paste")
"""Groups that a method with a teacher has."""

OWN_LABELS = "+segmenter=own_labels"
"""Makes a single-model method label for itself, for the copy-paste that is chosen for it."""


def completed(
    chosen: tuple[str, ...], of_files: Callable[[tuple[str, ...]], DictConfig]
) -> tuple[str, ...]:
    """The files to compose: those chosen, and what makes a copy-paste work without a teacher.

    Args:
        chosen: Hydra's words, GROUP=NAME.
        of_files: composes such words.

    Raises:
        InputError: the method has no place for the pseudo labels or the copy-paste chosen.
    """
    parts = {w.split("=")[0]: w.split("=")[1] for w in chosen if w.split("=")[0] in PARTS}
    if not parts:
        return chosen
    rest = tuple(word for word in chosen if word.split("=")[0] not in PARTS)
    method = of_files(rest)
    if all(part in method for part in PARTS):
        return chosen
    said = " and ".join(f"{part}={name}" for part, name in parts.items())
    if OmegaConf.select(method, "load_masks"):
        raise InputError(
            f"{said} cannot go with method={method.method}, which is trained with true masks and "
            "has no use for pseudo masks; choose a box-supervised method, such as boxinst or sim."
        )
    plain = OmegaConf.to_container(method, resolve=False)
    if not isinstance(plain, dict) or plain["model"] != "${segmenter}":
        raise InputError(
            f"{said} cannot go with method={method.method}, whose pseudo labels and copy-paste are "
            "parts of itself; choose another method, such as boxinst or sim."
        )
    if parts.get("copy_paste", "none") != "none":
        return (*chosen, OWN_LABELS)
    if "pseudo_labels" in parts:
        raise InputError(
            f"pseudo_labels={parts['pseudo_labels']} would make pseudo masks that nothing uses: "
            f"method={method.method} has no loss on them; choose a copy_paste besides, or a method "
            "with a teacher, such as boxteacher or boxseg."
        )
    return rest


def refuse_senseless(config: DictConfig) -> None:
    """Refuse a combination of which a part could never do its work.

    Args:
        config: its references need not lead anywhere yet.

    Raises:
        InputError: why the combination makes no sense.
    """
    if _target(config, "copy_paste").endswith(".OrdinaryCopyPaste"):
        size = OmegaConf.select(config, "solver.batch_size")
        if size == 1:
            raise InputError(
                "copy_paste=ordinary takes objects from the other images of the batch, and "
                "solver.batch_size=1 leaves none; set it to 2 or more, or choose copy_paste=peer."
            )
    if _target(config, "pseudo_labels").endswith(".SemanticLabeller"):
        host = _target(config, "segmenter")
        if not host.endswith(".CondInst"):
            raise InputError(
                f"pseudo_labels=sim needs mask features and masks at an object's cells, which "
                f"{host} of method={config.method} does not give; choose another labeller."
            )
        if _target(config, "model.teacher_frame").endswith(".StudentFrame"):
            raise InputError(
                f"pseudo_labels=sim needs the teacher's mask features on the grid of its own "
                f"image, and method={config.method} makes labels at another size; choose another "
                "labeller or method."
            )


def _target(config: DictConfig, key: str) -> str:
    """Name of the component at a key, or "" where there is none."""
    node = OmegaConf.select(config, key)
    return str(node.get("_target_", "")) if isinstance(node, DictConfig) else ""
