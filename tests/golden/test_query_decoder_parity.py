"""Parity with the released Box2Mask-T head and its losses, whatever the variant."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from detectron2.layers import ShapeSpec
from detectron2.modeling import Backbone
from detectron2.structures import Boxes, Instances
from torch import Tensor

pytest.importorskip("mmdet", reason="mmdet is not installed; run `make setup EXTRAS=mmdet`")

from baselines.level_set import BoxProjection, LevelSetLoss
from baselines.query_decoder.decoder import MaskedAttentionDecoder, PredictionSets
from baselines.query_decoder.detections import bilinear, detections
from baselines.query_decoder.matching import BoxMatching, class_costs, projection_costs
from baselines.query_decoder.model import QuerySegmenter, set_class_losses
from boxseg.box_masks import box_profiles
from boxseg.box_supervision import projection_loss
from tests.golden.files import Golden, each, files, needs

MODELS = files("case6_box2mask_t_model")
PIECES = files("case6_box2mask_pieces")
STRIDES = (4, 8, 16, 32)

pytestmark = needs(MODELS, PIECES)


def recipe_value(name: str, shape: tuple[int, ...], mask_embed_scale: float) -> np.ndarray:
    noise = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    embeddings = ("query_embed", "query_feat", "level_embed", "level_encoding")
    if any(part in embeddings for part in name.split(".")):
        return noise
    if name.endswith("sampling_offsets.weight"):
        return 0.1 * noise / np.sqrt(np.prod(shape[1:]))
    if name.endswith("sampling_offsets.bias"):
        return noise
    if name.endswith("bias"):
        return 0.01 * noise
    if len(shape) == 1:
        return 1 + 0.1 * noise
    scale = mask_embed_scale if name == "mask_embed.4.weight" else 1.0
    return noise * np.sqrt(2 / np.prod(shape[1:])) * scale


def decoder_of(golden: Golden) -> MaskedAttentionDecoder:
    config = golden.meta["config"]
    decoder = MaskedAttentionDecoder(
        config["in_channels"],
        STRIDES,
        config["channels"],
        config["classes"],
        config["queries"],
        config["heads"],
        config["points"],
        config["encoder_layers"],
        config["encoder_ffn"],
        config["decoder_layers"],
        config["decoder_ffn"],
        config["group_norm_groups"],
    )
    fill(decoder.head.state_dict(), config["mask_embed_scale"])
    return decoder


@torch.no_grad()
def fill(weights: dict[str, Tensor], mask_embed_scale: float, prefix: str = "") -> None:
    """Give weights the values that the sidecar's recipe has for their names."""
    for name, tensor in weights.items():
        value = recipe_value(prefix + name, tuple(tensor.shape), mask_embed_scale)
        tensor.copy_(torch.from_numpy(value.astype(np.float32)))


def predictions_of(golden: Golden, decoder: MaskedAttentionDecoder) -> PredictionSets:
    return decoder([golden.tensor(f"in_feat{level}").float() for level in range(len(STRIDES))])


def objects_of(golden: Golden) -> list[Instances]:
    """The objects, boxes as the pixels that they fill: both rounded ends, within the image."""
    found = []
    while f"in{len(found)}_image" in golden.arrays:
        prefix = f"in{len(found)}"
        height, width = golden.arrays[f"{prefix}_image"].shape[1:]
        objects = Instances((height, width))
        boxes = golden.tensor(f"{prefix}_boxes").round()
        objects.gt_boxes = Boxes(boxes.minimum(torch.tensor([width, height] * 2) - 1))
        objects.gt_classes = golden.tensor(f"{prefix}_labels").long()
        found.append(objects)
    return found


def all_boxes(objects: list[Instances]) -> Tensor:
    return torch.cat([of_image.gt_boxes.tensor for of_image in objects])


@pytest.mark.parametrize("file", each(MODELS))
def test_predictions_of_every_set(file: Path) -> None:
    golden = Golden.load(file)
    with torch.no_grad():
        predicted = predictions_of(golden, decoder_of(golden))
    for number, masks in enumerate(predicted.masks):
        expected = golden.tensor(f"layer{number}_cls_logits")
        torch.testing.assert_close(predicted.classes[number], expected, rtol=0, atol=2e-4)
        for name, statistic in (("mean", masks.mean((2, 3))), ("std", masks.std((2, 3)))):
            expected = golden.tensor(f"layer{number}_mask_logits_{name}")
            torch.testing.assert_close(statistic, expected, rtol=1e-4, atol=2e-4)
    assert f"layer{len(predicted.masks)}_cls_logits" not in golden.arrays
    torch.testing.assert_close(
        predicted.masks[-1], golden.tensor("last_mask_logits"), rtol=1e-5, atol=2e-4
    )
    features = golden.tensor("pixel_decoder_mask_features_0")
    own = predicted.mask_features[0][: len(features)]
    torch.testing.assert_close(own, features, rtol=1e-5, atol=2e-4)


