"""Files of MLIP as potentials of linpot."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers

from linpot.basis.chebyshev import ChebyshevRadial
from linpot.basis.mtp import MtpSpecification, mtp_basis
from linpot.basis.specification import check_elements
from linpot.errors import FileFormatError, InputError
from linpot.io.text_file import read_text
from linpot.mlip.document import MtpDocument
from linpot.mlip.parser import STATE, parse_mtp
from linpot.mlip.restore import document_program
from linpot.model.linear_potential import LinearPotential


def is_mtp_file(path: str | os.PathLike[str]) -> bool:
    """Return whether a file ends with .mtp, or starts as such a file does."""
    try:
        with open(path, "rb") as file:
            return file.read(64).split()[:1] == [b"MTP"] or Path(path).suffix == ".mtp"
    except OSError:
        return False  # reading it will tell


def read_mtp(path: str | os.PathLike[str], elements: Sequence[str]) -> LinearPotential:
    """
    Read a moment tensor potential of MLIP-2 (version 1.1.0, radial basis RBChebyshev).

    It becomes a linear potential whose features are the basis functions of the file, in its order.

    Parameters
    ----------
    path : path
    elements : sequence of str
        Chemical symbols of the atom types 0, 1, ...: the file does not name them.

    Returns
    -------
    LinearPotential

    Raises
    ------
    InputError
        If there is no such file, or `elements` are not as many as its types.
    FileFormatError
        If it is damaged, or holds something else.
    """
    document = parse_mtp(read_text(path, before=STATE), str(path))
    try:
        return potential_of(document, elements)
    except FileFormatError as error:
        raise FileFormatError(f"cannot use '{path}': {error}") from error


def potential_of(document: MtpDocument, elements: Sequence[str]) -> LinearPotential:
    """
    Return the potential of a document; `elements` as in `read_mtp`.

    Raises
    ------
    InputError
        If `elements` are not as many different ones as the document has types.
    """
    symbols = tuple(elements)
    if len(symbols) != document.n_species or len(set(symbols)) != len(symbols):
        raise InputError(
            f"`elements` must be {document.n_species} different chemical symbols, those of the "
            f"atom types 0 to {document.n_species - 1} in the file, got {list(symbols)}"
        )
    check_elements(symbols)
    ordered = sorted(range(len(symbols)), key=lambda t: atomic_numbers[symbols[t]])  # types
    names = [symbols[t] for t in ordered]
    functions = ChebyshevRadial(document.nearest, document.cutoff, document.scaling)
    mixing = {
        (symbols[a], symbols[b]): tuple(map(tuple, document.radial_coefficients[a, b].tolist()))
        for a in ordered
        for b in ordered
    }
    specification = MtpSpecification(
        tuple(names),
        {(a, b): functions for k, a in enumerate(names) for b in names[k:]},
        mixing,
        level=None,
    )
    basis = mtp_basis(specification, document_program(document))
    return LinearPotential(
        basis,
        np.tile(document.moment_coefficients, len(names)),
        {symbols[t]: float(document.species_coefficients[t]) for t in ordered},
        {"source": "a .mtp file of MLIP"},
    )
