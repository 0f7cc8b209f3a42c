"""What is installed here, and what is missing for which feature."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None."""


def run(options: argparse.Namespace) -> int:
    """Exit code 1 when something the mini scale needs is missing."""
    from boxseg.doctor import collect, mini_scale_ready, render
    from experiments.launch.preflight import of_paper_scale

    findings = [*collect(), *of_paper_scale()]
    print(render(findings), end="")
    return 0 if mini_scale_ready(findings) else 1