@pytest.mark.parametrize("file", each(MODELS))
def test_assignments_class_losses_and_their_gradients(file: Path) -> None:
    golden = Golden.load(file)
    decoder = decoder_of(golden)
    predicted, objects = predictions_of(golden, decoder), objects_of(golden)
    matches = BoxMatching(2.0, 5.0, enlargement=STRIDES[0])(predicted, objects, STRIDES[0])
    sets, images, queries = predicted.classes.shape[:3]
    assigned = torch.full((sets, images, queries), -1)
    places = (matches.sets, matches.images, matches.queries)
    assigned[places] = matches.object_index
    first = 0
    for image, of_image in enumerate(objects):
        own = torch.where(assigned[:, image] >= 0, assigned[:, image] - first, -1)
        for number in range(sets):
            expected = golden.arrays[f"layer{number}_assigned{image}"]
            np.testing.assert_array_equal(own[number], expected)
        first += len(of_image)
    classes = torch.cat([of_image.gt_classes for of_image in objects])
    targets = torch.full_like(assigned, golden.meta["config"]["classes"])
    targets[places] = classes[matches.object_index]
    losses = 2 * set_class_losses(predicted.classes, targets, 0.1)
    expected = [golden.arrays[f"loss_d{number}_cls"] for number in range(sets - 1)]
    expected.append(golden.arrays["loss_cls"])
    np.testing.assert_allclose(losses.detach(), expected, rtol=1e-4)
    # Nothing but the class loss reaches the layer that classes come from.
    losses.sum().backward()
    for name, parameter in decoder.head.cls_embed.named_parameters():
        assert parameter.grad is not None
        norm = golden.meta["gradient_norms"][f"cls_embed.{name}"]
        np.testing.assert_allclose(parameter.grad.norm(), norm, rtol=1e-3)


class StoredFeatures(Backbone):
    """The file's features, in the place of those of the batch that they were computed of."""

    def __init__(self, golden: Golden) -> None:
        super().__init__()
        channels = golden.meta["config"]["in_channels"]
        self.shapes = {
            f"res{level + 2}": ShapeSpec(channels[level], stride=stride)
            for level, stride in enumerate(STRIDES)
        }
        self.features = {
            f"res{level + 2}": golden.tensor(f"in_feat{level}").float()
            for level in range(len(STRIDES))
        }
        self.padded = tuple(golden.meta["config"]["padded"])

    def output_shape(self) -> dict[str, ShapeSpec]:
        return self.shapes

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        assert tuple(images.shape[2:]) == self.padded
        return self.features


def model_of(golden: Golden) -> QuerySegmenter:
    """Box2Mask-T with the file's weights."""
    config = golden.meta["config"]
    tree_size = int(golden.told("steps", r"all resized to (\d+)x\1"))
    level_set = LevelSetLoss(
        config["channels"],
        guide_channels=1,
        tree_size=(tree_size, tree_size),
        pixel_mean=config["mean"],
        pixel_std=config["std"],
        channel_order=config["channel_order"],
        pad_value=config["pad_value"],
    )
    model = QuerySegmenter(
        StoredFeatures(golden),
        channels=config["channels"],
        num_classes=config["classes"],
        queries=config["queries"],
        heads=config["heads"],
        points=config["points"],
        encoder_layers=config["encoder_layers"],
        encoder_width=config["encoder_ffn"],
        decoder_layers=config["decoder_layers"],
        decoder_width=config["decoder_ffn"],
        norm_groups=config["group_norm_groups"],
        mask_stride=STRIDES[0],
        pixel_mean=config["mean"],
        pixel_std=config["std"],
        mask_losses={"projection": BoxProjection(5.0), "level_set": level_set},
        matching=BoxMatching(2.0, 5.0, enlargement=STRIDES[0]),
        class_weight=2.0,
        pad_value=config["pad_value"],
    )
    fill(model.decoder.head.state_dict(), config["mask_embed_scale"])
    fill(level_set.guide.state_dict(), config["mask_embed_scale"], "levelset_bottom.")
    return model.train()


def batch_of(golden: Golden) -> list[dict[str, Any]]:
    """The images; where the file pads them further than a batch is, with that padding in them."""
    config = golden.meta["config"]
    largest = np.max(config["sizes"], axis=0)
    further = (np.ceil(largest / STRIDES[-1]) * STRIDES[-1] != config["padded"]).any()
    batch = []
    for index, objects in enumerate(objects_of(golden)):
        height, width = golden.arrays[f"in{index}_hw_orig"].tolist()
        image = golden.tensor(f"in{index}_image")
        if further:
            below, beside = np.subtract(config["padded"], image.shape[1:]).tolist()
            image = F.pad(image, (0, beside, 0, below), value=config["pad_value"])
        batch.append({"image": image, "height": height, "width": width, "instances": objects})
    return batch


