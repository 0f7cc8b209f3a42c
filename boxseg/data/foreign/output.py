"""The folder that an import makes: COCO's layout, and a record of what it was made of.

```
out/annotations/instances_<split>.json
out/<split>/<pictures>
out/imported.json    # settings, checksums of the JSON, and everything left out
```
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from boxseg.data.box_only import sha256_of_file
from boxseg.data.foreign.report import ImportReport
from boxseg.errors import InputError
from boxseg.files import read_json, write_json_atomically

_RECORD = "imported.json"
_ANNOTATIONS = "annotations"


class ImportedFolder:
    """A folder that an import makes, or that an earlier one made.

    Args:
        path: where it is, without links.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def require_replaceable(self, source: Path) -> None:
        """Refuse a folder that holds anything but an earlier import, as it was left.

        Raises:
            InputError: it is one, is no folder, or lies in the source or the source in it.
        """
        if self.path.is_relative_to(source) or source.is_relative_to(self.path):
            raise InputError(
                f"--out {self.path} and the imported folder {source} lie in each other; choose "
                "another --out."
            )
        if not self.path.exists() and not self.path.is_symlink():
            return
        if self.path.is_dir() and not any(self.path.iterdir()):
            return
        other = self._not_of_an_import()
        if other is not None:
            raise InputError(f"--out {self.path} {other}; choose another --out, or move it away.")

    def write(
        self,
        documents: Mapping[str, Any],
        pictures: Mapping[str, Mapping[str, Path]],
        settings: Mapping[str, Any],
        report: ImportReport,
    ) -> None:
        """Make the folder beside its place, then put it there instead of an earlier one.

        Args:
            documents: COCO's JSON of each split.
            pictures: of each split, the file of each name.
            settings: for the record.
            report: likewise.

        Raises:
            InputError: it cannot be written.
        """
        stage = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        before = stage.with_suffix(".before")
        with self._cannot_write():
            shutil.rmtree(stage, ignore_errors=True)
            stage.mkdir(parents=True)
        try:
            with self._cannot_write():
                for split, files in pictures.items():
                    for name, file in files.items():
                        _link(file, stage / split / name)
            splits = {}
            for split, document in documents.items():
                file = stage / _ANNOTATIONS / f"instances_{split}.json"
                write_json_atomically(file, document, indent=None)
                splits[split] = {
                    "images": len(document["images"]),
                    "annotations": len(document["annotations"]),
                    "sha256": sha256_of_file(file),
                }
            told = {
                "left_out": report.left_out,
                "changed": report.changed,
                "skipped": report.skipped,
            }
            write_json_atomically(stage / _RECORD, {**settings, "splits": splits, **told})
            with self._cannot_write():
                if self.path.exists():
                    os.replace(self.path, before)
                os.replace(stage, self.path)
        finally:
            if before.exists() and not self.path.exists():
                os.replace(before, self.path)
            for rest in (stage, before):
                shutil.rmtree(rest, ignore_errors=True)

    def _not_of_an_import(self) -> str | None:
        """What tells that the folder is not as an import left it, to be read after its name."""
        if not (self.path / _RECORD).is_file():
            return "was not made by an import"
        try:
            splits = read_json(self.path / _RECORD)["splits"]
            expected = {_RECORD}
            for split, entry in splits.items():
                file = self.path / _ANNOTATIONS / f"instances_{split}.json"
                if sha256_of_file(file) != entry["sha256"]:
                    return f"has another {file.name} than the import wrote"
                expected.add(f"{_ANNOTATIONS}/{file.name}")
                names = (image["file_name"] for image in read_json(file)["images"])
                expected.update(f"{split}/{name}" for name in names)
        except (InputError, KeyError, TypeError, AttributeError, OSError):
            return f"has no {_RECORD} that fits it"
        present = {
            path.relative_to(self.path).as_posix()
            for path in self.path.rglob("*")
            if path.is_symlink() or not path.is_dir()
        }
        others = sorted(present - expected)
        return f"holds {others[0]}, which is not of the import" if others else None

    @contextlib.contextmanager
    def _cannot_write(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(
                f"cannot write {self.path}: {error.strerror or error}; free the disk or choose a "
                "writable folder."
            ) from error


def _link(file: Path, target: Path) -> None:
    """Give a picture a second name, or copy it where the file system has no such names."""
    target.parent.mkdir(parents=True, exist_ok=True)
    real = file.resolve()
    try:
        os.link(real, target)
    except OSError:
        shutil.copyfile(real, target)
