"""mmdet's Mask2Former decoder as a network: features in, predictions of all its layers out.

Cheng et al., "Masked-attention Mask Transformer for Universal Image Segmentation", CVPR 2022. Of
mmdet's head only the forward pass is used; without mmcv's compiled operators its deformable
attention is pure PyTorch. The head computes what Box2Mask's released one does, bit by bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from baselines.mmdet_import import import_mmdet
from boxseg.errors import InputError


@dataclass(frozen=True)
class PredictionSets:
    """What Q queries predict on B images: before the first layer of the decoder and after each.

    Attributes:
        classes: float32 (S, B, Q, classes + 1), logits; the last class is no object.
        masks: per set, float32 (B, Q, h, w), logits at the stride of the mask features.
        mask_features: (B, D, h, w), what the masks are made of.
    """

    classes: Tensor
    masks: Sequence[Tensor]
    mask_features: Tensor

    def masks_of(self, sets: Tensor, images: Tensor, queries: Tensor) -> Tensor:
        """Mask logits (P, h, w) of some queries, int64 (P,) each, which come set by set."""
        counts = torch.bincount(sets, minlength=len(self.masks)).tolist()
        parts = zip(self.masks, images.split(counts), queries.split(counts), strict=True)
        return torch.cat([masks[image, query] for masks, image, query in parts])


class MaskedAttentionDecoder(nn.Module):
    """Pixel decoder with deformable attention, and queries that attend to their own masks.

    Args:
        in_channels: of the features, finest first.
        strides: of the features in pixels, finest first. All but the finest are encoded and
            attended to; masks are predicted on the finest.
        channels: of the decoder; a multiple of 32 and of twice the heads.
        num_classes: foreground classes.
        queries: Q.
        heads: of every attention.
        points: that deformable attention samples for each head and level.
        encoder_layers, encoder_width: layers of the pixel decoder, and of their hidden layer.
        decoder_layers, decoder_width: layers of the queries' decoder, and of their hidden layer.
        norm_groups: of group normalisation.

    Raises:
        InputError: mmdet is not installed, or widths do not fit one another.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        strides: Sequence[int],
        channels: int,
        num_classes: int,
        queries: int = 100,
        heads: int = 8,
        points: int = 4,
        encoder_layers: int = 6,
        encoder_width: int = 1024,
        decoder_layers: int = 9,
        decoder_width: int = 2048,
        norm_groups: int = 32,
    ) -> None:
        super().__init__()
        if channels % heads or channels % norm_groups or channels % 2:
            raise InputError(
                f"the query decoder's {channels} channels cannot be shared out among {heads} heads "
                f"and {norm_groups} groups of its normalisation; choose a common even multiple."
            )
        import_mmdet()
        from mmdet.models.dense_heads import Mask2FormerHead
        from mmengine.config import ConfigDict

        levels = len(strides) - 1
        attention = {"embed_dims": channels, "num_heads": heads, "batch_first": True}
        position = {"num_feats": channels // 2, "normalize": True}

        def hidden(width: int) -> dict[str, Any]:
            return {
                "embed_dims": channels,
                "feedforward_channels": width,
                "num_fcs": 2,
                "ffn_drop": 0.0,
                "act_cfg": {"type": "ReLU", "inplace": True},
            }

        deformable = {**attention, "dropout": 0.0, "num_levels": levels, "num_points": points}
        encoder_layer = {"self_attn_cfg": deformable, "ffn_cfg": hidden(encoder_width)}
        decoder_layer = {
            "self_attn_cfg": attention,
            "cross_attn_cfg": attention,
            "ffn_cfg": hidden(decoder_width),
        }
        self.head = Mask2FormerHead(
            in_channels=list(in_channels),
            feat_channels=channels,
            out_channels=channels,
            num_things_classes=num_classes,
            num_stuff_classes=0,
            num_queries=queries,
            num_transformer_feat_level=levels,
            pixel_decoder=ConfigDict(
                type="mmdet.MSDeformAttnPixelDecoder",
                strides=list(strides),
                num_outs=levels,
                norm_cfg={"type": "GN", "num_groups": norm_groups},
                act_cfg={"type": "ReLU"},
                encoder={"num_layers": encoder_layers, "layer_cfg": encoder_layer},
                positional_encoding=position,
            ),
            transformer_decoder=ConfigDict(
                return_intermediate=True, num_layers=decoder_layers, layer_cfg=decoder_layer
            ),
            positional_encoding=ConfigDict(position),
            # Its losses are built, and never called.
            loss_cls=ConfigDict(type="mmdet.CrossEntropyLoss", class_weight=[1.0]),
            loss_mask=ConfigDict(type="mmdet.CrossEntropyLoss", use_sigmoid=True),
            loss_dice=ConfigDict(type="mmdet.DiceLoss"),
        )
        self.head.init_weights()

    def forward(self, features: Sequence[Tensor]) -> PredictionSets:
        """Features (B, C, h, w), finest first, to predictions."""
        kept: list[Tensor] = []
        # The head does not hand on the mask features.
        hook = self.head.pixel_decoder.register_forward_hook(lambda *call: kept.append(call[2][0]))
        with hook:
            classes, masks = self.head(list(features), None)
        return PredictionSets(
            classes=torch.stack(classes).float(),
            masks=[of_set.float() for of_set in masks],
            mask_features=kept[0],
        )

    def mask_features(self, features: Sequence[Tensor]) -> Tensor:
        """Features (B, C, h, w), finest first, to mask features (B, D, h, w)."""
        features_of_masks: Tensor = self.head.pixel_decoder(list(features))[0]
        return features_of_masks
