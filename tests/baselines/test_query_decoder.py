"""The query segmenter: matching by boxes, losses of all sets, and what a host owes."""

from __future__ import annotations

import copy
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import torch
from detectron2.structures import BitMasks, Boxes, Instances
from torch import Tensor

pytest.importorskip("mmdet", reason="mmdet is not installed; run `make setup EXTRAS=mmdet`")

from baselines.query_decoder import BoxMatching, PredictionSets, QuerySegmenter
from baselines.query_decoder.detections import bilinear, detections
from baselines.query_decoder.model import set_class_losses
from boxseg.box_supervision import BoxSupervision
from boxseg.errors import InputError
from boxseg.peer_copy_paste import PeerCopyPaste
from boxseg.quality_aware import EveryPrediction, QualityAwareModule
from boxseg.teacher_student import TeacherStudent
from boxseg.views import View
from experiments.configuration.build import build
from experiments.configuration.compose import compose
from tests.baselines.mmdet_models import blocks, image_with
from tests.taught_masks import labelled

BOXES = [[4.0, 6.5, 30.0, 34.0], [28.3, 26.0, 60.0, 58.0]]


def model_of(*words: str) -> QuerySegmenter:
    """Of the smoke scale, with lively masks and classes."""
    torch.manual_seed(0)
    model = build(compose(["scale=smoke", "method=boxinst-t", *words]).model)
    assert isinstance(model, QuerySegmenter)
    with torch.no_grad():
        model.decoder.head.mask_embed[4].weight.mul_(6)
        model.decoder.head.cls_embed.weight.mul_(4)
    return model.train()


def batch() -> list[dict[str, Any]]:
    torch.manual_seed(0)
    return [image_with(blocks(range(90, 130)), BOXES), image_with(blocks([7, 90]), BOXES[:1])]


def predicted_by(model: QuerySegmenter, images: list[dict[str, Any]]) -> PredictionSets:
    with torch.no_grad():
        features, _ = model.features([x["image"] for x in images])
        found = model.decoder(features)
    assert isinstance(found, PredictionSets)
    return found


def losses(model: QuerySegmenter, images: list[dict[str, Any]]) -> dict[str, float]:
    return {name: loss.item() for name, loss in model(images, 7).losses.items()}


def test_no_other_assignment_costs_less() -> None:
    model, images = model_of(), batch()
    predicted = predicted_by(model, images)
    objects = [x["instances"] for x in images]
    matching = BoxMatching()
    costs = matching.costs(predicted, objects, 4)
    matches = matching(predicted, objects, 4)
    sets, queries = costs.shape[0], costs.shape[2]
    assert matches.sets.tolist() == [s for s in range(sets) for _ in range(3)]
    assert matches.images.tolist() == [0, 0, 1] * sets
    for number in range(sets):
        chosen = matches.sets == number
        paid = costs[number, matches.object_index[chosen], matches.queries[chosen]]
        pairs = [
            (costs[number, 0, a] + costs[number, 1, b]).item()
            for a, b in permutations(range(queries), 2)
        ]
        assert paid[:2].sum().item() == pytest.approx(min(pairs))
        assert paid[2].item() == pytest.approx(costs[number, 2].min().item())


def test_the_matching_sees_no_pixel_inside_a_box() -> None:
    # Of one projection, two masks: a full box, and its frame.
    full = torch.full((1, 2, 16, 16), -9.0)
    full[0, :, 3:9, 2:12] = 9.0
    full[0, 1, 4:8, 3:11] = -9.0
    objects = Instances((64, 64))
    objects.gt_boxes = Boxes(torch.tensor([[8.0, 12, 46, 34]]))
    objects.gt_classes = torch.tensor([1])
    predicted = PredictionSets(torch.zeros(1, 1, 2, 4), [full], full)
    costs = BoxMatching(2.0, 5.0).costs(predicted, [objects], 4)
    assert costs[0, 0].tolist() == pytest.approx([-2 / 4] * 2, abs=0.01)


def test_more_objects_than_queries_and_costs_that_are_no_numbers() -> None:
    masks = torch.zeros(1, 2, 8, 8)
    masks[0, 1] = torch.nan
    objects = Instances((32, 32))
    objects.gt_boxes = Boxes(torch.tensor([[0.0, 0, 8, 8], [8, 8, 30, 30], [0, 9, 30, 30]]))
    objects.gt_classes = torch.tensor([0, 1, 0])
    predicted = PredictionSets(torch.zeros(1, 1, 2, 3), [masks], masks)
    matches = BoxMatching()(predicted, [objects], 4)
    assert matches.queries.tolist() == [0, 1]
    assert len(set(matches.object_index.tolist())) == 2


