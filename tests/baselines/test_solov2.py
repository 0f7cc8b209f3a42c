"""SOLOv2 as a host: what it gives losses, teachers and evaluation."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from detectron2.structures import BitMasks, Boxes, Instances
from torch import Tensor, nn

from baselines.solov2 import SOLOv2
from baselines.solov2 import candidates as selection_module
from baselines.solov2.head import masks_at, with_coordinates
from baselines.solov2.mask_grid import MaskGrid, crossings
from baselines.solov2.matrix_nms import gaussian_decay, matrix_nms, peaks
from boxseg.aligned_upsample import aligned_upsample
from boxseg.box_masks import box_masks, tight_boxes
from boxseg.condinst.positives import TopPositives
from boxseg.mask_losses import LossTerms, MaskLoss, MaskPredictions
from boxseg.mask_supervision import MaskSupervision
from boxseg.peer_copy_paste import PeerCopyPaste
from boxseg.pseudo_mask_losses import PseudoMaskDice
from boxseg.quality_aware import QualityAwareModule
from boxseg.teacher_student import TeacherStudent
from boxseg.views import View
from experiments.configuration.build import build
from experiments.configuration.compose import compose

SEGMENTERS = ("solov2", "box2mask-c")
SIZES = ((64, 64), (48, 60))


def model_of(segmenter: str, *words: str) -> SOLOv2:
    torch.manual_seed(0)
    words = ("scale=smoke", "method=boxinst", f"segmenter={segmenter}", *words)
    model = build(compose(list(words)).model)
    assert isinstance(model, SOLOv2)
    return model.train()


def confident(segmenter: str, *words: str) -> SOLOv2:
    """One whose cells find much, with masks that differ."""
    model = model_of(segmenter, *words)
    with torch.no_grad():
        for part in model.modules():
            if isinstance(part, nn.Conv2d):
                part.weight.mul_(0.1 / part.weight.std() / part.weight[0].numel() ** 0.5 * 10)
        nn.init.constant_(model.head.classes.bias, -1.5)
    return model


def batch_of(sizes: Sequence[tuple[int, int]] = SIZES) -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(1)
    batch = []
    for height, width in sizes:
        corners = torch.rand(4, 2, generator=generator) * torch.tensor([width, height]) * 0.5
        sides = torch.tensor([[6.0, 7.0], [14, 16], [25, 20], [28, 22]])
        objects = Instances((height, width))
        objects.gt_boxes = Boxes(torch.cat((corners, corners + sides), dim=1))
        objects.gt_classes = torch.randint(8, (4,), generator=generator)
        image = torch.randint(256, (3, height, width), generator=generator, dtype=torch.uint8)
        batch.append(
            {"image": image, "height": 2 * height, "width": 2 * width, "instances": objects}
        )
    return batch


def features_of(model: SOLOv2, batch: list[dict[str, Any]]) -> Any:
    return model.features(model.batched_images([x["image"] for x in batch])[1].tensor)


@pytest.mark.parametrize("segmenter", SEGMENTERS)
def test_losses_reach_every_parameter(segmenter: str) -> None:
    model = confident(segmenter)
    terms = model.losses(batch_of(), 10**6)
    assert set(terms.losses) == {"loss_cls", "loss_prj", "loss_pairwise"}
    torch.stack(list(terms.losses.values())).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("segmenter", SEGMENTERS)
def test_a_batch_without_objects_trains_classes_alone(segmenter: str) -> None:
    model, batch = model_of(segmenter), batch_of()
    for x in batch:
        x["instances"] = x["instances"][:0]
    terms = model.losses(batch, 1)
    torch.stack(list(terms.losses.values())).sum().backward()
    assert terms.losses["loss_cls"] > 0
    assert terms.losses["loss_prj"] == 0
    # Processes that train together have to agree on which parameters have a gradient.
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_masks_are_products_of_features_and_the_cell_s_kernel() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(3, 5, 6, 7, generator=generator)
    kernels = torch.randn(3, 5, 11, generator=generator)
    counts, cells = [2, 0, 3], torch.tensor([4, 4, 0, 10, 7])
    masks = masks_at(features, kernels, cells, counts)
    for number, (image, cell) in enumerate(zip((0, 0, 2, 2, 2), cells.tolist(), strict=True)):
        expected = torch.einsum("dhw,d->hw", features[image], kernels[image, :, cell])
        torch.testing.assert_close(masks[number], expected)
    assert masks_at(features, kernels, cells[:0], [0, 0, 0]).shape == (0, 6, 7)


def test_coordinates_end_on_the_border_cells() -> None:
    x, y = with_coordinates(torch.zeros(2, 1, 3, 5))[1, 1:]
    assert x[1].tolist() == [-1, -0.5, 0, 0.5, 1]
    assert y[:, 4].tolist() == [-1, 0, 1]


class MeanProbability(MaskLoss):
    """Mean over positives of what a mask's mean probability is, by the object's number."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[MaskPredictions] = []

    def forward(self, predictions: MaskPredictions) -> LossTerms:
        self.given.append(predictions)
        means = predictions.logits.sigmoid().mean(dim=(1, 2)) + predictions.object_index
        return LossTerms({"loss_mean": means.sum() / max(len(means), 1)}, {})


