"""What a shell is offered, asked as argcomplete's own shell function asks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.commands.parser import COMMANDS
from experiments.configuration.choices import choices
from tests.conftest import REPOSITORY


def offered(line: str, folder: Path) -> set[str]:
    """Completions of the last word of a line."""
    answer = folder / "answer"
    environment = os.environ | {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_SHELL": "bash",
        "_ARGCOMPLETE_COMP_WORDBREAKS": " \t\n\"'><=;|&(:",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "COMP_TYPE": "9",
        "_ARGCOMPLETE_IFS": "\n",
        "PYTHONPATH": str(REPOSITORY),
    }
    done = subprocess.run(
        [sys.executable, "-m", "experiments.cli"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return {word.strip() for word in answer.read_text().split("\n")}


def test_commands(tmp_path: Path) -> None:
    assert {*COMMANDS} <= offered("boxseg ", tmp_path)
    assert offered("boxseg re", tmp_path) == {"reproduce", "report"}


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("boxseg train meth", {"method="}),
        # A shell takes what stands behind the sign for a word of its own.
        ("boxseg train method=boxs", {name for name in choices("method") if name[:4] == "boxs"}),
        ("boxseg train method=boxinst --show", {"--show-config"}),
        ("boxseg reproduce table", {name for name in choices("table") if name[:5] == "table"}),
        ("boxseg status con", {"controls"}),
        ("boxseg reproduce table3 --scale sm", {"smoke"}),
        ("boxseg reproduce table3 --rows qam", {"qam", "qam-pc"}),
    ],
)
def test_words(tmp_path: Path, line: str, wanted: set[str]) -> None:
    assert offered(line, tmp_path) == wanted


def test_a_key_that_is_no_choice_is_left_to_the_reader(tmp_path: Path) -> None:
    assert offered("boxseg train seed=", tmp_path) <= {""}