def of_all_sets(golden: Golden, name: str) -> list[float]:
    """A loss of every set, the last set's last."""
    before = golden.pieces("loss_d", f"_{name}")
    return [float(golden.arrays[f"loss_d{k}_{name}"]) for k in range(len(before))] + [
        float(golden.arrays[f"loss_{name}"])
    ]


@pytest.mark.parametrize("file", each(MODELS))
def test_all_losses_and_gradients_of_the_model(file: Path) -> None:
    golden = Golden.load(file)
    model = model_of(golden)
    losses = model(batch_of(golden), 1).losses
    sets = golden.meta["config"]["decoder_layers"] + 1
    # Ours are means over the sets of predictions, the released ones sums.
    names = {"loss_class": "cls", "loss_prj": "project", "loss_levelset": "levelset"}
    assert losses.keys() == names.keys()
    for ours, theirs in names.items():
        expected = of_all_sets(golden, theirs)
        assert len(expected) == sets
        tolerance = 1e-3 if theirs == "levelset" else 1e-4
        assert sets * losses[ours].item() == pytest.approx(sum(expected), rel=tolerance)
    (sets * sum(losses.values())).backward()
    expected_norms = golden.meta["gradient_norms"]
    found = {
        **dict(model.decoder.head.named_parameters()),
        **{
            f"levelset_bottom.{name}": parameter
            for name, parameter in model.mask_losses["level_set"].guide.named_parameters()
        },
    }
    assert found.keys() == expected_norms.keys()
    floor = 1e-4 * max(expected_norms.values())
    for name, parameter in found.items():
        tolerance = 2e-2 if name.startswith("levelset_bottom") else 1e-3
        norm = 0.0 if parameter.grad is None else parameter.grad.norm().item()
        assert norm == pytest.approx(expected_norms[name], rel=tolerance, abs=floor), name


@pytest.mark.parametrize("file", each(MODELS))
def test_level_set_terms_of_every_set(file: Path) -> None:
    golden = Golden.load(file)
    model, batch = model_of(golden), batch_of(golden)
    objects = [x["instances"] for x in batch]
    with torch.no_grad():
        features, sizes = model.features([x["image"] for x in batch])
        predicted = model.decoder(features)
        matches = model.matching(predicted, objects, STRIDES[0])
        logits = predicted.masks_of(matches.sets, matches.images, matches.queries)
        for number, expected in enumerate(of_all_sets(golden, "levelset")):
            of_set = matches.sets == number
            given = model.mask_predictions(
                batch,
                1,
                logits=logits[of_set],
                object_index=matches.object_index[of_set],
                objects=objects,
                images=torch.zeros(len(batch), 3, *golden.meta["config"]["padded"]),
                image_sizes=sizes,
                mask_features=predicted.mask_features,
            )
            for image, x in zip(given.images, batch, strict=True):
                image[:, : x["image"].shape[1], : x["image"].shape[2]] = x["image"]
            terms = model.mask_losses["level_set"](given)
            assert terms.losses["loss_levelset"].item() == pytest.approx(expected, rel=1e-3)
            for ours, theirs, tolerance in (
                ("region_image_raw", "region_image_mean", 1e-4),
                ("region_features_raw", "region_features_mean", 1e-3),
                ("inconsistency_raw", "lcm", 1e-4),
            ):
                value = float(golden.arrays[f"layer{number}_{theirs}"])
                assert terms.diagnostics[ours].item() == pytest.approx(value, rel=tolerance)


