"""Parts declare what they need and give; what does not fit is refused before anything is built."""

from __future__ import annotations

import pytest

from baselines.boxteacher import BoxPseudoMaskAssignment
from baselines.discobox import CrossImageSupervision, DiscoBoxSupervision
from baselines.mmdet_boxinst import MMDetBoxInst
from baselines.sim import ImageBankCopyPaste, PseudoMaskFocal, SemanticBoxSupervision
from baselines.sim import SemanticLabeller as SIMLabeller
from baselines.solov2 import SOLOv2
from boxseg.box_supervision import BoxSupervision
from boxseg.condinst import CondInst
from boxseg.copy_paste import CopyPaste
from boxseg.errors import InputError
from boxseg.mask_losses import MaskLoss
from boxseg.mask_supervision import MaskSupervision
from boxseg.oracle import OracleLabeller
from boxseg.peer_copy_paste import OrdinaryCopyPaste, PeerCopyPaste, ReleasedCopyPaste
from boxseg.pseudo_labels import NoPseudoMasks, PseudoLabeller
from boxseg.pseudo_mask_losses import PseudoMaskAffinity, PseudoMaskDice
from boxseg.quality_aware import QualityAwareModule
from boxseg.segmenter import Segmenter
from boxseg.teacher_frame import OwnFrame, SharedImage, StudentFrame, TeacherFrame
from boxseg.teacher_student import TeacherStudent
from boxseg.unmet_needs import refuse_unmet_needs
from tests.condinst.tiny import tiny_model


class NoFeatures(CondInst):
    """A host that gives predictions for objects, but no mask features."""

    gives_mask_features = False


@pytest.mark.parametrize(
    ("host", "losses", "labeller", "frame"),
    [
        (CondInst, [SemanticBoxSupervision, PseudoMaskFocal], SIMLabeller, SharedImage),
        (CondInst, [BoxSupervision, PseudoMaskDice], QualityAwareModule, StudentFrame),
        (MMDetBoxInst, [PseudoMaskDice], QualityAwareModule, OwnFrame),
        (MMDetBoxInst, [SemanticBoxSupervision], BoxPseudoMaskAssignment, StudentFrame),
        (NoFeatures, [PseudoMaskAffinity], OracleLabeller, StudentFrame),
        (CondInst, [DiscoBoxSupervision], NoPseudoMasks, OwnFrame),
        (SOLOv2, [CrossImageSupervision], NoPseudoMasks, StudentFrame),
    ],
)
def test_what_goes_together(
    host: type[Segmenter],
    losses: list[type[MaskLoss]],
    labeller: type[PseudoLabeller],
    frame: type[TeacherFrame],
) -> None:
    refuse_unmet_needs(host, losses, labeller, frame)


@pytest.mark.parametrize(
    ("host", "losses", "labeller", "frame", "why"),
    [
        (MMDetBoxInst, [], SIMLabeller, OwnFrame, "object's own places, and MMDetBoxInst gives"),
        (CondInst, [], SIMLabeller, StudentFrame, "mask features, which StudentFrame does not"),
        (NoFeatures, [], SIMLabeller, OwnFrame, "SemanticLabeller needs the teacher's mask feat"),
        (
            NoFeatures,
            [BoxSupervision, SemanticBoxSupervision],
            QualityAwareModule,
            OwnFrame,
            "SemanticBoxSupervision needs mask features, and NoFeatures gives none",
        ),
        (MMDetBoxInst, [DiscoBoxSupervision], NoPseudoMasks, OwnFrame, "masks in the same places"),
        (CondInst, [CrossImageSupervision], NoPseudoMasks, OwnFrame, "one prediction for every"),
    ],
)
def test_what_does_not(
    host: type[Segmenter],
    losses: list[type[MaskLoss]],
    labeller: type[PseudoLabeller],
    frame: type[TeacherFrame],
    why: str,
) -> None:
    with pytest.raises(InputError, match=why):
        refuse_unmet_needs(host, losses, labeller, frame)


def test_the_step_refuses_it_too() -> None:
    labeller = SIMLabeller.__new__(SIMLabeller)
    with pytest.raises(InputError, match="StudentFrame"):
        TeacherStudent(tiny_model([]), labeller, teacher_frame=StudentFrame())


def test_what_the_parts_declare() -> None:
    labellers = [QualityAwareModule, BoxPseudoMaskAssignment, OracleLabeller, SIMLabeller]
    assert [c.__name__ for c in labellers if c.needs_true_masks] == ["OracleLabeller"]
    assert [c.__name__ for c in labellers if c.equal_weights] == ["SemanticLabeller"]
    losses = [BoxSupervision, SemanticBoxSupervision, MaskSupervision, PseudoMaskDice]
    assert [c.__name__ for c in losses if c.needs_true_masks] == ["MaskSupervision"]
    assert [c.__name__ for c in losses if c.needs_pseudo_masks] == ["PseudoMaskDice"]
    assert [c.__name__ for c in losses if c.needs_teacher_features] == ["SemanticBoxSupervision"]
    pastes: list[type[CopyPaste]] = [PeerCopyPaste, OrdinaryCopyPaste, ReleasedCopyPaste]
    pastes.append(ImageBankCopyPaste)
    assert [c.__name__ for c in pastes if c.needs_other_images] == ["OrdinaryCopyPaste"]
