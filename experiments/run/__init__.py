"""One run: its data, training, evaluation and result."""
