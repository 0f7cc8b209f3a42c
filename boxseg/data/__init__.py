"""Training and evaluation data: generated scenes and folders in COCO's format."""
