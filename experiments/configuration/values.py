"""What values a key takes, and one sentence on a value that is none of them."""

from __future__ import annotations

import json
import types
from collections.abc import Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from experiments.configuration.run_configuration import RunConfiguration
from experiments.configuration.schema import fields_by_key
from reports.validation import explain

_OF_PYTHON = {
    bool: "truth value",
    int: "number",
    float: "number",
    str: "text",
    dict: "mapping",
    list: "list",
}
_OF_JSON_SCHEMA = {
    "boolean": "truth value",
    "integer": "number",
    "number": "number",
    "string": "text",
    "object": "mapping",
    "array": "list",
}


def fault_of_word(key: str, value: Any, word: str) -> str | None:
    """What is wrong with a value that a word of the command line gives a key.

    Args:
        key: its parts joined by dots.
        value: in plain containers.
        word: KEY=VALUE.

    Returns:
        A clause, or None: arguments of components are told of where these are bound.
    """
    annotation = _annotation(key.split("."))
    try:
        _adapter(annotation).validate_python(value)
    except ValidationError as error:
        schema = _schema(annotation)
        if "enum" in schema and "type" not in schema:  # words and truth values, say
            return _fault(key, value, annotation)
        found, wanted = _OF_PYTHON.get(type(value)), _kind(schema)
        if found is not None and found != wanted:
            return f"{word!r} gives {key} a {found} where it is a {wanted}"
        if wanted == "mapping" and found is not None:
            return f"{word!r}: {explain(error, RunConfiguration).replace('the top level', key)}"
        return _fault(key, value, annotation)
    return None


def fault_of_content(error: ValidationError) -> tuple[str, Any, str]:
    """The first thing that is wrong with a whole configuration.

    Args:
        error: of `RunConfiguration`.

    Returns:
        The key's last part, its value, and a clause.
    """
    findings = error.errors(include_url=False)
    others = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    if any(finding["type"] in ("extra_forbidden", "missing") for finding in findings):
        unknown = [one for one in findings if one["type"] == "extra_forbidden"] or findings
        first = unknown[0]
        return str(first["loc"][-1]), first["input"], explain(error, RunConfiguration)
    first = findings[0]
    names = [str(step) for step in first["loc"] if isinstance(step, str)]
    if first["type"] == "value_error":
        return names[-1], first["input"], explain(error, RunConfiguration)
    clause = _fault(".".join(names), first["input"], _annotation(names))
    return names[-1], first["input"], clause + others


def _fault(key: str, value: Any, annotation: Any) -> str:
    schema = _schema(annotation)
    if "enum" in schema:
        choices = [one if isinstance(one, str) else json.dumps(one) for one in schema["enum"]]
        return f"{key} {value!r} is not one of {', '.join(choices)}"
    return f"{key} is {value!r}; give {_asked(schema)}"


def _annotation(names: Sequence[str]) -> Any:
    """What the schema says of a key; anything where it says nothing."""
    annotation: Any = RunConfiguration
    for name in names:
        model = _plain(annotation)
        if isinstance(model, type) and issubclass(model, BaseModel):
            fields = fields_by_key(model)
            if name not in fields:
                return Any
            field = fields[name]
            annotation = field.annotation
            if field.metadata:
                annotation = Annotated[(annotation, *field.metadata)]
        elif get_origin(model) is dict:
            annotation = get_args(model)[1]
        else:
            return Any
    return annotation


def _plain(annotation: Any) -> Any:
    """An annotation without what is added to it, and without None."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return _plain(next(one for one in get_args(annotation) if one is not types.NoneType))
    return annotation


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return TypeAdapter(annotation, config=None if model else ConfigDict(strict=True))


def _schema(annotation: Any) -> dict[str, Any]:
    """The JSON schema of a value, None aside."""
    return _without_none(_adapter(annotation).json_schema())


def _without_none(schema: dict[str, Any]) -> dict[str, Any]:
    one_of: list[dict[str, Any]] = schema.get("anyOf", [schema])
    return next(one for one in one_of if one.get("type") != "null")


def _kind(schema: dict[str, Any]) -> str:
    return _OF_JSON_SCHEMA[schema.get("type", "object")]


def _asked(schema: dict[str, Any]) -> str:
    """What to give, as the end of a sentence."""
    kind = schema.get("type", "object")
    if kind == "array":
        return _asked(_without_none(schema["items"]))
    if kind == "integer" and "maximum" in schema:
        return f"a whole number from {schema['minimum']} to {schema['maximum']}"
    if kind == "integer":
        lowest = schema.get("minimum")
        return "a whole number" if lowest is None else f"a whole number of at least {lowest}"
    if kind == "number":
        above = schema.get("exclusiveMinimum")
        return "a number" if above is None else f"a number above {above:g}"
    return "text" if kind == "string" else f"a {_OF_JSON_SCHEMA[kind]}"
