"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Reference data outside the repository: $LINPOT_DATA, or ../shared/data."""
    default = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("LINPOT_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no reference data in {folder}; set LINPOT_DATA")
    return folder
