"""PASCAL VOC 2012 with SBD, and VOC 2007's test set: from their own files to COCO JSON."""