def test_an_enlargement_must_divide_the_stride() -> None:
    masks = torch.zeros(1, 2, 8, 8)
    predicted = PredictionSets(torch.zeros(1, 1, 2, 3), [masks], masks)
    with pytest.raises(InputError, match="enlargement 3 does not divide the masks' stride 4"):
        BoxMatching(enlargement=3)(predicted, [batch()[0]["instances"]], 4)


def test_the_class_loss_by_hand() -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(2, 1, 3, 4), torch.tensor([[[0, 3, 3]], [[2, 1, 3]]])
    found = set_class_losses(logits, targets, 0.1)
    for number in range(2):
        costs = -logits[number, 0].log_softmax(1)[range(3), targets[number, 0]]
        weights = torch.where(targets[number, 0] == 3, 0.1, 1.0)
        torch.testing.assert_close(found[number], (costs * weights).sum() / weights.sum())


def test_losses_are_means_over_the_sets() -> None:
    model, images = model_of(), batch()
    predicted = predicted_by(model, images)
    sizes = [(64, 64)] * 2
    together = model.losses_of(predicted, images, 7, sizes).losses
    assert len(predicted.masks) == 3
    alone = [
        model.losses_of(
            PredictionSets(predicted.classes[n : n + 1], [masks], predicted.mask_features),
            images,
            7,
            sizes,
        ).losses
        for n, masks in enumerate(predicted.masks)
    ]
    for name in ("loss_class", "loss_prj"):
        mean = torch.stack([of_set[name] for of_set in alone]).mean()
        torch.testing.assert_close(together[name], mean)
    assert losses(model, images) == {n: pytest.approx(x.item()) for n, x in together.items()}


def test_every_parameter_learns() -> None:
    model = model_of()
    torch.stack(list(model(batch(), 7).losses.values())).sum().backward()
    assert not [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]


def test_images_without_objects_teach_that_there_is_nothing() -> None:
    model = model_of("segmenter.mask_stride=2")
    images = batch()[:1]
    images[0]["instances"] = Instances((64, 64))
    images[0]["instances"].gt_boxes = Boxes(torch.zeros(0, 4))
    images[0]["instances"].gt_classes = torch.zeros(0, dtype=torch.long)
    found = losses(model, images)
    assert found["loss_class"] > 0
    assert found["loss_prj"] == found["loss_pairwise"] == 0


def test_masks_reach_the_losses_that_ask_for_them_alone() -> None:
    images = batch()
    for x in images:
        whole = torch.zeros(len(x["instances"]), 64, 64, dtype=torch.bool)
        whole[:, 20:40, 10:50] = True
        x["instances"].gt_masks = BitMasks(whole)
    others = copy.deepcopy(images)
    for x in others:
        x["instances"].gt_masks = BitMasks(~x["instances"].gt_masks.tensor)
    by_boxes, by_masks = model_of(), model_of("method=mask2former")
    assert losses(by_boxes, others) == losses(by_boxes, images) == losses(by_boxes, batch())
    assert losses(by_masks, others)["loss_mask"] != losses(by_masks, images)["loss_mask"]


def test_padding_changes_no_matching_of_a_smaller_image() -> None:
    model = model_of().eval()
    small = image_with(blocks(range(90, 130), 48, 40), [[4.0, 6.5, 30.0, 34.0]])
    features, sizes = model.features([small["image"], batch()[0]["image"]])
    assert [tuple(f.shape[2:]) for f in features] == [(16, 16), (8, 8), (4, 4)]
    assert [tuple(size) for size in sizes] == [(40, 48), (64, 64)]
    with torch.no_grad():
        proposed = model.proposals([small["image"], batch()[0]["image"]], [40, 64])
    of_small = proposed.boxes[: proposed.counts[0]]
    assert (of_small <= torch.tensor([48, 40, 48, 40])).all()
    assert (proposed.boxes[proposed.counts[0] :] > 50).any()


def test_images_are_padded_before_they_are_normalised() -> None:
    model = model_of("segmenter.pad_value=90").eval()
    large = torch.full((3, 64, 64), 90, dtype=torch.uint8)
    large[:, :32, :32] = blocks([7, 200], 32)
    padded, whole = (model.features([image, large])[0] for image in (large[:, :32, :32], large))
    for ours, expected in zip(padded, whole, strict=True):
        torch.testing.assert_close(ours, expected)


