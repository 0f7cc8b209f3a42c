"""The command line as a whole."""

from __future__ import annotations

import logging

from experiments.cli import COMMANDS
from tests.experiments.command_line import boxseg


def test_help_names_every_command() -> None:
    outcome = boxseg("--help")
    assert outcome.code == 0
    for name, text in COMMANDS.items():
        assert name in outcome.out
        assert text.split()[0] in outcome.out


def test_every_command_has_help() -> None:
    for name in COMMANDS:
        outcome = boxseg(name, "--help")
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.out.startswith(f"usage: boxseg {name}")


def test_our_words_go_to_standard_error_and_others_nowhere() -> None:
    outcome = boxseg("data", "check", "scenes", "--scale", "smoke")
    assert outcome.code == 0
    assert outcome.out.count("defects 0.") == 6
    assert logging.getLogger("boxseg").handlers == []  # and no test is left with a handler of ours
