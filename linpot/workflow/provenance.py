"""What a potential remembers of how it was made."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from linpot.structures.dataset import Dataset
from linpot.workflow.settings import FitSettings


def provenance(
    train: Dataset, test: Dataset | None, settings: FitSettings, solver: Mapping[str, Any]
) -> dict[str, Any]:
    """
    Describe data, settings, solver and versions in plain values.

    Parameters
    ----------
    train : Dataset
    test : Dataset or None
    settings : FitSettings
    solver : mapping

    Returns
    -------
    dict
    """
    return {
        "data": {
            "train": _describe(train),
            "test": None if test is None else _describe(test),
        },
        "settings": settings.as_dict(),
        "solver": dict(solver),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python, linpot and the packages that decide its numbers."""
    names = ("linpot", "numpy", "scipy", "numba", "ase")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def _describe(data: Dataset) -> dict[str, Any]:
    return {
        "n_structures": len(data),
        "n_atoms": data.n_atoms,
        "sha256": data.content_hash(),
        "groups": dict(data.groups),
    }
