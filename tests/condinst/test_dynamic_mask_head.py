"""The mask head against a loop over objects that assembles every object's input."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from boxseg.aligned_upsample import aligned_upsample
from boxseg.condinst.dynamic_mask_head import DynamicMaskHead
from boxseg.condinst.locations import cell_locations

SCALES = (64.0, 128.0, 256.0)


def one_by_one(
    head: DynamicMaskHead,
    features: Tensor,
    parameters: Tensor,
    image_index: Tensor,
    locations: Tensor,
    level: Tensor,
) -> Tensor:
    """Each object by itself: offsets and features stacked, then three 1x1 convolutions."""
    channels, height, width = features.shape[1:]
    places = cell_locations(height, width, head.feature_stride, features.device)
    masks = []
    for p in range(len(parameters)):
        offsets = (locations[p] - places) / SCALES[level[p]]
        offsets = offsets.T.reshape(2, height, width)
        x = torch.cat((offsets, features[image_index[p]]))[None]  # C + 2 channels
        numbers = parameters[p]
        sizes = [(8, channels + 2), (8, 8), (1, 8)]
        weights, biases = [], []
        for out, into in sizes:
            weights.append(numbers[: out * into].reshape(out, into, 1, 1))
            numbers = numbers[out * into :]
        for out, _ in sizes:
            biases.append(numbers[:out])
            numbers = numbers[out:]
        assert len(numbers) == 0
        for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            x = F.conv2d(x, weight, bias)
            x = x.relu() if layer < 2 else x
        masks.append(aligned_upsample(x, head.feature_stride // head.mask_stride)[0, 0])
    return torch.stack(masks)


def inputs(images: list[int], channels: int) -> dict[str, Tensor]:
    """Objects of a batch of four images of 48 x 72 pixels."""
    count = len(images)
    head = DynamicMaskHead(channels, 8, 4, SCALES)
    return {
        "features": torch.randn(4, channels, 6, 9),
        "parameters": 0.3 * torch.randn(count, head.num_parameters),
        "image_index": torch.tensor(images, dtype=torch.int64),
        "locations": torch.rand(count, 2) * torch.tensor([72.0, 48.0]),
        "level": torch.randint(0, 3, (count,)),
    }


def test_number_of_parameters() -> None:
    # 8 * 10 + 8 * 8 + 8 + (8 + 8 + 1) = 169; sixteen features add 8 * 8.
    assert DynamicMaskHead(8, 8, 4, SCALES).num_parameters == 169
    assert DynamicMaskHead(16, 8, 4, SCALES).num_parameters == 233


@pytest.mark.parametrize("channels", [8, 16])
@pytest.mark.parametrize("mask_stride", [8, 4, 2])
def test_equals_one_by_one(channels: int, mask_stride: int) -> None:
    # Images 1 and 3 have no object; the others' objects come in no order.
    given = inputs([2, 0, 2, 2, 0], channels)
    head = DynamicMaskHead(channels, 8, mask_stride, SCALES)
    found = head(**given)
    factor = 8 // mask_stride
    assert found.shape == (5, 6 * factor, 9 * factor)
    torch.testing.assert_close(found, one_by_one(head, **given), rtol=1e-5, atol=1e-5)


def test_gradients_equal_those_one_by_one() -> None:
    given = inputs([3, 0, 3], 8)
    head = DynamicMaskHead(8, 8, 4, SCALES)
    leaves = [given["features"].requires_grad_(), given["parameters"].requires_grad_()]
    weights = torch.randn(3, 12, 18)
    ours = torch.autograd.grad((head(**given) * weights).sum(), leaves)
    theirs = torch.autograd.grad((one_by_one(head, **given) * weights).sum(), leaves)
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-4, atol=1e-4)


def half_plane(head: DynamicMaskHead, sharpness: float) -> Tensor:
    """Parameters of a mask that is `sharpness` times the pixel's offset to the left."""
    parameters = torch.zeros(1, head.num_parameters)
    w1, w2, w3, *_ = parameters.split(head.sizes, dim=1)
    w1[0, 0] = sharpness  # hidden 0: positive part of the x offset
    w1[0, head.feature_channels + 2] = -sharpness  # hidden 1: negative part of it
    w2[0, 0] = 1
    w2[0, 8 + 1] = 1
    w3[0, 0], w3[0, 1] = 1, -1
    return parameters


def test_offset_points_from_the_pixel_to_the_object() -> None:
    head = DynamicMaskHead(8, 8, 8, SCALES)
    logits = head(
        torch.zeros(1, 8, 2, 5),
        half_plane(head, 128.0),
        torch.tensor([0]),
        torch.tensor([[20.0, 4.0]]),
        torch.tensor([1]),  # divided by 128, so the logit is 20 - x
    )
    # x = 4, 12, 20, 28, 36
    assert logits[0].tolist() == [[16, 8, 0, -8, -16]] * 2


def test_low_precision_does_not_move_masks() -> None:
    """Places of more than 256 pixels do not fit bfloat16; the head works in float32 throughout."""
    head = DynamicMaskHead(8, 8, 8, SCALES)
    given = (
        torch.zeros(1, 8, 2, 160),
        half_plane(head, 64.0),
        torch.tensor([0]),
        torch.tensor([[1100.0, 4.0]]),
        torch.tensor([0]),
    )
    expected = head(*given)
    torch.testing.assert_close(
        expected[0, 0], 1100 - torch.arange(160) * 8.0 - 4, rtol=1e-5, atol=1e-2
    )
    with torch.autocast("cpu", torch.bfloat16):
        found = head(*given)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=0.1)


def test_low_precision_features_give_float32_logits() -> None:
    given = inputs([0, 1], 8)
    given["features"] = given["features"].bfloat16()
    head = DynamicMaskHead(8, 8, 4, SCALES)
    found = head(**given)
    assert found.dtype == torch.float32
    given["features"] = given["features"].float()
    torch.testing.assert_close(found, head(**given))


def test_no_objects() -> None:
    given = inputs([], 8)
    given["parameters"].requires_grad_()
    masks = DynamicMaskHead(8, 8, 4, SCALES)(**given)
    assert masks.shape == (0, 12, 18)
    assert masks.dtype == torch.float32
    masks.sum().backward()


def test_mask_stride_must_divide_the_features() -> None:
    with pytest.raises(ValueError, match="mask stride 3 must divide 8"):
        DynamicMaskHead(8, 8, 3, SCALES)