def test_proposals_are_all_sets_the_last_first_and_detections_the_last() -> None:
    model, images = model_of("segmenter.score_threshold=0.0").eval(), batch()
    predicted = predicted_by(model, images)
    with torch.no_grad():
        proposed = model.proposals([x["image"] for x in images], [64, 64])
    queries = model.decoder.head.num_queries
    assert proposed.counts == [3 * queries] * 2
    places = torch.arange(queries)
    for back, masks in enumerate(reversed(predicted.masks)):
        for image in range(2):
            first = image * 3 * queries + back * queries
            ours = proposed.masks_of(first + places, [queries, 0])
            torch.testing.assert_close(ours, masks[image].sigmoid())
            likely = predicted.classes[-1 - back, image].softmax(1)[:, :-1]
            torch.testing.assert_close(proposed.scores[first + places], likely.amax(1))
            assert torch.equal(proposed.classes[first + places], likely.argmax(1))
    for image, kept in enumerate(proposed.suppressed()):
        assert set(kept.tolist()) == set(range(image * 3 * queries, image * 3 * queries + queries))
        assert (proposed.scores[kept].diff() <= 0).all()


def test_detections_are_the_proposals_of_the_last_set() -> None:
    model, images = model_of("segmenter.score_threshold=0.0").eval(), batch()
    with torch.no_grad():
        proposed = model.proposals([x["image"] for x in images], [64, 64])
    found = model(images)[0]["instances"]
    compared = 0
    for index in proposed.suppressed()[0]:
        mask = proposed.masks_of(index[None], [1, 0])[0] > 0.5
        if not 0 < mask.float().mean() < 1:
            continue
        compared += 1
        # Cell by cell: its value is that of the pixel at its place.
        same = [(one[2::4, 2::4] == mask).all().item() for one in found.pred_masks]
        here = (found.pred_classes == proposed.classes[index]) & torch.tensor(same)
        assert here.sum() == 1
        mean = (proposed.masks_of(index[None], [1, 0])[0][mask]).mean()
        own = found.scores[here].item() / proposed.scores[index].item()
        assert own == pytest.approx(mean.item(), abs=0.1)
        rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
        box = [columns.min() * 4, rows.min() * 4, columns.max() * 4 + 4, rows.max() * 4 + 4]
        assert proposed.boxes[index].tolist() == box
        apart = (found.pred_boxes.tensor[here][0] - torch.tensor(box)).abs()
        assert (apart < 4).all()
    assert compared > 1


def test_queries_of_low_score_are_not_proposed() -> None:
    model, images = model_of("segmenter.score_threshold=0.3").eval(), batch()
    every = model_of("segmenter.score_threshold=0.0").eval()
    pixels = [x["image"] for x in images]
    with torch.no_grad():
        few, all_of_them = model.proposals(pixels, [64, 64]), every.proposals(pixels, [64, 64])
    keep = (all_of_them.scores > 0.3).nonzero()[:, 0]
    assert 0 < len(keep) < len(all_of_them.scores)
    torch.testing.assert_close(few.boxes, all_of_them.boxes[keep])
    everything = torch.arange(len(keep))
    torch.testing.assert_close(
        few.masks_of(everything, few.counts), all_of_them.masks_of(keep, few.counts)
    )


def test_masks_finer_than_the_features() -> None:
    model, images = model_of("segmenter.mask_stride=2").eval(), batch()
    with torch.no_grad():
        proposed = model.proposals([x["image"] for x in images], [64, 64])
    assert (proposed.mask_stride, proposed.mask_size) == (2, (32, 32))
    assert losses(model.train(), images)["loss_prj"] > 0
    with pytest.raises(InputError, match="mask_stride 3 does not divide the stride 4"):
        model_of("segmenter.mask_stride=3")


def test_predictions_for_objects_are_those_of_their_queries() -> None:
    model, images = model_of().eval(), batch()
    objects = [x["instances"] for x in images]
    with torch.no_grad():
        proposed = model.proposals([x["image"] for x in images], [64, 64])
        assert proposed.internals is not None
        found = proposed.internals.at_objects(objects)
    assert found.object_index.bincount().tolist() == [3, 3, 3]
    assert found.probabilities.shape == (9, *proposed.mask_size)
    assert (found.scores > 0).all() and (found.scores < 1).all()
    features = model.mask_features([x["image"] for x in images])
    torch.testing.assert_close(torch.stack(features), proposed.internals.mask_features)
    matches = model.matching(predicted_by(model, images), objects, model.backbone.strides[0])
    at_positives = proposed.internals.at_positives(matches, model.mask_stride)
    assert torch.equal(at_positives, found.probabilities)


