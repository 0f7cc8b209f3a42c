"""Reading published files: every format they come in, and nothing that would run."""

from __future__ import annotations

import collections
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from boxseg.errors import InputError
from boxseg.weights.read import read_weights
from tests.weights.harmless import Harmless

WEIGHT = np.arange(12, dtype=np.float32).reshape(3, 4)
ZIP = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
PROTOCOLS = pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "weights.pth"


def save(file: Path, content: Any, zipped: bool = True) -> None:
    torch.save(content, file, _use_new_zipfile_serialization=zipped)


@ZIP
def test_pytorch_s_files(file: Path, zipped: bool) -> None:
    model = collections.OrderedDict(
        tensor=torch.from_numpy(WEIGHT),
        half=torch.ones(2, dtype=torch.float16),
        array=WEIGHT,
        big_endian=WEIGHT.astype(">f4"),
        scalar=np.float64(1.5),
        count=np.arange(3),
    )
    state = {"lr": 0.1, "steps": collections.Counter([3]), "seen": {1, 2}, "none": None}
    save(file, {"model": model, "optimizer": state, "iteration": 89_999}, zipped)
    found = read_weights(file)
    assert list(found) == list(model)
    for name in ("tensor", "array", "big_endian"):
        assert torch.equal(found[name], torch.from_numpy(WEIGHT))
    assert found["scalar"].item() == 1.5
    assert found["count"].tolist() == [0, 1, 2]
    assert found["half"].dtype == torch.float16


@ZIP
def test_numpy_before_its_second_version(file: Path, zipped: bool) -> None:
    save(file, {"model": {"array": WEIGHT}}, zipped)

    def older(content: bytes) -> bytes:
        return content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")

    if zipped:
        with zipfile.ZipFile(file) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        assert any(older(content) != content for content in members.values())
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, older(content))
    else:
        assert older(file.read_bytes()) != file.read_bytes()
        file.write_bytes(older(file.read_bytes()))
    assert torch.equal(read_weights(file)["array"], torch.from_numpy(WEIGHT))


@PROTOCOLS
def test_pickled_arrays(file: Path, protocol: int) -> None:
    content = {"conv1_w": WEIGHT, "fortran": np.asfortranarray(WEIGHT), "bias": np.float32(2)}
    for wrapped in (content, {"blobs": content}, {"model": content, "__author__": "Caffe2"}):
        file.write_bytes(pickle.dumps(wrapped, protocol))
        found = read_weights(file)
        assert list(found) == list(content)
        assert torch.equal(found["conv1_w"], torch.from_numpy(WEIGHT))
        assert torch.equal(found["fortran"], torch.from_numpy(WEIGHT))


@PROTOCOLS
def test_arrays_pickled_by_numpy_before_its_second_version(file: Path, protocol: int) -> None:
    new = pickle.dumps({"conv1_w": WEIGHT, "scale": np.float32(2)}, protocol)
    old = new.replace(b"numpy._core", b"numpy.core")
    if protocol >= 4:  # names have their length before them, and frames theirs
        for name in (b"numpy.core.multiarray", b"numpy.core.numeric"):
            old = old.replace(bytes([len(name) + 1]) + name, bytes([len(name)]) + name)
        frame = int.from_bytes(new[3:11], "little") - (len(new) - len(old))
        old = old[:3] + frame.to_bytes(8, "little") + old[11:]
    assert old != new
    file.write_bytes(old)
    assert torch.equal(read_weights(file)["conv1_w"], torch.from_numpy(WEIGHT))


def test_arrays_pickled_by_python_2(file: Path) -> None:
    # As Python 2 writes {"w": numpy.float32([1, 2])}: bytes are its text.
    file.write_bytes(
        b"\x80\x02}q\x00U\x01wcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85"
        b"U\x01b\x87R(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff"
        b"\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x08\x00\x00\x80\x3f\x00\x00\x00\x40tbs."
    )
    assert read_weights(file)["w"].tolist() == [1.0, 2.0]


def test_detectron_s_momentum_is_left_alone(file: Path) -> None:
    file.write_bytes(pickle.dumps({"blobs": {"conv1_w": WEIGHT, "conv1_w_momentum": WEIGHT}}))
    assert list(read_weights(file)) == ["conv1_w"]


@ZIP
def test_pytorch_s_files_that_run_code(file: Path, zipped: bool) -> None:
    made = file.parent / "made"
    save(file, {"model": {"w": torch.ones(2)}, "hooks": Harmless(made)}, zipped)
    with pytest.raises(InputError, match=r"asks for posix\.mkdir .* nothing of it was run"):
        read_weights(file)
    assert not made.exists()


@PROTOCOLS
def test_pickles_that_run_code(file: Path, protocol: int) -> None:
    made = file.parent / "made"
    file.write_bytes(pickle.dumps({"blobs": {"w": WEIGHT}, "x": Harmless(made)}, protocol))
    with pytest.raises(InputError, match=r"asks for posix\.mkdir .* nothing of it was run"):
        read_weights(file)
    assert not made.exists()
    pickle.loads(file.read_bytes())  # the payload works where nothing stops it
    assert made.exists()


@pytest.mark.parametrize("name", ["eval", "getattr", "object", "print"])
def test_not_even_built_in_functions(file: Path, name: str) -> None:
    file.write_bytes(f"cbuiltins\n{name}\n.".encode())
    with pytest.raises(InputError, match=f"asks for builtins.{name}"):
        read_weights(file)


def test_tensors_pickled_without_torch_save(file: Path) -> None:
    # They are read by another torch.load inside, which would not be restricted.
    file.write_bytes(pickle.dumps({"model": {"w": torch.ones(2)}}))
    with pytest.raises(InputError, match="asks for torch"):
        read_weights(file)


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04 but no more", b"\x80\x02}q", b"<html>404</html>", b"\x00" * 100],
    ids=["empty", "zip cut short", "pickle cut short", "web page", "zeros"],
)
def test_damaged_files(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(InputError, match=f"{file} cannot be read .* download it again"):
        read_weights(file)


def test_a_truncated_download(file: Path) -> None:
    save(file, {"model": {"w": torch.ones(1000)}})
    file.write_bytes(file.read_bytes()[:3000])
    with pytest.raises(InputError, match="cannot be read"):
        read_weights(file)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "holds no tensors by name"),
        ([torch.ones(2)], "holds no tensors by name"),
        ({"model": {"w": "text"}}, "w in .* is neither a tensor nor an array .* but a str"),
        ({"model": {"w": torch.ones(2), "n": None}}, "n in .* but a NoneType"),
        ({"model": {"w": torch.tensor([1.0, float("nan")])}}, "w in .* no finite number"),
        ({"model": {"w": [1.0, 2.0]}}, "w in .* but a list"),
        (
            {"model": {"stem.conv1.weight": WEIGHT}, "__author__": "torchvision"},
            "a backbone of torchvision's, whose strides",
        ),
    ],
)
def test_other_content(file: Path, content: Any, said: str) -> None:
    save(file, content)
    with pytest.raises(InputError, match=said):
        read_weights(file)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file .*; check the path"):
        read_weights(tmp_path / "absent.pth")