def test_terms_of_several_strides_are_one_mean_over_all_positives() -> None:
    model, batch = confident("box2mask-c"), batch_of()
    loss = MeanProbability()
    model.mask_losses = nn.ModuleDict({"mean": loss})
    terms = model.losses(batch, 1)
    assert [p.stride for p in loss.given] == [4, 8]
    assert all(len(p.logits) for p in loss.given)
    assert [p.size for p in loss.given] == [(16, 16), (8, 8)]
    total = sum(
        (p.logits.sigmoid().mean(dim=(1, 2)) + p.object_index).sum().item() for p in loss.given
    )
    count = sum(len(p.logits) for p in loss.given)
    torch.testing.assert_close(terms.losses["loss_mean"].item(), total / count)
    # An object's coarser masks are those of its coarser levels.
    targets = model.targets(features_of(model, batch), [x["instances"] for x in batch])
    coarse = targets.object_index[targets.level >= 2]
    assert torch.equal(loss.given[1].object_index, coarse)


def test_a_sampler_leaves_classes_alone_and_limits_masks() -> None:
    model, batch = model_of("solov2"), batch_of()
    loss = MeanProbability()
    model.mask_losses = nn.ModuleDict({"mean": loss})
    model.positive_sampler = None
    every = model.losses(batch, 1)
    model.positive_sampler = TopPositives(4)  # one for each of the four objects
    few = model.losses(batch, 1)
    assert few.losses["loss_cls"] == every.losses["loss_cls"]
    assert len(loss.given[0].logits) > len(loss.given[1].logits)
    assert loss.given[1].object_index.tolist() == sorted(set(loss.given[0].object_index.tolist()))


@pytest.mark.parametrize("segmenter", SEGMENTERS)
def test_true_masks_reach_no_loss_but_their_own(segmenter: str) -> None:
    model, batch = confident(segmenter), batch_of()
    clean = model.losses(batch, 5).losses
    for x in batch:
        x["instances"].gt_masks = BitMasks(torch.rand(4, *x["image"].shape[1:]) < 0.5)
    assert model.losses(batch, 5).losses == clean
    model.mask_losses = nn.ModuleDict({"masks": MaskSupervision()})
    supervised = model.losses(batch, 5).losses["loss_mask"]
    for x in batch:
        height, width = x["image"].shape[1:]
        x["instances"].gt_masks = BitMasks(
            box_masks(x["instances"].gt_boxes.tensor, 1, height, width)
        )
    assert model.losses(batch, 5).losses["loss_mask"] != supervised


def assert_proposals(model: SOLOv2, batch: list[dict[str, Any]]) -> None:
    """Boxes and masks of all predictions beside those of a cell at a time."""
    predictions = model.proposals([x["image"] for x in batch], [x["height"] for x in batch])
    features = features_of(model, batch)
    likely = features.outputs.logits.sigmoid()
    number = 0
    for image, (height, width) in enumerate(predictions.image_sizes):
        found = (model.selection.score_threshold < likely[image].T).nonzero()
        assert predictions.counts[image] == len(found)
        for cell, label in found.tolist():
            kernel = features.outputs.kernels[image, :, cell]
            logits = torch.einsum("dhw,d->hw", features.mask_features[image], kernel)
            mask = logits.sigmoid() > model.selection.mask_threshold
            # Row i stands for the pixel row 2 + 4 i; a side lies within a cell of the tight one.
            tight = tight_boxes(mask[None])[0] * model.mask_stride + 0.5 * mask.any()
            tight = tight.minimum(torch.tensor([width, height, width, height]))
            assert (predictions.boxes[number] - tight).abs().max() <= model.mask_stride / 2
            assert predictions.classes[number] == label
            torch.testing.assert_close(predictions.scores[number], likely[image, label, cell])
            number += 1
    assert number == len(predictions.boxes) > 20


