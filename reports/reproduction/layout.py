"""Markdown of the statement: tables whose cells may hold links, text that stays in its place."""

from __future__ import annotations

from collections.abc import Sequence


def words(text: str) -> str:
    """Keep a person's text on its line and in its cell; its backticks and links are meant."""
    return " ".join(text.split()).replace("|", "\\|")


def rows(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """Write the lines of a table and an empty one; the parts are Markdown already."""
    lines = [head, [":---"] * len(head), *body]
    return [*("| " + " | ".join(line) + " |" for line in lines), ""]


def items(body: Sequence[str]) -> list[str]:
    """Write a list and an empty line."""
    return [*(f"- {one}" for one in body), ""]
