"""A second host: mmdet's own BoxInst, trained by this suite's engine on the same data.

Targets, losses, mask head, colour similarity and inference are mmdet's; the backbone with its
pyramid is the suite's, so that both implementations can start from the same weights. The adapter
offers what a teacher-student step asks of a `Segmenter`: pseudo labellers and copy-pastes plug into
it as into CondInst.

With one set of weights and one batch, the loss terms of the two are the same but for these
differences; tests/baselines/test_mmdet_parity.py computes each term on both sides and shows that
they agree once a difference is removed.

- *Box term* (`loss_fcos_loc`, `loss_bbox`): the suite follows the published FCOS code, which adds 1
  to intersection and union in the IoU part of the GIoU; mmdet's is the plain GIoU.
- *Bottom rows* of the pairwise term: the suite leaves out `bottom_rows_removed` rows of the
  original image; mmdet that many rows of the network's input, times height / padded height.
- *Colours* of the pairwise term: the suite compares those of the image as read, zero-padded; mmdet
  those of the normalised image with normalisation undone, whose rounding can turn a value of 127
  into 126, and padding then has the mean's colour. Cells on the border of a padded image mix with
  it where the image's sides are no multiple of the masks' stride.
- *Object centres*: a box that ends at the border of the whole (padded) input fills one row or
  column less in mmdet, which cuts its mask there, so that its centre lies half a pixel further in.
- *Divisor of the pairwise term*: the number of pairs, at least 1, of the batch here and of each
  image in mmdet.
- *Warm-up*: mmengine's loop counts iterations from 0, the suite from 1; the adapter hands mmdet the
  suite's count.
- *Inference* (no loss): mmdet's score is class probability times centre-ness, thresholded before
  the product; the suite's is the product's root, thresholded on the product, as published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import torch
from detectron2.modeling import Backbone
from detectron2.structures import Boxes, ImageList, Instances
from torch import Tensor

from baselines.mmdet_detector import MASKS_PER_IMAGE
from baselines.mmdet_samples import network_input
from boxseg.condinst.positives import TopPositives
from boxseg.encoded_masks import EncodedMasks, mask_chunks
from boxseg.mask_losses import LossTerms, MaskLoss, MaskPredictions
from boxseg.pseudo_labels import TeacherPredictions
from boxseg.segmenter import Segmenter


class MMDetBoxInst(Segmenter):
    """mmdet's BoxInst as a segmenter.

    Args:
        detector: see `baselines.mmdet_detector.boxinst_detector`.
        mask_losses: terms beside mmdet's own, by a name of their own.
    """

    gives_mask_features = True
    class_layers: ClassVar[Mapping[str, int]] = {"detector.bbox_head.conv_cls": 1}

    def __init__(self, detector: Any, mask_losses: Mapping[str, MaskLoss] | None = None) -> None:
        super().__init__(mask_losses or {})
        self.detector = detector
        self.positive_sampler = TopPositives(MASKS_PER_IMAGE)

    @property
    def device(self) -> torch.device:
        """Where the model's tensors live."""
        return self.detector.data_preprocessor.mean.device

    @property
    def mask_stride(self) -> int:
        """Of the predicted masks, in pixels of the network's input."""
        return self.detector.mask_head.mask_out_stride

    @property
    def backbone(self) -> Backbone:
        """The pyramid, where initial weights are loaded."""
        return self.detector.backbone.pyramid

    def losses(self, batch: Sequence[Mapping[str, Any]], iteration: int) -> LossTerms:
        """The losses of mmdet for a batch, and those of `mask_losses`; see `Segmenter`."""
        from mmengine.logging import MessageHub

        # The mask head reads there how far its warm-up is; mmengine's own loop counts from 0.
        MessageHub.get_current_instance().update_info("iter", iteration)
        unperturbed = [x.get("unperturbed_image", x["image"]) for x in batch]
        inputs, samples = network_input(self.detector, unperturbed, batch)
        if "unperturbed_image" in batch[0]:
            inputs, _ = network_input(self.detector, [x["image"] for x in batch])
        features = self.detector.extract_feat(inputs)
        boxes = self.detector.bbox_head(self._of_detector(features))
        mask_features = self.detector.mask_head.mask_feature_head(features)
        objects = [sample.gt_instances for sample in samples]
        metas = [sample.metainfo for sample in samples]
        with torch.autocast(self.device.type, enabled=False):
            boxes = [[level.float() for level in levels] for levels in boxes]
            losses = dict(self.detector.bbox_head.loss_by_feat(*boxes, objects, metas))
            positives = self.detector.bbox_head.get_positive_infos()
            logits = [
                self._mask_logits(of_image, found)
                for of_image, found in zip(mask_features.float(), positives, strict=True)
            ]
            losses |= self.detector.mask_head.loss_by_feat(logits, objects, metas, positives)
            parts = {"mmdet": LossTerms(losses, {})}
            if self.mask_losses:
                given = self._given_to_losses(batch, iteration, logits, positives, mask_features)
                parts["the mask losses"] = self.mask_terms(given)
        return LossTerms.joined(parts)

    @torch.no_grad()
    def detect(self, batch: Sequence[Mapping[str, Any]]) -> list[dict[str, Instances]]:
        """Detections of a batch, at the original images' sizes."""
        inputs, samples = network_input(self.detector, [x["image"] for x in batch])
        for x, sample in zip(batch, samples, strict=True):
            height, width = sample.img_shape
            original = (int(x.get("height", height)), int(x.get("width", width)))
            scale = (width / original[1], height / original[0])
            sample.set_metainfo({"ori_shape": original, "scale_factor": scale})
        features = self.detector.extract_feat(inputs)
        head = self.detector.bbox_head
        results = head.predict(self._of_detector(features), samples, rescale=False)
        outputs = self.detector.mask_head(features, results)[0]
        return [
            {"instances": self._at_original_size(*of_image)}
            for of_image in zip(outputs, results, samples, strict=True)
        ]

    def _at_original_size(self, logits: Tensor, result: Any, sample: Any) -> Instances:
        """An image's detections, enlarged by mmdet, a bounded part of them at a time."""
        height, width = sample.ori_shape
        boxes, masks = [], []
        for run in mask_chunks(len(result), height * width):
            (part,) = self.detector.mask_head.predict_by_feat(
                [logits[run]], [result[run]], [sample.metainfo], rescale=True
            )
            boxes.append(part.bboxes)
            masks.append(EncodedMasks.of(part.masks.bool()))
        detections = Instances(sample.ori_shape)
        detections.pred_boxes = Boxes(torch.cat(boxes))
        detections.pred_boxes.clip(sample.ori_shape)
        detections.scores = result.scores
        detections.pred_classes = result.labels
        detections.pred_masks = EncodedMasks.cat(masks)
        return detections

    def proposals(
        self, images: Sequence[Tensor], original_heights: Sequence[int]
    ) -> TeacherPredictions:
        """Predictions before suppression, with mmdet's scores: class times centre-ness."""
        inputs, samples = network_input(self.detector, images)
        features = self.detector.extract_feat(inputs)
        mask_features = self.detector.mask_head.mask_feature_head(features).float()
        head = self.detector.bbox_head
        mode = head.training
        head.eval()  # in training mode its boxes are in strides; it has no batch statistics
        outputs = [[level.float() for level in kind] for kind in head(self._of_detector(features))]
        head.train(mode)
        metas = [sample.metainfo for sample in samples]
        found = head.predict_by_feat(*outputs, batch_img_metas=metas, with_nms=False)
        counts = [len(candidates) for candidates in found]
        together = type(found[0]).cat(found)
        return TeacherPredictions(
            boxes=together.bboxes,
            scores=together.scores,
            classes=together.labels,
            counts=counts,
            image_sizes=[sample.img_shape for sample in samples],
            original_scales=[
                original / sample.img_shape[0]
                for original, sample in zip(original_heights, samples, strict=True)
            ],
            mask_stride=self.mask_stride,
            masks_of=partial(self._probabilities, mask_features, together),
            suppressed=partial(self._surviving, found),
        )

    @torch.no_grad()
    def mask_features(self, images: Sequence[Tensor]) -> list[Tensor]:
        """Mask features of images; see `Segmenter`."""
        inputs, _ = network_input(self.detector, images)
        features = self.detector.extract_feat(inputs)
        return list(self.detector.mask_head.mask_feature_head(features))

    def _of_detector(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(features[index] for index in self.detector.backbone.of_detector)

    def _mask_logits(self, mask_features: Tensor, chosen: Any) -> Tensor:
        """Logits (n, h, w) at the masks' stride of some predictions of one image."""
        head = self.detector.mask_head
        if len(chosen) == 0:
            height, width = (
                side * head.mask_feat_stride // head.mask_out_stride
                for side in mask_features.shape[1:]
            )
            return mask_features.new_zeros(0, height, width)
        return head.forward_single(mask_features, chosen)[0]

    def _probabilities(
        self, mask_features: Tensor, candidates: Any, indices: Tensor, counts: Sequence[int]
    ) -> Tensor:
        """Masks (n, h, w) of some predictions, so many of each image."""
        parts = zip(mask_features, indices.split(list(counts)), strict=True)
        masks = [self._mask_logits(maps, candidates[part]) for maps, part in parts]
        return torch.cat(masks).sigmoid()

    def _surviving(self, candidates: Sequence[Any]) -> list[Tensor]:
        """Per image, which of all predictions survive suppression, best first."""
        from mmcv.ops import batched_nms

        settings, first, kept = self.detector.test_cfg, 0, []
        for one in candidates:
            keep = one.labels  # mmcv wants at least one
            if len(one):
                _, keep = batched_nms(one.bboxes, one.scores, one.labels, settings.nms)
            kept.append(first + keep[: settings.max_per_img])
            first += len(one)
        return kept

    def _given_to_losses(
        self,
        batch: Sequence[Mapping[str, Any]],
        iteration: int,
        logits: Sequence[Tensor],
        positives: Sequence[Any],
        mask_features: Tensor,
    ) -> MaskPredictions:
        """What the added losses see: the positives that mmdet's own losses choose, too."""
        objects = [x["instances"].to(self.device) for x in batch]
        counts = torch.tensor([len(o) for o in objects], device=self.device)
        first = counts.cumsum(0) - counts
        object_index = torch.cat(
            [p.pos_assigned_gt_inds + start for p, start in zip(positives, first, strict=True)]
        )
        image_index = torch.arange(len(objects), device=self.device).repeat_interleave(
            torch.tensor([len(p) for p in positives], device=self.device)
        )
        scores = torch.cat(
            [p.scores.sigmoid().amax(1) * p.centernesses.sigmoid().squeeze(1) for p in positives]
        )
        chosen = self.positive_sampler(scores, object_index, image_index)
        raw = [x.get("unperturbed_image", x["image"]).to(self.device) for x in batch]
        padded = ImageList.from_tensors(raw, self.backbone.size_divisibility)
        return self.mask_predictions(
            batch,
            iteration,
            logits=torch.cat(list(logits))[chosen],
            object_index=object_index[chosen],
            objects=objects,
            images=padded.tensor.float(),
            image_sizes=padded.image_sizes,
            mask_features=mask_features,
        )