def shrunk_profiles(boxes: Tensor, padded: tuple[int, int], stride: int) -> tuple[Tensor, Tensor]:
    """Rows and columns of box masks resized bilinearly, between 0 and 1 on the boxes' edges."""
    shrunk = [
        F.interpolate(profile[:, None].float(), size=size // stride, mode="linear")[:, 0]
        for profile, size in zip(box_profiles(boxes, 1, *padded), padded, strict=True)
    ]
    rows, columns = shrunk
    # The mask is their product; what is projected is its maximum along the other axis.
    return rows * columns.amax(1, keepdim=True), columns * rows.amax(1, keepdim=True)


@pytest.mark.parametrize("file", each(MODELS))
def test_projection_losses(file: Path) -> None:
    golden = Golden.load(file)
    with torch.no_grad():
        predicted = predictions_of(golden, decoder_of(golden))
    objects = objects_of(golden)
    matches = BoxMatching(enlargement=STRIDES[0])(predicted, objects, STRIDES[0])
    logits = predicted.masks_of(matches.sets, matches.images, matches.queries)
    profiles = shrunk_profiles(all_boxes(objects), golden.meta["config"]["padded"], STRIDES[0])
    rows, columns = (profile[matches.object_index] for profile in profiles)
    losses = projection_loss(logits, rows, columns)
    sets = len(predicted.masks)
    for number in range(sets):
        name = "loss_project" if number == sets - 1 else f"loss_d{number}_project"
        of_set = 5 * losses[matches.sets == number].mean()
        np.testing.assert_allclose(of_set, golden.arrays[name], rtol=1e-4)


def assert_detections(golden: Golden, prefix: str, found: Instances) -> None:
    order = found.scores.argsort(descending=True, stable=True)
    boxes_scores = golden.tensor(f"{prefix}_boxes_scores")
    masks = golden.bits(f"{prefix}_masks_packed", found.image_size[1])
    torch.testing.assert_close(found.scores[order], boxes_scores[:, 4], rtol=0, atol=2e-4)
    ours = found.pred_masks[order].dense()
    expected = golden.tensor(f"{prefix}_labels").long()
    assert torch.equal(found.pred_classes[order], expected)
    assert (ours != masks).float().mean() <= 1e-3
    same = (ours == masks).flatten(1).all(1)
    assert same.float().mean() > 0.5
    torch.testing.assert_close(found.pred_boxes.tensor[order][same], boxes_scores[same, :4])


@pytest.mark.parametrize("file", each(MODELS))
def test_detections(file: Path) -> None:
    golden = Golden.load(file)
    with torch.no_grad():
        predicted = predictions_of(golden, decoder_of(golden))
    for index, objects in enumerate(objects_of(golden)):
        found = detections(
            predicted.classes[-1, index],
            predicted.masks[-1][index],
            STRIDES[0],
            objects.image_size,
            tuple(golden.arrays[f"in{index}_hw_orig"].tolist()),
            golden.meta["config"]["max_per_image"],
            bilinear,
        )
        assert_detections(golden, f"out{index}", found)


def pieces_objects(golden: Golden, case: str) -> dict[str, Any]:
    classes = golden.tensor(f"{case}_cls_logits")[None, None]
    masks = golden.tensor(f"{case}_mask_logits")[None]
    objects = Instances(tuple(masks.shape[2:]))
    objects.gt_boxes = Boxes(golden.tensor(f"{case}_boxes").float())
    objects.gt_classes = golden.tensor(f"{case}_labels").long()
    predicted = PredictionSets(classes, [masks], masks)
    return {"predicted": predicted, "objects": [objects], "stride": 1}


@pytest.mark.parametrize("file", each(PIECES))
def test_matching_costs(file: Path) -> None:
    golden = Golden.load(file)
    case = pieces_objects(golden, "match")
    (objects,), predicted = case["objects"], case["predicted"]
    image = torch.zeros(len(objects), dtype=torch.long)
    classes = 2 * class_costs(predicted.classes, objects.gt_classes, image)[0].T
    torch.testing.assert_close(classes, golden.tensor("match_cls_cost"), rtol=1e-4, atol=1e-6)
    masks = predicted.masks[0].sigmoid()
    rows, columns = box_profiles(objects.gt_boxes.tensor, 1, *objects.image_size)
    boxes = projection_costs(masks.amax(3)[None], rows, image)
    boxes = 5 * (boxes + projection_costs(masks.amax(2)[None], columns, image))[0].T
    torch.testing.assert_close(boxes, golden.tensor("match_box_cost"), rtol=1e-4, atol=1e-6)
    together = BoxMatching(2.0, 5.0).costs(**case)[0].T
    torch.testing.assert_close(together, classes + boxes)


@pytest.mark.parametrize("file", each(PIECES))
@pytest.mark.parametrize("case", ["match", "match_empty"])
def test_assignment(file: Path, case: str) -> None:
    golden = Golden.load(file)
    matches = BoxMatching()(**pieces_objects(golden, case))
    assigned = np.full(golden.arrays[f"{case}_assigned"].shape, -1)
    assigned[matches.queries] = matches.object_index
    np.testing.assert_array_equal(assigned, golden.arrays[f"{case}_assigned"])


@pytest.mark.parametrize("file", each(PIECES))
def test_inference(file: Path) -> None:
    golden = Golden.load(file)
    masks = golden.tensor("infer_mask_logits")
    size = (masks.shape[1], masks.shape[2])
    most = len(golden.arrays["infer_labels"])
    found = detections(golden.tensor("infer_cls_logits"), masks, 1, size, size, most, bilinear)
    assert_detections(golden, "infer", found)