@pytest.mark.parametrize("at_once", [1, 1000, 1 << 25])
def test_proposals_have_the_boxes_of_their_masks(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection_module, "PIXELS_AT_ONCE", at_once)
    with torch.no_grad():
        assert_proposals(confident("solov2"), batch_of())


def test_only_the_most_likely_cells_are_candidates() -> None:
    model, batch = confident("solov2"), batch_of()
    images, heights = [x["image"] for x in batch], [x["height"] for x in batch]
    with torch.no_grad():
        every = model.proposals(images, heights)
        model.selection.max_cells = 7
        few = model.proposals(images, heights)
    for whole, part in zip(
        every.scores.split(every.counts), few.scores.split(few.counts), strict=True
    ):
        assert 7 <= len(part) < len(whole)
        assert part.max() == whole.max()


@torch.no_grad()
def test_what_survives_is_what_is_detected() -> None:
    model, batch = confident("solov2").eval(), batch_of()
    predictions = model.proposals([x["image"] for x in batch], [x["height"] for x in batch])
    survivors = predictions.suppressed()
    detections = [x["instances"] for x in model(batch)]
    for x, kept, found in zip(batch, survivors, detections, strict=True):
        assert 1 < len(kept) <= 100
        assert found.image_size == (x["height"], x["width"])
        assert torch.equal(predictions.classes[kept], found.pred_classes)
        assert (found.scores.diff() <= 0).all()
        # A class's score times the mask's, and less what others of its class leave of it.
        assert (found.scores <= predictions.scores[kept]).all()
        assert torch.equal(found.pred_boxes.tensor, tight_boxes(found.pred_masks.dense()))
    alone = [model([x])[0]["instances"] for x in batch[:1]]
    torch.testing.assert_close(alone[0].scores, detections[0].scores)


@torch.no_grad()
def test_an_image_without_anything_has_no_detections() -> None:
    model, batch = model_of("solov2").eval(), batch_of()
    predictions = model.proposals([x["image"] for x in batch], [x["height"] for x in batch])
    assert predictions.counts == [0, 0]
    assert predictions.mask_size == (16, 16)
    assert [len(kept) for kept in predictions.suppressed()] == [0, 0]
    assert [len(x["instances"]) for x in model(batch)] == [0, 0]


def matrix_nms_by_definition(masks: Tensor, scores: Tensor, classes: Tensor) -> list[float]:
    def iou(one: int, other: int) -> float:
        if classes[one] != classes[other]:
            return 0.0
        common = float((masks[one] & masks[other]).sum())
        return common / max(float((masks[one] | masks[other]).sum()), 1.0)

    def left(value: float) -> float:
        return float(torch.exp(torch.tensor(-2 * value * value)))

    found = []
    for worse in range(len(masks)):
        ratios = [1.0]
        for better in range(worse):
            own = max([iou(k, better) for k in range(better)], default=0.0)
            ratios.append(left(iou(better, worse)) / left(own))
        found.append(float(scores[worse]) * min(ratios))
    return found


def test_matrix_nms_is_the_definition_for_every_image() -> None:
    generator = torch.Generator().manual_seed(0)
    centers = torch.rand(2, 9, 2, 1, generator=generator) * 20
    places = torch.arange(20.0)
    inside = (places - centers).abs() < 6  # (2, 9, 2, 20)
    masks = inside[:, :, 0, :, None] & inside[:, :, 1, None]
    masks[0, 3] = False
    scores = torch.rand(2, 9, generator=generator).sort(descending=True).values
    classes = torch.randint(2, (2, 9), generator=generator)
    left = matrix_nms(masks, scores, classes, gaussian_decay(2.0))
    for image in range(2):
        expected = matrix_nms_by_definition(masks[image], scores[image], classes[image])
        torch.testing.assert_close(left[image], torch.tensor(expected))
    assert (left < scores).any()


def test_peaks_are_not_below_their_left_and_upper_neighbours() -> None:
    logits = torch.rand(2, 3, 25 + 9, generator=torch.Generator().manual_seed(0))
    found = peaks(logits, (5, 3))
    for start, cells in ((0, 5), (25, 3)):
        grid = logits[:, :, start : start + cells**2].unflatten(2, (cells, cells))
        peak = found[:, :, start : start + cells**2].unflatten(2, (cells, cells))
        for row in range(cells):
            for column in range(cells):
                near = grid[:, :, max(row - 1, 0) : row + 1, max(column - 1, 0) : column + 1]
                expected = near.amax(dim=(2, 3)) == grid[:, :, row, column]
                assert torch.equal(peak[:, :, row, column], expected)


