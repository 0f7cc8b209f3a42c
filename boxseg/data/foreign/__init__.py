"""Annotations of other tools: from their own files to a folder in COCO's layout.

Each format has a module that reads it into `boxseg.data.foreign.annotated`, and one writer makes
COCO of that. The files are parsed with the standard library and PyYAML, because the libraries that
read these formats, such as supervision and Datumaro, fail as a whole on one broken file.
"""

FORMATS = ("yolo", "voc", "labelme", "cvat", "label-studio", "coco")
"""Names of the formats; `boxseg.data.foreign.importing.READERS` reads them."""
