"""Seconds per training step and peak memory of the methods, side by side.

Run it on an idle machine, for instance
`python benchmarks/step_time.py r18:160 r18:256 mini:96 r50:320`. A case is SETTING:PIXELS; the
settings are in `training_steps.py` (r18 is that of the published code's timings). The methods take
turns in one process, so that what else the machine does meets all of them; a ratio is the median of
the rounds' ratios. Peak memory is that of a process of the method's own. The column `/network` is
the ratio to BoxInst's network alone in the contiguous layout of the published code (float32, no
losses, no objects), below which a step in that layout cannot be; by it machines can be compared.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
import warnings

CASES = ("r18:160", "r18:256", "mini:96", "r50:320")
METHODS = ("condinst", "boxinst", "boxteacher", "boxseg")
WARM_UP, MEMORY_STEPS = 2, 3


def measure_times(
    setting: str, size: int, precision: str, options: argparse.Namespace
) -> dict[str, list[float]]:
    """Seconds of every round, per method and of the reference ("network")."""
    from training_steps import bare_network_step, training_step

    steps = {"network": bare_network_step(setting, size, options.batch)}
    for method in options.methods:
        steps[method] = training_step(setting, method, size, options.batch, precision)
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(WARM_UP + options.rounds):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if turn >= WARM_UP:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def peak_memory(case: str, precision: str, method: str, options: argparse.Namespace) -> float:
    """GB (2^30 bytes) of a process that does a few steps of one method."""
    own = ["--memory-of", method, "--batch", str(options.batch), "--threads", str(options.threads)]
    command = [sys.executable, __file__, case, "--precisions", precision, *own]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def memory_after_steps(case: str, precision: str, options: argparse.Namespace) -> float:
    """GB that this process had at most while it did a few steps of one method."""
    from training_steps import training_step

    setting, _, pixels = case.partition(":")
    step = training_step(setting, options.memory_of, int(pixels), options.batch, precision)
    for _ in range(MEMORY_STEPS):
        step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def ratio(times: list[float], reference: list[float]) -> float:
    """Median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(times, reference, strict=True))


def main() -> None:
    """Measure each case and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=CASES, metavar="SETTING:PIXELS")
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--precisions", nargs="+", default=("float32", "bfloat16"))
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    import torch

    torch.set_num_threads(options.threads)
    cases = [(case, precision) for case in options.cases for precision in options.precisions]
    if options.memory_of:
        (case, precision), *_ = cases
        print(memory_after_steps(case, precision, options))
        return
    # Before anything is built here: a process starts with its parent's peak as its own.
    peaks = {
        (*case, method): peak_memory(*case, method, options)
        for case in cases
        for method in options.methods
    }
    print(
        f"{'case':<10}{'precision':<10}{'method':<12}{'s/step':>8}{'fastest':>9}{'/network':>10}"
        f"{'/boxinst':>10}{'GB':>7}{'/boxinst':>10}"
    )
    for case, precision in cases:
        setting, _, pixels = case.partition(":")
        times = measure_times(setting, int(pixels), precision, options)
        network = times["network"]
        print(
            f"{case:<10}{'float32':<10}{'(network)':<12}"
            f"{statistics.median(network):>8.3f}{min(network):>9.3f}"
        )
        for method in options.methods:
            peak = peaks[case, precision, method]
            row = f"{case:<10}{precision:<10}{method:<12}"
            row += f"{statistics.median(times[method]):>8.3f}{min(times[method]):>9.3f}"
            row += f"{ratio(times[method], network):>10.2f}"
            if "boxinst" in options.methods:
                row += f"{ratio(times[method], times['boxinst']):>10.2f}"
                row += f"{peak:>7.2f}{peak / peaks[case, precision, 'boxinst']:>10.2f}"
            else:
                row += f"{'':>10}{peak:>7.2f}"
            print(row, flush=True)


if __name__ == "__main__":
    main()
