"""Our models with the configuration that the golden files' sidecars print."""

from __future__ import annotations

from typing import Any

from boxseg.backbones.resnet import TwoCoarserLevels, pyramid, resnet
from boxseg.condinst import CondInst
from boxseg.condinst.centers import box_pixel_centers, mask_centroids
from boxseg.condinst.dynamic_mask_head import DynamicMaskHead
from boxseg.condinst.fcos import FCOS
from boxseg.condinst.fcos_head import FCOSHead
from boxseg.condinst.mask_branch import MaskBranch
from boxseg.condinst.positives import PositiveSampler, RandomPositives, TopPositives
from boxseg.condinst.semantic_head import SemanticHead
from boxseg.mask_losses import MaskLoss
from boxseg.mask_supervision import MaskSupervision
from tests.golden.files import Golden
from tests.golden.weights import apply_recipe

BOXINST_POSITIVES_PER_IMAGE = 64
"""BoxInst's setting where a case does not override it; its sidecar prints the last case's."""


def build(golden: Golden, overrides: dict[str, Any], mask_losses: list[MaskLoss]) -> CondInst:
    """Our CondInst as a golden case configures AdelaiDet's, with the recipe's weights."""
    fcos = golden.section("FCOS", overrides)
    condinst = golden.section("CONDINST", overrides)
    resnets = golden.section("RESNETS", overrides)
    branch = condinst["MASK_BRANCH"]
    channels = golden.section("FPN", overrides)["OUT_CHANNELS"]
    strides = fcos["FPN_STRIDES"]
    mean, std = (golden.setting(name) for name in ("PIXEL_MEAN", "PIXEL_STD"))
    sizes = fcos["SIZES_OF_INTEREST"]
    semantic = None
    if branch["SEMANTIC_LOSS_ON"]:
        semantic = SemanticHead(
            branch["IN_FEATURES"][0], channels, branch["CHANNELS"], fcos["NUM_CLASSES"], strides[0]
        )
    sampler: PositiveSampler = RandomPositives(condinst["MAX_PROPOSALS"])
    if condinst["MAX_PROPOSALS"] < 0:
        sampler = TopPositives(
            overrides.get("MODEL__CONDINST__TOPK_PROPOSALS_PER_IM", BOXINST_POSITIVES_PER_IMAGE)
        )
    supervised = any(isinstance(loss, MaskSupervision) for loss in mask_losses)
    model = CondInst(
        backbone=pyramid(
            resnet(resnets["DEPTH"], resnets["NORM"], out_features=resnets["OUT_FEATURES"]),
            resnets["OUT_FEATURES"],
            channels,
            TwoCoarserLevels(channels),
        ),
        levels=fcos["IN_FEATURES"],
        detector=FCOS(
            FCOSHead(
                channels,
                fcos["NUM_CLASSES"],
                len(strides),
                fcos["NUM_CLS_CONVS"],
                fcos["NUM_BOX_CONVS"],
            ),
            strides,
            sizes,
            fcos["NUM_CLASSES"],
            radius=fcos["POS_RADIUS"],
            object_centers=mask_centroids if supervised else box_pixel_centers,
            score_threshold=fcos["INFERENCE_TH_TEST"],
            pre_nms_top_k=fcos["PRE_NMS_TOPK_TEST"],
            nms_threshold=fcos["NMS_TH"],
            max_detections=fcos["POST_NMS_TOPK_TEST"],
        ),
        mask_branch=MaskBranch(
            branch["IN_FEATURES"],
            channels,
            branch["CHANNELS"],
            branch["NUM_CONVS"],
            branch["OUT_CHANNELS"],
        ),
        mask_head=DynamicMaskHead(
            branch["OUT_CHANNELS"],
            strides[0],
            condinst["MASK_OUT_STRIDE"],
            [*sizes, 2 * sizes[-1]],
        ),
        positive_sampler=sampler,
        mask_losses={type(loss).__name__: loss for loss in mask_losses},
        channels=channels,
        pixel_mean=mean,
        pixel_std=std,
        semantic_head=semantic,
    )
    apply_recipe(model, golden.meta["controller_scale"])
    return model