@pytest.mark.parametrize("stride", [2, 4, 8, 16])
def test_masks_at_another_stride_keep_their_place(stride: int) -> None:
    rows = torch.arange(32.0)[:, None] * 4 + 2  # the pixel row that each stands for
    grid = MaskGrid(rows.expand(1, 1, 32, 8), 4, stride)
    (mask,) = grid.masks(torch.ones(1, 1, 1), torch.tensor([0]), [1])
    assert mask.shape == grid.size == (128 // stride, 32 // stride)
    wanted = torch.arange(len(mask)) * float(stride) + stride // 2
    torch.testing.assert_close(mask[1:-1, 0], wanted[1:-1])


def test_boxes_are_those_of_the_enlarged_masks() -> None:
    generator = torch.Generator().manual_seed(0)
    rough = torch.rand(40, 1, 6, 6, generator=generator)
    masks = F.interpolate(rough, size=(16, 20), mode="bicubic").clamp(0, 1)
    masks[0], masks[1] = 0.2, 0.8
    grid = MaskGrid(torch.zeros(1, 1, 16, 20), 4, 4)
    boxes = grid.boxes(masks[:, 0], 0.55)
    fine = tight_boxes(aligned_upsample(masks, 4)[:, 0] > 0.55)
    assert boxes[0].tolist() == [0, 0, 0, 0]
    # A row's largest value falls linearly but where the largest moves from column to column.
    assert (boxes[1:] - fine[1:]).abs().max() < 2.5
    assert (boxes[2:] - fine[2:]).abs().mean() < 0.5
    assert len(boxes[2:].unique(dim=0)) > len(tight_boxes(masks[2:, 0] > 0.55).unique(dim=0)) / 2


def test_crossings_of_profiles() -> None:
    profiles = torch.tensor(
        [
            [0.0, 0.2, 0.6, 0.9, 0.3, 0.0],
            [0.8, 0.0, 0.0, 0.0, 0.0, 1.0],
            [0.0, 0.0, 0.4, 0.5, 0.4, 0.0],
        ]
    )
    first, last = crossings(profiles, 0.5)
    torch.testing.assert_close(first, torch.tensor([2.25, 0.0, 0.0]))
    torch.testing.assert_close(last, torch.tensor([4.5 - 1 / 3, 6.0, 0.0]))


@torch.no_grad()
def test_a_teacher_tells_what_it_predicts_for_the_objects() -> None:
    model, batch = confident("box2mask-c"), batch_of()
    predictions = model.proposals([x["image"] for x in batch], [x["height"] for x in batch])
    assert predictions.internals is not None
    objects = [x["instances"] for x in batch]
    found = predictions.internals.at_objects(objects)
    features = features_of(model, batch)
    targets = model.targets(features, objects)
    assert torch.equal(found.object_index, targets.object_index)
    torch.testing.assert_close(found.probabilities, model.masks_of(features, targets).sigmoid())
    assert ((found.scores > 0) & (found.scores < 1)).all()
    maps = model.mask_features([x["image"] for x in batch])
    torch.testing.assert_close(torch.stack(maps), predictions.internals.mask_features)


def test_qam_and_pc_teach_it() -> None:
    model = build(compose(["scale=smoke", "method=boxseg", "segmenter=solov2"]).model)
    assert isinstance(model, TeacherStudent)
    assert isinstance(model.pseudo_labeller, QualityAwareModule)
    easy = {"min_quality": 0.0, "min_score": 0.0, "max_iou": 1.0, "min_area": 1.0}
    model.copy_paste = PeerCopyPaste(probability=1.0, warmup_iterations=0, **easy)
    model.student = confident("solov2")
    model.student.mask_losses = nn.ModuleDict({"dice": PseudoMaskDice(1.0, 1)})
    model.teacher = copy.deepcopy(model.student).requires_grad_(False)
    model.train()
    images = batch_of(((64, 64), (64, 64)))
    for x in images:
        view = View(64, 64)
        x |= {"teacher_image": x["image"], "teacher_view": view, "student_view": view}
        x |= {"color_seed": 1, "diagnostic_masks": None}
    pasted = 0.0
    for iteration in range(1, 5):
        model.before_step(iteration)
        terms = model(copy.deepcopy(images), iteration)
        pasted += terms.diagnostics["copy_paste_pastes"].item()
        assert terms.diagnostics["pseudo_valid_share"] > 0
        assert 0 < terms.losses["loss_mask"] < 1
    assert pasted > 0
    torch.stack(list(terms.losses.values())).sum().backward()
    assert model.student.head.kernels.weight.grad.abs().sum() > 0
    assert all(p.grad is None for p in model.teacher.parameters())
    assert model.eval()(images)[0]["instances"].has("pred_masks")
