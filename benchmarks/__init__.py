"""Seconds and memory of training steps and of the data path, beside another commit's."""
