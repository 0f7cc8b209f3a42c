"""docs/commands.md names every option of every command, and no other."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

import pytest

from experiments.commands.parser import COMMANDS, parser
from experiments.configuration.choices import GROUPS
from tests.docs.pages import text_of

PAGE = text_of("docs/commands.md")
OF_ALL = "Options of every command but doctor"


def section(title: str) -> str:
    """What stands under a heading of the second level."""
    parts = re.split(r"^## (.+)$", PAGE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[title]


def named(text: str) -> set[str]:
    """Options in the first column of the tables of a section."""
    cells = re.findall(r"^\| (`-.*?) \|", text, flags=re.MULTILINE)
    return {option for cell in cells for option in re.findall(r"--[a-z-]+", cell)}


def actions(command: str) -> Iterator[argparse.Action]:
    """What a command takes."""
    (commands,) = (a for a in parser(command)._actions if isinstance(a, argparse._SubParsersAction))
    yield from commands.choices[command]._actions


def options(command: str) -> set[str]:
    """Its options but for --help."""
    names = {name for action in actions(command) for name in action.option_strings}
    return names - {"-h", "--help"}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_the_options_that_the_page_names(command: str) -> None:
    common = set() if command == "doctor" else named(section(OF_ALL))
    assert named(section(f"boxseg {command}")) | common == options(command)
    assert not named(section(f"boxseg {command}")) & common


@pytest.mark.parametrize("command", COMMANDS)
def test_choices_of_options_are_told(command: str) -> None:
    for action in actions(command):
        for choice in action.choices or ():
            assert str(choice) in section(f"boxseg {command}")


def test_every_command_is_in_the_table() -> None:
    assert set(re.findall(r"^\| \[`boxseg (\w+)`\]", PAGE, flags=re.MULTILINE)) == set(COMMANDS)


def test_every_word_that_chooses_a_file_is_named() -> None:
    words = re.findall(r"^\| `(\w+)=` \|", section("Words"), flags=re.MULTILINE)
    assert sorted(words) == sorted(GROUPS)
