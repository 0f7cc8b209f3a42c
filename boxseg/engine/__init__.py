"""Training, evaluation, checkpoints and the record of a run, on Detectron2's trainer and hooks."""
