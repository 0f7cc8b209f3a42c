"""Published weights: read without running anything in them, and named as ours are."""
