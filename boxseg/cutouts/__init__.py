"""Masks for known boxes, from cut-outs of the boxes and what surrounds them."""