def test_detections_are_in_the_original_images_pixels() -> None:
    torch.manual_seed(0)
    classes, masks = torch.randn(5, 4), torch.full((5, 8, 8), -5.0)
    masks[:, 2:6, 1:4] = 5.0
    masks[4] = -5.0
    found = detections(classes, masks, 4, (30, 32), (60, 96), 7, bilinear)
    assert len(found) == 7 and found.image_size == (60, 96)
    likely = classes.softmax(1)[:, :-1].flatten()
    scores, places = likely.topk(7)
    for score, place, own, box in zip(
        scores, places, found.scores, found.pred_boxes.tensor, strict=True
    ):
        if place // 3 == 4:
            assert (own, *box.tolist()) == (0, 0, 0, 0, 0)
        else:
            assert 0.6 * score < own < score  # times the mask's mean probability
            expected = torch.tensor([12.0, 16, 48, 48])
            torch.testing.assert_close(box, expected, rtol=0, atol=1.5)
    assert found.pred_masks.dense().shape == (7, 60, 96)


def test_qam_fuses_an_objects_queries_of_all_sets() -> None:
    model, images = model_of("segmenter.score_threshold=0.0").eval(), batch()
    objects = [x["instances"] for x in images]
    with torch.no_grad():
        proposed = model.proposals([x["image"] for x in images], [64, 64])
    ranked = QualityAwareModule().rank(proposed, objects)
    every = QualityAwareModule(candidate_boxes=EveryPrediction()).rank(proposed, objects)
    assert torch.equal(ranked.indices, every.indices) and torch.equal(ranked.valid, every.valid)
    sets = ranked.indices % (3 * model.decoder.head.num_queries)
    assert (sets // model.decoder.head.num_queries).unique().tolist() == [0, 1, 2]


def test_a_teacher_with_qam_and_peer_copy_paste() -> None:
    config = compose(["scale=smoke", "method=boxseg", "segmenter=query"])
    torch.manual_seed(0)
    step = build(config.model)
    assert isinstance(step, TeacherStudent) and isinstance(step.copy_paste, PeerCopyPaste)
    images = batch()
    for x in images:
        x |= {
            "teacher_image": x["image"],
            "teacher_view": View(64, 64),
            "student_view": View(64, 64),
            "color_seed": 1,
            "diagnostic_masks": None,
        }
    step.before_step(1)
    terms = step(images, 1)
    assert {"loss_class", "loss_prj", "loss_pairwise", "loss_mask"} <= set(terms.losses)
    assert terms.diagnostics["pseudo_candidates"] > 1
    assert all(torch.isfinite(loss) for loss in terms.losses.values())


def test_the_pseudo_masks_of_a_sample_are_taught() -> None:
    model, images = model_of("losses=pseudo-masks", "step=plain"), batch()
    for x in images:
        count = len(x["instances"])
        x["sample"] = labelled(x["instances"].gt_boxes.tensor, torch.ones(count, 16, 16), 4)
    assert losses(model, images)["loss_mask"] > 0


def test_box_losses_are_those_of_the_suite() -> None:
    model = model_of()
    assert [type(loss) for loss in model.losses_on_masks] == [BoxSupervision]


def test_embeddings_have_no_weight_decay() -> None:
    config = compose(["scale=smoke", "method=boxinst-t"])
    model = build(config.model)
    optimizer = build(config.solver.optimizer)(model)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    undecayed = {
        names[id(parameter)].removeprefix("decoder.head.")
        for group in optimizer.param_groups
        if group["weight_decay"] == 0
        for parameter in group["params"]
        if parameter.ndim > 1
    }
    assert undecayed == {
        "query_embed.weight",
        "query_feat.weight",
        "level_embed.weight",
        "pixel_decoder.level_encoding.weight",
    }


def test_the_released_enlargement(tmp_path: Path) -> None:
    maps = torch.arange(3.0).reshape(1, 1, 1, 3)
    expected: Tensor = torch.tensor([0, 0, 0.125, 0.375, 0.625, 0.875, 1.125, 1.375])
    torch.testing.assert_close(bilinear(maps, 4)[0, 0, 0, :8], expected)
    assert bilinear(maps, 1) is maps
