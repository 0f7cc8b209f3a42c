"""Text, JSON, XML and YAML of unknown origin, read without harm and refused with a reason."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import yaml


class UnusableFile(Exception):
    """A file that is not what it should be; the message, read after its name, says why."""


def read_text(file: Path) -> str:
    """A file as text: UTF-8 with or without its mark, or UTF-16 with it.

    Raises:
        UnusableFile: it cannot be read, or is neither.
    """
    content = _bytes(file)
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise UnusableFile("is not UTF-8 text") from None


def read_json_of(file: Path) -> Any:
    """A file as JSON.

    Raises:
        UnusableFile: it cannot be read or is not JSON.
    """
    text = read_text(file)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UnusableFile(
            f"is not valid JSON ({error.msg} at line {error.lineno}, column {error.colno})"
        ) from None
    except (RecursionError, ValueError):
        raise UnusableFile("is nested too deeply or holds a number of too many digits") from None


def read_xml(file: Path) -> Element:
    """The root of an XML file; one that declares a document type is refused.

    Annotation tools declare none, and entities, with which a small file grows without bound or
    reads other files, can be declared nowhere else.

    Raises:
        UnusableFile: it cannot be read, is not XML, or declares a document type.
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse_document_type
    try:
        parser.Parse(_bytes(file), True)
        return builder.close()
    except (expat.ExpatError, AssertionError, ValueError, LookupError) as error:
        raise UnusableFile(f"is not valid XML ({error})") from None


def _refuse_document_type(*_: object) -> None:
    raise UnusableFile("declares a document type, which no annotation tool does")


def read_yaml(file: Path) -> Any:
    """A file as YAML whose scalars are all text, so that a class named `no` or `007` stays it.

    Raises:
        UnusableFile: it cannot be read or is not YAML.
    """
    text = read_text(file)
    try:
        return yaml.load(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = "" if mark is None else f" (line {mark.line + 1})"
        raise UnusableFile(f"is not valid YAML{place}") from None


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UnusableFile(f"cannot be read ({error.strerror or error})") from None
