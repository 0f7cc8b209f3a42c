"""Masks of known boxes in the forms that other tools read."""
