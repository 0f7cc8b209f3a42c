"""Backbones with feature pyramids, built from Detectron2's parts."""
