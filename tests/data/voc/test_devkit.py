"""Image sets, and the numbers that names become."""

from __future__ import annotations

from pathlib import Path

import pytest

from boxseg.data.voc.devkit import CLASSES, image_ids, read_image_set
from boxseg.data.voc.sbd import find_sbd
from boxseg.errors import InputError
from tests.data.voc.downloads import blank_sbd


def test_classes_are_voc_s_in_their_alphabetical_order() -> None:
    assert len(CLASSES) == 20
    assert list(CLASSES) == sorted(CLASSES)
    assert (CLASSES[0], CLASSES[14], CLASSES[19]) == ("aeroplane", "person", "tvmonitor")


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["2007_000033", "2011_000003"], [2007000033, 2011000003]),
        (["000001", "009962"], [1, 9962]),
        (["2007_000033", "my photo"], [1, 2]),
        (["000012", "0000_000012"], [1, 2]),  # both would be 12
    ],
)
def test_numbers_of_names(names: list[str], numbers: list[int]) -> None:
    assert image_ids(names) == dict(zip(names, numbers, strict=True))


def test_image_sets(tmp_path: Path) -> None:
    file = tmp_path / "val.txt"
    file.write_text("2008_000003\n2008_000002  -1\n\n")
    assert read_image_set(file) == ["2008_000002", "2008_000003"]
    file.write_text("a\nb\na\n")
    with pytest.raises(InputError, match=r"val.txt lists a twice"):
        read_image_set(file)
    file.write_text("\n")
    with pytest.raises(InputError, match=r"val.txt lists no image"):
        read_image_set(file)
    file.write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"val.txt: not UTF-8 text; restore it"):
        read_image_set(file)
    with pytest.raises(InputError, match=r"absent.txt: No such file"):
        read_image_set(tmp_path / "absent.txt")


@pytest.mark.parametrize("place", ["", "SBD", "benchmark_RELEASE/dataset", "SBD/benchmark/dataset"])
def test_sbd_is_found_wherever_it_was_unpacked(tmp_path: Path, place: str) -> None:
    assert find_sbd(tmp_path) is None
    blank_sbd(tmp_path / place)
    found = find_sbd(tmp_path)
    assert found is not None
    assert found.folder == tmp_path / place
    assert found.names() == {"2008_000002", "2008_000007"}
    blank_sbd(tmp_path / "again")
    with pytest.raises(InputError, match="holds several folders of SBD"):
        find_sbd(tmp_path)


def test_half_of_sbd(tmp_path: Path) -> None:
    blank_sbd(tmp_path)
    (tmp_path / "train.txt").unlink()
    found = find_sbd(tmp_path)
    assert found is not None
    assert found.names() == {"2008_000007"}
    (tmp_path / "val.txt").unlink()
    with pytest.raises(InputError, match=r"has neither train\.txt nor val\.txt"):
        found.names()
