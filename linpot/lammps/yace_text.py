"""Write ``.yace`` documents as text, numbers with 17 significant digits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from linpot.lammps.document import Bond, Embedding, Function, YaceDocument


def yace_text(document: YaceDocument) -> str:
    """
    Return the text of a document.

    Floats are printed with as many digits as needed to read back the same bits; whole numbers
    without a point, because LAMMPS refuses ``1.0`` where it wants an integer.

    Parameters
    ----------
    document : YaceDocument

    Returns
    -------
    str
    """
    return "\n".join(_lines(document)) + "\n"


def _lines(document: YaceDocument) -> Iterator[str]:
    yield f"elements: [{', '.join(document.elements)}]"
    yield f"E0: {_floats(document.isolated_atom_energies)}"
    yield f"deltaSplineBins: {_float(document.spline_step)}"
    yield "embeddings:"
    for species, embedding in enumerate(document.embeddings):
        yield f"  {species}: {_embedding(embedding)}"
    yield "bonds:"
    for i, j in document.pairs:
        yield f"  [{i}, {j}]: {_bond(document.bonds[i, j])}"
    yield "functions:"
    for species, functions in enumerate(document.functions):
        yield f"  {species}:" if functions else f"  {species}: []"
        for function in functions:
            yield f"    - {_function(species, function)}"


def _embedding(embedding: Embedding) -> str:
    return _mapping(
        {
            "ndensity": embedding.n_densities,
            "FS_parameters": _floats(embedding.parameters),
            "npoti": embedding.kind,
            "rho_core_cutoff": _float(embedding.core_cutoff),
            "drho_core_cutoff": _float(embedding.core_width),
        }
    )


def _bond(bond: Bond) -> str:
    return _mapping(
        {
            "nradmax": bond.n_radial,
            "lmax": bond.l_max,
            "nradbasemax": bond.n_base,
            "radbasename": bond.family,
            "radparameters": _floats(bond.parameters),
            "radcoefficients": _nested(bond.coefficients),
            "prehc": _float(bond.core_strength),
            "lambdahc": _float(bond.core_decay),
            "rcut": _float(bond.cutoff),
            "dcut": _float(bond.cutoff_width),
            "rcut_in": _float(bond.inner_cutoff),
            "dcut_in": _float(bond.inner_width),
            "inner_cutoff_type": bond.inner_kind,
        }
    )


def _function(species: int, function: Function) -> str:
    return _mapping(
        {
            "mu0": species,
            "rank": function.rank,
            "ndensity": function.coefficients.shape[1],
            "num_ms_combs": len(function.components),
            "mus": _integers(function.species),
            "ns": _integers(function.radial),
            "ls": _integers(function.angular),
            "ms_combs": _integers(function.components.ravel()),
            "ctildes": _floats(function.coefficients.ravel()),
        }
    )


def _mapping(values: dict[str, Any]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in values.items()) + "}"


def _nested(array: np.ndarray) -> str:
    if array.ndim == 1:
        return _floats(array)
    return "[" + ", ".join(_nested(part) for part in array) + "]"


def _integers(values: Iterable[Any]) -> str:
    return "[" + ", ".join(str(int(v)) for v in values) + "]"


def _floats(values: Iterable[Any]) -> str:
    return "[" + ", ".join(_float(v) for v in values) + "]"


def _float(value: Any) -> str:
    number = float(value)
    if number == 0.0:
        return "0"
    text = repr(number)
    # YAML 1.1 takes `1e-05` for text: an exponent needs a point before it
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")
    return text.removesuffix(".0")
