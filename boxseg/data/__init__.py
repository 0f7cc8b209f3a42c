"""Training and evaluation data: generated scenes, COCO, VOC, and folders in COCO's format."""
