"""Pydantic's findings as one sentence that names the key and what is allowed there."""

from __future__ import annotations

import difflib
from typing import Any, get_args

from pydantic import BaseModel, ValidationError


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Say in one clause what the first finding of `error` is, and how many more there are.

    An unknown key goes first: it tells why the key that was meant is missing.

    Args:
        error: raised while validating input against `model`.
        model: the outermost model, from which the allowed keys are read.
    """
    findings = error.errors(include_url=False)
    first = min(findings, key=lambda finding: finding["type"] != "extra_forbidden")
    location = first["loc"]
    parent = _place(location[:-1])
    if first["type"] == "extra_forbidden":
        sentence = _unknown_key(str(location[-1]), parent, _allowed_keys(model, location[:-1]))
    elif first["type"] == "missing":
        sentence = f"the key '{location[-1]}' is missing at {parent}"
    else:
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] != "value_error":
            message = message[:1].lower() + message[1:]
        sentence = f"{_place(location)}: {message}" if location else message
    others = len(findings) - 1
    return f"{sentence} (and {others} more)" if others else sentence


def _unknown_key(key: str, parent: str, allowed: list[str]) -> str:
    close = difflib.get_close_matches(key, allowed, n=1)
    hint = f", did you mean '{close[0]}'?" if close else ""
    return f"unknown key '{key}' at {parent}{hint} (allowed: {', '.join(allowed)})"


def _place(location: tuple[int | str, ...]) -> str:
    """Write a location as `rows[2].overrides`."""
    place = ""
    for step in location:
        place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else step
    return place or "the top level"


def _allowed_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for step in location:
        if isinstance(step, str):
            fields = [
                field
                for name, field in model.model_fields.items()
                if step in (name, field.alias, field.validation_alias)
            ]
            if fields:  # else it is a name of the file's own, whose value the model describes
                model = _model_within(fields[0].annotation) or model
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_within(annotation: Any) -> type[BaseModel] | None:
    """Find the model in an annotation such as `tuple[Row, ...]` or `PaperKey | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = _model_within(argument)
        if found is not None:
            return found
    return None
