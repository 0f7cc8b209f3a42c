"""Runs as job arrays of a Slurm cluster: submitting, following and cancelling them."""
