"""
Data frames of pacemaker: a pickled pandas table with atoms, energies and forces.

A pickle can run any code when it is opened. This is the one place that opens one, after the user
has said that its source is trusted.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from linpot.errors import FileFormatError, InputError

_ENERGIES = ("energy", "energy_corrected")
_ENDINGS = (".pckl.gzip", ".pkl.gzip", ".pckl.gz", ".pkl.gz", ".pckl", ".pkl", ".pickle")


def is_pacemaker_name(file: Path) -> bool:
    """Whether a file is called like a pickled data frame."""
    return file.name.lower().endswith(_ENDINGS)


def stream_pacemaker(file: Path, *, trusted: bool) -> Iterator[Atoms]:
    """
    Yield the structures of a data frame.

    Parameters
    ----------
    file : path
    trusted : bool
        Whether the user trusts the source of the file.

    Yields
    ------
    ase.Atoms
        The group is the frame's `config_type`, or the part of `name` before the last slash.

    Raises
    ------
    InputError
        If the source is not trusted, or pandas is not there.
    FileFormatError
        If it holds something else.
    """
    if not trusted:
        raise InputError(
            f"'{file}' is a pickle, which can run any code when it is opened; if you trust its "
            f"source, convert it: linpot data convert '{file}' -o DATA.extxyz --trust-pickle"
        )
    if find_spec("pandas") is None:
        raise InputError("data frames of pacemaker need pandas; pip install 'linpot[pacemaker]'")
    import pandas

    compressed = file.name.lower().endswith((".gzip", ".gz"))
    try:
        frame = pandas.read_pickle(file, compression="gzip" if compressed else None)
        columns = set(frame.columns)
    except gzip.BadGzipFile as error:  # an OSError, but no trouble of the system
        raise FileFormatError(f"{file} must be a pickled data frame: {error}") from error
    except OSError:
        raise
    except Exception as error:  # whatever a pickle raises
        raise FileFormatError(f"{file} must be a pickled data frame: {error}") from error
    if "ase_atoms" not in columns:
        raise FileFormatError(
            f"{file} must have a column 'ase_atoms', got {', '.join(map(str, frame.columns))}"
        )
    energy = next((name for name in _ENERGIES if name in columns), None)
    for row in frame.to_dict("records"):
        yield _structure(row, energy)


def _structure(row: dict[str, Any], energy: str | None) -> Atoms:
    atoms = row["ase_atoms"].copy()
    results: dict[str, Any] = {}
    if energy is not None:
        results["energy"] = float(row[energy])
    if row.get("forces") is not None:
        results["forces"] = np.array(row["forces"], dtype=float)
    if row.get("stress") is not None and atoms.pbc.all():
        results["stress"] = np.array(row["stress"], dtype=float)
    group = row.get("config_type")
    if group is None and isinstance(row.get("name"), str):
        group = row["name"].rpartition("/")[0] or None
    if group is not None:
        atoms.info["config_type"] = str(group)
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms
