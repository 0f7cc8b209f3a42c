"""A segmenter whose objects are queries of a transformer decoder, trained from boxes or masks.

Network and matching are those of Box2Mask-T, Mask2Former's decoder matched by boxes; with what
masks are trained, the losses given to it say. Every set of predictions, before the first layer of
the decoder and after each, is matched and trained. The matched queries of all sets are handed to
the losses at once, whose means are then means over the sets; so is the class loss. Mask2Former and
Box2Mask sum over the sets instead, which is all terms times their number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from detectron2.modeling import Backbone
from detectron2.structures import ImageList, Instances
from torch import Tensor, nn

from baselines.query_decoder.decoder import MaskedAttentionDecoder, PredictionSets
from baselines.query_decoder.detections import Enlargement, detections
from baselines.query_decoder.matching import BoxMatching, Matches
from boxseg.aligned_upsample import aligned_upsample
from boxseg.box_masks import tight_boxes
from boxseg.engine.distributed import shared_divisor
from boxseg.errors import InputError
from boxseg.mask_losses import LossTerms, MaskLoss
from boxseg.pseudo_labels import ObjectPredictions, TeacherInternals, TeacherPredictions, classes_of
from boxseg.segmenter import Segmenter


class Features(nn.Module):
    """The features of a backbone without pyramid, finest first.

    Attributes:
        strides, channels: of the features, finest first.
    """

    def __init__(self, bottom_up: Backbone) -> None:
        super().__init__()
        self.bottom_up = bottom_up
        shapes = bottom_up.output_shape()
        self.names = sorted(shapes, key=lambda name: shapes[name].stride)
        self.strides = [shapes[name].stride for name in self.names]
        self.channels = [shapes[name].channels for name in self.names]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Normalised images (B, 3, H, W) to features (B, C, h, w)."""
        features = self.bottom_up(images.contiguous(memory_format=torch.channels_last))
        return [features[name] for name in self.names]


def set_class_losses(class_logits: Tensor, targets: Tensor, nothing_weight: float) -> Tensor:
    """Cross-entropy of every set's queries, (S,): weighted means over all images.

    Args:
        class_logits: (S, B, Q, classes + 1).
        targets: int64 (S, B, Q).
        nothing_weight: of queries that are no object; objects have 1.
    """
    weights = class_logits.new_ones(class_logits.shape[3])
    weights[-1] = nothing_weight
    losses = F.cross_entropy(
        class_logits.flatten(0, 2), targets.flatten(), weights, reduction="none"
    )
    counted = weights[targets].flatten(1).sum(dim=1)
    return losses.reshape(len(targets), -1).sum(dim=1) / shared_divisor(counted, 1e-6)


