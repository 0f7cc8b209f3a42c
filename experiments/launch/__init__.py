"""From tables to runs, and running them: in this process, in several, or on a Slurm cluster."""
