"""The command line as a whole."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from experiments.commands.parser import COMMANDS, USAGE_ERROR
from tests.conftest import REPOSITORY
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


HEAVY = ("torch", "hydra", "omegaconf", "detectron2")


@pytest.mark.parametrize(
    ("words", "commands"),
    [
        (["--help"], []),
        (["status", "--help"], ["status"]),
        (["status", "table3", "--runs", "nowhere"], ["status"]),
        (["train", "--help"], ["train"]),
    ],
)
def test_only_what_the_chosen_command_needs_is_imported(
    words: list[str], commands: list[str]
) -> None:
    program = f"""
import sys
from experiments.cli import main
try:
    code = main({words!r})
except SystemExit as end:
    code = end.code
modules = set(sys.modules)
found = [name for name in {sorted(COMMANDS)} if "experiments.commands." + name in modules]
print(code, found, sorted(modules & {set(HEAVY)!r}), sep="|", file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stderr.splitlines()[-1] == f"0|{commands}|[]"


def test_our_words_go_to_standard_error_and_others_nowhere() -> None:
    outcome = boxseg("data", "check", "scenes", "--scale", "smoke")
    assert outcome.code == 0
    assert outcome.out.count("defects 0.") == 6
    assert logging.getLogger("boxseg").handlers == []  # and no test is left with a handler of ours


def test_the_version() -> None:
    outcome = boxseg("--version")
    assert (outcome.code, outcome.out) == (0, f"boxseg {version('boxseg')}\n")


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_terminal_without_the_letters(tmp_path: Path, encoding: str) -> None:
    run = tmp_path / "猫"
    words = [sys.executable, "-m", "experiments.cli", "evaluate", str(run)]
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(words, env=environment, capture_output=True, check=False)
    assert done.returncode == USAGE_ERROR
    assert b"\\u732b" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("content", [b"\x80\x04]q\x00.", b"half of a file"])
def test_a_published_checkpoint_where_one_of_ours_is_wanted(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "R_50_3x.pkl"
    file.write_bytes(content)
    said = boxseg("evaluate", str(file)).complaint
    assert "weights import" in said
    assert "delete" not in said


@pytest.mark.parametrize(
    ("module", "whole"),
    [
        ("argparse", None),
        ("experiments.commands.parser", None),
        ("experiments.commands.train", None),
        ("omegaconf", "experiments.launch.preflight"),
        ("torch", "experiments.run.execute"),
    ],
)
def test_a_ctrl_c_of_any_moment_ends_in_one_sentence(
    tmp_path: Path, module: str, whole: str | None
) -> None:
    """Before anything has begun, too; packages that may make another error of it come whole."""
    program = f"""
import signal, sys
from experiments.cli import main
class CtrlC:
    def find_spec(self, name, *_):
        if name == {module!r}:
            signal.raise_signal(signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.modules.pop({module!r}, None)
sys.meta_path.insert(0, CtrlC())
code = main(["train", "scale=smoke", "run_dir=run"])
print(code, {whole!r} is None or {whole!r} in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "130 True\n"
    assert done.stderr == "boxseg: interrupted; the same command goes on from what was saved.\n"
    assert not (tmp_path / "run").exists()
