"""Every method on a GPU: the CPU's losses, bfloat16 like float32, and steps of the paper's size."""

from __future__ import annotations

import math

import pytest
import torch

from boxseg.data.batches import Batch, on_device
from boxseg.engine.precision import use_published_arithmetic
from tests.method_steps import AFTER_ALL_WARM_UPS, METHODS, assert_alike, logged, model_and_batch

pytestmark = pytest.mark.gpu

SMALL = (
    "scale.backbones.r50.bottom_up.depth=18",
    "scale.segmenter.channels=64",
    "scale.segmenter.mask_channels=64",
    "scale.segmenter.tower_convs=2",
    "scale.segmenter.mask_convs=2",
    "initial_weights=null",
)
"""The paper's levels, sizes and layers with fewer channels."""

ON_CPU = torch.device("cpu")


def first_losses(method: str, device: torch.device) -> dict[str, float]:
    """A method's losses of its first step, without an optimiser's."""
    model, batch = model_and_batch(method, "paper", 160, *SMALL)
    model.to(device).before_step(1)
    torch.manual_seed(0)
    terms = model(on_device(batch, device), AFTER_ALL_WARM_UPS)
    return {name: loss.item() for name, loss in terms.losses.items()}


@pytest.mark.usefixtures("float32_only")
@pytest.mark.parametrize("method", METHODS)
def test_losses_are_the_cpu_s(method: str, gpu: torch.device) -> None:
    if method == "mask-rcnn":
        pytest.skip("Mask R-CNN samples its regions with the device's own generator")
    assert first_losses(method, gpu) == pytest.approx(first_losses(method, ON_CPU), rel=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_bfloat16_trains_as_float32_does(method: str, gpu: torch.device) -> None:
    use_published_arithmetic()
    found = []
    for precision in (torch.float32, torch.bfloat16):
        model, batch = model_and_batch(method, "smoke", 64)
        found.append(logged(model.to(gpu), batch, precision, 10, 3e-4))
    assert_alike(*found)


@pytest.mark.parametrize("method", METHODS)
def test_steps_of_the_paper_s_size(
    method: str, gpu: torch.device, capsys: pytest.CaptureFixture[str]
) -> None:
    use_published_arithmetic()
    model, batch = model_and_batch(method, "paper", 800, "initial_weights=null", objects=7)
    model = model.to(gpu)
    pinned = Batch(batch).pin_memory()
    assert pinned[0]["image"].is_pinned()
    torch.cuda.reset_peak_memory_stats()
    begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    logged(model, pinned, torch.float32, 2)
    begun.record()
    found = logged(model, pinned, torch.float32, 18, first=AFTER_ALL_WARM_UPS + 2)
    ended.record()
    torch.cuda.synchronize()
    for step in found:
        assert all(math.isfinite(v) for name, v in step.items() if name.startswith("loss"))
    assert found[-1]["total_loss"] < found[0]["total_loss"]
    peak, seconds = torch.cuda.max_memory_allocated() / 2**30, begun.elapsed_time(ended) / 18e3
    with capsys.disabled():
        print(f"\n{method}: {seconds:.3f} s a step, peak {peak:.2f} GB", end=" ")
