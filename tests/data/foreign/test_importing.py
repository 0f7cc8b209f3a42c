"""What all formats have in common: the choice of a format, splits, names, and the folder made."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from boxseg.data.foreign import FORMATS
from boxseg.data.foreign.importing import READERS, import_folder
from boxseg.errors import InputError
from tests.data.foreign.sources import (
    imported,
    labelme,
    picture,
    shape,
    voc_object,
    voc_xml,
    write,
)
from tests.experiments.command_line import boxseg

BOX = voc_object("cat", 2, 3, 10, 9)


def voc_folder(folder: Path, count: int = 10) -> Path:
    for number in range(count):
        picture(folder / f"{number}.png")
        write(folder / f"{number}.xml", voc_xml(f"{number}.png", BOX))
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_every_format_has_a_reader() -> None:
    assert tuple(READERS) == FORMATS


def test_the_command_imports_what_the_check_accepts(tmp_path: Path) -> None:
    voc_folder(tmp_path / "in")
    outcome = boxseg("data", "import", tmp_path / "in", "--out", tmp_path / "out")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines() == [
        "voc: 10 pictures, 1 class.",
        "train: 8 pictures (0 without objects), 8 objects.",
        "val: 2 pictures (0 without objects), 2 objects.",
    ]
    assert boxseg("data", "check", "coco-folder", "--root", tmp_path / "out", "--strict").code == 0
    write(tmp_path / "in/3.xml", "<annotation>")
    outcome = boxseg("data", "import", tmp_path / "in", "--out", tmp_path / "out")
    assert outcome.code == 1
    assert outcome.err.startswith("boxseg: 3.xml is not valid XML (no element found")
    assert "left out: pictures without annotations: 1 (3.png)." in outcome.out


def test_the_command_needs_a_folder_to_make(tmp_path: Path) -> None:
    voc_folder(tmp_path / "in", 1)
    assert "--out DIR" in boxseg("data", "import", tmp_path / "in").complaint


def test_several_formats_are_refused_until_one_is_chosen(tmp_path: Path) -> None:
    voc_folder(tmp_path / "in", 1)
    write(tmp_path / "in/0.json", labelme("0.png", shape("dog", [[0, 0], [4, 4]])))
    with pytest.raises(InputError, match=r"labelme \(0.json\) and voc \(0.xml\).*--format"):
        import_folder(tmp_path / "in", tmp_path / "out")
    found = imported(tmp_path / "in", tmp_path / "out", format_name="labelme")
    assert found.pictures == {"0.png": [("dog", [0, 0, 4, 4], None)]}


def test_an_unknown_format_is_refused_by_what_is_there(tmp_path: Path) -> None:
    picture(tmp_path / "in/a.jpg")
    write(tmp_path / "in/a.csv", "a.jpg,1,2,3,4")
    with pytest.raises(InputError, match=r"no annotations in a known format .* 1 \.csv, 1 \.jpg"):
        import_folder(tmp_path / "in", tmp_path / "out")
    with pytest.raises(InputError, match="holds no picture with annotations of the format voc"):
        import_folder(tmp_path / "in", tmp_path / "out", "voc")
    assert not (tmp_path / "out").exists()


def test_the_draw_follows_from_the_seed_and_the_names(tmp_path: Path) -> None:
    voc_folder(tmp_path / "in")
    drawn = {
        seed: set(imported(tmp_path / "in", tmp_path / f"out{seed}", seed=seed).splits["val"])
        for seed in range(6)
    }
    assert all(len(names) == 2 for names in drawn.values())
    assert len({frozenset(names) for names in drawn.values()}) > 2
    voc_folder(tmp_path / "in", 15)  # of the first ten, none changes places with another
    later = set(imported(tmp_path / "in", tmp_path / "later", seed=0).splits["val"])
    assert len(later) == 3
    of_the_first = {name for name in later if int(name[:-4]) < 10}
    assert of_the_first <= drawn[0] or drawn[0] <= of_the_first
    whole = imported(tmp_path / "in", tmp_path / "whole", val_share=0).splits
    assert {name: len(split) for name, split in whole.items()} == {"train": 15}
    with pytest.raises(InputError, match="--val-share 1 "):
        import_folder(tmp_path / "in", tmp_path / "no", val_share=1)


def test_the_same_call_gives_the_same_bytes(tmp_path: Path) -> None:
    voc_folder(tmp_path / "in")
    import_folder(tmp_path / "in", tmp_path / "out")
    first = content(tmp_path / "out")
    import_folder(tmp_path / "in", tmp_path / "out")
    assert content(tmp_path / "out") == first
    shutil.copytree(tmp_path / "in", tmp_path / "copy")
    import_folder(tmp_path / "copy", tmp_path / "elsewhere")
    assert content(tmp_path / "elsewhere") == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "elsewhere", "in", "out"]


def test_pictures_are_linked_and_stay_where_they_are(tmp_path: Path) -> None:
    voc_folder(tmp_path / "in", 2)
    before = content(tmp_path / "in")
    (tmp_path / "in/0.png").rename(tmp_path / "real.png")
    (tmp_path / "in/0.png").symlink_to(tmp_path / "real.png")
    import_folder(tmp_path / "in", tmp_path / "out", val_share=0)
    assert content(tmp_path / "in") == before
    for name in ("0.png", "1.png"):
        made = tmp_path / "out/train" / name
        assert made.read_bytes() == before[name]
        assert not made.is_symlink()
        assert made.samefile(tmp_path / "in" / name)


def test_a_folder_that_is_no_import_is_refused(tmp_path: Path) -> None:
    source, out = voc_folder(tmp_path / "in", 3), tmp_path / "out"
    out.mkdir()
    import_folder(source, out)  # an empty folder is as good as none
    (out / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds notes.txt, which is not of the import"):
        import_folder(source, out)
    (out / "notes.txt").unlink()
    annotations = out / "annotations/instances_train.json"
    whole = annotations.read_text()
    annotations.write_text(whole.replace("cat", "lynx"))
    with pytest.raises(InputError, match=r"has another instances_train.json than the import wrote"):
        import_folder(source, out)
    assert "lynx" in annotations.read_text()
    annotations.write_text(whole)
    (out / "imported.json").write_text("[]")
    with pytest.raises(InputError, match=r"has no imported.json that fits it"):
        import_folder(source, out)
    (out / "imported.json").unlink()
    with pytest.raises(InputError, match="was not made by an import"):
        import_folder(source, out)
    write(tmp_path / "file", "mine")
    with pytest.raises(InputError, match="was not made by an import"):
        import_folder(source, tmp_path / "file")
    for inside in (source, source / "out", tmp_path):
        with pytest.raises(InputError, match="lie in each other"):
            import_folder(source, inside)


def test_a_refused_import_leaves_the_earlier_one(tmp_path: Path) -> None:
    source, out = voc_folder(tmp_path / "in", 3), tmp_path / "out"
    import_folder(source, out)
    before = content(out)
    for file in source.glob("*.xml"):
        file.write_text("broken")
    with pytest.raises(InputError, match=r"first: 0.xml is not valid XML"):
        import_folder(source, out, "voc")
    assert content(out) == before


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    source = voc_folder(tmp_path / "in", 1)
    write(tmp_path / "file", "no folder")
    with pytest.raises(InputError, match="cannot write"):
        import_folder(source, tmp_path / "file/out")


def test_names_that_meet_are_told_apart(tmp_path: Path) -> None:
    for folder in ("a/images", "b/images"):
        picture(tmp_path / "in" / folder / "1.png")
        write(tmp_path / "in" / folder / "1.xml", voc_xml("1.png", BOX))
    found = imported(tmp_path / "in", tmp_path / "out", val_share=0)
    assert list(found.pictures) == ["1.png", "1-2.png"]
    assert "pictures renamed, for another has their name: 1 (b/images/1.png)" in found.told


def test_odd_names_and_hidden_files(tmp_path: Path) -> None:
    names = ["2024.PNG", "Größe (1).png", "日本 語.png", "a.b.c.Jpeg", "u\u0308.png"]
    for number, name in enumerate(names):
        picture(tmp_path / "in" / name)
        write(tmp_path / f"in/{number}.xml", voc_xml(name.replace("u\u0308", "ü"), BOX))
    for hidden in ("._2024.png", ".ipynb_checkpoints/a.png", "__MACOSX/a.png", "._0.xml"):
        write(tmp_path / "in" / hidden, "no picture")
    found = imported(tmp_path / "in", tmp_path / "out", val_share=0)
    assert set(found.pictures) == set(names)
    assert not found.outcome.complaints


def test_a_picture_that_two_files_mean_is_imported_once(tmp_path: Path) -> None:
    voc_folder(tmp_path / "in", 1)
    write(tmp_path / "in/again/0.xml", voc_xml("0.png", BOX))
    found = imported(tmp_path / "in", tmp_path / "out")
    assert found.pictures == {"0.png": [("cat", [2, 3, 8, 6], None)]}
    assert "further annotations of one picture: 1 (0.png)" in found.told


def test_a_class_is_the_same_whether_its_letters_are_composed(tmp_path: Path) -> None:
    for number, name in enumerate(("Käfer", "Ka\u0308fer ")):
        picture(tmp_path / f"in/{number}.png")
        box = voc_object(name, 2, 3, 10, 9)
        write(tmp_path / f"in/{number}.xml", voc_xml(f"{number}.png", box))
    found = imported(tmp_path / "in", tmp_path / "out")
    assert {name for ((name, *_),) in found.pictures.values()} == {"Käfer"}
    assert "1 class." in found.told


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    voc_folder(tmp_path / "in", 1)
    (tmp_path / "in/round").symlink_to(tmp_path / "in")
    assert list(imported(tmp_path / "in", tmp_path / "out").pictures) == ["0.png"]
