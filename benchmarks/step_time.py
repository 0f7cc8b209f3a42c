"""Seconds per training step and peak memory of the methods, beside plain convolutions.

Run it on an idle machine: `python benchmarks/step_time.py`. The setting is that of the published
code's timings: ResNet-18 with a 64-channel pyramid, two convolutions per tower, 5 classes, 6
objects per image, untrained weights, batch 4. Times depend on the machine; the ratio to the
reference (8 stacked 3x3 convolutions with batch normalisation, forward and backward) less so.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
import warnings

SIZES = (160, 256)
METHODS = ("condinst", "boxinst")
PRECISIONS = ("float32", "bfloat16")
ROUNDS, STEPS = 2, 6


def measure(method: str, size: int, precision: str, batch: int, threads: int) -> dict[str, float]:
    """Median seconds of a step, of the reference, and peak memory, in this process."""
    warnings.filterwarnings("ignore")
    import numpy as np
    import torch
    from detectron2.structures import BitMasks, Boxes, Instances

    from boxseg.engine.precision import autocast
    from experiments.components import build
    from experiments.compose import compose

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    config = compose(
        [
            "scale=paper",
            "dataset=scenes",
            f"method={method}",
            "dataset.num_classes=5",
            "model.backbone.bottom_up.depth=18",
            "scale.segmenter.channels=64",
            "scale.segmenter.mask_channels=64",
            "scale.segmenter.tower_convs=2",
            "scale.segmenter.mask_convs=2",
        ]
    )
    model = build(config.model).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(
        [p for p in model.parameters() if p.requires_grad], 1e-4, momentum=0.9
    )
    rng = np.random.default_rng(0)

    def image() -> dict[str, object]:
        objects = Instances((size, size))
        corner = rng.uniform(0, size * 0.6, (6, 2))
        extent = rng.uniform(size * 0.15, size * 0.4, (6, 2))
        boxes = np.concatenate((corner, np.minimum(corner + extent, size)), axis=1)
        objects.gt_boxes = Boxes(torch.from_numpy(boxes.astype(np.float32)))
        objects.gt_classes = torch.from_numpy(rng.integers(0, 5, 6))
        masks = np.zeros((6, size, size), dtype=bool)
        for mask, (x0, y0, x1, y1) in zip(masks, boxes.astype(int), strict=True):
            mask[y0 : y1 + 1, x0 : x1 + 1] = True
        objects.gt_masks = BitMasks(torch.from_numpy(masks))
        pixels = rng.integers(0, 256, (3, size, size), dtype=np.uint8)
        return {
            "image": torch.from_numpy(pixels),
            "height": size,
            "width": size,
            "instances": objects,
        }

    images = [image() for _ in range(batch)]
    dtype = getattr(torch, precision)

    def step() -> float:
        start = time.perf_counter()
        with autocast(dtype, torch.device("cpu")):
            losses = model(images, 10_000).losses
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return time.perf_counter() - start

    layers: list[torch.nn.Module] = []
    for _ in range(8):
        layers += [torch.nn.Conv2d(64, 64, 3, padding=1), torch.nn.BatchNorm2d(64)]
    stack = torch.nn.Sequential(*layers).to(memory_format=torch.channels_last)
    maps = torch.randn(batch, 64, size // 4, size // 4).to(memory_format=torch.channels_last)

    def reference() -> float:
        start = time.perf_counter()
        stack(maps).sum().backward()
        return time.perf_counter() - start

    for _ in range(2):
        step()
        reference()
    steps, references = [], []
    for _ in range(ROUNDS * STEPS):
        steps.append(step())
        references.append(reference())
    return {
        "step": statistics.median(steps),
        "fastest": min(steps),
        "reference": statistics.median(references),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def main() -> None:
    """Measure each case in a process of its own, so that its peak memory is its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    parser.add_argument("--precisions", nargs="+", default=PRECISIONS)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case is not None:
        method, size, precision = options.case.split(",")
        case = measure(method, int(size), precision, options.batch, options.threads)
        print(json.dumps(case))
        return
    print(
        f"{'method':<12}{'pixels':>7}{'precision':>11}{'s/step':>9}{'fastest':>9}"
        f"{'reference':>11}{'ratio':>8}{'GB':>7}"
    )
    for size in options.sizes:
        for precision in options.precisions:
            for method in options.methods:
                command = [
                    sys.executable,
                    __file__,
                    *("--case", f"{method},{size},{precision}"),
                    *("--batch", str(options.batch), "--threads", str(options.threads)),
                ]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                case = json.loads(done.stdout.splitlines()[-1])
                print(
                    f"{method:<12}{size:>7}{precision:>11}{case['step']:>9.3f}"
                    f"{case['fastest']:>9.3f}{case['reference']:>11.4f}"
                    f"{case['step'] / case['reference']:>8.2f}{case['memory']:>7.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
