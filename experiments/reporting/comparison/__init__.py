"""Runs side by side: what they were configured with, how they trained, how they ended."""
