"""A folder for generated scenes that several tests look at and none changes."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `small` keeps its datasets."""
    return tmp_path_factory.mktemp("data")
