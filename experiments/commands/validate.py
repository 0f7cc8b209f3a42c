"""Check every definition: keys, claims, printed numbers, and that each row's parts can be built."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which tables, at which scales."""
    parser.add_argument("tables", nargs="*", default=["all"], metavar="TABLE")
    parser.add_argument(
        "--scale", nargs="+", default=[], metavar="S", help="only these scales (default: all)"
    )


def run(options: argparse.Namespace) -> int:
    """Print what is wrong, and raise `InputError` if anything is."""
    from boxseg.errors import InputError
    from experiments.configuration.choices import choices, refuse_unknown
    from experiments.launch.validation import validate

    for scale in options.scale:
        refuse_unknown("scale", scale)
    scales = options.scale or choices("scale")
    findings = validate(options.tables or ["all"], scales)
    for fault in findings.faults:
        print(f"{fault}.")
    if findings.faults:
        count = len(findings.faults)
        more = f" (and {count - 1} more, listed above)" if count > 1 else ""
        raise InputError(f"the definitions do not hold: {findings.faults[0]}{more}.")
    print(
        f"{findings.cells} cells at {len(scales)} scales bind to their constructors; "
        f"{findings.files} configuration files, {findings.compositions} compositions."
    )
    return 0
