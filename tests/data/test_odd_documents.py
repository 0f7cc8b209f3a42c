"""Whatever a JSON holds, the checker reports it, and training refuses or reads it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boxseg.data.check import check_split
from boxseg.data.dataset import Split
from boxseg.data.records import load_records
from boxseg.engine.evaluation import ground_truth
from boxseg.errors import InputError
from tests.data.coco_documents import annotation, image, write_split

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 60),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["1.png", "../1.png", "/", "", ".", "\0", "\ud800", "1" * 300, 10**30, -(2**63)]
    ),
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=7)
        | st.dictionaries(st.sampled_from(["id", "size", "counts", "bbox", "x"]), inner, max_size=3)
    ),
    max_leaves=12,
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value within a document, its own included."""
    found = [path]
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            found += places(value, (*path, key))
    return found


# Rows 2 to 5 of columns 1 to 3 of an image 30 high: 1 x 30 + 2 = 32 off, then 4 on and 26 off.
RUNS = {"size": [30, 40], "counts": [32, 4, 26, 4, 26, 4, 1104]}
SOUND: dict[str, Any] = {
    "images": [image(1, "1.png"), image(2, "1.png")],
    "categories": [{"id": 3, "name": "bar"}, {"id": 4, "name": "ring"}],
    "annotations": [
        annotation(1, [1, 2, 3, 4]),
        annotation(2, [1, 2, 3, 4], segmentation=RUNS),
        annotation(3, [1, 2, 3, 4], segmentation={**RUNS, "counts": "P14j0000fQ1"}, iscrowd=1),
    ],
}
PLACES = places(SOUND)


@st.composite
def spoilt(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Any:
    """The sound document with up to three values replaced, or removed."""
    document = copy.deepcopy(SOUND)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(PLACES))
        value = draw(values)
        if not path:
            return value
        node = document
        try:
            for key in path[:-1]:
                node = node[key]
            if draw(st.booleans()):
                node[path[-1]] = value
            else:
                del node[path[-1]]
        except (TypeError, KeyError, IndexError):  # within what was replaced before
            continue
    return document


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    return write_split(tmp_path_factory.mktemp("odd"), [])


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(document=spoilt())
def test_any_value_in_any_place(split: Split, document: Any) -> None:
    split.annotations.write_text(json.dumps(document))
    check = check_split(split)
    assert all(defect.sentence().isprintable() for defect in check.defects)
    structural = False
    for with_masks in (False, True):
        try:
            load_records(split, with_masks)
        except InputError as error:
            structural = structural or not with_masks
            assert str(error).endswith(".")
            # What training refuses, the checker has listed, or it is that there is no image.
            assert check.defects or "is empty" in str(error) or "no `segmentation`" in str(error)
    if not structural:
        try:
            ground_truth(split.annotations)
        except InputError as error:
            assert "cannot be evaluated" in str(error)
            assert check.defects


@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(content=st.one_of(st.binary(max_size=40), st.text(max_size=40).map(str.encode)))
def test_any_bytes(split: Split, content: bytes) -> None:
    split.annotations.write_bytes(content)
    assert check_split(split).defects


def test_the_sound_document_is_sound_but_for_its_one_file(tmp_path: Path) -> None:
    split = write_split(tmp_path, SOUND["annotations"], SOUND["images"], SOUND["categories"])
    assert [defect.kind for defect in check_split(split).defects] == ["duplicate file name"]
    assert len(load_records(split, with_masks=True).records) == 2


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a": ' + "9" * 5_000 + "}", "\ufeff\ufeff{}", "NaN"]
)
def test_json_at_python_s_limits(tmp_path: Path, text: str) -> None:
    split = write_split(tmp_path, [])
    split.annotations.write_text(text)
    assert len(check_split(split).defects) == 1
