"""Masks of known boxes in the forms that other tools read."""

FORMATS = ("coco", "coco-polygons", "png", "yolo", "labelme")
"""What commands call them."""
