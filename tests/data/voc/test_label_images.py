"""Instances of VOC's palette images and of SBD's .mat files, pixel by pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from pycocotools import mask as run_length
from scipy.io import savemat

from boxseg.data.voc.label_images import VOID, Instance, sbd_instances, voc_instances
from boxseg.errors import InputError
from tests.data.voc.downloads import save_labels, save_sbd

labelled = arrays(
    np.uint8,
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    elements=st.sampled_from([0, 1, 2, 3, 7, 254, VOID]),
)


def assert_exact(instances: list[Instance], labels: np.ndarray) -> None:
    """Every label but 0 and void is one instance, of exactly its pixels."""
    values = sorted(set(np.unique(labels).tolist()) - {0, VOID})
    assert [instance.label for instance in instances] == values
    for instance in instances:
        mask = run_length.decode(instance.segmentation).astype(bool)
        assert np.array_equal(mask, labels == instance.label)
        assert instance.area == mask.sum() > 0
        ys, xs = np.nonzero(mask)
        x, y, width, height = instance.bounds
        assert (x, y) == (xs.min(), ys.min())
        assert (x + width, y + height) == (xs.max() + 1, ys.max() + 1)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(labels=labelled)
def test_palette_images_convert_exactly(tmp_path: Path, labels: np.ndarray) -> None:
    save_labels(tmp_path / "objects.png", labels)
    instances, size = voc_instances(tmp_path / "objects.png", tmp_path / "absent.png")
    assert size == (labels.shape[1], labels.shape[0])
    assert_exact(instances, labels)
    assert all(instance.category is None for instance in instances)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(
    labels=arrays(
        np.uint8,
        st.tuples(st.integers(1, 12), st.integers(1, 12)),
        elements=st.integers(0, 4),
    ),
    categories=st.lists(st.integers(1, 20), min_size=4, max_size=4),
)
def test_sbd_converts_exactly(tmp_path: Path, labels: np.ndarray, categories: list[int]) -> None:
    save_sbd(tmp_path / "a.mat", labels, categories)
    instances, size = sbd_instances(tmp_path / "a.mat")
    assert size == (labels.shape[1], labels.shape[0])
    assert_exact(instances, labels)
    assert [i.category for i in instances] == [categories[i.label - 1] for i in instances]


def test_one_object_of_sbd_may_have_a_bare_class(tmp_path: Path) -> None:
    """Tools that squeeze arrays write the single class as a number."""
    labels = np.array([[0, 1], [1, 0]], dtype=np.uint8)
    savemat(
        tmp_path / "a.mat", {"GTinst": {"Segmentation": labels, "Boundaries": 0, "Categories": 15}}
    )
    instances, _ = sbd_instances(tmp_path / "a.mat")
    assert_exact(instances, labels)
    assert instances[0].category == 15


def test_the_class_image_names_the_class_by_majority_without_void(tmp_path: Path) -> None:
    objects = np.array([[1, 1, 1, 1, 2, 2, 0, VOID]])
    classes = np.array([[VOID, VOID, 15, 9, 15, 15, 9, 9]])
    classes[0, 2:4] = (15, 15)
    save_labels(tmp_path / "o.png", objects)
    save_labels(tmp_path / "c.png", classes)
    instances, _ = voc_instances(tmp_path / "o.png", tmp_path / "c.png")
    assert [(i.label, i.category, i.area) for i in instances] == [(1, 15, 4), (2, 15, 2)]


def test_label_images_that_are_none(tmp_path: Path) -> None:
    objects, classes = tmp_path / "o.png", tmp_path / "c.png"
    with pytest.raises(InputError, match=r"o.png does not exist; restore it"):
        voc_instances(objects, classes)
    objects.write_bytes(b"no image")
    with pytest.raises(InputError, match=r"o.png cannot be read as an image"):
        voc_instances(objects, classes)
    Image.new("RGB", (4, 4)).save(objects)
    with pytest.raises(InputError, match=r"o.png has colours \(mode RGB\) where VOC has a palette"):
        voc_instances(objects, classes)
    save_labels(objects, np.ones((4, 4)))
    save_labels(classes, np.ones((4, 5)))
    with pytest.raises(InputError, match=r"are 5 x 4 and 4 x 4 pixels; restore"):
        voc_instances(objects, classes)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"other": 1}, "has no GTinst as SBD's inst files have"),
        ({"GTinst": 3}, "has no GTinst"),
        ({"GTinst": {"Segmentation": np.ones((2, 2))}}, "has no GTinst"),
        ({"GTinst": {"Segmentation": "text", "Categories": 1}}, "is no image of labels"),
        ({"GTinst": {"Segmentation": [], "Categories": 1}}, "is no image of labels"),
        ({"GTinst": {"Segmentation": [[1, 2]], "Categories": [3]}}, "has pixels of object 2"),
        ({"GTinst": {"Segmentation": [[1, 1]], "Categories": [21]}}, "has pixels of object 1"),
        ({"GTinst": {"Segmentation": [[-1, 1]], "Categories": [2]}}, "has pixels of object -1"),
        ({"GTinst": {"Segmentation": [[1, 1]], "Categories": "x"}}, "has no GTinst"),
    ],
)
def test_mat_files_of_another_form(tmp_path: Path, content: dict[str, object], said: str) -> None:
    savemat(tmp_path / "a.mat", content)
    with pytest.raises(InputError, match=said):
        sbd_instances(tmp_path / "a.mat")


def test_damaged_mat_files(tmp_path: Path) -> None:
    file = tmp_path / "a.mat"
    with pytest.raises(InputError, match=r"a.mat does not exist"):
        sbd_instances(file)
    save_sbd(file, np.ones((9, 9)), [4])
    content = np.frombuffer(file.read_bytes(), dtype=np.uint8)
    for kept in (0, 50, 128, 140, len(content) - 9):
        file.write_bytes(content[:kept].tobytes())
        with pytest.raises(InputError):
            sbd_instances(file)
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = content.copy()
        damaged[rng.integers(0, len(content), 5)] = rng.integers(0, 256, 5)
        file.write_bytes(damaged.tobytes())
        try:
            sbd_instances(file)
        except InputError as error:
            assert str(error).endswith(".")