class QuerySegmenter(Segmenter):
    """Instance segmentation by queries.

    As a teacher it proposes the queries of all sets, the last set's first: those of an object are
    its candidates, for one set has but one. They all are predictions of their own, whether boxes
    are equal or not. A query's score is the probability of its likeliest class, its box the tight
    one of its mask.

    Args:
        bottom_up: whose features are decoded.
        channels, queries, heads, points, encoder_layers, encoder_width, decoder_layers,
            decoder_width, norm_groups: see `MaskedAttentionDecoder`.
        num_classes: foreground classes.
        mask_stride: of the masks that are trained and proposed, in pixels; a divisor of the finest
            feature's stride.
        pixel_mean, pixel_std: of the input's three channels, for values 0-255.
        mask_losses: see `Segmenter`.
        matching: of queries and objects.
        class_weight: of the class loss. Mask2Former has 2 beside 5 for each mask term; where these
            have 1, it is 0.4.
        nothing_weight: in the class loss, of a query that is no object.
        score_threshold: proposals have a higher score.
        max_detections: of an image.
        enlarge: of masks, from their stride to the network's input, where objects are detected.
        pad_value: 0-255, around images before they are normalised, as in Mask2Former.

    Raises:
        InputError: `mask_stride` is no divisor of the finest feature's stride.
    """

    gives_mask_features = True
    gives_object_predictions = True
    class_layers: ClassVar[Mapping[str, int]] = {"decoder.head.cls_embed": 1}

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(
        self,
        bottom_up: Backbone,
        channels: int,
        num_classes: int,
        queries: int,
        heads: int,
        points: int,
        encoder_layers: int,
        encoder_width: int,
        decoder_layers: int,
        decoder_width: int,
        norm_groups: int,
        mask_stride: int,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        mask_losses: Mapping[str, MaskLoss],
        matching: BoxMatching | None = None,
        class_weight: float = 0.4,
        nothing_weight: float = 0.1,
        score_threshold: float = 0.05,
        max_detections: int = 100,
        enlarge: Enlargement = aligned_upsample,
        pad_value: float = 128.0,
    ) -> None:
        super().__init__(mask_losses)
        self.backbone = Features(bottom_up)
        finest = self.backbone.strides[0]
        if finest % mask_stride:
            raise InputError(
                f"mask_stride {mask_stride} does not divide the stride {finest} of the finest "
                "feature, on which queries predict their masks; choose a divisor."
            )
        self.decoder = MaskedAttentionDecoder(
            self.backbone.channels,
            self.backbone.strides,
            channels,
            num_classes,
            queries,
            heads,
            points,
            encoder_layers,
            encoder_width,
            decoder_layers,
            decoder_width,
            norm_groups,
        )
        self.num_classes = num_classes
        self.stride = mask_stride
        self.matching = matching or BoxMatching()
        self.class_weight = class_weight
        self.nothing_weight = nothing_weight
        self.score_threshold = score_threshold
        self.max_detections = max_detections
        self.enlarge = enlarge
        self.pad_value = pad_value
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean)[:, None, None], False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std)[:, None, None], False)

    @property
    def device(self) -> torch.device:
        """Where the model's tensors live."""
        return self.pixel_mean.device

    @property
    def mask_stride(self) -> int:
        """Of the predicted masks, in pixels of the network's input."""
        return self.stride

    def features(self, images: Sequence[Tensor]) -> tuple[list[Tensor], list[tuple[int, int]]]:
        """Features of raw images (3, H, W), 0-255, and the images' sizes."""
        padded = self._padded(images, self.pad_value)
        normalised = (padded.tensor - self.pixel_mean) / self.pixel_std
        return self.backbone(normalised), padded.image_sizes

    def _padded(self, images: Sequence[Tensor], value: float) -> ImageList:
        """Images (3, h, w) in float32, with a value around them to one size all strides divide."""
        own = [image.to(self.device, torch.float32, non_blocking=True) for image in images]
        return ImageList.from_tensors(own, self.backbone.strides[-1], value)

    def losses(self, batch: Sequence[Mapping[str, Any]], iteration: int) -> LossTerms:
        """All training losses of a batch."""
        features, sizes = self.features([x["image"] for x in batch])
        predicted = self.decoder(features)
        with torch.autocast(self.device.type, enabled=False):
            return self.losses_of(predicted, batch, iteration, sizes)

    def losses_of(
        self,
        predicted: PredictionSets,
        batch: Sequence[Mapping[str, Any]],
        iteration: int,
        image_sizes: Sequence[tuple[int, int]],
    ) -> LossTerms:
        """All losses of what the decoder predicts.

        Args:
            predicted: on the images of the batch.
            batch, iteration: see `forward`.
            image_sizes: per image, (height, width) without padding.
        """
        objects = [x["instances"].to(self.device) for x in batch]
        unperturbed = [x.get("unperturbed_image", x["image"]) for x in batch]
        raw = self._padded(unperturbed, 0)
        matches = self.matching(predicted, objects, self.backbone.strides[0])
        of_sets = set_class_losses(
            predicted.classes, self.class_targets(predicted, matches, objects), self.nothing_weight
        )
        given = self.mask_predictions(
            batch,
            iteration,
            logits=self.at_stride(
                predicted.masks_of(matches.sets, matches.images, matches.queries)
            ),
            object_index=matches.object_index,
            objects=objects,
            images=raw.tensor,
            image_sizes=image_sizes,
            mask_features=predicted.mask_features,
            positives=matches,
        )
        classes = LossTerms({"loss_class": self.class_weight * of_sets.mean()}, {})
        return LossTerms.joined({"the decoder": classes, "the mask losses": self.mask_terms(given)})

    def class_targets(
        self, predicted: PredictionSets, matches: Matches, objects: Sequence[Instances]
    ) -> Tensor:
        """The class of every query, `num_classes` where it is no object: int64 (S, B, Q)."""
        targets = torch.full(predicted.classes.shape[:3], self.num_classes, device=self.device)
        classes = classes_of(objects, self.device)[matches.object_index]
        return targets.index_put_((matches.sets, matches.images, matches.queries), classes)

    def at_stride(self, logits: Tensor) -> Tensor:
        """Mask logits (P, h, w) of the decoder at `mask_stride`."""
        factor = self.backbone.strides[0] // self.stride
        return aligned_upsample(logits[:, None], factor)[:, 0]

    @torch.no_grad()
    def mask_features(self, images: Sequence[Tensor]) -> list[Tensor]:
        """Mask features of images; see `Segmenter`."""
        return list(self.decoder.mask_features(self.features(images)[0]))

    @torch.no_grad()
    def detect(self, batch: Sequence[Mapping[str, Any]]) -> list[dict[str, Instances]]:
        """Boxes and masks of a batch, at the original images' sizes, by the last set."""
        features, sizes = self.features([x["image"] for x in batch])
        predicted = self.decoder(features)
        found = []
        for number, (x, size) in enumerate(zip(batch, sizes, strict=True)):
            one = detections(
                predicted.classes[-1, number],
                self.at_stride(predicted.masks[-1][number]),
                self.stride,
                size,
                (int(x.get("height", size[0])), int(x.get("width", size[1]))),
                self.max_detections,
                self.enlarge,
            )
            found.append({"instances": one})
        return found

    def proposals(
        self, images: Sequence[Tensor], original_heights: Sequence[int]
    ) -> TeacherPredictions:
        """Predictions of all sets as a teacher; see `Segmenter`."""
        features, sizes = self.features(images)
        predicted = self.decoder(features)
        likely, classes = predicted.classes.softmax(dim=3)[..., :-1].max(dim=3)  # (S, B, Q)
        # One image's after the other's, the last set first.
        image, back, query = (likely.flip(0).transpose(0, 1) > self.score_threshold).nonzero(
            as_tuple=True
        )
        sets = len(likely) - 1 - back
        by_set = sets.argsort(stable=True)
        logits = self.at_stride(predicted.masks_of(sets[by_set], image[by_set], query[by_set]))
        masks = torch.empty_like(logits).index_copy_(0, by_set, logits)
        limits = torch.tensor(sizes, device=self.device).flip(1).repeat(1, 2)
        boxes = torch.minimum(tight_boxes(masks > 0) * self.stride, limits[image].float())
        scores = likely[sets, image, query]
        counts = torch.bincount(image, minlength=len(images)).tolist()
        return TeacherPredictions(
            boxes=boxes,
            scores=scores,
            classes=classes[sets, image, query],
            counts=counts,
            image_sizes=sizes,
            original_scales=[
                original / size[0] for original, size in zip(original_heights, sizes, strict=True)
            ],
            mask_stride=self.stride,
            masks_of=lambda indices, _: masks[indices].sigmoid(),
            suppressed=partial(_of_last_set, back, scores, counts),
            internals=TeacherInternals(
                mask_features=predicted.mask_features,
                at_objects=partial(self._at_objects, predicted),
                at_positives=partial(self._at_positives, predicted),
            ),
            distinct=True,
        )

    def _at_objects(
        self, predicted: PredictionSets, objects: Sequence[Instances]
    ) -> ObjectPredictions:
        """What is predicted by the queries that training matches with the objects."""
        matches = self.matching(predicted, objects, self.backbone.strides[0])
        places = (matches.sets, matches.images, matches.queries)
        classes = classes_of(objects, self.device)[matches.object_index]
        return ObjectPredictions(
            probabilities=self.at_stride(predicted.masks_of(*places)).sigmoid(),
            scores=predicted.classes.softmax(dim=3)[(*places, classes)],
            object_index=matches.object_index,
        )

    @torch.no_grad()
    def _at_positives(self, predicted: PredictionSets, positives: Matches, stride: int) -> Tensor:
        """Masks of the queries that another network matched; see `TeacherInternals`."""
        assert stride == self.stride
        places = (positives.sets, positives.images, positives.queries)
        with torch.autocast(self.device.type, enabled=False):
            return self.at_stride(predicted.masks_of(*places)).sigmoid()


def _of_last_set(back: Tensor, scores: Tensor, counts: Sequence[int]) -> list[Tensor]:
    """Per image, the predictions of the last set, best score first: what is detected.

    Args:
        back: int64 (M,), sets before the last one.
        scores: (M,).
        counts: per image.
    """
    survivors, first = [], 0
    for count in counts:
        here = first + (back[first : first + count] == 0).nonzero()[:, 0]
        survivors.append(here[scores[here].argsort(descending=True, stable=True)])
        first += count
    return survivors
