"""From this suite's batches to what mmdet's preprocessor makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor


def network_input(
    detector: Any, images: Sequence[Tensor], batch: Sequence[Mapping[str, Any]] = ()
) -> tuple[Tensor, list[Any]]:
    """Normalised images as a batch, and mmdet's data samples.

    Args:
        detector: see `baselines.mmdet_detector.boxinst_detector`.
        images: (3, H, W) in the channel order of the pyramid's weights, values 0-255.
        batch: of the same images, with `instances`, for training: the samples then carry boxes,
            classes and what BoxInst's losses compare with, made of the boxes and the images'
            colours.

    Returns:
        Float32 (B, 3, H, W), RGB, and one `DetDataSample` for each image.
    """
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    preprocessor = detector.data_preprocessor
    device = preprocessor.mean.device
    if preprocessor.device != device:
        preprocessor.to(device)  # it does not notice that the model it is part of was moved
    flip = detector.backbone.flip_channels
    rgb = [image.flip(0) if flip else image for image in images]
    samples = [DetDataSample(metainfo={"img_shape": tuple(image.shape[1:])}) for image in images]
    for sample, x in zip(samples, batch, strict=False):
        objects = x["instances"].to(device)
        sample.gt_instances = InstanceData(
            bboxes=objects.gt_boxes.tensor, labels=objects.gt_classes
        )
    data = preprocessor({"inputs": rgb, "data_samples": samples}, training=bool(batch))
    return data["inputs"], data["data_samples"]
